//! Keyed random streams, and the few distributions the library draws from.
//!
//! Every draw belongs to a stream named by (seed, purpose, index, step), so what one sample draws depends
//! neither on the batch it shares nor on the order in which work is done. No state is kept beyond the
//! generator that is passed in; a real number consumes a fixed number of its words.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream is used for: keeps, say, the masks of a step independent of its shuffling.
///
/// The numbers are part of every stream's key. They are never changed or reused, so that a seed gives the
/// same result in every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Purpose {
    /// The order in which examples are visited.
    Shuffle = 1,
    /// Random crops, flips and other changes of an example.
    Augment = 2,
    /// First values of network parameters.
    Init = 3,
    /// Masking ratios and masked counts in training.
    Mask = 4,
    /// Dropping the condition, for classifier-free guidance.
    Drop = 5,
    /// The mixture component and Gaussian noise of a drawn latent, or a drawn code.
    Sample = 6,
    /// The Gumbel noise on the scores that choose which tokens are revealed.
    Confidence = 7,
    /// First values of codebooks (k-means seeding).
    CodebookInit = 8,
    /// Quantizer training: dropped depths, revived codes.
    Quantizer = 9,
    /// Monte-Carlo estimates and subsets in evaluation.
    Evaluate = 10,
    /// Made-up examples.
    Synthetic = 11,
    /// Noise on the embeddings that a generator learns to predict.
    TargetNoise = 12,
    /// The phases that a search for sound begins with.
    Phase = 13,
    /// How much of a signal's beginning is known in training.
    Prompt = 14,
    /// Which recordings follow others.
    Pairs = 15,
}

/// The stream named by (`seed`, `purpose`, `index`, `step`).
///
/// The four numbers fill the 256-bit key of ChaCha8 side by side (8 little-endian bytes each), so different
/// names are different keys and no two streams can collide. `index` numbers the sample or example, `step`
/// the training or sampling step; 0 where there is none.
pub fn stream(seed: u64, purpose: Purpose, index: u64, step: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, index, step]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Uniform in [0, 1): a multiple of 2⁻⁵³.
pub fn uniform<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    (rng.next_u64() >> 11) as f64 * 2f64.powi(-53)
}

/// Uniform in the open interval (0, 1): an odd multiple of 2⁻⁵³, so that both ln u and ln(1 − u) are finite
/// and not zero.
fn uniform_open<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) * 2f64.powi(-52)
}

/// Two independent standard normal numbers (Box–Muller).
///
/// Worked out in f64: a platform's logarithm and cosine may differ in the last bit, which the callers'
/// rounding to f32 then hides almost always.
fn normal_pair<R: Rng + ?Sized>(rng: &mut R) -> (f64, f64) {
    let radius = (-2.0 * uniform_open(rng).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * uniform(rng)).sin_cos();
    (radius * cos, radius * sin)
}

/// A standard normal number; its magnitude is below 8.6.
pub fn normal<R: Rng + ?Sized>(rng: &mut R) -> f32 {
    normal_pair(rng).0 as f32
}

/// Fills `values` with independent standard normal numbers.
///
/// Uses both numbers of every Box–Muller pair: twice as fast as, and not the same numbers as, repeated
/// [`normal`]. A shorter slice gets the first numbers of a longer one.
pub fn fill_normal<R: Rng + ?Sized>(values: &mut [f32], rng: &mut R) {
    for pair in values.chunks_mut(2) {
        let (first, second) = normal_pair(rng);
        for (value, drawn) in pair.iter_mut().zip([first, second]) {
            *value = drawn as f32;
        }
    }
}

/// A standard Gumbel number, −ln(−ln u); always finite, between −3.7 and 36.8.
///
/// The largest of `score + gumbel` over a set is a draw from the softmax of the scores.
pub fn gumbel<R: Rng + ?Sized>(rng: &mut R) -> f32 {
    -(-uniform_open(rng).ln()).ln() as f32
}

/// A uniform index in `0..n`, without bias (Lemire, arXiv 1805.10941); 0 when `n` is 0.
pub fn index_below<R: Rng + ?Sized>(rng: &mut R, n: usize) -> usize {
    let n = n as u64;
    // 2⁶⁴ mod n low words would make some indices likelier than others: those are drawn again.
    let surplus = if n == 0 { 0 } else { n.wrapping_neg() % n };
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(n);
        if product as u64 >= surplus {
            return (product >> 64) as usize;
        }
    }
}

/// Puts `items` in a uniformly random order (Fisher–Yates).
pub fn shuffle<T, R: Rng + ?Sized>(items: &mut [T], rng: &mut R) {
    for last in (1..items.len()).rev() {
        items.swap(last, index_below(rng, last + 1));
    }
}

/// A uniformly random order of `0..n`.
pub fn permutation<R: Rng + ?Sized>(rng: &mut R, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut order, rng);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives the same word for ever: reaches the ends of the intervals.
    struct Stuck(u64);

    impl rand::TryRng for Stuck {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(self.0 as u32)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(self.0)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.fill(self.0 as u8);
            Ok(())
        }
    }

    fn words(mut rng: ChaCha8Rng) -> [u64; 4] {
        std::array::from_fn(|_| rng.next_u64())
    }

    /// (mean, variance) of the values.
    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance)
    }

    #[test]
    fn a_stream_is_named_by_all_four_parts_of_its_key() {
        let reference = words(stream(1, Purpose::Mask, 2, 3));
        assert_eq!(words(stream(1, Purpose::Mask, 2, 3)), reference);
        assert_ne!(words(stream(2, Purpose::Mask, 2, 3)), reference);
        assert_ne!(words(stream(1, Purpose::Drop, 2, 3)), reference);
        assert_ne!(words(stream(1, Purpose::Mask, 3, 3)), reference);
        assert_ne!(words(stream(1, Purpose::Mask, 2, 4)), reference);
        assert_ne!(words(stream(1, Purpose::Mask, 3, 2)), reference);
    }

    #[test]
    fn the_key_is_the_four_numbers_side_by_side() {
        let mut key = [0; 32];
        (key[0], key[8], key[16], key[25]) = (5, 4, 7, 1);
        assert_eq!(words(stream(5, Purpose::Mask, 7, 256)), words(ChaCha8Rng::from_seed(key)));
    }

    #[test]
    fn extreme_words_stay_inside_the_intervals() {
        assert_eq!(uniform(&mut Stuck(0)), 0.0);
        assert!(uniform(&mut Stuck(u64::MAX)) < 1.0);
        for word in [0, u64::MAX] {
            let mut stuck = Stuck(word);
            assert!(gumbel(&mut stuck) > -3.7 && gumbel(&mut stuck) < 36.8);
            assert!(normal(&mut stuck).abs() < 8.6);
        }
        assert_eq!(index_below(&mut Stuck(u64::MAX), 7), 6);
        assert_eq!(index_below(&mut Stuck(0), 8), 0);
        assert_eq!(index_below(&mut Stuck(u64::MAX), 0), 0);
    }

    #[test]
    fn normal_has_the_moments_of_the_standard_normal() {
        let mut rng = stream(0, Purpose::Sample, 0, 0);
        let mut filled = vec![0.0; 100_001];
        fill_normal(&mut filled, &mut rng);
        let single: Vec<f64> = (0..100_000).map(|_| f64::from(normal(&mut rng))).collect();
        let filled: Vec<f64> = filled.into_iter().map(f64::from).collect();
        // Standard errors: 1/√n = 0.0032 for the mean, √(2/n) = 0.0045 for the variance, √(96/n) = 0.031
        // for the fourth moment, which is 3. Neighbours of a pair are uncorrelated.
        for values in [&filled, &single] {
            let (mean, variance) = moments(values);
            assert!(mean.abs() < 0.013 && (variance - 1.0).abs() < 0.018, "mean {mean}, variance {variance}");
            let fourth = values.iter().map(|value| value.powi(4)).sum::<f64>() / values.len() as f64;
            assert!((fourth - 3.0).abs() < 0.13, "fourth moment {fourth}");
        }
        let products: Vec<f64> = filled.chunks_exact(2).map(|pair| pair[0] * pair[1]).collect();
        assert!(moments(&products).0.abs() < 0.018);
    }

    #[test]
    fn gumbel_has_its_mean_and_variance() {
        let mut rng = stream(0, Purpose::Confidence, 0, 0);
        let values: Vec<f64> = (0..100_000).map(|_| f64::from(gumbel(&mut rng))).collect();
        let (mean, variance) = moments(&values);
        // Euler's constant and π²/6.
        assert!((mean - 0.5772).abs() < 0.017 && (variance - 1.6449).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn every_order_of_three_is_equally_likely() {
        let mut rng = stream(0, Purpose::Shuffle, 0, 0);
        let mut seen = std::collections::HashMap::new();
        for _ in 0..6000 {
            *seen.entry(permutation(&mut rng, 3)).or_insert(0) += 1;
        }
        // Standard deviation of each count: √(6000 · 1/6 · 5/6) = 29.
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|count: &i32| (count - 1000).abs() < 120), "{seen:?}");
    }

    proptest! {
        #[test]
        fn an_index_is_below_its_bound(seed: u64, n in 1usize..) {
            prop_assert!(index_below(&mut stream(seed, Purpose::Shuffle, 0, 0), n) < n);
        }

        #[test]
        fn a_permutation_holds_every_index_once(seed: u64, n in 0usize..200) {
            let mut order = permutation(&mut stream(seed, Purpose::Shuffle, 0, 0), n);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn a_shorter_fill_is_the_start_of_a_longer_one(seed: u64, short in 0usize..40) {
            let (mut few, mut many) = (vec![0.0; short], vec![0.0; 40]);
            fill_normal(&mut few, &mut stream(seed, Purpose::Sample, 0, 0));
            fill_normal(&mut many, &mut stream(seed, Purpose::Sample, 0, 0));
            prop_assert_eq!(&few[..], &many[..short]);
        }
    }
}
