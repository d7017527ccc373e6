//! Residual quantization: vectors to codes, all depths in one operation.
//!
//! It has no gradient. On a device that tracks gradients, and where a backend brings no body of its own, the
//! reference runs.

mod cpu;
#[cfg(feature = "gpu")]
mod cube;
pub mod reference;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Int, IntDType, Shape, Tensor};

/// The operation that a backend may bring a body of its own for.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"), Fusion: cfg(feature = "gpu"))]
pub trait QuantizerOps: Backend {
    /// See [`quantize`].
    #[fusion(dtype = DType::from(*dtype), shape = codes_shape(latents, *depth))]
    fn quantize(
        latents: FloatTensor<Self>,
        vectors: FloatTensor<Self>,
        first: IntTensor<Self>,
        depth: usize,
        dtype: IntDType,
    ) -> IntTensor<Self>;
}

/// The codes of every row, depth by depth: each is the index of the vector nearest to what the depths before it have
/// left of the row, and of two equally near the first. Row n is quantized by the depths `first[n]` to D − 1 alone, as
/// a collective embedding is; its codes above are 0.
///
/// # Shapes
/// latents `[N, H]`, vectors `[D, V, H]` (or `[1, V, H]` for all depths), first `[N]` → `[N, D]`
pub fn quantize(
    latents: Tensor<2>,
    vectors: Tensor<3>,
    first: Tensor<1, Int>,
    depth: usize,
) -> Tensor<2, Int> {
    if !has_fast_body(&latents) || depth == 0 {
        return reference::quantize(latents, vectors, first, depth);
    }
    let dtype = latents.device().settings().int_dtype;
    let (latents, vectors, first) = (latents.into_dispatch(), vectors.into_dispatch(), first.into_dispatch());
    Tensor::from_dispatch(Dispatch::quantize(latents, vectors, first, depth, dtype))
}

fn codes_shape(latents: &Shape, depth: usize) -> Shape {
    let [rows, _] = latents.dims::<2>();
    Shape::new([rows, depth])
}

fn has_fast_body(latents: &Tensor<2>) -> bool {
    let has_body = match latents.device().as_dispatch() {
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "gpu")]
        DispatchDevice::Cube(_) => true,
        _ => false,
    };
    has_body && latents.dtype() == DType::F32
}
