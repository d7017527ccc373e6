//! How networks learn to tell classes apart, whatever of: [pictures](super::classifier), or [voices](super::speakers).

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::config::Experiment;
use super::learner::{Applied, Learner};
use super::log::{Panel, Scale};
use super::model_file::{ModelFile, Storage};
use super::run::RunConfig;
use super::scalar;
use super::tokenizer::SignalBatch;
use super::weights::{Gradient, Weights, added};
use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::parameters::{self, NamedTensors};
use crate::signal::Picture;
use crate::workers::Workers;

/// An experiment whose network tells classes apart.
pub trait Recognition: Experiment + Send + Sync {
    /// The network.
    type Network: Module + Sync;
    /// What its model file says beside its weights.
    type Header: Serialize + DeserializeOwned;
    /// What an example is called.
    const EXAMPLE: &'static str;
    /// What classes are called.
    const CLASSES: &'static str;
    /// The key of its sizes.
    const SIZES: &'static str;
    /// What stands before the names of its weights in checkpoints.
    const PREFIX: &'static str;

    /// The run.
    fn run(&self) -> &RunConfig;

    /// A fresh network for so many classes.
    fn network(&self, builder: &mut Builder, classes: usize) -> Self::Network;

    /// The logits of a micro-batch that are learned from, and the scores of which the largest is the guess, `[B, classes]` each.
    ///
    /// # Shapes
    /// classes `[B, 1]`
    fn judge(
        &self,
        network: &Self::Network,
        values: Vec<f32>,
        classes: &Tensor<2, Int>,
    ) -> (Tensor<2>, Tensor<2>);

    /// What its model file says after so many steps.
    fn header(&self, classes: &[String], step: u64) -> Self::Header;
}

/// A network in training.
pub struct RecognitionLearner<E: Recognition> {
    experiment: E,
    classes: Vec<String>,
    device: Device,
    weights: Weights<E::Network>,
}

impl<E: Recognition> RecognitionLearner<E> {
    /// A fresh network.
    ///
    /// # Errors
    /// [`Error::Config`] for sizes out of range, [`Error::Argument`] for fewer than two classes.
    pub fn new(experiment: E, classes: Vec<String>, device: &Device) -> Result<Self> {
        experiment.validate()?;
        if classes.len() < 2 {
            let reason = format!("expected at least 2 to tell apart, found {}", classes.len());
            return Err(Error::argument(E::CLASSES, reason));
        }
        parameters::expect_possible(
            &experiment.network(&mut Builder::blank(device), classes.len()),
            E::SIZES,
        )?;
        let RunConfig { seed, optimizer, .. } = *experiment.run();
        let network = experiment.network(&mut Builder::new(seed, device), classes.len());
        let weights = Weights::new(network, optimizer);
        Ok(Self { experiment, classes, device: device.clone(), weights })
    }
}

impl<E: Recognition> Learner for RecognitionLearner<E> {
    type Batch = SignalBatch;
    type Part = Guesses;
    const COLUMNS: &'static [&'static str] = &["loss", "accuracy", "gradient_norm", "learning_rate"];

    fn panels() -> Vec<Panel> {
        vec![
            Panel::of("Loss", &format!("nats per {}", E::EXAMPLE), &["loss"], Scale::Log),
            Panel::of("Accuracy", "share of a batch", &["accuracy"], Scale::Linear),
            Panel::of("Gradient", "norm before clipping", &["gradient_norm"], Scale::Log),
        ]
    }

    fn part(&self, _: u64, batch: SignalBatch) -> Result<Guesses> {
        let masters = self.weights.model().clone().train();
        let network = self.experiment.run().precision.of(masters.clone());
        let classes = numbers(&batch.classes, &self.device);
        let (logits, scores) = self.experiment.judge(&network, batch.values, &classes);
        Guesses::of(&masters, logits, scores, classes)
    }

    fn merged(sum: Guesses, next: Guesses, workers: &Workers) -> Result<Guesses> {
        sum.merged(next, workers)
    }

    fn apply(&mut self, _: u64, all: Guesses, rate: f64, workers: &Workers) -> Result<Applied> {
        all.update(&mut self.weights, rate, workers)
    }

    fn state(&self) -> NamedTensors {
        self.weights.state(E::PREFIX)
    }

    fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        self.weights.restore(state, E::PREFIX, &self.device)
    }

    fn export(&self, path: &Path, step: u64) -> Result<()> {
        let header = self.experiment.header(&self.classes, step);
        ModelFile { header, tensors: parameters::read(&self.weights.averaged()) }.save(path, Storage::F32)
    }

    fn previews(&self, _: u64) -> Result<Vec<(&'static str, Picture)>> {
        Ok(Vec::new())
    }
}

/// Numbers of classes, `[B, 1]`.
pub(super) fn numbers(classes: &[u32], device: &Device) -> Tensor<2, Int> {
    let values: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
    Tensor::from_data(TensorData::new(values, [classes.len(), 1]), device)
}

/// What micro-batches give: sums over their examples.
pub struct Guesses {
    gradients: Vec<Tensor<1>>,
    loss: f64,
    right: f64,
    count: f64,
}

impl Guesses {
    /// Cross-entropy of `logits`, with the gradients of `masters`; a guess is the largest of `scores`.
    ///
    /// # Shapes
    /// logits and scores `[B, classes]`, classes `[B, 1]`
    fn of<M: Module>(
        masters: &M,
        logits: Tensor<2>,
        scores: Tensor<2>,
        classes: Tensor<2, Int>,
    ) -> Result<Self> {
        let count = classes.dims()[0] as f64;
        let guesses = scores.without_autodiff().argmax(1); // [B, 1]
        let right = scalar(&guesses.equal(classes.clone()).float().sum())?;
        let loss = log_softmax(logits, 1).gather(1, classes).sum().neg();
        let sum = scalar(&loss)?;
        let gradients = parameters::take_gradients(masters, &mut loss.backward());
        Ok(Self { gradients, loss: sum, right, count })
    }

    /// Those of two micro-batches.
    fn merged(self, next: Self, workers: &Workers) -> Result<Self> {
        Ok(Self {
            gradients: added(self.gradients, next.gradients, workers)?,
            loss: self.loss + next.loss,
            right: self.right + next.right,
            count: self.count + next.count,
        })
    }

    /// Updates the weights with those of a whole step.
    fn update<M: Module + Sync>(
        self,
        weights: &mut Weights<M>,
        rate: f64,
        workers: &Workers,
    ) -> Result<Applied> {
        let (loss, accuracy) = (self.loss / self.count, self.right / self.count);
        let gradient = Gradient::mean(self.gradients, self.count, workers)?;
        let norm = gradient.norm;
        if !loss.is_finite() || !norm.is_finite() {
            return Ok(Applied::NotFinite(format!("loss {loss} with gradient norm {norm}")));
        }
        weights.update(gradient, rate, workers)?;
        Ok(Applied::Updated(vec![loss, accuracy, norm, rate]))
    }
}
