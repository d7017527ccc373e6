//! What learning to tell classes apart has in common, whatever of: guesses about micro-batches, and what is logged of them.

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::learner::Applied;
use super::log::{Panel, Scale};
use super::scalar;
use super::weights::{Gradient, Weights, added};
use crate::error::Result;
use crate::nn::parameters;
use crate::workers::Workers;

/// The scalars that are logged.
pub(super) const COLUMNS: &[&str] = &["loss", "accuracy", "gradient_norm", "learning_rate"];

/// Their curves; `each` is what an example is called.
pub(super) fn panels(each: &str) -> Vec<Panel> {
    vec![
        Panel::of("Loss", &format!("nats per {each}"), &["loss"], Scale::Log),
        Panel::of("Accuracy", "share of a batch", &["accuracy"], Scale::Linear),
        Panel::of("Gradient", "norm before clipping", &["gradient_norm"], Scale::Log),
    ]
}

/// What micro-batches give: sums over their examples.
pub struct Guesses {
    gradients: Vec<Tensor<1>>,
    loss: f64,
    right: f64,
    count: f64,
}

/// Numbers of classes, `[B, 1]`.
pub(super) fn classes(numbers: &[u32], device: &Device) -> Tensor<2, Int> {
    let values: Vec<i32> = numbers.iter().map(|&number| number as i32).collect();
    Tensor::from_data(TensorData::new(values, [numbers.len(), 1]), device)
}

impl Guesses {
    /// Cross-entropy of `logits`, with the gradients of `masters`; a guess is the largest of `scores`.
    ///
    /// # Shapes
    /// logits and scores `[B, classes]`, classes `[B, 1]`
    pub(super) fn of<M: Module>(
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
    pub(super) fn merged(self, next: Self, workers: &Workers) -> Result<Self> {
        Ok(Self {
            gradients: added(self.gradients, next.gradients, workers)?,
            loss: self.loss + next.loss,
            right: self.right + next.right,
            count: self.count + next.count,
        })
    }

    /// Updates the weights with those of a whole step.
    pub(super) fn update<M: Module + Sync>(
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
