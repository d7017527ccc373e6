//! Models of random weights to measure.

use std::path::Path;

use resgen_core::Error;
use resgen_core::head::{MixtureConfig, MixtureLoss, ScaleKind};
use resgen_core::model::NetworkKind;
use resgen_core::nn::Builder;
use resgen_core::rvq::Codebooks;
use resgen_core::sample::Preset;
use resgen_core::schedule::MaskingSchedule;
use resgen_core::tokenizer::image::Autoencoder;
use resgen_core::tokenizer::{
    Autoencode, ImageTokenizer, ImageTokenizerConfig, TokenizerConfig, TokenizerKind,
};
use resgen_core::train::generator::{GeneratorLearner, GeneratorParts, ModelConfig, TrunkSize};
use resgen_core::train::learner::Learner;
use resgen_core::train::model_file::{ModelFile, Storage};
use resgen_core::train::run::RunConfig;
use resgen_core::train::tokenizer::TokenizerHeader;

use super::quantizer::normal;
use crate::context::Context;

/// The trunks of the generators.
const TRUNKS: [&str; 3] = ["s", "b", "l"];
/// Classes of every random network.
pub const CLASSES: usize = 1000;
const LICENCE: &str = "random weights, without a licence";

/// 64 pixels → 8×8 positions of 8 codes.
const SMALL: &str = "resolution = 64\nstem = 1\nchannels = [64, 128, 128, 256]\nblocks = 2\nlatent = 64\n\
                     vocabulary = 1024\ndepth = 8\n";
/// That of configs/pictures256-tokenizer-8x8x8-256.toml.
const LARGE: &str = "resolution = 256\nstem = 1\nchannels = [64, 128, 128, 256, 256, 256]\nblocks = 2\n\
                     latent = 256\nvocabulary = 1024\ndepth = 8\n";

/// Writes `generator-s`, `-b` and `-l`, `tokenizer-64` and `tokenizer-256`.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_models(out: &Path, context: &Context) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).map_err(Error::io(out))?;
    let mut written = Vec::new();
    for (name, config) in [("tokenizer-64", SMALL), ("tokenizer-256", LARGE)] {
        let tokenizer = tokenizer(toml::from_str(config)?, context)?;
        let header = TokenizerHeader {
            kind: TokenizerKind::Tokenizer,
            tokenizer: tokenizer.config().clone(),
            step: 0,
            licence: LICENCE.into(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let path = out.join(format!("{name}.safetensors"));
        ModelFile { header, tensors: tokenizer.tensors() }.save(&path, Storage::F32)?;
        written.push(path);
    }
    for trunk in TRUNKS {
        let path = out.join(format!("generator-{trunk}.safetensors"));
        generator(trunk, tokenizer(toml::from_str(SMALL)?, context)?, context)?.export(&path, 0)?;
        written.push(path);
    }
    context
        .output
        .print(&written, |written| written.iter().map(|path| format!("{}\n", path.display())).collect())
}

fn tokenizer(config: ImageTokenizerConfig, context: &Context) -> anyhow::Result<ImageTokenizer> {
    let device = context.device()?;
    let autoencoder = Autoencoder::new(&mut Builder::new(0, &device), &config);
    let vectors = normal([config.depth, config.vocabulary, config.latent], 0, &device);
    let books = Codebooks::new(vectors, config.depth)?;
    Ok(ImageTokenizer::new(config, autoencoder, books)?)
}

fn generator(trunk: &str, tokenizer: ImageTokenizer, context: &Context) -> anyhow::Result<GeneratorLearner> {
    let config = ModelConfig {
        kind: NetworkKind::Resgen,
        depth_layers: 0,
        trunk: TrunkSize::Named(trunk.into()),
        head: MixtureConfig { components: 1024, rank: 16, scale: ScaleKind::Vector, loss: MixtureLoss::Nll },
        text: None,
        positions: None,
        schedule: MaskingSchedule::Cosine,
        condition_dropout: 0.1,
        prompt_share: 0.0,
        target_noise: 0.1,
    };
    let parts = GeneratorParts {
        embedding_scales: random_scales(tokenizer.config().depth),
        positions: tokenizer.config().positions(),
        speech: None,
        tokenizer,
        classes: (0..CLASSES).map(|class| format!("class_{class}")).collect(),
        preset: Preset::default(),
        licence: LICENCE.into(),
    };
    Ok(GeneratorLearner::new(config, parts, &run_config(1, 1)?, &context.device()?)?)
}

/// The sizes of embeddings of k independent vectors of unit variance, for k = 0 (given as 1) to D.
pub fn random_scales(depth: usize) -> Vec<f32> {
    (0..=depth).map(|masked| (masked.max(1) as f32).sqrt()).collect()
}

/// A run of `batch` pictures in `micro_batches` parts, and otherwise the defaults.
///
/// # Errors
/// Never in practice.
pub fn run_config(batch: usize, micro_batches: usize) -> anyhow::Result<RunConfig> {
    Ok(toml::from_str(&format!("steps = 1000000\nbatch = {batch}\nmicro_batches = {micro_batches}\n"))?)
}
