//! The specification of every operation, in plain tensor operations.

use burn::tensor::Tensor;

/// Added to the variance before the root.
pub const NORM_EPSILON: f32 = 1e-6;

/// See [`crate::gelu_tanh`].
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let inner = (x.clone() + x.clone().powi_scalar(3) * 0.044715) * (2.0 / std::f64::consts::PI).sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}

/// See [`crate::modulated_norm`].
pub fn modulated_norm(x: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    centred / (variance + NORM_EPSILON).sqrt() * (scale + 1.0) + shift
}
