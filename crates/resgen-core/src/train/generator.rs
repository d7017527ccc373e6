//! How a generator learns: masks drawn by the schedule, and the mixture's loss on what they hide.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::learner::{Applied, BatchSource, Learner};
use super::log::{Panel, Scale};
use super::model_file::{ModelFile, Storage};
use super::preview::pictures;
use super::run::RunConfig;
use super::scalar;
use super::tokens::TokenBatch;
use super::weights::{Gradient, Weights, added};
use crate::error::{Error, Result, nearest};
use crate::head::{MixtureConfig, MixtureScore};
use crate::mask::{MaskCounts, sample_training};
use crate::model::{Resgen, ResgenConfig};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::transformer::TrunkConfig;
use crate::nn::{Builder, Precision};
use crate::random::{Purpose, fill_normal, stream, uniform};
use crate::rvq::Codes;
use crate::sample::{Preset, Request, Unmasker};
use crate::schedule::MaskingSchedule;
use crate::signal::Picture;
use crate::signal::draw::Grid;
use crate::tokenizer::{ImageTokenizer, ImageTokenizerConfig};
use crate::workers::Workers;

/// The tensor of a checkpoint that says what data the run learns.
const SCALES: &str = "embedding_scales";

/// The generator: the `[model]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Which generator.
    pub kind: GeneratorKind,
    /// A named size of the trunk, or its numbers.
    pub trunk: TrunkSize,
    /// The mixture.
    pub head: MixtureConfig,
    /// How many tokens are masked in training.
    #[serde(default = "ModelConfig::default_schedule")]
    pub schedule: MaskingSchedule,
    /// Share of signals trained without their class.
    #[serde(default = "ModelConfig::default_dropout")]
    pub condition_dropout: f64,
    /// Standard deviation of the noise on the embeddings to predict, in units of their scale (embedding_scales): z ~ N(Σe, σ²I), as
    /// in the likelihood's bound. Embeddings are sums of few vectors, that is points; without noise a mixture
    /// gains without end by narrowing on points, and its loss says less and less about what it knows.
    #[serde(default = "ModelConfig::default_target_noise")]
    pub target_noise: f32,
}

impl ModelConfig {
    fn default_schedule() -> MaskingSchedule {
        MaskingSchedule::Cosine
    }

    fn default_dropout() -> f64 {
        0.1
    }

    fn default_target_noise() -> f32 {
        0.1
    }

    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(self.target_noise >= 0.0 && self.target_noise.is_finite()) {
            let reason = format!("expected a number of at least 0, found {}", self.target_noise);
            return Err(Error::config("model.target_noise", reason));
        }
        self.trunk.resolve()?.validate()?;
        self.head.validate()?;
        if !(0.0..=1.0).contains(&self.condition_dropout) {
            let reason = format!("expected 0 to 1, found {}", self.condition_dropout);
            return Err(Error::config("model.condition_dropout", reason));
        }
        Ok(())
    }
}

/// The kinds of generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GeneratorKind {
    /// Masked, with collective embeddings.
    Resgen,
}

/// A trunk by name or by numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a size such as \"s\", or { width = …, layers = …, heads = … }")]
pub enum TrunkSize {
    /// One of [`TrunkConfig::SIZES`].
    Named(String),
    /// Width, layers and heads.
    Custom(TrunkConfig),
}

impl TrunkSize {
    /// # Errors
    /// [`Error::Config`] for a name that is none.
    pub fn resolve(&self) -> Result<TrunkConfig> {
        match self {
            Self::Custom(config) => Ok(*config),
            Self::Named(name) => {
                let found = TrunkConfig::SIZES.iter().find(|(known, _)| known == name);
                found.map(|(_, config)| *config).ok_or_else(|| {
                    let known = TrunkConfig::SIZES.map(|(known, _)| known).join(", ");
                    let hint = nearest(name, TrunkConfig::SIZES.iter().map(|(known, _)| *known));
                    Error::config("model.trunk", format!("unknown size `{name}`{hint}; known: {known}"))
                })
            }
        }
    }
}

/// What a generator's model file says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorHeader {
    /// Always `generator`.
    pub kind: GeneratorFileKind,
    /// Sizes of the generator.
    pub model: ResgenConfig,
    /// Sizes of its tokenizer, which is in the same file.
    pub tokenizer: ImageTokenizerConfig,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Sampler settings that suit the model.
    pub preset: Preset,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}

/// Tells a generator's file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneratorFileKind {
    /// The only value.
    Generator,
}

/// A generator ready to sample, with its tokenizer.
pub struct Generator {
    /// What the file says.
    pub header: GeneratorHeader,
    /// The network.
    pub model: Resgen,
    /// Codes to pictures.
    pub tokenizer: ImageTokenizer,
}

impl Generator {
    /// Builds the networks of a file.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Mismatch`] where header and tensors do not fit each other.
    pub fn from_file(file: &ModelFile<GeneratorHeader>, device: &Device) -> Result<Self> {
        let header = file.header.clone();
        header.model.validate()?;
        let tokenizer = ImageTokenizer::load(header.tokenizer.clone(), &file.tensors, "tokenizer.", device)?;
        let (model, config) = (&header.model, &header.tokenizer);
        let (found, expected) = (
            [model.positions, model.depth, model.latent, model.classes],
            [config.positions(), config.depth, config.latent, header.classes.len()],
        );
        if found != expected {
            let text = |[l, d, h, c]: [usize; 4]| format!("L = {l}, D = {d}, H = {h}, {c} classes");
            return Err(Error::mismatch("model sizes", text(expected), text(found)));
        }
        let blank = Resgen::new(&mut Builder::blank(device), header.model.clone());
        let model = parameters::load(blank, &file.tensors, "generator.")?;
        Ok(Self { header, model, tokenizer })
    }

    /// The generator with networks rounded to a precision: to sample from, not to save.
    pub fn in_precision(self, precision: Precision) -> Self {
        let (model, tokenizer) = (precision.of(self.model), self.tokenizer.in_precision(precision));
        Self { model, tokenizer, ..self }
    }
}

/// Everything a generator in training needs beside its config.
pub struct GeneratorParts {
    /// The tokenizer whose codes are learned.
    pub tokenizer: ImageTokenizer,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Sampler settings for previews, kept in the model file.
    pub preset: Preset,
    /// Licence of the weights.
    pub licence: String,
    /// What [`embedding_scales`] says of the training codes.
    pub embedding_scales: Vec<f32>,
}

/// A generator in training.
pub struct GeneratorLearner {
    config: ModelConfig,
    parts: GeneratorParts,
    seed: u64,
    precision: Precision,
    device: Device,
    weights: Weights<Resgen>,
}

/// What micro-batches give a generator: sums over their positions with masked codes.
pub struct GeneratorPart {
    gradients: Vec<Tensor<1>>,
    scalars: Vec<f64>,
    masked_positions: f64,
}

impl GeneratorLearner {
    /// A fresh generator.
    ///
    /// # Errors
    /// [`Error::Config`] for a config out of range.
    pub fn new(config: ModelConfig, parts: GeneratorParts, run: &RunConfig, device: &Device) -> Result<Self> {
        config.validate()?;
        let tokenizer = parts.tokenizer.config();
        let sizes = ResgenConfig {
            trunk: config.trunk.resolve()?,
            head: config.head,
            positions: tokenizer.positions(),
            depth: tokenizer.depth,
            latent: tokenizer.latent,
            classes: parts.classes.len(),
            embedding_scales: parts.embedding_scales.clone(),
        };
        sizes.validate()?;
        parts.preset.validate(sizes.positions * sizes.depth)?;
        parameters::expect_possible(&Resgen::new(&mut Builder::blank(device), sizes.clone()), "model")?;
        let model = Resgen::new(&mut Builder::new(run.seed, device), sizes);
        let weights = Weights::new(model, run.optimizer);
        Ok(Self { config, parts, seed: run.seed, precision: run.precision, device: device.clone(), weights })
    }

    /// Begins with the weights of `before` in place of random ones. Vectors of classes go by the classes' names:
    /// those that it does not have stay random.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where its network has other sizes.
    pub fn start_from(&mut self, before: Generator) -> Result<()> {
        let fresh = self.weights.model().clone();
        let sizes = |model: &Resgen| {
            let ResgenConfig { trunk, head, positions, depth, latent, .. } = model.config();
            format!("{trunk:?}, {head:?}, L = {positions}, D = {depth}, H = {latent}")
        };
        let (expected, found) = (sizes(&fresh), sizes(&before.model));
        if expected != found {
            return Err(Error::mismatch("model sizes", expected, found));
        }
        let names = &before.header.classes;
        let place_of = |class: &String| names.iter().position(|name| name == class);
        let known: Vec<Option<usize>> = self.parts.classes.iter().map(place_of).collect();
        self.weights = Weights::new(fresh.continued(before.model, &known), *self.weights.config());
        Ok(())
    }

    /// The network as sampling uses it.
    pub fn averaged(&self) -> Resgen {
        self.weights.averaged()
    }

    /// The tokenizer whose codes are learned.
    pub fn tokenizer(&self) -> &ImageTokenizer {
        &self.parts.tokenizer
    }

    fn scales(&self) -> TensorData {
        let scales = self.parts.embedding_scales.clone();
        let count = scales.len();
        TensorData::new(scales, [count])
    }

    /// Masks and labels of a micro-batch; a function of the seed, the step and the place in the batch.
    fn masks_and_labels(&self, step: u64, batch: &TokenBatch) -> (Vec<MaskCounts>, Vec<usize>) {
        let (positions, depth) = (batch.codes.positions(), batch.codes.depth());
        let nothing = self.parts.classes.len();
        (batch.first..)
            .zip(&batch.classes)
            .map(|(index, &class)| {
                let mut rng = stream(self.seed, Purpose::Mask, index as u64, step);
                let mask = sample_training(&mut rng, self.config.schedule, positions, depth);
                let drops = uniform(&mut stream(self.seed, Purpose::Drop, index as u64, step));
                (mask, if drops < self.config.condition_dropout { nothing } else { class })
            })
            .unzip()
    }

    /// Noise on the targets of a micro-batch; a function of the seed, the step and the place in the batch.
    ///
    /// # Shapes
    /// `[B·L, H]`
    fn target_noise(&self, step: u64, batch: &TokenBatch) -> Tensor<2> {
        let signal = batch.codes.positions() * self.parts.tokenizer.config().latent;
        let mut noise = vec![0.0; batch.codes.batch() * signal];
        for (index, values) in (batch.first..).zip(noise.chunks_mut(signal)) {
            fill_normal(values, &mut stream(self.seed, Purpose::TargetNoise, index as u64, step));
        }
        let shape = [batch.codes.batch() * batch.codes.positions(), self.parts.tokenizer.config().latent];
        Tensor::<2>::from_data(TensorData::new(noise, shape), &self.device)
            .mul_scalar(self.config.target_noise)
    }

    fn integers<const R: usize>(&self, values: Vec<i32>, shape: [usize; R]) -> Tensor<R, Int> {
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }
}

impl Learner for GeneratorLearner {
    type Batch = TokenBatch;
    type Part = GeneratorPart;
    const COLUMNS: &'static [&'static str] = &["loss", "used_components", "gradient_norm", "learning_rate"];

    fn panels() -> Vec<Panel> {
        let panel = |title: &str, axis: &str, column: &str, scale| Panel {
            title: title.into(),
            axis: axis.into(),
            columns: vec![column.into()],
            scale,
        };
        vec![
            panel("Loss", "nats per position", "loss", Scale::Linear),
            panel("Components in use", "perplexity", "used_components", Scale::Linear),
            panel("Gradient", "norm before clipping", "gradient_norm", Scale::Log),
        ]
    }

    fn prepare(&mut self, _: u64, _: &mut dyn BatchSource<Batch = TokenBatch>) -> Result<Option<String>> {
        Ok(None)
    }

    fn part(&self, step: u64, batch: TokenBatch) -> Result<GeneratorPart> {
        let (masks, labels) = self.masks_and_labels(step, &batch);
        let (count, positions, depth) = (batch.codes.batch(), batch.codes.positions(), batch.codes.depth());
        let rows = count * positions;
        let masked: Vec<i32> = masks.iter().flat_map(|mask| mask.counts()).map(|&k| k as i32).collect();
        let masked = self.integers(masked, [count, positions]);
        let first = masked.clone().reshape([rows, 1]).neg() + depth as i64; // [N, 1], number of visible codes
        let codes = batch.codes.to_tensor(&self.device).reshape([rows, depth]);
        let books = self.parts.tokenizer.books();
        let visible = books.visible_embedding(codes.clone(), first.clone());
        let target = books.masked_embedding(codes, first);
        let scales = &self.parts.embedding_scales;
        let visible = visible.div_scalar(scales[depth]).reshape([count, positions, books.width()]);
        let scales: Vec<f32> = masks.iter().flat_map(|mask| mask.counts()).map(|&k| scales[k]).collect();
        let scales = Tensor::<2>::from_data(TensorData::new(scales, [rows, 1]), &self.device);
        let target = target / scales + self.target_noise(step, &batch); // [N, H]
        let weight = masked.clone().reshape([rows]).greater_scalar(0).float(); // [N]

        let masters = self.weights.model().clone().train();
        let model = self.precision.of(masters.clone());
        let labels = self.integers(labels.into_iter().map(|label| label as i32).collect(), [count]);
        let out = model.forward(visible, masked, labels);
        let MixtureScore { loss, used_components } = model.head().score(&out, target, weight);
        let masked_positions = masks.iter().flat_map(|mask| mask.counts()).filter(|&&k| k > 0).count() as f64;
        let scalars = vec![scalar(&loss)? * masked_positions, scalar(&used_components)? * masked_positions];
        let sum = loss.mul_scalar(masked_positions);
        let gradients = parameters::take_gradients(&masters, &mut sum.backward());
        Ok(GeneratorPart { gradients, scalars, masked_positions })
    }

    fn merged(sum: GeneratorPart, next: GeneratorPart, workers: &Workers) -> Result<GeneratorPart> {
        Ok(GeneratorPart {
            gradients: added(sum.gradients, next.gradients, workers)?,
            scalars: sum.scalars.iter().zip(&next.scalars).map(|(a, b)| a + b).collect(),
            masked_positions: sum.masked_positions + next.masked_positions,
        })
    }

    fn apply(&mut self, _: u64, all: GeneratorPart, rate: f64, workers: &Workers) -> Result<Applied> {
        let mut scalars: Vec<f64> = all.scalars.iter().map(|sum| sum / all.masked_positions).collect();
        let gradient = Gradient::mean(all.gradients, all.masked_positions, workers)?;
        if !scalars[0].is_finite() || !gradient.norm.is_finite() {
            return Ok(Applied::NotFinite(format!(
                "loss {} with gradient norm {}",
                scalars[0], gradient.norm
            )));
        }
        scalars.extend([gradient.norm, rate]);
        self.weights.update(gradient, rate, workers)?;
        Ok(Applied::Updated(scalars))
    }

    fn state(&self) -> NamedTensors {
        let mut state = self.weights.state("generator.");
        state.insert(SCALES.into(), self.scales());
        state
    }

    fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        if state.get(SCALES).is_none_or(|found| found != &self.scales()) {
            let expected = "those the run began with (the same tokenizer and token cache)";
            return Err(Error::mismatch("scales of the embeddings", expected, "others"));
        }
        self.weights.restore(state, "generator.", &self.device)
    }

    fn export(&self, path: &Path, step: u64) -> Result<()> {
        let model = self.averaged();
        let header = GeneratorHeader {
            kind: GeneratorFileKind::Generator,
            model: model.config().clone(),
            tokenizer: self.parts.tokenizer.config().clone(),
            classes: self.parts.classes.clone(),
            preset: self.parts.preset,
            step,
            licence: self.parts.licence.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let named = |prefix: &str, tensors: NamedTensors| -> NamedTensors {
            tensors.into_iter().map(|(name, data)| (format!("{prefix}{name}"), data)).collect()
        };
        let mut tensors = named("generator.", parameters::read(&model));
        tensors.extend(named("tokenizer.", self.parts.tokenizer.tensors()));
        ModelFile { header, tensors }.save(path, Storage::F32)
    }

    fn previews(&self, _step: u64) -> Result<Vec<(&'static str, Picture)>> {
        let model = self.averaged();
        let sampler = Unmasker::new(&model, self.parts.tokenizer.books(), self.parts.preset)?;
        let (columns, rows) = (8, 4);
        let classes = self.parts.classes.len();
        let stride = classes.div_ceil(columns).max(1);
        let shown: Vec<usize> = (0..columns).map(|column| column * stride % classes).collect();
        let request = Request { classes: shown.repeat(rows), seed: self.seed, first_index: 0, known: None };
        let pictures = pictures(self.parts.tokenizer.decode(&sampler.sample(&request)?)?)?;
        let mut grid = Grid::new("").columns(shown.iter().map(|&class| self.parts.classes[class].clone()));
        for row in pictures.chunks(columns) {
            grid = grid.row("", row.to_vec());
        }
        Ok(vec![("samples", grid.draw()?)])
    }
}

/// The root mean square, per coordinate, of the collective embeddings of the k deepest of `codes`, for k = 0
/// (given as 1) to D.
///
/// # Errors
/// Where the device cannot be read.
pub fn embedding_scales(tokenizer: &ImageTokenizer, codes: &Codes) -> Result<Vec<f32>> {
    // On one thread, so that the scales are the same on any number of cores.
    Workers::new(1)?.alone(|| scales_of(tokenizer, codes))
}

fn scales_of(tokenizer: &ImageTokenizer, codes: &Codes) -> Result<Vec<f32>> {
    let device = tokenizer.books().vectors().device();
    let (rows, depth) = (codes.batch() * codes.positions(), codes.depth());
    let codes = codes.to_tensor(&device).reshape([rows, depth]);
    let mut scales = vec![1.0];
    for masked in 1..=depth {
        let visible = Tensor::full([rows, 1], (depth - masked) as i64, &device);
        let embeddings = tokenizer.books().masked_embedding(codes.clone(), visible);
        // Codebooks of zeros say nothing about scale.
        let scale = scalar(&embeddings.square().mean())?.sqrt() as f32;
        scales.push(if scale > 1e-6 { scale } else { 1.0 });
    }
    Ok(scales)
}
