//! The learning rate over a training: warm-up, then decay.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// It does not.
    Constant,
    /// On a straight line.
    Linear,
    /// On half a cosine.
    Cosine,
}

/// The learning rate of every step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// The highest rate.
    pub peak: f64,
    /// Steps over which the rate rises from 0 to the peak.
    pub warmup: u64,
    /// How it falls from there to the last step.
    pub decay: Decay,
    /// The last rate as a share of the peak.
    pub floor: f64,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { peak: 3e-4, warmup: 200, decay: Decay::Cosine, floor: 0.02 }
    }
}

impl RateConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(self.peak > 0.0 && self.peak <= 1.0) {
            let reason = format!("expected more than 0 and at most 1, found {}", self.peak);
            return Err(Error::config("train.rate.peak", reason));
        }
        if !(0.0..=1.0).contains(&self.floor) {
            return Err(Error::config("train.rate.floor", format!("expected 0 to 1, found {}", self.floor)));
        }
        Ok(())
    }

    /// The rate of `step` (from 0) of a training of `steps`.
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let progress = (step - self.warmup) as f64 / (steps.saturating_sub(self.warmup)).max(1) as f64;
        let share = match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - progress.min(1.0),
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
        };
        self.peak * (self.floor + (1.0 - self.floor) * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls_to_the_floor() {
        let rate = RateConfig { peak: 1.0, warmup: 10, decay: Decay::Linear, floor: 0.1 };
        assert_eq!(rate.at(0, 110), 0.1);
        assert_eq!(rate.at(9, 110), 1.0);
        assert!((rate.at(60, 110) - 0.55).abs() < 1e-12);
        assert!((rate.at(110, 110) - 0.1).abs() < 1e-12);
    }
}
