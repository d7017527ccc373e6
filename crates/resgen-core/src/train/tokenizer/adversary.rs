//! The discriminator of a training: what it wants of reconstructions, and how it learns itself.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::scalar;
use crate::error::{Error, Result};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::{Builder, Precision};
use crate::tokenizer::Autoencode;
use crate::tokenizer::adversarial::{
    AdversarialConfig, Balance, Discriminator, SignalGradients, adaptive_weight, discriminator_loss,
    generator_loss,
};
use crate::train::run::RunConfig;
use crate::train::weights::{Gradient, Weights};
use crate::workers::Workers;

/// Names of the discriminator's tensors in a checkpoint begin with this.
const PREFIX: &str = "discriminator.";

/// A discriminator in training.
pub(super) struct Adversary {
    config: AdversarialConfig,
    precision: Precision,
    /// The discriminator, with optimizer moments of its own.
    pub weights: Weights<Discriminator>,
}

/// What the discriminator wants of reconstructions.
pub(super) struct Pull {
    /// Gradient of the generator's loss with respect to the reconstructions, `[B, C, h, w]`.
    pub gradient: Tensor<4>,
    /// The generator's loss.
    pub loss: f64,
}

/// What the discriminator itself learns from a micro-batch.
pub(super) struct Lesson {
    /// Of its parameters.
    pub gradients: Vec<Tensor<1>>,
    /// Its hinge loss.
    pub loss: f64,
}

impl Adversary {
    /// A fresh discriminator of signals of so many `channels`.
    pub fn new(builder: &mut Builder, config: AdversarialConfig, channels: usize, run: &RunConfig) -> Self {
        let discriminator = Discriminator::new(builder, &config.discriminator, channels);
        Self { config, precision: run.precision, weights: Weights::new(discriminator, run.optimizer) }
    }

    /// Whether it takes part in this step.
    pub fn is_active(&self, step: u64) -> bool {
        self.config.is_active(step)
    }

    /// # Shapes
    /// reconstruction `[B, C, h, w]`
    pub fn pull(&self, reconstruction: Tensor<4>) -> Result<Pull> {
        let leaf = reconstruction.without_autodiff().autodiff().require_grad();
        // Its parameters are not tracked here: only the signals' gradient is worked out.
        let model = self.precision.of(self.weights.model().clone());
        let loss = generator_loss(model.logits(leaf.clone()));
        Ok(Pull { gradient: gradient_of(&leaf, &loss)?, loss: scalar(&loss)? })
    }

    /// # Shapes
    /// `[B, C, h, w]` twice; neither gets a gradient
    pub fn lesson(&self, signals: Tensor<4>, reconstruction: Tensor<4>) -> Result<Lesson> {
        let masters = self.weights.model().clone().train();
        let model = self.precision.of(masters.clone());
        let logits = |x: Tensor<4>| model.logits(x.without_autodiff().autodiff());
        let loss = discriminator_loss(logits(signals), logits(reconstruction));
        let gradients = parameters::take_gradients(&masters, &mut loss.backward());
        Ok(Lesson { gradients, loss: scalar(&loss)? })
    }

    /// The adaptive weight; none where the configured weight stands alone.
    ///
    /// # Shapes
    /// features as in [`adaptive_weight`]
    pub fn balance<A: Autoencode>(
        &self,
        features: Tensor<4>,
        gradients: SignalGradients,
    ) -> Result<Option<f64>> {
        match self.config.balance {
            Balance::Fixed => Ok(None),
            Balance::Adaptive => {
                adaptive_weight::<A>(features, gradients, self.config.max_adaptive).map(Some)
            }
        }
    }

    /// The configured weight.
    pub fn weight(&self) -> f64 {
        self.config.weight
    }

    /// Updates the discriminator; `learning_rate` is the tokenizer's.
    ///
    /// # Errors
    /// As [`Weights::update`].
    pub fn update(&mut self, gradient: Gradient, learning_rate: f64, workers: &Workers) -> Result<()> {
        self.weights.update(gradient, learning_rate * self.config.discriminator.rate, workers)
    }

    /// Everything that later steps depend on.
    pub fn state(&self) -> NamedTensors {
        self.weights.state(PREFIX)
    }

    /// Goes back to what [`Adversary::state`] gave.
    pub fn restore(&mut self, state: &NamedTensors, device: &Device) -> Result<()> {
        self.weights.restore(state, PREFIX, device)
    }
}

/// The gradient of `loss` with respect to `leaf`.
pub(super) fn gradient_of(leaf: &Tensor<4>, loss: &Tensor<1>) -> Result<Tensor<4>> {
    leaf.grad_remove(&mut loss.backward())
        .ok_or_else(|| Error::Training("a loss that does not depend on the reconstruction".into()))
}
