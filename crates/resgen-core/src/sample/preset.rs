//! Settings of the sampler; a checkpoint carries the ones that suit it.

use std::num::NonZeroUsize;

use burn::tensor::{Int, Tensor};
use resgen_kernels::sampling::{Nucleus, choose_components};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schedule::{MaskingSchedule, Ramp};

/// What guidance goes towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuidanceOn {
    /// The condition: class and text.
    #[default]
    Condition,
    /// Known codes, too (the voice of a prompt, what is around a hole): positions of which some are known are hidden where nothing is asked for.
    /// Of generators that mask; the others cannot hide what comes first.
    Everything,
}

/// How samples are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preset {
    /// Steps T, 1 to L·D.
    pub steps: usize,
    /// How many tokens stay masked after each step.
    pub schedule: MaskingSchedule,
    /// Guidance scale w at the end of sampling; 1 is none.
    pub guidance: f64,
    /// How the guidance scale gets there from 1.
    pub guidance_ramp: Ramp,
    /// What guidance goes towards.
    pub guidance_on: GuidanceOn,
    /// Scale τ of the Gaussian noise within a component.
    pub temperature: f64,
    /// Temperature of the choice of a component.
    pub component_temperature: f64,
    /// How many of the most probable components, or codes, may be chosen; all where there is no such number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<NonZeroUsize>,
    /// Probability mass of those that may be chosen, of the mass that `top_k` leaves.
    pub top_p: f64,
    /// Scale τ_c, at the start, of the Gumbel noise on the choice of tokens to reveal; it falls to 0 on a line.
    pub choice_temperature: f64,
}

impl Default for Preset {
    fn default() -> Self {
        Self {
            steps: 16,
            schedule: MaskingSchedule::Cosine,
            guidance: 2.0,
            guidance_ramp: Ramp::Linear,
            guidance_on: GuidanceOn::Condition,
            temperature: 1.0,
            component_temperature: 1.0,
            top_k: None,
            top_p: 0.95,
            // As good as random: the exact reverse of masking, and what was better of the pictures that were measured.
            choice_temperature: 1000.0,
        }
    }
}

impl Preset {
    /// # Errors
    /// [`Error::Argument`] names the value that is out of range for `tokens` = L·D tokens.
    pub fn validate(&self, tokens: usize) -> Result<()> {
        if self.steps == 0 || self.steps > tokens {
            let reason = format!("expected 1 to {tokens} (positions × depth), found {}", self.steps);
            return Err(Error::argument("steps", reason));
        }
        if !(0.0..=1.0).contains(&self.top_p) || self.top_p == 0.0 {
            return Err(Error::argument(
                "top_p",
                format!("expected more than 0 and at most 1, found {}", self.top_p),
            ));
        }
        let not_negative = [
            ("temperature", self.temperature),
            ("component_temperature", self.component_temperature),
            ("choice_temperature", self.choice_temperature),
        ];
        for (name, value) in not_negative {
            if !(0.0..=1e6).contains(&value) {
                return Err(Error::argument(name, format!("expected 0 to 1000000, found {value}")));
            }
        }
        if !(-1e3..=1e3).contains(&self.guidance) {
            return Err(Error::argument(
                "guidance",
                format!("expected -1000 to 1000, found {}", self.guidance),
            ));
        }
        Ok(())
    }

    /// A component, or a code, for each row of logits.
    ///
    /// # Shapes
    /// logits `[N, K]`, uniform `[N]` in [0, 1) → `[N]`
    pub(super) fn choose(&self, logits: Tensor<2>, uniform: Tensor<1>) -> Tensor<1, Int> {
        let logits = match self.top_k {
            Some(count) => most_probable(logits, count.get()),
            None => logits,
        };
        let nucleus = Nucleus { temperature: self.component_temperature as f32, top_p: self.top_p as f32 };
        choose_components(logits, uniform, nucleus)
    }

    /// The guidance scale of step `step` of `steps`, counted from 0.
    pub(super) fn guidance_at(&self, step: usize, steps: usize) -> f64 {
        // A single step is the last one.
        let progress = if steps < 2 { 1.0 } else { step as f64 / (steps - 1) as f64 };
        match self.guidance_ramp {
            Ramp::Constant => self.guidance,
            ramp => ramp.value(1.0, self.guidance, progress),
        }
    }

    /// The choice temperature of step `step` of `steps`, counted from 0.
    pub(super) fn choice_temperature_at(&self, step: usize, steps: usize) -> f64 {
        self.choice_temperature * (1.0 - (step + 1) as f64 / steps as f64)
    }
}

/// The logits of each row with all impossible that are less than its `count` largest.
fn most_probable(logits: Tensor<2>, count: usize) -> Tensor<2> {
    if count >= logits.dims()[1] {
        return logits;
    }
    let least = logits.clone().topk(count, 1).min_dim(1); // [N, 1]
    let is_less = logits.clone().lower(least.expand(logits.dims()));
    logits.mask_fill(is_less, f32::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// The choices in rows of probabilities 0.2, 0.5, 0.3.
    fn chosen(preset: Preset, uniform: &[f32]) -> Vec<i32> {
        let device = Device::flex();
        let row = [0.2f32.ln(), 0.5f32.ln(), 0.3f32.ln()];
        let logits = TensorData::new(row.repeat(uniform.len()), [uniform.len(), 3]);
        let uniform = TensorData::new(uniform.to_vec(), [uniform.len()]);
        let chosen = preset.choose(Tensor::from_data(logits, &device), Tensor::from_data(uniform, &device));
        chosen.try_into_vec_as().unwrap()
    }

    #[test]
    fn top_k_leaves_the_most_probable_and_top_p_is_of_their_mass() {
        let of = |count, top_p| Preset { top_k: NonZeroUsize::new(count), top_p, ..Preset::default() };
        let uniform = [0.0, 0.19, 0.21, 0.62, 0.63, 0.999];
        // 0 means no such number. Cumulated 0.2, 0.7, 1; then of two 0.625 and 0.375.
        assert_eq!(chosen(of(0, 1.0), &uniform), [0, 0, 1, 1, 1, 2]);
        assert_eq!(chosen(of(3, 1.0), &uniform), [0, 0, 1, 1, 1, 2]);
        assert_eq!(chosen(of(9, 1.0), &uniform), [0, 0, 1, 1, 1, 2]);
        assert_eq!(chosen(of(2, 1.0), &uniform), [1, 1, 1, 1, 2, 2]);
        assert_eq!(chosen(of(1, 1.0), &uniform), [1; 6]);
        // The most probable one has less than 0.6 of all, but more than that of two.
        assert_eq!(chosen(of(0, 0.6), &uniform), [1, 1, 1, 1, 2, 2]);
        assert_eq!(chosen(of(2, 0.6), &uniform), [1; 6]);
    }

    #[test]
    fn of_equally_probable_ones_at_the_border_none_is_left_out() {
        let logits = Tensor::<2>::from_floats([[1.0, 2.0, 1.0, 0.0]], &Device::flex());
        let kept: Vec<f32> = most_probable(logits, 2).try_into_vec_as().unwrap();
        assert_eq!(kept, [1.0, 2.0, 1.0, f32::NEG_INFINITY]);
    }
}
