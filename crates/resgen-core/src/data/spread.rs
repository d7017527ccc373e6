//! A part of many things that stands for all of them.

/// At most `most` of the numbers below `count`, evenly spread, the first at 0.
pub fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(most);
    (0..shown).map(move |at| at * count / shown)
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_spread_is_even_and_never_more_than_there_is() {
        assert_eq!(spread(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(3, 8).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(0, 8).count() + spread(8, 0).count(), 0);
    }
}
