//! Codes from a generator.

use std::path::PathBuf;

use resgen_core::model::Resgen;
use resgen_core::nn::Precision;
use resgen_core::sample::{Preset, Unmasker};
use resgen_core::train::generator::Generator;

use super::Case;
use crate::commands::sample::Drawing;
use crate::context::{Batch, Context};
use crate::model;

/// Arguments of `bench sample`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A generator: its model file, or the folder of its run.
    model: PathBuf,
    /// Samples in all.
    #[arg(long, default_value = "8", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Sampling steps.
    #[arg(long, default_value_t = 16, value_name = "T")]
    steps: usize,
    /// Guidance scale; 1 is none.
    #[arg(long, default_value_t = 2.0, value_name = "W", allow_negative_numbers = true)]
    guidance: f64,
}

struct Sampling<'a> {
    generator: &'a Generator,
    sampler: &'a Unmasker<'a, Resgen>,
    labels: Vec<usize>,
    batch: Batch,
}

impl Case for Sampling<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let Self { generator, sampler, batch, .. } = *self;
        let drawing = Drawing { generator, sampler, seed: 0, batch, known: None };
        Ok(drawing.batches(&self.labels, Ok, |_| Ok(()))?)
    }
}

/// Sets the case up and gives it to `measure`.
pub fn run(
    arguments: &Arguments,
    context: &Context,
    precision: Precision,
    measure: impl FnOnce(&mut dyn Case) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let generator = model::generator(&arguments.model, &context.device()?)?.in_precision(precision);
    let preset = Preset { steps: arguments.steps, guidance: arguments.guidance, ..generator.header.preset };
    let sampler = Unmasker::new(&generator.model, generator.tokenizer.books(), preset)?;
    let classes = generator.header.classes.len();
    measure(&mut Sampling {
        generator: &generator,
        sampler: &sampler,
        labels: (0..arguments.batch as usize).map(|sample| sample % classes).collect(),
        batch: context.batch(Some(arguments.batch as usize)),
    })
}
