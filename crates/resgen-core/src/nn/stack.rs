//! Transformer blocks without a condition whose places see those before them: pre-norm, with learned gain and shift.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use resgen_kernels::{Sight, modulated_norm};

use super::Builder;
use super::attention::SelfAttention;
use super::precision::{project, project_gelu};
use super::transformer::TrunkConfig;

/// Blocks, and the norm after the last.
#[derive(Module, Debug)]
pub struct Stack {
    blocks: Vec<StackBlock>,
    norm: Norm,
}

/// Keys and values of every block.
#[derive(Clone, Debug)]
pub struct StackMemory {
    blocks: Vec<Tensor<3>>, // [N, n, 2·d] each
}

impl Stack {
    /// A stack of the configured size.
    pub fn new(builder: &mut Builder, config: &TrunkConfig) -> Self {
        let TrunkConfig { width, layers, heads } = *config;
        Self {
            blocks: (0..layers).map(|_| StackBlock::new(builder, width, heads)).collect(),
            norm: Norm::new(builder, width),
        }
    }

    /// # Shapes
    /// `[N, n, d]` → `[N, n, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.norm.forward(self.blocks.iter().fold(x, |x, block| block.forward(x)))
    }

    /// Nothing yet of `count` sequences of `length` places.
    pub fn memory(&self, count: usize, length: usize, device: &Device) -> StackMemory {
        let [width] = self.norm.gain.dims();
        StackMemory {
            blocks: self.blocks.iter().map(|_| Tensor::zeros([count, length, 2 * width], device)).collect(),
        }
    }

    /// [`Stack::forward`] at one place: those before it have been here, in order.
    ///
    /// # Shapes
    /// `[N, d]` → `[N, d]`
    pub fn next(&self, x: Tensor<2>, memory: &mut StackMemory, place: usize) -> Tensor<2> {
        let mut x = x.unsqueeze_dim::<3>(0); // [1, N, d]: norms and gates are the same for all
        let before = std::mem::take(&mut memory.blocks);
        for (block, known) in self.blocks.iter().zip(before) {
            let (out, known) = block.next(x, known, place);
            memory.blocks.push(known);
            x = out;
        }
        self.norm.forward(x).squeeze_dim(0)
    }
}

/// Attention and an MLP, each normalised.
#[derive(Module, Debug)]
struct StackBlock {
    before_attention: Norm,
    attention: SelfAttention,
    before_mlp: Norm,
    widen: Linear,
    narrow: Linear,
}

impl StackBlock {
    fn new(builder: &mut Builder, width: usize, heads: usize) -> Self {
        Self {
            before_attention: Norm::new(builder, width),
            attention: SelfAttention::new(builder, width, heads, Sight::Past),
            before_mlp: Norm::new(builder, width),
            widen: builder.linear(width, 4 * width),
            narrow: builder.linear(4 * width, width),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attention.forward(self.before_attention.forward(x));
        self.mlp(x)
    }

    fn mlp(&self, x: Tensor<3>) -> Tensor<3> {
        let widened = project_gelu(&self.widen, self.before_mlp.forward(x.clone()));
        x + project(&self.narrow, widened)
    }

    /// # Shapes
    /// `[1, N, d]` → `[1, N, d]`
    fn next(&self, x: Tensor<3>, memory: Tensor<3>, place: usize) -> (Tensor<3>, Tensor<3>) {
        let normed = self.before_attention.forward(x.clone()).squeeze_dim(0);
        let (attended, memory) = self.attention.next(normed, memory, place);
        (self.mlp(x + attended.unsqueeze_dim(0)), memory)
    }
}

/// Layer norm, `·gain + shift`.
#[derive(Module, Debug)]
struct Norm {
    gain: Param<Tensor<1>>, // less 1
    shift: Param<Tensor<1>>,
}

impl Norm {
    fn new(builder: &mut Builder, width: usize) -> Self {
        Self { gain: builder.normal([width], 0.0), shift: builder.normal([width], 0.0) }
    }

    /// # Shapes
    /// `[N, n, d]` → `[N, n, d]`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [count, _, width] = x.dims();
        let of_all =
            |values: &Param<Tensor<1>>| values.val().reshape([1, 1, width]).expand([count, 1, width]);
        modulated_norm(x, of_all(&self.shift), of_all(&self.gain))
    }
}
