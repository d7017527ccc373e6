//! A mixture of unit Gaussians, from the squared distances to their means.
//!
//! Where a backend brings no body of its own, the reference runs.

pub(crate) mod cpu;
pub mod reference;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

use crate::FusedOps;
use crate::operation::Operation;

/// The operation without a gradient; the other is one of [`FusedOps`].
#[backend_extension(Flex)]
pub(crate) trait PosteriorOps: Backend {
    /// See [`posterior_mass`].
    fn posterior_mass(
        logits: FloatTensor<Self>,
        distances: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
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
