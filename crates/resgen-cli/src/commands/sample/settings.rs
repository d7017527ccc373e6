//! Settings of the sampler on the command line.

use std::num::NonZeroUsize;

use resgen_core::Result;
use resgen_core::model::NetworkKind;
use resgen_core::sample::{GuidanceOn, Preset};
use resgen_core::schedule::{MaskingSchedule, Ramp};

use crate::commands::expect_none;
use crate::named;

/// Settings that replace the model's own.
// Negative numbers are let through: the sampler says better than the command line what is wrong with them.
#[derive(Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Sampler settings")]
pub struct SettingArguments {
    /// Steps: 1 to positions × depth.
    #[arg(long, value_name = "T")]
    steps: Option<usize>,
    /// Scale of classifier-free guidance; 1 is none.
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    guidance: Option<f64>,
    /// How the guidance scale gets there from 1.
    #[arg(long, value_name = "RAMP", value_parser = named::parser::<Ramp>(&["constant", "linear", "cosine"]))]
    guidance_ramp: Option<Ramp>,
    /// What guidance goes towards: the condition, or everything that is given, known codes too.
    #[arg(long, value_name = "WHAT", value_parser = named::parser::<GuidanceOn>(&["condition", "everything"]))]
    guidance_on: Option<GuidanceOn>,
    /// Scale of the Gaussian noise within a component.
    #[arg(long, value_name = "TAU", allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Temperature of the choice of a component, or of a code where codes are drawn.
    #[arg(long, value_name = "TAU", allow_negative_numbers = true)]
    component_temperature: Option<f64>,
    /// How many of the most probable components, or codes, may be chosen.
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    top_k: Option<NonZeroUsize>,
    /// Probability mass of the components, or codes, that may be chosen, of the mass of those that --top-k leaves.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f64>,
    /// Scale, at the start, of the Gumbel noise on which tokens are revealed.
    #[arg(long, value_name = "TAU", allow_negative_numbers = true)]
    choice_temperature: Option<f64>,
    /// How many tokens stay masked after each step.
    #[arg(
        long,
        value_name = "SCHEDULE",
        value_parser = named::parser::<MaskingSchedule>(&["cosine", "circle", "linear", "square"])
    )]
    schedule: Option<MaskingSchedule>,
}

impl SettingArguments {
    /// `preset` of a generator with the settings that were given.
    ///
    /// # Errors
    /// [`resgen_core::Error::Argument`] where one was given that means nothing to generators of this kind.
    pub fn over(&self, preset: Preset, kind: NetworkKind) -> Result<Preset> {
        if kind.is_sequential() {
            let of_masks = [
                ("--steps", self.steps.is_some()),
                ("--schedule", self.schedule.is_some()),
                ("--choice-temperature", self.choice_temperature.is_some()),
                ("--guidance-on", self.guidance_on == Some(GuidanceOn::Everything)),
            ];
            let reason = "it is for generators that mask, and this one goes position by position";
            expect_none(&of_masks, reason)?;
        }
        if kind.draws_codes() {
            let of_embeddings = [("--temperature", self.temperature.is_some())];
            let reason =
                "it is for generators of embeddings, and this one draws codes; see --component-temperature";
            expect_none(&of_embeddings, reason)?;
        }
        Ok(Preset {
            steps: self.steps.unwrap_or(preset.steps),
            schedule: self.schedule.unwrap_or(preset.schedule),
            guidance: self.guidance.unwrap_or(preset.guidance),
            guidance_ramp: self.guidance_ramp.unwrap_or(preset.guidance_ramp),
            guidance_on: self.guidance_on.unwrap_or(preset.guidance_on),
            temperature: self.temperature.unwrap_or(preset.temperature),
            component_temperature: self.component_temperature.unwrap_or(preset.component_temperature),
            top_k: self.top_k.or(preset.top_k),
            top_p: self.top_p.unwrap_or(preset.top_p),
            choice_temperature: self.choice_temperature.unwrap_or(preset.choice_temperature),
        })
    }
}
