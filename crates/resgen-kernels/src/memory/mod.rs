//! Attention of one new position to those that came before it, whose keys and values are remembered.
//!
//! It has no gradient: only a sampler goes position by position.

mod cpu;
pub mod reference;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

use crate::operation::Operation;

/// The operation that a backend may bring a body of its own for.
#[backend_extension(Flex)]
pub trait MemoryOps: Backend {
    /// See [`attend_next`]: what is attended to, and the memory.
    fn attend_next(
        qkv: FloatTensor<Self>,
        memory: FloatTensor<Self>,
        place: usize,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// What [`crate::attend`] of [`crate::Sight::Past`] gives at position `place`, from its own queries, keys and values and what the memory
/// holds of the positions before; then the memory holds this one too. A memory that nobody else holds is changed in place.
///
/// # Shapes
/// qkv `[B, 3·d]`, memory (keys and values side by side) `[B, L, 2·d]`, place below L → `[B, d]` and the memory; `heads` must divide d
pub fn attend_next(qkv: Tensor<2>, memory: Tensor<3>, place: usize, heads: usize) -> (Tensor<2>, Tensor<3>) {
    if !Operation::AttendNext.has_body_for(&qkv) {
        return reference::attend_next(qkv, memory, place, heads);
    }
    let (out, memory) = Dispatch::attend_next(qkv.into_dispatch(), memory.into_dispatch(), place, heads);
    (Tensor::from_dispatch(out), Tensor::from_dispatch(memory))
}
