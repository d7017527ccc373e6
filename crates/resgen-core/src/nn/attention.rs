//! Bidirectional multi-head self-attention.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use resgen_kernels::attend;

use super::Builder;
use super::precision::project;

/// Projections around attention.
#[derive(Module, Debug)]
pub struct SelfAttention {
    qkv: Linear,
    out: Linear,
    heads: usize,
}

impl SelfAttention {
    /// `heads` must divide `width`.
    pub fn new(builder: &mut Builder, width: usize, heads: usize) -> Self {
        Self { qkv: builder.linear(width, 3 * width), out: builder.linear(width, width), heads }
    }

    /// # Shapes
    /// `[B, L, d]` → `[B, L, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        project(&self.out, attend(project(&self.qkv, x), self.heads))
    }
}
