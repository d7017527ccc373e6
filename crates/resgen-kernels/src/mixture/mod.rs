//! A mixture of unit Gaussians: the features that distances to their means are linear in, and what follows from distances.
//!
//! Where a backend brings no body of its own, the reference runs.

pub(crate) mod cpu;
pub mod reference;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

use crate::FusedOps;
use crate::operation::Operation;

/// The operation without a gradient; the others are of [`FusedOps`].
#[backend_extension(Flex)]
pub(crate) trait PosteriorOps: Backend {
    /// See [`posterior_mass`].
    fn posterior_mass(
        logits: FloatTensor<Self>,
        distances: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// What squared distances to means c + M·u are linear in, but for |y|²: (y⊗u, y, u, u⊗u).
///
/// # Shapes
/// y `[N, H]`, mixer u `[N, r]` → `[N, H·r + H + r + r²]`
pub fn features(y: Tensor<2>, mixer: Tensor<2>) -> Tensor<2> {
    if !Operation::Features.has_body_for(&y) {
        return reference::features(y, mixer);
    }
    Tensor::from_dispatch(Dispatch::mixture_features(y.into_dispatch(), mixer.into_dispatch()))
}

/// log Σ_ν π_ν·e^(−d_ν/2) with π = softmax(logits): the likelihood of the mixture, but for its constant, from the squared
/// distances d to the means.
///
/// # Shapes
/// logits and distances `[N, K]` → `[N]`
pub fn log_likelihood(logits: Tensor<2>, distances: Tensor<2>) -> Tensor<1> {
    if !Operation::LogLikelihood.has_body_for(&logits) {
        return reference::log_likelihood(logits, distances);
    }
    let (logits, distances) = (logits.into_dispatch(), distances.into_dispatch());
    Tensor::from_dispatch(Dispatch::mixture_log_likelihood(logits, distances))
}

/// The posteriors of all components, p(ν | z) = softmax(logits − distances/2), summed over the rows with their weights. It
/// has no gradient.
///
/// # Shapes
/// logits and squared distances to the means `[N, K]`, weight `[N]` → `[K]`
pub fn posterior_mass(logits: Tensor<2>, distances: Tensor<2>, weight: Tensor<1>) -> Tensor<1> {
    let logits = logits.without_autodiff();
    let (distances, weight) = (distances.without_autodiff(), weight.without_autodiff());
    if !Operation::PosteriorMass.has_body_for(&logits) {
        return reference::posterior_mass(logits, distances, weight);
    }
    let (logits, distances, weight) =
        (logits.into_dispatch(), distances.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::posterior_mass(logits, distances, weight))
}
