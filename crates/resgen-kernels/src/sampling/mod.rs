//! What a sampler does between two passes of its network, without a round trip to the host.
//!
//! None of these operations has a gradient. On a device that tracks gradients, and where a backend brings no
//! body of its own, the reference runs.

mod cpu;
#[cfg(feature = "gpu")]
mod cube;
pub mod reference;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Int, IntDType, Tensor};

use crate::operation::Operation;

/// The operations that a backend may bring a body of its own for.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"), Fusion: cfg(feature = "gpu"))]
pub trait SamplingOps: Backend {
    /// See [`choose_components`].
    #[fusion(dtype = burn::tensor::DType::from(*dtype), shape = uniform)]
    fn choose_components(
        logits: FloatTensor<Self>,
        uniform: FloatTensor<Self>,
        nucleus: Nucleus,
        dtype: IntDType,
    ) -> IntTensor<Self>;

    /// See [`reveal_counts`].
    #[fusion(dtype = masked, shape = masked)]
    fn reveal_counts(
        surety: FloatTensor<Self>,
        gumbel: FloatTensor<Self>,
        masked: IntTensor<Self>,
        reveal: Reveal,
    ) -> IntTensor<Self>;
}

/// Which part of a distribution is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nucleus {
    /// Divides the logits; 0 takes the first of the largest.
    pub temperature: f32,
    /// The least mass that the most probable choices must have together to be all that is kept.
    pub top_p: f32,
}

/// How many tokens of each signal are revealed, and how surely the surest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reveal {
    /// Tokens per signal.
    pub count: usize,
    /// Scale of the Gumbel noise on the scores.
    pub temperature: f32,
}

/// One choice per row of logits. Kept are the choices at least as probable as the least probable of the smallest
/// set of most probable ones with a mass of `top_p`. The choice is the first kept one, in order of index, at
/// which their cumulated mass exceeds `uniform` of their whole mass.
///
/// # Shapes
/// logits `[N, K]`, uniform `[N]` in [0, 1) → `[N]`, each below K
pub fn choose_components(logits: Tensor<2>, uniform: Tensor<1>, nucleus: Nucleus) -> Tensor<1, Int> {
    if !Operation::ChooseComponents.has_body_for(&logits) {
        return reference::choose_components(logits, uniform, nucleus);
    }
    let dtype = logits.device().settings().int_dtype;
    let chosen = Dispatch::choose_components(logits.into_dispatch(), uniform.into_dispatch(), nucleus, dtype);
    Tensor::from_dispatch(chosen)
}

/// How many codes each position reveals when the `reveal.count` best-scored masked tokens of its signal are.
///
/// Token j of position i is masked where j ≥ D − k_i. Its score is `surety[i]` plus `reveal.temperature` times
/// `gumbel[i, j]`; of equal scores the earlier token goes first, and a surety that is no number goes last. Where fewer
/// tokens are masked than are to be revealed, all of them are.
///
/// # Shapes
/// surety `[B, L]`, gumbel `[B, L, D]`, masked `[B, L]` (k, 0 to D) → `[B, L]`
pub fn reveal_counts(
    surety: Tensor<2>,
    gumbel: Tensor<3>,
    masked: Tensor<2, Int>,
    reveal: Reveal,
) -> Tensor<2, Int> {
    if !Operation::RevealCounts.has_body_for(&surety) {
        return reference::reveal_counts(surety, gumbel, masked, reveal);
    }
    let (surety, gumbel, masked) = (surety.into_dispatch(), gumbel.into_dispatch(), masked.into_dispatch());
    Tensor::from_dispatch(Dispatch::reveal_counts(surety, gumbel, masked, reveal))
}
