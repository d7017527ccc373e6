//! Residual quantization, all depths in one operation: vectors to codes and back.
//!
//! It has no gradient. On a device that tracks gradients, and where a backend brings no body of its own, the
//! reference runs.

mod cpu;
#[cfg(feature = "gpu")]
mod cube;
pub mod reference;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Int, IntDType, Shape, Tensor};

use crate::operation::Operation;

/// The operations that a backend may bring a body of its own for.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"), Fusion: cfg(feature = "gpu"))]
pub trait QuantizerOps: Backend {
    /// See [`quantize`].
    #[fusion(dtype = burn::tensor::DType::from(*dtype), shape = codes_shape(latents, *depth))]
    fn quantize(
        latents: FloatTensor<Self>,
        vectors: FloatTensor<Self>,
        span: IntTensor<Self>,
        depth: usize,
        dtype: IntDType,
    ) -> IntTensor<Self>;

    /// See [`embed`].
    #[fusion(dtype = vectors, shape = embedding_shape(codes, vectors))]
    fn embed(codes: IntTensor<Self>, vectors: FloatTensor<Self>, span: IntTensor<Self>) -> FloatTensor<Self>;
}

/// The codes of every row, depth by depth: each is the index of the vector nearest to what the depths before it have
/// left of the row, and of two equally near the first. Row n is quantized by the depths `span[n, 0]` to
/// `span[n, 1]` − 1 alone, as a collective embedding is; its other codes are 0.
///
/// # Shapes
/// latents `[N, H]`, vectors `[D, V, H]` (or `[1, V, H]` for all depths), span `[N, 2]` → `[N, D]`
pub fn quantize(
    latents: Tensor<2>,
    vectors: Tensor<3>,
    span: Tensor<2, Int>,
    depth: usize,
) -> Tensor<2, Int> {
    if !Operation::Quantize.has_body_for(&latents) || depth == 0 {
        return reference::quantize(latents, vectors, span, depth);
    }
    let dtype = latents.device().settings().int_dtype;
    let (latents, vectors, span) = (latents.into_dispatch(), vectors.into_dispatch(), span.into_dispatch());
    Tensor::from_dispatch(Dispatch::quantize(latents, vectors, span, depth, dtype))
}

/// The sum of the vectors of every row's codes, for row n those of the depths `span[n, 0]` to `span[n, 1]` − 1.
///
/// # Shapes
/// codes `[N, D']`, vectors `[D, V, H]` with D ≥ D' (or `[1, V, H]` for all depths), span `[N, 2]` → `[N, H]`
pub fn embed(codes: Tensor<2, Int>, vectors: Tensor<3>, span: Tensor<2, Int>) -> Tensor<2> {
    if !Operation::Embed.has_body_for(&vectors) {
        return reference::embed(codes, vectors, span);
    }
    let (codes, vectors, span) = (codes.into_dispatch(), vectors.into_dispatch(), span.into_dispatch());
    Tensor::from_dispatch(Dispatch::embed(codes, vectors, span))
}

fn codes_shape(latents: &Shape, depth: usize) -> Shape {
    let [rows, _] = latents.dims::<2>();
    Shape::new([rows, depth])
}

fn embedding_shape(codes: &Shape, vectors: &Shape) -> Shape {
    let [rows, _] = codes.dims::<2>();
    let [_, _, width] = vectors.dims::<3>();
    Shape::new([rows, width])
}
