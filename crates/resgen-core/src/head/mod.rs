//! Output heads: what a trunk's hidden state says about the tokens of its position.
//!
//! - [`mixture`]: a mixture of Gaussians over the collective embedding of all masked codes.
//! - [`nucleus`]: top-p choice among logits, with the random numbers passed in.

pub mod mixture;
pub mod nucleus;

pub use mixture::{
    MixtureConfig, MixtureDensity, MixtureHead, MixtureLoss, MixtureOutput, MixtureSizes, ScaleKind,
};
pub use nucleus::Nucleus;
