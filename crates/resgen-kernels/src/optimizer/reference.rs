//! The specification of every operation, in plain tensor operations.

use burn::tensor::Tensor;

use super::{AdamW, Trained};

/// See [`super::square_sum`].
pub fn square_sum(x: Tensor<1>) -> Tensor<1> {
    x.square().sum()
}

/// See [`super::adamw`].
pub fn adamw(parameter: Trained, gradient: Tensor<1>, step: AdamW) -> Trained {
    let Trained { weight, mean, square, average } = parameter;
    let [mean_missing, square_missing] = step.corrections();
    let gradient = gradient * step.gradient_scale;
    let mean = mean * step.beta1 + gradient.clone() * (1.0 - step.beta1);
    let square = square * step.beta2 + gradient.square() * (1.0 - step.beta2);
    let direction = mean.clone() / mean_missing / ((square.clone() / square_missing).sqrt() + step.epsilon);
    let weight = weight * (1.0 - step.rate * step.weight_decay) - direction * step.rate;
    let average = average * step.average_decay + weight.clone() * (1.0 - step.average_decay);
    Trained { weight, mean, square, average }
}
