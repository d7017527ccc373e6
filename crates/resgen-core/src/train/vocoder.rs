//! How a vocoder learns: its sounds should have the spectrograms they were made of, and critics should not tell them from recordings.
//!
//! 1. The spectrogram of a piece of a recording, or what a tokenizer's codes leave of it, becomes sound.
//! 2. What the losses want of the sound is its gradient with respect to the samples: the spectrogram's difference and, once critics take
//!    part, what they say (hinge losses) and what their layers see (the difference to what they see of the recording).
//! 3. One backward pass through the network takes it to the weights.
//! 4. The critics learn from the same recordings and sounds.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::config::{Experiment, SpeechDataConfig};
use super::learner::{Applied, Learner};
use super::log::{Panel, Scale};
use super::model_file::{ModelFile, Storage};
use super::run::RunConfig;
use super::scalar;
use super::tokenizer::SignalBatch;
use super::weights::{Gradient, Weights, added};
use crate::error::{Error, Result};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::{Builder, Precision};
use crate::signal::Picture;
use crate::signal::draw::Grid;
use crate::signal::mel::MelTransform;
use crate::tokenizer::speech::MelAutoencoder;
use crate::tokenizer::{Autoencode, SpeechTokenizer};
use crate::vocoder::{
    Critics, CriticsConfig, Fourier, Judgement, LogMels, VocoderHeader, VocoderKind, VocosConfig,
    VocosNetwork,
};
use crate::workers::Workers;

/// Everything that makes a vocoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocoderExperiment {
    /// Licence of the resulting weights.
    #[serde(default = "super::config::unstated")]
    pub licence: String,
    /// Recordings.
    pub data: SpeechDataConfig,
    /// A tokenizer: the vocoder is then shown what all its codes leave of the spectrograms, as generators say them, in place of the spectrograms.
    #[serde(default)]
    pub tokenizer: Option<PathBuf>,
    /// Sizes.
    pub vocoder: VocosConfig,
    /// Losses.
    #[serde(default)]
    pub losses: VocoderLosses,
    /// The run.
    pub train: RunConfig,
}

/// Weights of the losses: the `[losses]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VocoderLosses {
    /// Of the mean absolute difference of the spectrograms, in nats.
    pub mel: f64,
    /// Of what the critics say; 0 leaves them out.
    pub adversarial: f64,
    /// Of the mean absolute difference of what their layers see.
    pub features: f64,
    /// First step with critics.
    pub start_step: u64,
    /// The critics' learning rate as a multiple of the vocoder's.
    pub rate: f64,
    /// Sizes of the critics.
    pub critics: CriticsConfig,
}

impl Default for VocoderLosses {
    fn default() -> Self {
        Self {
            mel: 45.0,
            adversarial: 1.0,
            features: 2.0,
            start_step: 0,
            rate: 1.0,
            critics: CriticsConfig::default(),
        }
    }
}

impl Experiment for VocoderExperiment {
    fn validate(&self) -> Result<()> {
        self.vocoder.validate()?;
        self.losses.validate(self.vocoder.samples())?;
        self.train.validate()
    }
}

impl VocoderLosses {
    fn validate(&self, samples: usize) -> Result<()> {
        let at_least_zero = [("adversarial", self.adversarial), ("features", self.features)];
        for (key, value) in at_least_zero {
            if !(value >= 0.0 && value.is_finite()) {
                let reason = format!("expected a number of at least 0, found {value}");
                return Err(Error::config(format!("losses.{key}"), reason));
            }
        }
        for (key, value) in [("mel", self.mel), ("rate", self.rate)] {
            if !(value > 0.0 && value.is_finite()) {
                let reason = format!("expected a number of more than 0, found {value}");
                return Err(Error::config(format!("losses.{key}"), reason));
            }
        }
        self.critics.validate(samples)
    }
}

/// A vocoder in training.
pub struct VocoderLearner {
    config: VocosConfig,
    losses: VocoderLosses,
    licence: String,
    precision: Precision,
    device: Device,
    mels: LogMels,
    tokenizer: Option<SpeechTokenizer>,
    weights: Weights<VocosNetwork>,
    critics: Option<Opponents>,
    samples: Vec<f32>, // held-out pieces for previews
}

/// Critics in training.
struct Opponents {
    weights: Weights<Critics>,
    transforms: Vec<Fourier>,
}

/// What micro-batches give a vocoder: sums.
pub struct VocoderPart {
    count: usize,
    gradients: Vec<Tensor<1>>,
    critics: Option<Vec<Tensor<1>>>,
    measured: [f64; 4], // mel, adversarial, features, critics
}

/// A micro-batch.
struct Piece {
    mels: Tensor<3>,  // [B, frames, bins], normalised
    sound: Tensor<2>, // [B, samples]
}

/// What the critics say of a micro-batch's sounds.
struct Verdict {
    wanted: Tensor<1>, // with the graph of the sounds
    lesson: Vec<Tensor<1>>,
    measured: [f64; 3],
}

impl VocoderLearner {
    /// A fresh vocoder, of what is left of spectrograms by the tokenizer that the experiment names. `samples` are held-out pieces for previews.
    ///
    /// # Errors
    /// [`Error::Config`] for sizes out of range or that the tokenizer cannot take; [`Error::Mismatch`] for a tokenizer of other spectrograms.
    pub fn new(
        experiment: &VocoderExperiment,
        tokenizer: Option<SpeechTokenizer>,
        samples: Vec<f32>,
        device: &Device,
    ) -> Result<Self> {
        experiment.validate()?;
        if let Some(tokenizer) = &tokenizer {
            experiment.vocoder.expect_tokenizer(tokenizer.config())?;
        }
        let (config, losses, run) =
            (experiment.vocoder.clone(), experiment.losses.clone(), &experiment.train);
        parameters::expect_possible(&VocosNetwork::new(&mut Builder::blank(device), &config), "vocoder")?;
        let mut builder = Builder::new(run.seed, device);
        let weights = Weights::new(VocosNetwork::new(&mut builder, &config), run.optimizer);
        let critics = (losses.adversarial > 0.0).then(|| Opponents {
            weights: Weights::new(Critics::new(&mut builder, &losses.critics), run.optimizer),
            transforms: losses.critics.transforms(device),
        });
        Ok(Self {
            mels: LogMels::new(&MelTransform::new(config.listener.mel.clone())?, device),
            tokenizer,
            licence: experiment.licence.clone(),
            precision: run.precision,
            device: device.clone(),
            weights,
            critics,
            samples,
            losses,
            config,
        })
    }

    /// Recordings with what is around each piece, of which its spectrogram is made.
    ///
    /// # Shapes
    /// `[B, around + samples + around]`
    fn piece(&self, values: Vec<f32>) -> Result<Piece> {
        let (around, samples) = (self.config.around(), self.config.samples());
        let each = samples + 2 * around;
        if values.is_empty() || !values.len().is_multiple_of(each) {
            let expected = format!("a multiple of {each} samples");
            return Err(Error::mismatch("batch of recordings", expected, values.len()));
        }
        let count = values.len() / each;
        let recordings = Tensor::<2>::from_data(TensorData::new(values, [count, each]), &self.device);
        let mels = self.shown(self.normalised(self.mels.forward(recordings.clone())))?;
        Ok(Piece { mels, sound: recordings.narrow(1, around, samples) })
    }

    /// What the vocoder sees of normalised spectrograms.
    fn shown(&self, mels: Tensor<3>) -> Result<Tensor<3>> {
        match &self.tokenizer {
            Some(tokenizer) => Ok(tokenizer.rebuilt(mels.unsqueeze_dim(1))?.squeeze_dim(1)),
            None => Ok(mels),
        }
    }

    fn normalised(&self, mels: Tensor<3>) -> Tensor<3> {
        (mels - self.config.listener.centre) / self.config.listener.spread
    }

    /// # Shapes
    /// `[B, frames, bins]` → `[B, samples]`
    fn sound(&self, network: &VocosNetwork, mels: Tensor<3>) -> Tensor<2> {
        self.mels.fourier().inverse(network.forward(mels), self.config.samples())
    }

    fn opponents_at(&self, step: u64) -> Option<&Opponents> {
        self.critics.as_ref().filter(|_| step >= self.losses.start_step)
    }

    /// What the critics want of `leaf`, and what they learn from it and the recording.
    fn verdict(&self, opponents: &Opponents, leaf: Tensor<2>, recording: Tensor<2>) -> Result<Verdict> {
        let masters = opponents.weights.model().clone().train();
        let learning = self.precision.of(masters.clone());
        let judge = |critics: &Critics, sound: Tensor<2>| critics.judge(&sound, &opponents.transforms);
        let real = judge(&learning, recording.autodiff());
        let fake = judge(&learning, leaf.clone().without_autodiff().autodiff());
        let hinge = |judged: &[Judgement], sign: f64| {
            total(judged.iter().map(|judgement| relu(judgement.logits.clone() * sign + 1.0).mean()))
        };
        let lesson = hinge(&real, -1.0) + hinge(&fake, 1.0);

        // The critics themselves are not tracked here.
        let told = judge(&self.precision.of(opponents.weights.model().clone()), leaf);
        let adversarial = total(told.iter().map(|judgement| -judgement.logits.clone().mean()));
        let seen = told.iter().zip(&real).flat_map(|(told, real)| told.features.iter().zip(&real.features));
        let features = total(seen.map(|(told, real)| {
            let real = real.clone().without_autodiff().autodiff();
            (told.clone() - real).abs().mean()
        }));
        let measured = [scalar(&adversarial)?, scalar(&features)?, scalar(&lesson)?];
        let wanted = adversarial * self.losses.adversarial + features * self.losses.features;
        Ok(Verdict { wanted, lesson: parameters::take_gradients(&masters, &mut lesson.backward()), measured })
    }

    /// What the vocoder sees of the previewed recordings above the spectrograms of its sounds.
    fn preview(&self) -> Result<Picture> {
        let Piece { mels, .. } = self.piece(self.samples.clone())?;
        let sounds = self.sound(&self.weights.averaged(), mels.clone());
        let again = self.normalised(self.mels.forward(sounds));
        let [_, frames, _] = again.dims();
        // A sound has no frames that need samples beyond its ends.
        let missing = (mels.dims()[1] - frames) / 2;
        let pictures = |mels: Tensor<3>| MelAutoencoder::pictures(mels.unsqueeze_dim(1));
        let shown = pictures(mels.narrow(1, missing, frames))?;
        let label = if self.tokenizer.is_some() { "of codes" } else { "recording" };
        Grid::new("").row(label, shown).row("vocoder", pictures(again)?).draw()
    }
}

/// The sum of losses; there is at least one.
fn total(losses: impl Iterator<Item = Tensor<1>>) -> Tensor<1> {
    losses.reduce(|sum, next| sum + next).expect("validated: at least one critic")
}

impl Learner for VocoderLearner {
    type Batch = SignalBatch;
    type Part = VocoderPart;
    const COLUMNS: &'static [&'static str] =
        &["mel", "adversarial", "features", "critics", "gradient_norm", "critics_norm", "learning_rate"];

    fn panels() -> Vec<Panel> {
        vec![
            Panel::of("Spectrogram", "nats", &["mel"], Scale::Log),
            Panel::of("Critics", "loss", &["adversarial", "critics"], Scale::Linear),
            Panel::of("What critics see", "difference", &["features"], Scale::Log),
            Panel::of("Gradient", "norm before clipping", &["gradient_norm", "critics_norm"], Scale::Log),
        ]
    }

    fn part(&self, step: u64, batch: SignalBatch) -> Result<VocoderPart> {
        let masters = self.weights.model().clone().train();
        let Piece { mels, sound: recording } = self.piece(batch.values)?;
        let sound = self.sound(&self.precision.of(masters.clone()), mels.autodiff());

        let leaf = sound.clone().without_autodiff().autodiff().require_grad();
        let difference = self.mels.forward(leaf.clone()) - self.mels.forward(recording.clone()).autodiff();
        let mel = difference.abs().mean();
        let mut measured = [scalar(&mel)?, f64::NAN, f64::NAN, f64::NAN];
        let mut wanted = mel * self.losses.mel;
        let mut critics = None;
        if let Some(opponents) = self.opponents_at(step) {
            let verdict = self.verdict(opponents, leaf.clone(), recording)?;
            wanted = wanted + verdict.wanted;
            measured[1..].copy_from_slice(&verdict.measured);
            critics = Some(verdict.lesson);
        }
        let gradient = leaf
            .grad_remove(&mut wanted.backward())
            .ok_or_else(|| Error::Training("a loss that does not depend on the sound".into()))?;
        // Its gradient with respect to the sound is what all losses want of it.
        let target = (sound * gradient.autodiff()).sum();
        let gradients = parameters::take_gradients(&masters, &mut target.backward());
        Ok(VocoderPart { count: 1, gradients, critics, measured })
    }

    fn merged(sum: VocoderPart, next: VocoderPart, workers: &Workers) -> Result<VocoderPart> {
        let critics = sum.critics.zip(next.critics);
        Ok(VocoderPart {
            count: sum.count + next.count,
            gradients: added(sum.gradients, next.gradients, workers)?,
            critics: critics.map(|(sum, next)| added(sum, next, workers)).transpose()?,
            measured: std::array::from_fn(|at| sum.measured[at] + next.measured[at]),
        })
    }

    fn apply(&mut self, _: u64, all: VocoderPart, rate: f64, workers: &Workers) -> Result<Applied> {
        let count = all.count as f64;
        let measured = all.measured.map(|sum| sum / count);
        let gradient = Gradient::mean(all.gradients, count, workers)?;
        let lesson = all.critics.map(|sum| Gradient::mean(sum, count, workers)).transpose()?;
        let norms = [gradient.norm, lesson.as_ref().map_or(0.0, |lesson| lesson.norm)];
        if !measured[0].is_finite() || norms.iter().any(|norm| !norm.is_finite()) {
            return Ok(Applied::NotFinite(format!("loss {} with gradient norms {norms:?}", measured[0])));
        }
        self.weights.update(gradient, rate, workers)?;
        let mut critics_norm = f64::NAN;
        if let (Some(opponents), Some(lesson)) = (&mut self.critics, lesson) {
            critics_norm = lesson.norm;
            opponents.weights.update(lesson, rate * self.losses.rate, workers)?;
        }
        Ok(Applied::Updated(measured.into_iter().chain([norms[0], critics_norm, rate]).collect()))
    }

    fn state(&self) -> NamedTensors {
        let mut state = self.weights.state("vocoder.");
        if let Some(opponents) = &self.critics {
            state.extend(opponents.weights.state("critics."));
        }
        state
    }

    fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        self.weights.restore(state, "vocoder.", &self.device)?;
        match &mut self.critics {
            Some(opponents) => opponents.weights.restore(state, "critics.", &self.device),
            None => Ok(()),
        }
    }

    fn export(&self, path: &Path, step: u64) -> Result<()> {
        let header = VocoderHeader {
            kind: VocoderKind::Vocoder,
            vocoder: self.config.clone(),
            step,
            licence: self.licence.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        ModelFile { header, tensors: parameters::read(&self.weights.averaged()) }.save(path, Storage::F32)
    }

    fn previews(&self, _: u64) -> Result<Vec<(&'static str, Picture)>> {
        match self.samples.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(vec![("vocoder", self.preview()?)]),
        }
    }
}
