//! How a generator learns: masks drawn by the schedule, and its head's loss on what they hide.

mod config;
mod loss;
mod model;
mod objective;
mod scales;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

pub use config::{ModelConfig, TrunkSize};
pub use loss::{LearnsCodes, Scored, Targets};
pub use model::{Generator, GeneratorFileKind, GeneratorHeader};
pub use objective::Objective;
pub use scales::embedding_scales;

use super::learner::{Applied, Learner};
use super::log::{Panel, Scale};
use super::model_file::{ModelFile, Storage};
use super::run::RunConfig;
use super::tokens::TokenBatch;
use super::weights::{Gradient, Weights, added};
use crate::condition::Saying;
use crate::error::{Error, Result};
use crate::model::{Network, NetworkConfig, Resgen};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::transformer::TrunkConfig;
use crate::nn::{Builder, Precision};
use crate::sample::{Preset, Request, Sampler, Samples};
use crate::signal::Picture;
use crate::signal::draw::Grid;
use crate::text::Pace;
use crate::tokenizer::image::Autoencoder;
use crate::tokenizer::{Autoencode, Tokenizer, TokenizerConfig, TokenizerKind};
use crate::workers::Workers;

/// The tensor of a checkpoint that says what data the run learns.
const SCALES: &str = "embedding_scales";
/// And the one that says, as characters, which frozen encoder its texts are read with.
const TEXT_ENCODER: &str = "text_encoder";

/// Everything a generator in training needs beside its config.
pub struct GeneratorParts<A: Autoencode = Autoencoder> {
    /// The tokenizer whose codes are learned.
    pub tokenizer: Tokenizer<A>,
    /// The most positions of a signal.
    pub positions: usize,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Sampler settings for previews, kept in the model file.
    pub preset: Preset,
    /// Licence of the weights.
    pub licence: String,
    /// What [`embedding_scales`] says of the training codes.
    pub embedding_scales: Vec<f32>,
    /// What a generator that speaks is told beside.
    pub speech: Option<SpeechParts>,
}

/// What a generator that speaks is told beside.
pub struct SpeechParts {
    /// How long it takes to say a text.
    pub pace: Pace,
    /// What previews say, and in how many positions.
    pub previewed: Vec<(Saying, usize)>,
}

/// A generator in training.
pub struct GeneratorLearner<M = Resgen, A: Autoencode = Autoencoder> {
    config: ModelConfig,
    parts: GeneratorParts<A>,
    seed: u64,
    precision: Precision,
    device: Device,
    weights: Weights<M>,
}

/// What micro-batches give a generator: sums over what their losses are means over.
pub struct GeneratorPart {
    gradients: Vec<Tensor<1>>,
    scalars: Vec<f64>,
    count: f64,
}

/// Whether what is learned are codes of speech.
const fn speaks<A: Autoencode>() -> bool {
    matches!(A::Config::KIND, TokenizerKind::SpeechTokenizer)
}

/// A network that can be trained as a generator.
pub trait Trainable: Network<Head: LearnsCodes> + Samples + Sync {}

impl<M: Network<Head: LearnsCodes> + Samples + Sync> Trainable for M {}

impl<M: Trainable, A: Autoencode> GeneratorLearner<M, A> {
    /// A fresh generator. The frozen encoder that its config names is loaded.
    ///
    /// # Errors
    /// [`Error::Config`] for a config out of range; those of [`FrozenEncoder::load`](crate::condition::FrozenEncoder::load).
    pub fn new(
        config: ModelConfig,
        parts: GeneratorParts<A>,
        run: &RunConfig,
        device: &Device,
    ) -> Result<Self> {
        if config.kind != M::KIND {
            return Err(Error::mismatch("kind of generator", M::KIND.name(), config.kind.name()));
        }
        let scales = parts.embedding_scales.clone();
        let quantizer = parts.tokenizer.config().quantizer();
        let encoder = config.text.as_ref().map(|text| text.load(device)).transpose()?.flatten();
        let classes = parts.classes.len();
        let sizes = config.sizes((quantizer, parts.positions), classes, scales, encoder.as_deref())?;
        parts.preset.validate(sizes.positions * sizes.depth)?;
        parameters::expect_possible(&M::new(&mut Builder::blank(device), sizes.clone()), "model")?;
        let model = M::new(&mut Builder::new(run.seed, device), sizes).reading_with(encoder);
        let weights = Weights::new(model, run.optimizer);
        Ok(Self { config, parts, seed: run.seed, precision: run.precision, device: device.clone(), weights })
    }

    /// Begins with the weights of `before` in place of random ones. Vectors of classes go by the classes' names:
    /// those that it does not have stay random. Blocks that it does not have begin as the identity.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where its network has other sizes, or more blocks.
    pub fn start_from(&mut self, before: Generator<M, A>) -> Result<()> {
        let fresh = self.weights.model().clone();
        let sizes = |model: &M, layers: usize| {
            let NetworkConfig {
                trunk, head, positions, depth, latent, vocabulary, depth_layers, text, ..
            } = model.config();
            let trunk = TrunkConfig { layers, ..*trunk };
            let reader = text.as_ref().map_or("no texts".into(), |text| match &text.encoder {
                Some(encoder) => {
                    format!("texts by encoder {} and {} layers", encoder.fingerprint, text.layers)
                }
                None => format!("texts by {} layers", text.layers),
            });
            format!(
                "{trunk:?}, {head:?}, {depth_layers} along the depth, L = {positions}, D = {depth}, H = {latent}, V = {vocabulary}, {reader}"
            )
        };
        let layers = before.model.config().trunk.layers;
        let most = fresh.config().trunk.layers;
        let (expected, found) = (sizes(&fresh, layers.min(most)), sizes(&before.model, layers));
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
    pub fn averaged(&self) -> M {
        self.weights.averaged()
    }

    /// The tokenizer whose codes are learned.
    pub fn tokenizer(&self) -> &Tokenizer<A> {
        &self.parts.tokenizer
    }

    fn scales(&self) -> TensorData {
        let scales = self.parts.embedding_scales.clone();
        let count = scales.len();
        TensorData::new(scales, [count])
    }

    /// The fingerprint of the frozen encoder, if there is one.
    fn text_encoder(&self) -> Option<TensorData> {
        let text = self.weights.model().config().text.as_ref()?;
        let characters: Vec<f32> = text.encoder.as_ref()?.fingerprint.bytes().map(f32::from).collect();
        let count = characters.len();
        Some(TensorData::new(characters, [count]))
    }

    fn objective(&self) -> Objective {
        Objective {
            schedule: self.config.schedule,
            condition_dropout: self.config.condition_dropout,
            prompt_share: self.config.prompt_share,
            target_noise: self.config.target_noise,
            seed: self.seed,
        }
    }
}

impl<M: Trainable, A: Autoencode> Learner for GeneratorLearner<M, A> {
    type Batch = TokenBatch;
    type Part = GeneratorPart;
    const COLUMNS: &'static [&'static str] = match speaks::<A>() {
        true => &["loss", <M::Head as LearnsCodes>::WATCHED, "reading", "gradient_norm", "learning_rate"],
        false => &["loss", <M::Head as LearnsCodes>::WATCHED, "gradient_norm", "learning_rate"],
    };

    fn panels() -> Vec<Panel> {
        let (unit, watched) = (<M::Head as LearnsCodes>::UNIT, <M::Head as LearnsCodes>::WATCHED);
        let [title, watched_unit] = <M::Head as LearnsCodes>::WATCHED_AS;
        let mut panels = vec![
            Panel::of("Loss", unit, &["loss"], Scale::Linear),
            Panel::of(title, watched_unit, &[watched], Scale::Linear),
            Panel::of("Gradient", "norm before clipping", &["gradient_norm"], Scale::Log),
        ];
        if speaks::<A>() {
            let reading = Panel::of("When texts are said", "nats per position", &["reading"], Scale::Linear);
            panels.insert(2, reading);
        }
        panels
    }

    fn part(&self, step: u64, batch: TokenBatch) -> Result<GeneratorPart> {
        let masters = self.weights.model().clone().train();
        let model = self.precision.of(masters.clone());
        let scored = self.objective().score(&model, self.parts.tokenizer.books(), step, &batch)?;
        let (scalars, count) = (scored.sums()?, scored.count);
        let gradients = parameters::take_gradients(&masters, &mut scored.whole().backward());
        Ok(GeneratorPart { gradients, scalars, count })
    }

    fn merged(sum: GeneratorPart, next: GeneratorPart, workers: &Workers) -> Result<GeneratorPart> {
        Ok(GeneratorPart {
            gradients: added(sum.gradients, next.gradients, workers)?,
            scalars: sum.scalars.iter().zip(&next.scalars).map(|(a, b)| a + b).collect(),
            count: sum.count + next.count,
        })
    }

    fn apply(&mut self, _: u64, all: GeneratorPart, rate: f64, workers: &Workers) -> Result<Applied> {
        let mut scalars: Vec<f64> = all.scalars.iter().map(|sum| sum / all.count).collect();
        let gradient = Gradient::mean(all.gradients, all.count, workers)?;
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
        state.extend(self.text_encoder().map(|encoder| (TEXT_ENCODER.into(), encoder)));
        state
    }

    fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        if state.get(SCALES).is_none_or(|found| found != &self.scales()) {
            let expected = "those the run began with (the same tokenizer and token cache)";
            return Err(Error::mismatch("scales of the embeddings", expected, "others"));
        }
        if state.get(TEXT_ENCODER) != self.text_encoder().as_ref() {
            return Err(Error::mismatch("text encoder", "the one the run began with", "another"));
        }
        self.weights.restore(state, "generator.", &self.device)
    }

    fn export(&self, path: &Path, step: u64) -> Result<()> {
        let model = self.averaged();
        let header = GeneratorHeader {
            kind: GeneratorFileKind::of(A::Config::KIND),
            model: model.config().clone(),
            tokenizer: self.parts.tokenizer.config().clone(),
            classes: self.parts.classes.clone(),
            pace: self.parts.speech.as_ref().map(|speech| speech.pace),
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
        let sampler = model.sampler(self.parts.tokenizer.books(), self.parts.preset)?;
        let grid = match &self.parts.speech {
            Some(speech) => self.spoken(&*sampler, speech)?,
            None => self.drawn(&*sampler)?,
        };
        Ok(vec![("samples", grid.draw()?)])
    }
}

impl<M: Trainable, A: Autoencode> GeneratorLearner<M, A> {
    /// Samples of some classes.
    fn drawn(&self, sampler: &dyn Sampler) -> Result<Grid> {
        let (columns, rows) = (8, 4);
        let classes = self.parts.classes.len();
        let stride = classes.div_ceil(columns).max(1);
        let shown: Vec<usize> = (0..columns).map(|column| column * stride % classes).collect();
        let request = Request { classes: shown.repeat(rows), seed: self.seed, ..Request::default() };
        let tokenizer = &self.parts.tokenizer;
        let pictures = tokenizer.pictures(tokenizer.decode(&sampler.sample(&request)?)?)?;
        let mut grid = Grid::new("").columns(shown.iter().map(|&class| self.parts.classes[class].clone()));
        for row in pictures.chunks(columns) {
            grid = grid.row("", row.to_vec());
        }
        Ok(grid)
    }

    /// Samples that say something.
    fn spoken(&self, sampler: &dyn Sampler, speech: &SpeechParts) -> Result<Grid> {
        let tokenizer = &self.parts.tokenizer;
        let mut grid = Grid::new("");
        for (saying, positions) in &speech.previewed {
            let request = Request {
                classes: vec![0],
                texts: vec![saying.clone()],
                positions: Some(*positions),
                seed: self.seed,
                ..Request::default()
            };
            let pictures = tokenizer.pictures(tokenizer.decode(&sampler.sample(&request)?)?)?;
            grid = grid.row(saying.text.chars().take(24).collect::<String>(), pictures);
        }
        Ok(grid)
    }
}
