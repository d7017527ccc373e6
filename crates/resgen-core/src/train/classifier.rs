//! How a classifier of a user's own pictures learns: cross-entropy on their classes.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::config::{DataConfig, Experiment};
use super::learner::{Applied, Learner};
use super::log::Panel;
use super::model_file::{ModelFile, Storage};
use super::recognition::{self, Guesses};
use super::run::RunConfig;
use super::tokenizer::SignalBatch;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::features::{Classifier, ClassifierConfig, ClassifierHeader, ClassifierKind};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::{Builder, Precision};
use crate::signal::Picture;
use crate::workers::Workers;

/// Everything that makes a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierExperiment {
    /// Licence of the resulting weights.
    pub licence: String,
    /// Pictures.
    pub data: DataConfig,
    /// Sizes.
    pub features: ClassifierConfig,
    /// The run.
    pub train: RunConfig,
}

impl Experiment for ClassifierExperiment {
    fn validate(&self) -> Result<()> {
        self.features.validate()?;
        self.train.validate()
    }
}

/// A classifier in training.
pub struct ClassifierLearner {
    config: ClassifierConfig,
    classes: Vec<String>,
    licence: String,
    precision: Precision,
    device: Device,
    weights: Weights<Classifier>,
}

impl ClassifierLearner {
    /// A fresh classifier.
    ///
    /// # Errors
    /// [`Error::Config`] for sizes out of range, [`Error::Argument`] for fewer than two classes.
    pub fn new(experiment: &ClassifierExperiment, classes: Vec<String>, device: &Device) -> Result<Self> {
        experiment.validate()?;
        if classes.len() < 2 {
            let reason = format!("expected at least 2 to tell apart, found {}", classes.len());
            return Err(Error::argument("classes", reason));
        }
        let config = experiment.features.clone();
        let run = &experiment.train;
        parameters::expect_possible(
            &Classifier::new(&mut Builder::blank(device), &config, classes.len()),
            "features",
        )?;
        let network = Classifier::new(&mut Builder::new(run.seed, device), &config, classes.len());
        Ok(Self {
            config,
            classes,
            licence: experiment.licence.clone(),
            precision: run.precision,
            device: device.clone(),
            weights: Weights::new(network, run.optimizer),
        })
    }
}

impl Learner for ClassifierLearner {
    type Batch = SignalBatch;
    type Part = Guesses;
    const COLUMNS: &'static [&'static str] = recognition::COLUMNS;

    fn panels() -> Vec<Panel> {
        recognition::panels("picture")
    }

    fn part(&self, _: u64, batch: SignalBatch) -> Result<Guesses> {
        let (count, side) = (batch.classes.len(), self.config.resolution);
        let pixels = Tensor::from_data(TensorData::new(batch.values, [count, 3, side, side]), &self.device);
        let classes = recognition::classes(&batch.classes, &self.device);
        let masters = self.weights.model().clone().train();
        let logits = self.precision.of(masters.clone()).forward(pixels).logits; // [B, classes]
        Guesses::of(&masters, logits.clone(), logits, classes)
    }

    fn merged(sum: Guesses, next: Guesses, workers: &Workers) -> Result<Guesses> {
        sum.merged(next, workers)
    }

    fn apply(&mut self, _: u64, all: Guesses, rate: f64, workers: &Workers) -> Result<Applied> {
        all.update(&mut self.weights, rate, workers)
    }

    fn state(&self) -> NamedTensors {
        self.weights.state("classifier.")
    }

    fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        self.weights.restore(state, "classifier.", &self.device)
    }

    fn export(&self, path: &Path, step: u64) -> Result<()> {
        let header = ClassifierHeader {
            kind: ClassifierKind::Classifier,
            features: self.config.clone(),
            classes: self.classes.clone(),
            heldout_accuracy: None,
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
