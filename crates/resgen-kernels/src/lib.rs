//! Fused operations of ResGen models.
//!
//! Every operation has one reference body in plain tensor operations, which is its specification and runs
//! on every backend, and may have faster bodies per backend. Models call the functions of this crate and do
//! not know which body runs.
//!
//! To add an operation: a reference body in `reference`, a method of [`FusedOps`], its body for each backend
//! that gains from one, its backward pass in `autodiff`, and a test that holds the fast body against the
//! reference over odd shapes.

mod autodiff;
mod cpu;
pub mod reference;
pub mod sampling;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Tensor};

/// The operations that a backend may bring a body of its own for.
#[backend_extension(Flex, Autodiff)]
pub trait FusedOps: Backend {
    /// See [`gelu_tanh`].
    fn gelu_tanh(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`modulated_norm`].
    fn modulated_norm(
        x: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        scale: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The backward passes of [`FusedOps`].
pub trait FusedGradients: FusedOps {
    /// The gradient of [`gelu_tanh`]'s input.
    fn gelu_tanh_backward(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The gradients of [`modulated_norm`]'s input, shift and scale.
    fn modulated_norm_backward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

/// `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`.
///
/// # Shapes
/// any → the same
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !has_fused_body(&x) {
        return reference::gelu_tanh(x);
    }
    Tensor::from_dispatch(Dispatch::gelu_tanh(x.into_dispatch()))
}

/// Layer norm without learned gain, then `·(1 + scale) + shift`, as adaLN blocks use it.
///
/// # Shapes
/// x `[B, L, d]`, shift and scale `[B, 1, d]` → `[B, L, d]`
pub fn modulated_norm(x: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    if !has_fused_body(&x) {
        return reference::modulated_norm(x, shift, scale);
    }
    let (x, shift, scale) = (x.into_dispatch(), shift.into_dispatch(), scale.into_dispatch());
    Tensor::from_dispatch(Dispatch::modulated_norm(x, shift, scale))
}

fn has_fused_body<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device().without_autodiff();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_)) && x.dtype() == DType::F32
}
