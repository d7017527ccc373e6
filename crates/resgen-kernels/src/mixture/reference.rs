//! The specification of the mixture's operations, in plain tensor operations.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

/// See [`super::features`].
pub fn features(y: Tensor<2>, mixer: Tensor<2>) -> Tensor<2> {
    let cross = outer(y.clone(), mixer.clone()); // [N, H·r]
    let square = outer(mixer.clone(), mixer.clone()); // [N, r²]
    Tensor::cat(vec![cross, y, mixer, square], 1)
}

/// The outer product of two rows: `[N, A]`, `[N, B]` → `[N, A·B]`.
fn outer(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    let [positions, rows] = left.dims();
    let [_, columns] = right.dims();
    (left.unsqueeze_dim::<3>(2) * right.unsqueeze_dim::<3>(1)).reshape([positions, rows * columns])
}

/// See [`super::log_likelihood`].
pub fn log_likelihood(logits: Tensor<2>, distances: Tensor<2>) -> Tensor<1> {
    let joint = log_softmax(logits, 1) - distances * 0.5; // [N, K]
    // The maximum only moves the origin, so it takes no part in the gradient.
    let top = joint.clone().max_dim(1).detach(); // [N, 1]
    ((joint - top.clone()).exp().sum_dim(1).log() + top).squeeze_dim(1)
}

/// See [`super::posterior_mass`].
pub fn posterior_mass(logits: Tensor<2>, distances: Tensor<2>, weight: Tensor<1>) -> Tensor<1> {
    (softmax(logits - distances * 0.5, 1) * weight.unsqueeze_dim(1)).sum_dim(0).squeeze_dim(0)
}
