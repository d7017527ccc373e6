//! Codes one after another along the depth of a position, as RQ-Transformer draws them (arXiv 2203.01941).
//!
//! At a position with hidden state h, depth j sees `h` where j = 0, and else the sum of the embeddings of the codes before,
//! `Σ_{j' < j} e(codes[j']; j')`, projected to width d; a learned embedding of the depth is added. A transformer whose depths see those before
//! them gives the logits over codebook j.
//!
//! Shape legend: N positions · D depths · d width · H code-vector width · V vocabulary.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};

use super::CategoricalHead;
use crate::nn::Builder;
use crate::nn::precision::project;
use crate::nn::stack::{Stack, StackMemory};
use crate::nn::transformer::TrunkConfig;
use crate::rvq::Codebooks;

/// The transformer along the depth, and its logits.
#[derive(Module, Debug)]
pub struct DepthTransformer {
    partial: Linear,
    depths: Param<Tensor<2>>, // [D, d]
    stack: Stack,
    logits: CategoricalHead,
}

impl DepthTransformer {
    /// Of hidden states as wide as `sizes` says.
    pub fn new(
        builder: &mut Builder,
        sizes: &TrunkConfig,
        latent: usize,
        depth: usize,
        vocabulary: usize,
    ) -> Self {
        Self {
            partial: builder.linear(latent, sizes.width),
            depths: builder.normal([depth, sizes.width], 0.5),
            stack: Stack::new(builder, sizes),
            logits: CategoricalHead::new(builder, sizes.width, depth, vocabulary),
        }
    }

    /// Logits of all depths where the codes are known.
    ///
    /// # Shapes
    /// hidden `[N, d]`, sums of the embeddings of the first j + 1 codes for j = 0 to D − 2, scaled as the visible ones are,
    /// `[N, D − 1, H]` → `[N, D, V]`
    pub fn forward(&self, hidden: Tensor<2>, partial: Tensor<3>) -> Tensor<3> {
        let [count, width] = hidden.dims();
        let depth = self.logits.depth();
        let mut seen = vec![hidden.unsqueeze_dim::<3>(1)];
        if depth > 1 {
            seen.push(project(&self.partial, partial));
        }
        let x = Tensor::cat(seen, 1) + self.depths.val().unsqueeze_dim::<3>(0); // [N, D, d]
        let x = self.stack.forward(x);
        let at = |depth| {
            let hidden = x.clone().narrow(1, depth, 1).reshape([count, width]);
            self.logits.logits_at(depth, hidden)
        };
        Tensor::stack((0..depth).map(at).collect(), 1)
    }

    /// What [`DepthTransformer::forward`] sees of known codes.
    ///
    /// # Shapes
    /// codes `[N, D]` → `[N, D − 1, H]`, divided by `scale`; `[N, 1, H]`, at which nobody looks, for D = 1
    pub fn partial_embeddings(&self, books: &Codebooks, codes: Tensor<2, Int>, scale: f32) -> Tensor<3> {
        let [rows, depth] = codes.dims();
        let mut sum = Tensor::<2>::zeros([rows, books.width()], &codes.device());
        let mut partial = Vec::with_capacity(depth); // [N, 1, H] each
        for place in 0..depth.max(2) - 1 {
            let code = codes.clone().narrow(1, place, 1).squeeze_dim(1);
            sum = sum + books.at(place).select(0, code);
            partial.push((sum.clone() / scale).unsqueeze_dim::<3>(1));
        }
        Tensor::cat(partial, 1)
    }

    /// Nothing yet of `count` positions.
    pub fn memory(&self, count: usize, device: &Device) -> StackMemory {
        self.stack.memory(count, self.logits.depth(), device)
    }

    /// Logits of one depth, from the hidden state (depth 0) or the sum of the embeddings before it (the others); the depths
    /// before have been here, in order.
    ///
    /// # Shapes
    /// `[N, d]` or `[N, H]` → `[N, V]`
    pub fn next(&self, seen: Seen, memory: &mut StackMemory, depth: usize) -> Tensor<2> {
        let x = match seen {
            Seen::Hidden(hidden) => hidden,
            Seen::Partial(partial) => project(&self.partial, partial),
        };
        let x = x + self.depths.val().narrow(0, depth, 1); // [N, d]
        self.logits.logits_at(depth, self.stack.next(x, memory, depth))
    }
}

/// What a depth sees of its position.
#[derive(Clone, Debug)]
pub enum Seen {
    /// The first: the trunk's hidden state, `[N, d]`.
    Hidden(Tensor<2>),
    /// The others: the sum of the embeddings of the codes before, scaled, `[N, H]`.
    Partial(Tensor<2>),
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn depth_by_depth_is_all_at_once() {
        let device = Device::flex();
        let sizes = TrunkConfig { width: 12, layers: 2, heads: 3 };
        let head = DepthTransformer::new(&mut Builder::new(3, &device), &sizes, 5, 4, 7);
        let hidden = Tensor::<2>::random([3, 12], Distribution::Normal(0.0, 1.0), &device);
        let partial = Tensor::<3>::random([3, 3, 5], Distribution::Normal(0.0, 1.0), &device);
        let all = head.forward(hidden.clone(), partial.clone());
        assert_eq!(all.dims(), [3, 4, 7]);
        let mut memory = head.memory(3, &device);
        for depth in 0..4 {
            let seen = match depth {
                0 => Seen::Hidden(hidden.clone()),
                _ => Seen::Partial(partial.clone().narrow(1, depth - 1, 1).squeeze_dim(1)),
            };
            let one = head.next(seen, &mut memory, depth);
            let expected = all.clone().narrow(1, depth, 1).squeeze_dim::<2>(1);
            let worst = (one - expected).abs().max().into_scalar::<f32>();
            assert!(worst < 1e-5, "{worst} at depth {depth}");
        }
    }

    #[test]
    fn a_depth_does_not_see_what_comes_after() {
        let device = Device::flex();
        let sizes = TrunkConfig { width: 8, layers: 1, heads: 2 };
        let head = DepthTransformer::new(&mut Builder::new(3, &device), &sizes, 5, 3, 7);
        let hidden = Tensor::<2>::ones([1, 8], &device);
        let logits = |last: f32| {
            let partial = Tensor::<3>::from_floats([[[1.0; 5], [last; 5]]], &device);
            head.forward(hidden.clone(), partial)
        };
        let changed = (logits(1.0) - logits(2.0)).abs().max_dim(2).try_into_vec_as::<f32>().unwrap();
        assert!(changed[0] == 0.0 && changed[1] == 0.0 && changed[2] > 0.0, "{changed:?}");
    }
}
