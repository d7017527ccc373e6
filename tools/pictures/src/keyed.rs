//! Random numbers keyed by what they are for.
//!
//! Each picture owns a generator derived from (seed, class, face, repeat) instead of a place in one
//! shared stream, so the pictures are the same whatever order the threads draw them in.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A generator for one thing: the four numbers fill the cipher's whole key, so no two things share one.
pub fn rng(seed: u64, a: u64, b: u64, c: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    for (slot, value) in key.chunks_exact_mut(8).zip([seed, a, b, c]) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// FNV-1a of a text: a hash that stays the same between builds, unlike the standard library's.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Which of `names` are held out: `round(fraction * n)` of them, at least one when both allow it.
///
/// Names are ranked by a keyed hash rather than drawn in turn, so a name's rank does not depend on
/// the order of the list.
pub fn held_out(names: &[String], fraction: f64, seed: u64) -> Vec<bool> {
    use rand::Rng;
    let mut ranked: Vec<(u64, usize)> = names
        .iter()
        .enumerate()
        .map(|(i, name)| (rng(seed, hash("split"), hash(name), 0).next_u64(), i))
        .collect();
    ranked.sort_unstable();
    let mut count = (fraction * names.len() as f64).round() as usize;
    if fraction > 0.0 && names.len() > 1 {
        count = count.clamp(1, names.len() - 1);
    }
    let mut flags = vec![false; names.len()];
    for &(_, i) in &ranked[..count] {
        flags[i] = true;
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("family {i}")).collect()
    }

    #[test]
    fn the_same_key_gives_the_same_numbers_and_any_other_key_does_not() {
        let draw = |s, a, b, c| rng(s, a, b, c).random::<u64>();
        assert_eq!(draw(1, 2, 3, 4), draw(1, 2, 3, 4));
        for other in [draw(0, 2, 3, 4), draw(1, 0, 3, 4), draw(1, 2, 0, 4), draw(1, 2, 3, 0)] {
            assert_ne!(draw(1, 2, 3, 4), other);
        }
    }

    #[test]
    fn a_tenth_is_held_out_and_the_seed_decides_which() {
        let a = held_out(&names(200), 0.1, 0);
        assert_eq!(a.iter().filter(|&&h| h).count(), 20);
        assert_eq!(a, held_out(&names(200), 0.1, 0));
        assert_ne!(a, held_out(&names(200), 0.1, 1));
    }

    #[test]
    fn the_split_does_not_depend_on_the_order_of_the_names() {
        let forward = names(50);
        let backward: Vec<String> = forward.iter().rev().cloned().collect();
        let mut flags = held_out(&backward, 0.2, 7);
        flags.reverse();
        assert_eq!(flags, held_out(&forward, 0.2, 7));
    }

    #[test]
    fn small_lists_keep_something_on_each_side() {
        assert_eq!(held_out(&names(2), 0.1, 0).iter().filter(|&&h| h).count(), 1);
        assert_eq!(held_out(&names(1), 0.1, 0), [false]);
        assert!(held_out(&names(0), 0.1, 0).is_empty());
    }
}
