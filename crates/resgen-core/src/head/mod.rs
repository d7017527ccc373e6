//! Output heads: what a trunk's hidden state says about the tokens of its position.
//!
//! - [`mixture`]: a mixture of Gaussians over the collective embedding of all masked codes.
//! - [`categorical`]: logits over the codes of every depth, all at once.
//! - [`depth_transformer`]: logits over the codes of one depth after another.

pub mod categorical;
pub mod depth_transformer;
pub mod mixture;

pub use categorical::CategoricalHead;
pub use depth_transformer::DepthTransformer;
pub use mixture::{
    MixtureConfig, MixtureDensity, MixtureHead, MixtureLoss, MixtureOutput, MixtureScore, MixtureSizes,
    ScaleKind,
};
