//! A tokenizer: pictures to codes, codes to pictures, and a training step.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::nn::Precision;
use resgen_core::random::{Purpose, fill_normal, stream};
use resgen_core::rvq::Codes;
use resgen_core::tokenizer::image::Autoencoder;
use resgen_core::tokenizer::{ImageTokenizer, ImageTokenizerConfig};
use resgen_core::train::run::{self, RunConfig};
use resgen_core::train::tokenizer::{LossConfig, SignalBatch, TokenizerLearner};
use resgen_core::workers::Workers;

use super::{Case, wait};
use crate::context::Context;
use crate::model;

/// Arguments of the cases about tokenizers.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A tokenizer or a generator: its model file, or the folder of its run.
    model: PathBuf,
    /// Pictures at once.
    #[arg(long, default_value = "16", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
}

/// Pictures to codes.
pub struct Encoding {
    tokenizer: ImageTokenizer,
    parts: Vec<Tensor<4>>,
    workers: Workers,
}

impl Encoding {
    pub fn new(
        arguments: &Arguments,
        context: &Context,
        precision: Precision,
        device: &Device,
    ) -> anyhow::Result<Self> {
        let tokenizer = model::tokenizer(&arguments.model, device)?.in_precision(precision);
        let parts = context.micro_batches(arguments.batch as usize);
        let side = tokenizer.config().resolution;
        let pictures = pixels(arguments.batch as usize, tokenizer.config());
        let count = arguments.batch as usize / parts;
        let part = |pixels: &[f32]| {
            Tensor::from_data(TensorData::new(pixels.to_vec(), [count, 3, side, side]), device)
        };
        let parts = pictures.chunks(pictures.len() / parts).map(part).collect::<Vec<_>>();
        Ok(Self { tokenizer, workers: Workers::new(parts.len())?, parts })
    }

    fn codes(&self) -> resgen_core::Result<Vec<Codes>> {
        self.workers.run(self.parts.clone(), |_, pixels| self.tokenizer.encode(pixels))
    }
}

impl Case for Encoding {
    fn run(&mut self) -> anyhow::Result<()> {
        self.codes()?;
        Ok(())
    }
}

/// Codes to pictures.
pub struct Decoding {
    tokenizer: ImageTokenizer,
    parts: Vec<Codes>,
    workers: Workers,
    device: Device,
}

impl Decoding {
    pub fn new(
        arguments: &Arguments,
        context: &Context,
        precision: Precision,
        device: &Device,
    ) -> anyhow::Result<Self> {
        let encoding = Encoding::new(arguments, context, precision, device)?;
        let parts = encoding.codes()?;
        Ok(Self { tokenizer: encoding.tokenizer, parts, workers: encoding.workers, device: device.clone() })
    }
}

impl Case for Decoding {
    fn run(&mut self) -> anyhow::Result<()> {
        self.workers.run(self.parts.clone(), |_, codes| self.tokenizer.decode(&codes))?;
        Ok(wait(&self.device)?)
    }
}

/// A training step.
pub struct Training {
    learner: TokenizerLearner<Autoencoder>,
    pixels: Vec<f32>,
    parts: usize,
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
        let tokenizer = model::tokenizer(&arguments.model, device)?;
        let parts = context.micro_batches(arguments.batch as usize);
        let settings = super::prepare::run_config(arguments.batch as usize, parts)?;
        let settings = RunConfig { precision, ..settings };
        let losses = LossConfig { quantize_from: 0, ..LossConfig::default() };
        let (config, licence) = (tokenizer.config().clone(), String::new());
        let pixels = pixels(arguments.batch as usize, &config);
        let mut learner = TokenizerLearner::new(config, losses, &settings, licence, Vec::new(), device)?;
        learner.start_from(tokenizer)?;
        let (workers, device) = (Workers::new(parts)?, device.clone());
        Ok(Self { learner, pixels, parts, workers, device, step: 0 })
    }
}

impl Case for Training {
    fn run(&mut self) -> anyhow::Result<()> {
        let values = self.pixels.len() / self.parts;
        let pictures = values / (3 * self.learner.config().resolution.pow(2));
        let parts = self.pixels.chunks(values).enumerate();
        let parts = parts.map(|(part, pixels)| SignalBatch {
            values: pixels.to_vec(),
            classes: vec![0; pictures],
            first: part * pictures,
        });
        run::update(&mut self.learner, &self.workers, self.step, parts.collect(), 1e-4)?;
        self.step += 1;
        Ok(wait(&self.device)?)
    }
}

/// Random pictures, `[N, 3, S, S]` in order.
fn pixels(pictures: usize, config: &ImageTokenizerConfig) -> Vec<f32> {
    let mut pixels = vec![0.0; pictures * 3 * config.resolution.pow(2)];
    fill_normal(&mut pixels, &mut stream(0, Purpose::Synthetic, 1, 0));
    pixels.iter_mut().for_each(|value| *value = (*value * 0.4).clamp(-1.0, 1.0));
    pixels
}
