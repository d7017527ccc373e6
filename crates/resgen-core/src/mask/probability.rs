//! Log-probabilities of masks under the forward process and its posterior, in nats.

use super::MaskCounts;
use crate::{Error, Result};

/// log q(k^t | x) = Σ_i ln C(D, k_i) − ln C(L·D, n): the log-probability of `mask` when `masked` = n of the
/// L·D tokens are masked. −∞ where the mask holds another number of tokens.
pub fn log_marginal(mask: &MaskCounts, masked: usize) -> f64 {
    log_hypergeometric(mask, &MaskCounts::full(mask.positions(), mask.depth()), masked)
}

/// log q(k^{t−1} | k^t) = Σ_i ln C(k^t_i, k^{t−1}_i) − ln C(n_t, n_{t−1}): the log-probability that
/// `current` is followed by `previous` when `masked` = n_{t−1} tokens stay masked.
///
/// −∞ where that is impossible: `previous` holds another number of tokens, or masks a code that is visible
/// in `current`.
///
/// # Errors
/// [`Error::Mismatch`] where the two differ in the number of positions or in depth.
pub fn log_posterior(previous: &MaskCounts, current: &MaskCounts, masked: usize) -> Result<f64> {
    let shape = |mask: &MaskCounts| (mask.positions(), mask.depth());
    if shape(previous) != shape(current) {
        let words = |(positions, depth)| format!("{positions} positions of depth {depth}");
        return Err(Error::mismatch("previous mask", words(shape(current)), words(shape(previous))));
    }
    Ok(log_hypergeometric(previous, current, masked))
}

/// log MVH(`drawn`; `available`, `masked`) of two masks of the same shape.
fn log_hypergeometric(drawn: &MaskCounts, available: &MaskCounts, masked: usize) -> f64 {
    if drawn.total() != masked || drawn.counts().iter().zip(available.counts()).any(|(drawn, of)| drawn > of)
    {
        return f64::NEG_INFINITY;
    }
    let mut sum = Sum::default();
    for (&drawn, &of) in drawn.counts().iter().zip(available.counts()) {
        sum.add(ln_choose(of, drawn));
    }
    sum.add(-ln_choose(available.total(), masked));
    sum.value()
}

/// ln C(n, k), the logarithm of a binomial coefficient; −∞ where k > n. Right to about the last bit.
///
/// Sums the logarithms of the factors (n − k + i)/i themselves: differences of ln-factorials would lose the
/// digits in which these large numbers agree.
pub fn ln_choose(n: usize, k: usize) -> f64 {
    if k > n {
        return f64::NEG_INFINITY;
    }
    let fewer = k.min(n - k);
    let rest = n - fewer;
    let mut sum = Sum::default();
    for i in 1..=fewer {
        sum.add(((rest + i) as f64 / i as f64).ln());
    }
    sum.value()
}

/// A sum that carries the low bits which each addition drops (Neumaier).
#[derive(Default)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let next = self.high + term;
        self.low +=
            if self.high.abs() >= term.abs() { (self.high - next) + term } else { (term - next) + self.high };
        self.high = next;
    }

    fn value(&self) -> f64 {
        self.high + self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(counts: &[usize], depth: usize) -> MaskCounts {
        MaskCounts::new(counts.to_vec(), depth).unwrap()
    }

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-12, "{value} {expected}");
    }

    #[test]
    fn binomial_coefficients_have_known_logarithms() {
        close(ln_choose(0, 0), 0.0);
        close(ln_choose(5, 5), 0.0);
        close(ln_choose(4, 2), 6f64.ln());
        close(ln_choose(10, 3), 120f64.ln());
        assert_eq!(ln_choose(3, 4), f64::NEG_INFINITY);
        // Logarithms of the exact integers, worked out to 30 digits.
        for (n, k, expected) in [
            (1024, 512, 706.0909414973534),
            (1024, 100, 324.4091702409583),
            (4608, 2304, 3189.5785878129236),
            (20000, 10000, 13857.766063569994),
        ] {
            close(ln_choose(n, k), expected);
        }
    }

    #[test]
    fn marginals_have_hand_derived_values() {
        // 2 of 2 × 2 tokens: 6 subsets, of which 1 lies in the first position and 4 are split.
        close(log_marginal(&mask(&[2, 0], 2), 2), -(6f64.ln()));
        close(log_marginal(&mask(&[1, 1], 2), 2), (4f64 / 6.0).ln());
        close(log_marginal(&MaskCounts::full(64, 16), 1024), 0.0);
        assert_eq!(log_marginal(&mask(&[1, 1], 2), 3), f64::NEG_INFINITY);
        assert_eq!(log_marginal(&mask(&[2, 2], 2), 5), f64::NEG_INFINITY);
    }

    #[test]
    fn posteriors_have_hand_derived_values() {
        // 2 of 3 + 1 + 0 tokens: 6 subsets, 3 within the first position, 3 · 1 split.
        let current = mask(&[3, 1, 0], 4);
        close(log_posterior(&mask(&[2, 0, 0], 4), &current, 2).unwrap(), -(2f64.ln()));
        close(log_posterior(&mask(&[1, 1, 0], 4), &current, 2).unwrap(), -(2f64.ln()));
        for impossible in [[0, 2, 0], [1, 0, 1], [1, 0, 0]] {
            assert_eq!(log_posterior(&mask(&impossible, 4), &current, 2).unwrap(), f64::NEG_INFINITY);
        }
    }

    #[test]
    fn masks_of_different_shapes_are_refused() {
        let current = mask(&[1, 1], 2);
        let error = log_posterior(&mask(&[1], 2), &current, 1).unwrap_err().to_string();
        assert_eq!(error, "previous mask: expected 2 positions of depth 2, found 1 positions of depth 2");
        assert!(log_posterior(&mask(&[1, 0], 3), &current, 1).is_err());
    }

    proptest! {
        #[test]
        fn pascals_rule_holds(n in 1usize..3000, part in 0.0..1.0) {
            let k = 1 + (part * (n - 1) as f64) as usize;
            // C(n, k) = C(n − 1, k − 1) + C(n − 1, k), both divided by C(n, k): k/n + (n − k)/n.
            let whole = ln_choose(n, k);
            let sum = (ln_choose(n - 1, k - 1) - whole).exp() + (ln_choose(n - 1, k) - whole).exp();
            prop_assert!((sum - 1.0).abs() < 4e-12, "{}", sum);
            prop_assert_eq!(whole, ln_choose(n, n - k));
        }
    }
}
