//! Top-p (nucleus) choice on the host, with the random numbers passed in.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Chooses among logits after cutting the improbable tail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nucleus {
    /// Divides the logits: 1 leaves the distribution as it is, 0 takes the most probable choice.
    pub temperature: f32,
    /// The smallest set of most probable choices with at least this mass is kept; 1 keeps all, and
    /// at least one is kept.
    pub top_p: f32,
}

impl Nucleus {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when the temperature is negative or not finite, or top_p outside [0, 1].
    pub fn validate(&self) -> Result<()> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            let reason = format!("expected a finite number of at least 0, found {}", self.temperature);
            return Err(Error::argument("temperature", reason));
        }
        if !(0.0..=1.0).contains(&self.top_p) {
            let reason = format!("expected a number from 0 to 1, found {}", self.top_p);
            return Err(Error::argument("top_p", reason));
        }
        Ok(())
    }

    /// One choice per row, by inversion of the cumulated kept probabilities (most probable first).
    ///
    /// # Shapes
    ///
    /// - `logits`: `[N, K]`
    /// - `uniform`: N numbers in [0, 1)
    /// - output: N indices in 0..K
    ///
    /// # Errors
    ///
    /// When the settings are out of range, the lengths differ, or a row of logits is no distribution.
    pub fn choose(&self, logits: Tensor<2>, uniform: &[f32]) -> Result<Vec<usize>> {
        self.validate()?;
        let [rows, choices] = logits.dims();
        if uniform.len() != rows {
            return Err(Error::mismatch("random numbers for the rows of logits", rows, uniform.len()));
        }
        if choices == 0 {
            return Err(Error::argument("logits", "there is nothing to choose from"));
        }
        let logits = logits
            .try_into_vec_as::<f32>()
            .map_err(|reason| Error::argument("logits", format!("{reason:?}")))?;
        logits
            .chunks_exact(choices)
            .zip(uniform)
            .enumerate()
            .map(|(row, (logits, &uniform))| {
                check_row(row, logits)?;
                Ok(self.choose_one(logits, uniform))
            })
            .collect()
    }

    /// The choice in one row of logits that [`check_row`] accepts.
    fn choose_one(&self, logits: &[f32], uniform: f32) -> usize {
        let mut ranked: Vec<(usize, f32)> = logits.iter().copied().enumerate().collect();
        // The sort is stable: equal logits keep the order of their indices on every machine.
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (best, top) = ranked[0];
        if self.temperature == 0.0 {
            return best;
        }
        let weight = |logit: f32| (f64::from(logit - top) / f64::from(self.temperature)).exp();
        let mut cumulated = 0.0;
        let cumulated: Vec<f64> = ranked
            .iter()
            .map(|&(_, logit)| {
                cumulated += weight(logit);
                cumulated
            })
            .collect();
        let total = cumulated[cumulated.len() - 1];
        let kept = cumulated.partition_point(|&mass| mass < f64::from(self.top_p) * total);
        let kept = kept.min(cumulated.len() - 1);
        let aim = f64::from(uniform) * cumulated[kept];
        let chosen = cumulated[..kept].partition_point(|&mass| mass <= aim);
        ranked[chosen].0
    }
}

/// A row may rule choices out with −∞, but must leave one and hold no other infinity or NaN.
fn check_row(row: usize, logits: &[f32]) -> Result<()> {
    let sound = logits.iter().all(|logit| logit.is_finite() || *logit == f32::NEG_INFINITY);
    if !sound || logits.iter().all(|logit| !logit.is_finite()) {
        return Err(Error::argument("logits", format!("row {row} is not a distribution")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Probabilities 0.2, 0.5, 0.3, shifted by a constant that softmax ignores.
    fn choose(nucleus: Nucleus, uniform: &[f32]) -> Vec<usize> {
        let row = [0.2f32.ln() + 1.0, 0.5f32.ln() + 1.0, 0.3f32.ln() + 1.0];
        let logits = Tensor::<2>::from_floats([row], &Device::flex()).repeat_dim(0, uniform.len());
        nucleus.choose(logits, uniform).unwrap()
    }

    #[test]
    fn everything_is_kept_at_top_p_one() {
        // Ranked 1, 2, 0 with cumulated mass 0.5, 0.8, 1.
        let all = Nucleus { temperature: 1.0, top_p: 1.0 };
        assert_eq!(choose(all, &[0.0, 0.49, 0.51, 0.79, 0.81, 0.999]), [1, 1, 2, 2, 0, 0]);
    }

    #[test]
    fn the_tail_is_cut_and_the_rest_rescaled() {
        // 0.5 < 0.7 ≤ 0.8, so 1 and 2 remain with 0.625 and 0.375.
        let most = Nucleus { temperature: 1.0, top_p: 0.7 };
        assert_eq!(choose(most, &[0.6, 0.62, 0.63, 0.999]), [1, 1, 2, 2]);
        // Even mass 0 keeps the most probable one.
        assert_eq!(choose(Nucleus { top_p: 0.0, ..most }, &[0.0, 0.999]), [1, 1]);
    }

    #[test]
    fn temperature_sharpens_down_to_the_maximum() {
        let all = Nucleus { temperature: 0.5, top_p: 1.0 };
        // Squares 0.25, 0.09, 0.04 of total 0.38: cumulated 0.658, 0.895, 1.
        assert_eq!(choose(all, &[0.65, 0.66, 0.89, 0.90]), [1, 2, 2, 0]);
        assert_eq!(choose(Nucleus { temperature: 0.0, ..all }, &[0.0, 0.5, 0.999]), [1, 1, 1]);
    }

    #[test]
    fn every_uniform_number_leads_to_a_possible_choice() {
        let logits = Tensor::<2>::from_floats([[f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY]], &Device::flex());
        let all = Nucleus { temperature: 1.0, top_p: 1.0 };
        assert_eq!(all.choose(logits.repeat_dim(0, 2), &[0.0, 0.999_999_94]).unwrap(), [1, 1]);
    }

    #[test]
    fn bad_input_is_named() {
        let all = Nucleus { temperature: 1.0, top_p: 1.0 };
        let row = |values: [f32; 2]| Tensor::<2>::from_floats([values], &Device::flex());
        let message = |result: Result<Vec<usize>>| result.unwrap_err().to_string();
        assert!(message(all.choose(row([f32::NAN, 0.0]), &[0.5])).contains("row 0"));
        assert!(message(all.choose(row([f32::NEG_INFINITY; 2]), &[0.5])).contains("row 0"));
        assert!(message(all.choose(row([0.0; 2]), &[0.5, 0.5])).contains("expected 1, found 2"));
        assert!(
            message(Nucleus { temperature: -1.0, ..all }.choose(row([0.0; 2]), &[0.5]))
                .contains("temperature")
        );
        assert!(message(Nucleus { top_p: 1.5, ..all }.choose(row([0.0; 2]), &[0.5])).contains("top_p"));
    }
}
