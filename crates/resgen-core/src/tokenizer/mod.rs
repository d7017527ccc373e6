//! Tokenizers: signal ⇄ codes.

pub mod image;

pub use image::{ImageTokenizer, ImageTokenizerConfig};
