//! Sampling: the reverse of masking, for any model that predicts collective embeddings.

mod noise;
mod preset;
mod unmask;

pub use preset::Preset;
pub use unmask::{CollectivePredictor, Known, Request, Unmasker};
