//! How a classifier of a user's own pictures learns: cross-entropy on their classes.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::config::{DataConfig, Experiment};
use super::learner::{Applied, Learner};
use super::log::{Panel, Scale};
use super::model_file::{ModelFile, Storage};
use super::run::RunConfig;
use super::scalar;
use super::tokenizer::SignalBatch;
use super::weights::{Gradient, Weights, added};
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

/// What micro-batches give a classifier: sums over their pictures.
pub struct ClassifierPart {
    gradients: Vec<Tensor<1>>,
    loss: f64,
    right: f64,
    count: f64,
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
    type Part = ClassifierPart;
    const COLUMNS: &'static [&'static str] = &["loss", "accuracy", "gradient_norm", "learning_rate"];

    fn panels() -> Vec<Panel> {
        vec![
            Panel::of("Loss", "nats per picture", &["loss"], Scale::Log),
            Panel::of("Accuracy", "share of a batch", &["accuracy"], Scale::Linear),
            Panel::of("Gradient", "norm before clipping", &["gradient_norm"], Scale::Log),
        ]
    }

    fn part(&self, _: u64, batch: SignalBatch) -> Result<ClassifierPart> {
        let (count, side) = (batch.classes.len(), self.config.resolution);
        let pixels = Tensor::from_data(TensorData::new(batch.values, [count, 3, side, side]), &self.device);
        let classes: Vec<i32> = batch.classes.iter().map(|&class| class as i32).collect();
        let classes = Tensor::<2, Int>::from_data(TensorData::new(classes, [count, 1]), &self.device);

        let masters = self.weights.model().clone().train();
        let logits = self.precision.of(masters.clone()).forward(pixels).logits; // [B, classes]
        let guesses = logits.clone().without_autodiff().argmax(1); // [B, 1]
        let right = guesses.equal(classes.clone()).float().sum();
        let loss = log_softmax(logits, 1).gather(1, classes).sum().neg();
        let (right, loss_sum) = (scalar(&right)?, scalar(&loss)?);
        let gradients = parameters::take_gradients(&masters, &mut loss.backward());
        Ok(ClassifierPart { gradients, loss: loss_sum, right, count: count as f64 })
    }

    fn merged(sum: ClassifierPart, next: ClassifierPart, workers: &Workers) -> Result<ClassifierPart> {
        Ok(ClassifierPart {
            gradients: added(sum.gradients, next.gradients, workers)?,
            loss: sum.loss + next.loss,
            right: sum.right + next.right,
            count: sum.count + next.count,
        })
    }

    fn apply(&mut self, _: u64, all: ClassifierPart, rate: f64, workers: &Workers) -> Result<Applied> {
        let (loss, accuracy) = (all.loss / all.count, all.right / all.count);
        let gradient = Gradient::mean(all.gradients, all.count, workers)?;
        if !loss.is_finite() || !gradient.norm.is_finite() {
            return Ok(Applied::NotFinite(format!("loss {loss} with gradient norm {}", gradient.norm)));
        }
        let norm = gradient.norm;
        self.weights.update(gradient, rate, workers)?;
        Ok(Applied::Updated(vec![loss, accuracy, norm, rate]))
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
