//! Codes from a generator, or from a network of random weights.

use std::path::PathBuf;

use burn::tensor::Device;
use resgen_core::Error;
use resgen_core::head::{MixtureConfig, MixtureLoss, ScaleKind};
use resgen_core::model::{AnyNetwork, NetworkConfig, NetworkKind, Stored};
use resgen_core::nn::transformer::TrunkConfig;
use resgen_core::nn::{Builder, Precision};
use resgen_core::rvq::Codebooks;
use resgen_core::sample::{Preset, Sampler, sampler};

use super::Case;
use super::prepare::{CLASSES, random_scales};
use super::quantizer::normal;
use crate::commands::sample::Drawing;
use crate::context::{Batch, Context};
use crate::model;
use crate::named::kind_parser;

/// Arguments of `bench sample`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A generator: its model file, or the folder of its run.
    model: PathBuf,
    #[command(flatten)]
    request: RequestArguments,
}

/// Arguments of `bench sample-random`.
#[derive(Debug, clap::Args)]
pub struct RandomArguments {
    /// Which generator: resgen, maskgit, ar-resgen or rq-transformer, the last with a sixth of the blocks along the depth.
    #[arg(long, default_value = "resgen", value_name = "KIND", value_parser = kind_parser())]
    kind: NetworkKind,
    /// Width d of the trunk, in heads of 64.
    #[arg(long, default_value = "384", value_name = "D", value_parser = clap::value_parser!(u32).range(64..=16_384))]
    width: u32,
    /// Blocks of the trunk.
    #[arg(long, default_value = "12", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    layers: u32,
    /// Positions L.
    #[arg(long, default_value = "64", value_name = "L", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    positions: u32,
    /// Quantizer depth D.
    #[arg(long, default_value = "8", value_name = "D", value_parser = clap::value_parser!(u32).range(1..=256))]
    depth: u32,
    /// Codebook size V.
    #[arg(long, default_value = "1024", value_name = "V", value_parser = clap::value_parser!(u32).range(2..=65_535))]
    vocabulary: u32,
    /// Width H of a code vector.
    #[arg(long, default_value = "64", value_name = "H", value_parser = clap::value_parser!(u32).range(1..=4096))]
    latent: u32,
    #[command(flatten)]
    request: RequestArguments,
}

/// What is asked of either.
#[derive(Clone, Copy, Debug, clap::Args)]
struct RequestArguments {
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
    sampler: Box<dyn Sampler + 'a>,
    labels: Vec<usize>,
    batch: Batch,
}

impl Case for Sampling<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let drawing = Drawing { sampler: &*self.sampler, seed: 0, batch: self.batch, known: None };
        Ok(drawing.batches(&self.labels, Ok, |_| Ok(()))?)
    }
}

/// Sets a generator up and gives it to `measure`.
pub fn run(
    arguments: &Arguments,
    context: &Context,
    precision: Precision,
    measure: impl FnOnce(&mut dyn Case) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let generator = model::generator(&arguments.model, &context.device()?)?.in_precision(precision);
    let preset = arguments.request.over(generator.header.preset);
    let sampler = sampler(&generator.model, generator.tokenizer.books(), preset)?;
    measure(&mut arguments.request.case(sampler, generator.header.classes.len(), context))
}

/// Sets a network of random weights up and gives it to `measure`.
pub fn run_random(
    arguments: &RandomArguments,
    context: &Context,
    precision: Precision,
    measure: impl FnOnce(&mut dyn Case) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (network, books) = arguments.network(&context.device()?)?;
    let network = network.in_precision(precision);
    let sampler = sampler(&network, &books, arguments.request.over(Preset::default()))?;
    measure(&mut arguments.request.case(sampler, CLASSES, context))
}

impl RequestArguments {
    fn over(self, preset: Preset) -> Preset {
        Preset { steps: self.steps, guidance: self.guidance, ..preset }
    }

    fn case<'a>(self, sampler: Box<dyn Sampler + 'a>, classes: usize, context: &Context) -> Sampling<'a> {
        let count = self.batch as usize;
        let labels = (0..count).map(|sample| sample % classes).collect();
        Sampling { sampler, labels, batch: context.batch(Some(count)) }
    }
}

impl RandomArguments {
    fn network(&self, device: &Device) -> anyhow::Result<(AnyNetwork, Codebooks)> {
        let [width, layers, positions, depth, vocabulary, latent] =
            [self.width, self.layers, self.positions, self.depth, self.vocabulary, self.latent]
                .map(|value| value as usize);
        if !width.is_multiple_of(64) {
            return Err(Error::argument("width", format!("expected a multiple of 64, found {width}")).into());
        }
        let depth_layers = if self.kind == NetworkKind::RqTransformer { layers.div_ceil(6) } else { 0 };
        let layers = (layers - depth_layers).max(1);
        let config = NetworkConfig {
            kind: self.kind,
            depth_layers,
            vocabulary,
            trunk: TrunkConfig { width, layers, heads: width / 64 },
            head: MixtureConfig {
                components: 1024,
                rank: 16,
                scale: ScaleKind::Vector,
                loss: MixtureLoss::Nll,
            },
            positions,
            depth,
            latent,
            classes: CLASSES,
            text: None,
            embedding_scales: random_scales(depth),
        };
        config.validate()?;
        let books = Codebooks::new(normal([depth, vocabulary, latent], 0, device), depth)?;
        Ok((AnyNetwork::new(&mut Builder::new(0, device), config), books))
    }
}
