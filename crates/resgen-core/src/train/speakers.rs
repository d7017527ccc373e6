//! How a speaker encoder learns: cross-entropy on the speakers, by cosines with a margin (AM-softmax, arXiv 1801.05599). A piece must
//! be nearer to its own speaker than to any other by that much, so that voices are told apart that nobody trained on.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::config::{Experiment, SpeechDataConfig};
use super::learner::{Applied, Learner};
use super::log::Panel;
use super::model_file::{ModelFile, Storage};
use super::recognition::{self, Guesses};
use super::run::RunConfig;
use super::tokenizer::SignalBatch;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::features::speaker::SpeakerKind;
use crate::features::{SpeakerConfig, SpeakerHeader, SpeakerNetwork};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::{Builder, Precision};
use crate::signal::Picture;
use crate::workers::Workers;

/// By how much a piece must be nearer to its own speaker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarginConfig {
    /// Taken from the cosine to the own speaker.
    pub margin: f64,
    /// What cosines are multiplied with to be logits.
    pub scale: f64,
}

impl Default for MarginConfig {
    fn default() -> Self {
        Self { margin: 0.2, scale: 30.0 }
    }
}

impl MarginConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.margin) {
            return Err(Error::config("loss.margin", format!("expected 0 to 1, found {}", self.margin)));
        }
        if !(1.0..=1000.0).contains(&self.scale) {
            return Err(Error::config("loss.scale", format!("expected 1 to 1000, found {}", self.scale)));
        }
        Ok(())
    }

    /// `scale · (cosine − margin)` for the own speaker, `scale · cosine` for all others.
    ///
    /// # Shapes
    /// cosines `[B, N]`, speakers `[B, 1]` → `[B, N]`
    fn logits(&self, cosines: Tensor<2>, speakers: Tensor<2, Int>) -> Tensor<2> {
        let [batch, count] = cosines.dims();
        let numbers = Tensor::<1, Int>::arange(0..count as i64, &speakers.device());
        let own = numbers.reshape([1, count]).expand([batch, count]).equal(speakers.expand([batch, count]));
        (cosines - own.float() * self.margin as f32) * self.scale as f32
    }
}

/// Everything that makes a speaker encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerExperiment {
    /// Licence of the resulting weights.
    pub licence: String,
    /// Recordings.
    pub data: SpeechDataConfig,
    /// Sizes.
    pub encoder: SpeakerConfig,
    /// The margin.
    pub loss: MarginConfig,
    /// The run.
    pub train: RunConfig,
}

impl Experiment for SpeakerExperiment {
    fn validate(&self) -> Result<()> {
        self.encoder.validate()?;
        self.loss.validate()?;
        self.train.validate()
    }
}

/// A speaker encoder in training.
pub struct SpeakerLearner {
    config: SpeakerConfig,
    loss: MarginConfig,
    speakers: Vec<String>,
    licence: String,
    precision: Precision,
    device: Device,
    weights: Weights<SpeakerNetwork>,
}

impl SpeakerLearner {
    /// A fresh speaker encoder.
    ///
    /// # Errors
    /// [`Error::Config`] for sizes out of range, [`Error::Argument`] for fewer than two speakers.
    pub fn new(experiment: &SpeakerExperiment, speakers: Vec<String>, device: &Device) -> Result<Self> {
        experiment.validate()?;
        if speakers.len() < 2 {
            let reason = format!("expected at least 2 to tell apart, found {}", speakers.len());
            return Err(Error::argument("speakers", reason));
        }
        let config = experiment.encoder.clone();
        let run = &experiment.train;
        let blank = SpeakerNetwork::new(&mut Builder::blank(device), &config, speakers.len());
        parameters::expect_possible(&blank, "encoder")?;
        let network = SpeakerNetwork::new(&mut Builder::new(run.seed, device), &config, speakers.len());
        Ok(Self {
            config,
            loss: experiment.loss,
            speakers,
            licence: experiment.licence.clone(),
            precision: run.precision,
            device: device.clone(),
            weights: Weights::new(network, run.optimizer),
        })
    }
}

impl Learner for SpeakerLearner {
    type Batch = SignalBatch;
    type Part = Guesses;
    const COLUMNS: &'static [&'static str] = recognition::COLUMNS;

    fn panels() -> Vec<Panel> {
        recognition::panels("piece")
    }

    fn part(&self, _: u64, batch: SignalBatch) -> Result<Guesses> {
        let (count, frames, bins) = (batch.classes.len(), self.config.segment, self.config.listener.mel.bins);
        let mels = Tensor::from_data(TensorData::new(batch.values, [count, frames, bins]), &self.device);
        let speakers = recognition::classes(&batch.classes, &self.device);
        let masters = self.weights.model().clone().train();
        let network = self.precision.of(masters.clone());
        let cosines = network.cosines(network.embeddings(mels)); // [B, speakers]
        let logits = self.loss.logits(cosines.clone(), speakers.clone());
        Guesses::of(&masters, logits, cosines, speakers)
    }

    fn merged(sum: Guesses, next: Guesses, workers: &Workers) -> Result<Guesses> {
        sum.merged(next, workers)
    }

    fn apply(&mut self, _: u64, all: Guesses, rate: f64, workers: &Workers) -> Result<Applied> {
        all.update(&mut self.weights, rate, workers)
    }

    fn state(&self) -> NamedTensors {
        self.weights.state("encoder.")
    }

    fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        self.weights.restore(state, "encoder.", &self.device)
    }

    fn export(&self, path: &Path, step: u64) -> Result<()> {
        let header = SpeakerHeader {
            kind: SpeakerKind::SpeakerEncoder,
            encoder: self.config.clone(),
            speakers: self.speakers.clone(),
            heldout_equal_error_rate: None,
            heldout_nearer: None,
            step,
            licence: self.licence.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        ModelFile { header, tensors: parameters::read(&self.weights.averaged()) }.save(path, Storage::F32)
    }

    fn previews(&self, _: u64) -> Result<Vec<(&'static str, Picture)>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_taken_from_the_own_speaker_alone() {
        let device = Device::flex();
        let cosines = Tensor::from_data(TensorData::new(vec![0.5f32, -0.25, 0.75, 1.0], [2, 2]), &device);
        let loss = MarginConfig { margin: 0.25, scale: 8.0 };
        let logits = loss.logits(cosines, recognition::classes(&[1, 0], &device));
        // 8·0.5, 8·(−0.25 − 0.25); 8·(0.75 − 0.25), 8·1.
        assert_eq!(logits.try_into_vec_as::<f32>().unwrap(), [4.0, -4.0, 4.0, 8.0]);
    }

    #[test]
    fn a_margin_out_of_range_is_named() {
        let refused = |margin, scale| MarginConfig { margin, scale }.validate().unwrap_err().to_string();
        assert!(refused(-0.1, 30.0).contains("`loss.margin`"));
        assert!(refused(f64::NAN, 30.0).contains("`loss.margin`"));
        assert!(refused(0.2, 0.0).contains("`loss.scale`"));
    }
}
