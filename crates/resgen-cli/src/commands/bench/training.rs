//! A training step of a generator.

use std::path::PathBuf;

use burn::tensor::Device;
use resgen_core::model::{Network, NetworkKind, Resgen};
use resgen_core::nn::Precision;
use resgen_core::random::{Purpose, index_below, stream};
use resgen_core::rvq::Codes;
use resgen_core::schedule::MaskingSchedule;
use resgen_core::train::generator::{GeneratorLearner, GeneratorParts, ModelConfig, TrunkSize};
use resgen_core::train::learner::BatchSource;
use resgen_core::train::run::{self, RunConfig};
use resgen_core::train::tokens::TokenSource;
use resgen_core::workers::Workers;

use super::{Case, wait};
use crate::context::Context;
use crate::model;

/// Arguments of `bench train`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A generator, whose weights the training begins with.
    model: PathBuf,
    /// Signals per step.
    #[arg(long, default_value = "32", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
}

pub struct Training {
    learner: GeneratorLearner,
    source: TokenSource,
    workers: Workers,
    device: Device,
    step: u64,
}

impl Training {
    pub fn new(
        arguments: &Arguments,
        context: &Context,
        precision: Precision,
        device: &Device,
    ) -> anyhow::Result<Self> {
        let before = model::generator::<Resgen>(&arguments.model, device)?;
        let sizes = before.model.config().clone();
        let config = ModelConfig {
            kind: NetworkKind::Resgen,
            depth_layers: 0,
            trunk: TrunkSize::Custom(sizes.trunk),
            head: sizes.head,
            text: None,
            positions: None,
            schedule: MaskingSchedule::Cosine,
            condition_dropout: 0.1,
            prompt_share: 0.0,
            target_noise: 0.1,
        };
        let parts = GeneratorParts {
            tokenizer: before.tokenizer.clone(),
            classes: before.header.classes.clone(),
            preset: before.header.preset,
            licence: String::new(),
            embedding_scales: sizes.embedding_scales.clone(),
            positions: sizes.positions,
            speech: None,
        };
        let micro_batches = context.micro_batches(arguments.batch as usize);
        let settings = super::prepare::run_config(arguments.batch as usize, micro_batches)?;
        let settings = RunConfig { precision, ..settings };
        let mut learner = GeneratorLearner::new(config, parts, &settings, device)?;
        learner.start_from(before)?;
        let vocabulary = learner.tokenizer().books().vocabulary();
        let codes = random_codes(arguments.batch as usize * 4, [sizes.positions, sizes.depth, vocabulary])?;
        let classes = (0..codes.batch()).map(|signal| signal % sizes.classes).collect();
        let source = TokenSource::new(codes, classes, 0, settings.batch, micro_batches)?;
        Ok(Self { learner, source, workers: Workers::new(micro_batches)?, device: device.clone(), step: 0 })
    }
}

impl Case for Training {
    fn run(&mut self) -> anyhow::Result<()> {
        let batches = self.source.batches(self.step)?;
        run::update(&mut self.learner, &self.workers, self.step, batches, 1e-4)?;
        self.step += 1;
        Ok(wait(&self.device)?)
    }
}

fn random_codes(signals: usize, [positions, depth, vocabulary]: [usize; 3]) -> resgen_core::Result<Codes> {
    let mut rng = stream(0, Purpose::Synthetic, 0, 0);
    let values = (0..signals * positions * depth).map(|_| index_below(&mut rng, vocabulary) as u16);
    Codes::new(values.collect(), positions, depth, vocabulary)
}
