//! Multi-head self-attention.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use resgen_kernels::memory::attend_next;
use resgen_kernels::{Sight, attend};

use super::Builder;
use super::precision::project;

/// Projections around attention.
#[derive(Module, Debug)]
pub struct SelfAttention {
    qkv: Linear,
    out: Linear,
    heads: usize,
    #[module(skip)]
    sight: Sight,
}

impl SelfAttention {
    /// `heads` must divide `width`.
    pub fn new(builder: &mut Builder, width: usize, heads: usize, sight: Sight) -> Self {
        Self { qkv: builder.linear(width, 3 * width), out: builder.linear(width, width), heads, sight }
    }

    /// # Shapes
    /// `[B, L, d]` → `[B, L, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        project(&self.out, attend(project(&self.qkv, x), self.heads, self.sight))
    }

    /// What [`SelfAttention::forward`] gives at position `place` where positions see the past, from what the memory holds of that; then
    /// the memory holds this position too.
    ///
    /// # Shapes
    /// x `[B, d]`, memory `[B, L, 2·d]` → `[B, d]` and the memory
    pub fn next(&self, x: Tensor<2>, memory: Tensor<3>, place: usize) -> (Tensor<2>, Tensor<3>) {
        let (attended, memory) = attend_next(project(&self.qkv, x), memory, place, self.heads);
        (project(&self.out, attended), memory)
    }
}
