//! Fused operations of ResGen models.
//!
//! Every operation has one reference body in plain tensor operations, which is its specification and runs
//! on every backend, and may have faster bodies per backend. Models call the functions of this crate and do
//! not know which body runs.
//!
//! To add an operation: its name in [`Operation`], a reference body in `reference`, a method of [`FusedOps`], its body for
//! each backend that gains from one, its backward pass in `autodiff`, and a test that holds the fast body against
//! the reference over odd shapes.

mod autodiff;
mod cpu;
#[cfg(feature = "gpu")]
mod cube_launch;
mod group_norm;
mod isa;
mod kept;
mod loops;
pub mod memory;
pub mod mixture;
mod operation;
pub mod optimizer;
mod product;
pub mod quantizer;
pub mod reference;
pub mod sampling;
mod scratch;
pub mod snake;

pub use operation::Operation;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::silu;

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

    /// See [`affine`].
    fn affine(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`affine_gelu`].
    fn affine_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// See [`attend`].
    fn attend(qkv: FloatTensor<Self>, heads: usize, sight: Sight) -> FloatTensor<Self>;

    /// See [`cross_attend`].
    fn cross_attend(
        queries: FloatTensor<Self>,
        said: FloatTensor<Self>,
        along: FloatTensor<Self>,
        places: FloatTensor<Self>,
        nothing: FloatTensor<Self>,
        sharpness: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// See [`convolve`].
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: [usize; 2],
    ) -> FloatTensor<Self>;

    /// See [`group_norm`] and, where it is gated, [`group_norm_silu`].
    fn group_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        is_gated: bool,
    ) -> FloatTensor<Self>;

    /// See [`mixture::features`].
    fn mixture_features(y: FloatTensor<Self>, mixer: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`mixture::log_likelihood`].
    fn mixture_log_likelihood(logits: FloatTensor<Self>, distances: FloatTensor<Self>) -> FloatTensor<Self>;
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

    /// The gradient of [`affine`]'s input.
    fn affine_backward_input(weight: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The gradient of [`affine`]'s weight, in f32; `weight` tells its precision.
    fn affine_backward_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// The gradient of [`affine`]'s bias.
    fn affine_backward_bias(gradient: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The gradient of [`attend`]'s input.
    fn attend_backward(
        qkv: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        heads: usize,
        sight: Sight,
    ) -> FloatTensor<Self>;

    /// The gradients of [`cross_attend`]'s inputs, in its order.
    fn cross_attend_backward(
        inputs: [FloatTensor<Self>; 6],
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 6];

    /// The gradient of [`convolve`]'s input, pictures of `size`.
    fn convolve_backward_input(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        size: [usize; 2],
        stride: usize,
        padding: [usize; 2],
    ) -> FloatTensor<Self>;

    /// The gradient of [`convolve`]'s weight, in f32; `weight` tells its precision.
    fn convolve_backward_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
        padding: [usize; 2],
    ) -> FloatTensor<Self>;

    /// The gradients of [`group_norm`]'s input, gain and bias.
    fn group_norm_backward(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        groups: usize,
        is_gated: bool,
    ) -> [FloatTensor<Self>; 3];

    /// The gradients of [`mixture::features`]' y and mixer.
    fn mixture_features_backward(
        y: FloatTensor<Self>,
        mixer: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2];

    /// The gradients of [`mixture::log_likelihood`]'s logits and distances.
    fn mixture_log_likelihood_backward(
        logits: FloatTensor<Self>,
        distances: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2];
}

/// `x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`.
///
/// # Shapes
/// any → the same
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !Operation::GeluTanh.has_body_for(&x) {
        return reference::gelu_tanh(x);
    }
    Tensor::from_dispatch(Dispatch::gelu_tanh(x.into_dispatch()))
}

/// Layer norm without learned gain, then `·(1 + scale) + shift`, as adaLN blocks use it.
///
/// # Shapes
/// x `[B, L, d]`, shift and scale `[B, 1, d]` → `[B, L, d]`
pub fn modulated_norm(x: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    if !Operation::ModulatedNorm.has_body_for(&x) {
        return reference::modulated_norm(x, shift, scale);
    }
    let (x, shift, scale) = (x.into_dispatch(), shift.into_dispatch(), scale.into_dispatch());
    Tensor::from_dispatch(Dispatch::modulated_norm(x, shift, scale))
}

/// An affine layer, `x·weight + bias`. Sums are f32. Where weight and bias are bf16, x is rounded to bf16 before it is
/// multiplied; the result is f32 all the same.
///
/// # Shapes
/// x f32 `[…, K]`, weight `[K, N]`, bias `[N]` → f32 `[…, N]`
pub fn affine<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    if !Operation::Affine.has_body_for(&x) {
        return reference::affine(x, weight, bias);
    }
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::affine(x, weight, bias))
}

/// [`gelu_tanh`] of [`affine`].
///
/// # Shapes
/// as there
pub fn affine_gelu<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    if !Operation::AffineGelu.has_body_for(&x) {
        return reference::gelu_tanh(reference::affine(x, weight, bias));
    }
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::affine_gelu(x, weight, bias))
}

/// The positions that a position attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All.
    All,
    /// Those before it, and itself.
    Past,
}

/// Scaled dot-product attention of every position to those that it sees.
///
/// # Shapes
/// queries, keys and values side by side `[B, L, 3·d]` → `[B, L, d]`; `heads` must divide d
pub fn attend(qkv: Tensor<3>, heads: usize, sight: Sight) -> Tensor<3> {
    if !Operation::Attend.has_body_for(&qkv) {
        return reference::attend(qkv, heads, sight);
    }
    Tensor::from_dispatch(Dispatch::attend(qkv.into_dispatch(), heads, sight))
}

/// Attention of the positions of a signal to what is said about it. Both are ordered: what is added to the scaled product of a position and a
/// state is `nothing − sharpness·(along − places)²`, so that every head looks around what is said where the position is.
///
/// # Shapes
/// queries `[B, L, d]`; keys and values side by side `[B, S, 2·d]`, S at least 1; where the positions are `[B, L]`, and the states
/// `[B, S]`; 0, or for states that are none a number far below it `[B, S]`; `[heads]`, which divide d → `[B, L, d]`
pub fn cross_attend(
    queries: Tensor<3>,
    said: Tensor<3>,
    along: Tensor<2>,
    places: Tensor<2>,
    nothing: Tensor<2>,
    sharpness: Tensor<1>,
) -> Tensor<3> {
    if !Operation::CrossAttend.has_body_for(&queries) {
        return reference::cross_attend(queries, said, along, places, nothing, sharpness);
    }
    Tensor::from_dispatch(Dispatch::cross_attend(
        queries.into_dispatch(),
        said.into_dispatch(),
        along.into_dispatch(),
        places.into_dispatch(),
        nothing.into_dispatch(),
        sharpness.into_dispatch(),
    ))
}

/// A convolution of channels-last pictures, padded by so many lines above and below and so many columns left and right. In
/// bf16 as [`affine`].
///
/// # Shapes
/// x f32 `[B, h, w, C]`, weight `[O, C, kh, kw]`, bias `[O]` → f32 `[B, h', w', O]` with h' = (h + 2·padding\[0\] − kh)/stride + 1
pub fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    padding: [usize; 2],
) -> Tensor<4> {
    if !Operation::Convolve.has_body_for(&x) {
        return reference::convolve(x, weight, bias, stride, padding);
    }
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::convolve(x, weight, bias, stride, padding))
}

/// Group norm (arXiv 1803.08494) of channels-last pictures, then `·gain + bias`.
///
/// # Shapes
/// x `[B, h, w, C]`, gain and bias `[C]` → `[B, h, w, C]`; `groups` must divide C
pub fn group_norm(x: Tensor<4>, gain: Tensor<1>, bias: Tensor<1>, groups: usize) -> Tensor<4> {
    if !Operation::GroupNorm.has_body_for(&x) {
        return reference::group_norm(x, gain, bias, groups);
    }
    let (x, gain, bias) = (x.into_dispatch(), gain.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::group_norm(x, gain, bias, groups, false))
}

/// `y·σ(y)` of what [`group_norm`] gives.
///
/// # Shapes
/// as there
pub fn group_norm_silu(x: Tensor<4>, gain: Tensor<1>, bias: Tensor<1>, groups: usize) -> Tensor<4> {
    if !Operation::GroupNorm.has_body_for(&x) {
        return silu(reference::group_norm(x, gain, bias, groups));
    }
    let (x, gain, bias) = (x.into_dispatch(), gain.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::group_norm(x, gain, bias, groups, true))
}

/// The instructions that the CPU's bodies multiply with on this processor: `f32 by Avx2`, and those for bf16 if it has any.
pub fn instructions() -> String {
    let for_f32 = format!("f32 by {:?}", isa::Isa::best());
    match product::Unit::best() {
        Some(unit) => format!("{for_f32}, bf16 by {unit:?}"),
        None => for_f32,
    }
}
