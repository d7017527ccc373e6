//! Output heads: what a trunk's hidden state says about the tokens of its position.
//!
//! - [`mixture`]: a mixture of Gaussians over the collective embedding of all masked codes.

pub mod mixture;

pub use mixture::{
    MixtureConfig, MixtureDensity, MixtureHead, MixtureLoss, MixtureOutput, MixtureScore, MixtureSizes,
    ScaleKind,
};
