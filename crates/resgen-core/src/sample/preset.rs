//! Settings of the sampler; a checkpoint carries the ones that suit it.

use resgen_kernels::sampling::Nucleus;
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
    /// Probability mass of the components that may be chosen.
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
            top_p: 0.95,
            choice_temperature: 20.0,
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

    /// The choice of components.
    pub(super) fn nucleus(&self) -> Nucleus {
        Nucleus { temperature: self.component_temperature as f32, top_p: self.top_p as f32 }
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
