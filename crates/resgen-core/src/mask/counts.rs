//! Masked counts: all there is to know about a mask.

use crate::{Error, Result};

/// How many of the deepest codes are masked at each position: k_i of D, for i in 0..L.
///
/// At position i the depths j < D − k_i are visible and the depths j ≥ D − k_i are masked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaskCounts {
    counts: Vec<usize>, // [L], each 0..=depth
    depth: usize,
}

impl MaskCounts {
    /// The mask with `counts[i]` of `depth` codes masked at position i.
    ///
    /// # Errors
    /// [`Error::Argument`] where a count is above `depth`.
    pub fn new(counts: Vec<usize>, depth: usize) -> Result<Self> {
        if let Some((position, count)) = counts.iter().enumerate().find(|(_, count)| **count > depth) {
            let reason = format!(
                "expected at most {depth} masked codes (the depth), found {count} at position {position}"
            );
            return Err(Error::argument("counts", reason));
        }
        Ok(Self { counts, depth })
    }

    /// Every code of every position masked: where sampling from nothing starts.
    pub fn full(positions: usize, depth: usize) -> Self {
        Self { counts: vec![depth; positions], depth }
    }

    /// Every code of the first `known` positions visible, every other one masked: a prompt and what is to follow it.
    ///
    /// # Panics
    /// Where there are not so many positions, as slicing does.
    pub fn after(known: usize, positions: usize, depth: usize) -> Self {
        let mut mask = Self::full(positions, depth);
        mask.counts[..known].fill(0);
        mask
    }

    /// A mask below this one.
    ///
    /// The caller has drawn `counts[i]` from 0..=k_i, so that they need no second check.
    pub(super) fn thinned(&self, counts: Vec<usize>) -> Self {
        debug_assert!(
            counts.len() == self.counts.len() && counts.iter().zip(&self.counts).all(|(a, b)| a <= b)
        );
        Self { counts, depth: self.depth }
    }

    /// The masked counts k_i, one per position.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The number of positions, L.
    pub fn positions(&self) -> usize {
        self.counts.len()
    }

    /// The quantizer depth, D.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How many tokens are masked in all: n = Σ k_i.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// How many codes are visible at `position`: D − k_i.
    ///
    /// # Panics
    /// Where there is no such position, as indexing does.
    pub fn visible(&self, position: usize) -> usize {
        self.depth - self.counts[position]
    }

    /// Whether the code at `position` and depth `level` is masked.
    ///
    /// # Panics
    /// Where there is no such position, as indexing does.
    pub fn is_masked(&self, position: usize, level: usize) -> bool {
        level >= self.visible(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_say_which_codes_are_masked() {
        let mask = MaskCounts::new(vec![0, 1, 3], 3).unwrap();
        assert_eq!((mask.positions(), mask.depth(), mask.total()), (3, 3, 4));
        assert_eq!([0, 1, 2].map(|position| mask.visible(position)), [3, 2, 0]);
        assert_eq!([0, 1, 2].map(|level| mask.is_masked(1, level)), [false, false, true]);
        assert_eq!([0, 1, 2].map(|level| mask.is_masked(2, level)), [true; 3]);
    }

    #[test]
    fn a_full_mask_holds_every_token() {
        let mask = MaskCounts::full(64, 16);
        assert_eq!((mask.total(), mask.visible(63)), (1024, 0));
        assert_eq!(MaskCounts::after(1, 3, 2).counts(), [0, 2, 2]);
    }

    #[test]
    fn a_count_above_the_depth_is_refused() {
        let error = MaskCounts::new(vec![2, 5], 4).unwrap_err().to_string();
        assert_eq!(error, "counts: expected at most 4 masked codes (the depth), found 5 at position 1");
    }
}
