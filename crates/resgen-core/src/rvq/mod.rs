//! Residual vector quantization (arXiv 2203.01941): codes, codebooks, and how codebooks learn.
//!
//! A latent h in R^H is encoded depth by depth, `res_0 = h`,
//! `code_j = argmin_v |res_j − e(v; j)|²`, `res_{j+1} = res_j − e(code_j; j)`,
//! and decoded as `Σ_j e(code_j; j)`.

mod codebook;
mod codes;
mod config;
mod kmeans;
mod learning;
mod quantize;
mod usage;

pub use codebook::{Codebooks, Sharing};
pub use codes::Codes;
pub use config::{CodebookConfig, Learning};
pub use learning::{CodebookLearner, Learned};
pub use quantize::{CodebookStatistics, Quantized, quantize};
pub use usage::{DepthUsage, Usage};
