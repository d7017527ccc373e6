//! Inception score (arXiv 1606.03498): exp of the mean divergence of what a classifier says of a sample from what it says on
//! average, in splits of the samples.

use super::interval::{Estimate, IntervalMethod};
use crate::error::{Error, Result};

/// Sums over the samples of each split: memory does not depend on their number.
#[derive(Clone, Debug)]
pub struct ScoreSplits {
    splits: Vec<Split>,
    total: usize,
    seen: usize,
}

#[derive(Clone, Debug)]
struct Split {
    count: usize,
    mass: Vec<f64>, // [C], Σ p
    order: f64,     // Σ Σ p·log p
}

impl ScoreSplits {
    /// For `total` samples in `splits` consecutive parts, as equal as can be.
    ///
    /// # Errors
    /// [`Error::Argument`] for no splits, or fewer samples than splits.
    pub fn new(classes: usize, splits: usize, total: usize) -> Result<Self> {
        if splits == 0 || total < splits {
            let reason = format!("expected 1 to {total}, the number of samples, found {splits}");
            return Err(Error::argument("splits", reason));
        }
        let split = Split { count: 0, mass: vec![0.0; classes], order: 0.0 };
        Ok(Self { splits: vec![split; splits], total, seen: 0 })
    }

    /// Takes the next samples' logits.
    ///
    /// # Shapes
    /// `[B, C]`
    ///
    /// # Errors
    /// [`Error::Mismatch`] for more samples than announced.
    pub fn add(&mut self, logits: &[f32]) -> Result<()> {
        let classes = self.splits[0].mass.len();
        for logits in logits.chunks_exact(classes) {
            if self.seen == self.total {
                return Err(Error::mismatch("samples", self.total, "more"));
            }
            let count = self.splits.len();
            // Split s takes samples from ⌊s·N/S⌋ on.
            let split = ((self.seen + 1) * count - 1) / self.total;
            self.splits[split].add(logits);
            self.seen += 1;
        }
        Ok(())
    }

    /// The mean over the splits.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for fewer samples than announced.
    pub fn score(&self) -> Result<Estimate> {
        if self.seen != self.total {
            return Err(Error::mismatch("samples", self.total, self.seen));
        }
        let scores: Vec<f64> = self.splits.iter().map(Split::score).collect();
        let count = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / count;
        if scores.len() < 2 {
            return Ok(Estimate::plain(mean));
        }
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        Ok(Estimate::with_error(mean, error, scores.len(), IntervalMethod::Splits))
    }
}

impl Split {
    fn add(&mut self, logits: &[f32]) {
        let largest = logits.iter().fold(f64::NEG_INFINITY, |most, &logit| most.max(f64::from(logit)));
        let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        let log_sum = largest + sum.ln();
        for (mass, &logit) in self.mass.iter_mut().zip(logits) {
            let log = f64::from(logit) - log_sum;
            *mass += log.exp();
            self.order += log.exp() * log;
        }
        self.count += 1;
    }

    fn score(&self) -> f64 {
        let count = self.count as f64;
        let disorder: f64 =
            self.mass.iter().map(|mass| mass / count).filter(|p| *p > 0.0).map(|p| p * p.ln()).sum();
        (self.order / count - disorder).exp()
    }
}
