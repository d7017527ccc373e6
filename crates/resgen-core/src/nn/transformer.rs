//! The trunk of every generator: DiT blocks with adaLN-zero conditioning (arXiv 2212.09748).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, activation::silu};
use resgen_kernels::{Sight, modulated_norm};
use serde::{Deserialize, Serialize};

use super::Builder;
use super::attention::SelfAttention;
use super::cross::{CrossAttention, Heard, Said};
use super::precision::{project, project_gelu};
use crate::error::{Error, Result};

/// Width, depth and heads of a trunk; a named size or the three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkConfig {
    /// Width d of the hidden vectors.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads per block; divides the width.
    pub heads: usize,
}

impl TrunkConfig {
    /// DiT's sizes, and smaller ones for a CPU.
    pub const SIZES: [(&'static str, TrunkConfig); 8] = [
        ("nano", Self { width: 64, layers: 2, heads: 2 }),
        ("micro", Self { width: 128, layers: 4, heads: 4 }),
        ("tiny", Self { width: 192, layers: 6, heads: 3 }),
        ("xs", Self { width: 256, layers: 8, heads: 4 }),
        ("s", Self { width: 384, layers: 12, heads: 6 }),
        ("b", Self { width: 768, layers: 12, heads: 12 }),
        ("l", Self { width: 1024, layers: 24, heads: 16 }),
        ("xl", Self { width: 1152, layers: 28, heads: 16 }),
    ];

    /// # Errors
    /// [`Error::Config`] where a number is zero or the heads do not divide the width.
    pub fn validate(&self) -> Result<()> {
        if self.width > 1 << 14 || self.layers > 1 << 10 {
            let reason = format!("expected a width of at most {} and at most {} layers", 1 << 14, 1 << 10);
            return Err(Error::config("model.trunk", reason));
        }
        if self.width == 0 || self.layers == 0 || self.heads == 0 {
            return Err(Error::config("model.trunk", "width, layers and heads must be at least 1"));
        }
        if !self.width.is_multiple_of(self.heads) {
            let reason = format!("{} heads do not divide the width {}", self.heads, self.width);
            return Err(Error::config("model.trunk.heads", reason));
        }
        Ok(())
    }
}

/// One DiT block: attention and an MLP, each normalised, modulated by the condition, and gated; between them, where something is said
/// about the signal, attention to that.
#[derive(Module, Debug)]
pub struct Block {
    modulation: Linear,
    attention: SelfAttention,
    cross: Option<CrossAttention>,
    widen: Linear,
    narrow: Linear,
}

impl Block {
    /// A block that starts as the identity, since its modulation starts at zero.
    pub fn new(builder: &mut Builder, width: usize, heads: usize, sight: Sight) -> Self {
        Self {
            modulation: builder.zero_linear(width, 6 * width),
            attention: SelfAttention::new(builder, width, heads, sight),
            cross: None,
            widen: builder.linear(width, 4 * width),
            narrow: builder.linear(4 * width, width),
        }
    }

    /// # Shapes
    /// `x` `[B, L, d]`, `modulation` `[B, 6, d]` → `[B, L, d]`
    pub fn forward(&self, x: Tensor<3>, modulation: Tensor<3>, heard: Option<&Heard>) -> Tensor<3> {
        let part = |index: usize| modulation.clone().narrow(1, index, 1); // [B, 1, d]
        let normed = modulated_norm(x.clone(), part(0), part(1));
        let x = x + self.attention.forward(normed) * part(2);
        let x = self.listened(x, heard, 0);
        let normed = modulated_norm(x.clone(), part(3), part(4));
        x + project(&self.narrow, project_gelu(&self.widen, normed)) * part(5)
    }

    /// The positions with what they hear, of which the first is the one at `first`.
    fn listened(&self, x: Tensor<3>, heard: Option<&Heard>, first: usize) -> Tensor<3> {
        match self.cross.as_ref().zip(heard) {
            Some((cross, heard)) => x.clone() + cross.forward(x, heard, first),
            None => x,
        }
    }

    /// [`Block::forward`] at one position; see [`SelfAttention::next`].
    ///
    /// # Shapes
    /// x `[B, d]`, modulation `[B, 6, d]`, memory `[B, L, 2·d]` → `[B, d]` and the memory
    fn next(
        &self,
        x: Tensor<2>,
        (modulation, heard): (Tensor<3>, Option<&Heard>),
        memory: Tensor<3>,
        place: usize,
    ) -> (Tensor<2>, Tensor<3>) {
        let part = |index: usize| modulation.clone().narrow(1, index, 1); // [B, 1, d]
        let normed = |x: Tensor<2>, index| {
            modulated_norm(x.unsqueeze_dim(1), part(index), part(index + 1)).squeeze_dim::<2>(1)
        };
        let gate = |index| part(index).squeeze_dim::<2>(1); // [B, d]
        let (attended, memory) = self.attention.next(normed(x.clone(), 0), memory, place);
        let x = x + attended * gate(2);
        let x = match heard {
            Some(_) => self.listened(x.unsqueeze_dim(1), heard, place).squeeze_dim::<2>(1),
            None => x,
        };
        let widened = project_gelu(&self.widen, normed(x.clone(), 3));
        (x + project(&self.narrow, widened) * gate(5), memory)
    }
}

/// What the condition says to every block: the same at every position, and in every step of sampling.
#[derive(Clone, Debug)]
pub struct Modulations {
    blocks: Vec<Tensor<3>>, // [B, 6, d] each
    last: Tensor<3>,        // [B, 2, d]
    heard: Vec<Heard>,      // by block; none where nothing is said
}

impl Modulations {
    fn of_blocks(&self) -> impl Iterator<Item = (Tensor<3>, Option<&Heard>)> {
        self.blocks.iter().enumerate().map(|(at, modulation)| (modulation.clone(), self.heard.get(at)))
    }
}

/// What a trunk whose positions see the past knows of the positions before: keys and values of every block.
#[derive(Clone, Debug)]
pub struct Memory {
    blocks: Vec<Tensor<3>>, // [B, L, 2·d] each
}

/// All blocks of a generator, and the modulated norm after the last.
#[derive(Module, Debug)]
pub struct Trunk {
    blocks: Vec<Block>,
    modulation: Linear,
}

impl Trunk {
    /// A trunk of the configured size.
    pub fn new(builder: &mut Builder, config: &TrunkConfig, sight: Sight) -> Self {
        let TrunkConfig { width, layers, heads } = *config;
        Self {
            blocks: (0..layers).map(|_| Block::new(builder, width, heads, sight)).collect(),
            modulation: builder.zero_linear(width, 2 * width),
        }
    }

    /// A trunk that listens to states of width `said`.
    #[must_use]
    pub fn listening(mut self, builder: &mut Builder, config: &TrunkConfig, said: usize) -> Self {
        for block in &mut self.blocks {
            block.cross = Some(CrossAttention::new(builder, config.width, said, config.heads));
        }
        self
    }

    /// This fresh trunk with the blocks of `before`, a trunk of the same width and at most as many: the blocks that come after
    /// those are still the identity, so it begins as what `before` was.
    #[must_use]
    pub fn continued(self, mut before: Self) -> Self {
        let known = before.blocks.len();
        before.blocks.extend(self.blocks.into_iter().skip(known));
        before
    }

    /// # Shapes
    /// `condition` `[B, d]`
    pub fn modulations(&self, condition: Tensor<2>, said: Option<&Said>) -> Modulations {
        let [batch, width] = condition.dims();
        let condition = silu(condition);
        let of = |layer: &Linear, parts| project(layer, condition.clone()).reshape([batch, parts, width]);
        Modulations {
            blocks: self.blocks.iter().map(|block| of(&block.modulation, 6)).collect(),
            last: of(&self.modulation, 2),
            heard: match said {
                Some(said) => {
                    self.blocks.iter().filter_map(|block| Some(block.cross.as_ref()?.hear(said))).collect()
                }
                None => Vec::new(),
            },
        }
    }

    /// # Shapes
    /// `x` `[B, L, d]` → `[B, L, d]`
    pub fn forward(&self, x: Tensor<3>, modulations: &Modulations) -> Tensor<3> {
        let blocks = self.blocks.iter().zip(modulations.of_blocks());
        let x = blocks.fold(x, |x, (block, (modulation, heard))| block.forward(x, modulation, heard));
        let part = |index: usize| modulations.last.clone().narrow(1, index, 1); // [B, 1, d]
        modulated_norm(x, part(0), part(1))
    }

    /// Nothing yet of `batch` signals of `length` positions.
    pub fn memory(&self, batch: usize, length: usize, device: &Device) -> Memory {
        let [width, _] = self.modulation.weight.dims();
        Memory {
            blocks: self.blocks.iter().map(|_| Tensor::zeros([batch, length, 2 * width], device)).collect(),
        }
    }

    /// [`Trunk::forward`] at position `place` where positions see the past: those before it have been here, in order.
    ///
    /// # Shapes
    /// x `[B, d]` → `[B, d]`
    pub fn next(
        &self,
        x: Tensor<2>,
        modulations: &Modulations,
        memory: &mut Memory,
        place: usize,
    ) -> Tensor<2> {
        let mut x = x;
        let blocks = self.blocks.iter().zip(modulations.of_blocks());
        // Taken out and put back: a memory that has one owner is written in place.
        let before = std::mem::take(&mut memory.blocks);
        for ((block, modulation), known) in blocks.zip(before) {
            let (out, known) = block.next(x, modulation, known, place);
            memory.blocks.push(known);
            x = out;
        }
        let part = |index: usize| modulations.last.clone().narrow(1, index, 1); // [B, 1, d]
        modulated_norm(x.unsqueeze_dim(1), part(0), part(1)).squeeze_dim(1)
    }
}
