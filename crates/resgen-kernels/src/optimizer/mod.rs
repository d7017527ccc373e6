//! What a training step does with its gradients: their size, and AdamW with the weights' moving average.
//!
//! None of these operations has a gradient. Where a backend brings no body of its own, the reference runs.

mod cpu;
pub mod reference;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

use crate::operation::Operation;

/// The operations that a backend may bring a body of its own for.
#[backend_extension(Flex)]
pub trait OptimizerOps: Backend {
    /// See [`square_sum`].
    fn square_sum(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`adamw`]: weight, mean, square and average.
    fn adamw(
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        square: FloatTensor<Self>,
        average: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: AdamW,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// What training knows of one parameter, `[n]` each.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its values.
    pub weight: Tensor<1>,
    /// Decaying mean m of its gradients.
    pub mean: Tensor<1>,
    /// Decaying mean v of their squares.
    pub square: Tensor<1>,
    /// Decaying mean of its values.
    pub average: Tensor<1>,
}

/// One step of AdamW (arXiv 1711.05101) and of the weights' average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// How many steps there will have been after this one, at least 1.
    pub update: u64,
    /// Learning rate.
    pub rate: f32,
    /// Decay of the gradients' mean.
    pub beta1: f32,
    /// Decay of their squares' mean.
    pub beta2: f32,
    /// Added to the root of v before it divides.
    pub epsilon: f32,
    /// Decoupled weight decay, in units of the learning rate.
    pub weight_decay: f32,
    /// What the gradient is multiplied by before anything else.
    pub gradient_scale: f32,
    /// Decay of the weights' average.
    pub average_decay: f32,
}

impl AdamW {
    /// 1 − βᵗ for both means: what they lack while they remember their start at zero.
    fn corrections(&self) -> [f32; 2] {
        let time = self.update.min(i32::MAX as u64) as i32;
        [self.beta1, self.beta2].map(|beta| (1.0 - f64::from(beta).powi(time)) as f32)
    }
}

/// The sum of squares.
///
/// # Shapes
/// `[n]` → `[1]`
pub fn square_sum(x: Tensor<1>) -> Tensor<1> {
    if !Operation::SquareSum.has_body_for(&x) {
        return reference::square_sum(x);
    }
    Tensor::from_dispatch(Dispatch::square_sum(x.into_dispatch()))
}

/// With g = `gradient_scale`·gradient, m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²,
/// w ← (1 − rate·decay)·w − rate·m̂/(√v̂ + ε), where m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ),
/// and the average a ← αa + (1−α)w.
///
/// # Shapes
/// gradient `[n]`, as everything of the parameter
pub fn adamw(parameter: Trained, gradient: Tensor<1>, step: AdamW) -> Trained {
    if !Operation::AdamW.has_body_for(&gradient) {
        return reference::adamw(parameter, gradient, step);
    }
    let Trained { weight, mean, square, average } = parameter;
    let (weight, mean, square, average) = Dispatch::adamw(
        weight.into_dispatch(),
        mean.into_dispatch(),
        square.into_dispatch(),
        average.into_dispatch(),
        gradient.into_dispatch(),
        step,
    );
    Trained {
        weight: Tensor::from_dispatch(weight),
        mean: Tensor::from_dispatch(mean),
        square: Tensor::from_dispatch(square),
        average: Tensor::from_dispatch(average),
    }
}
