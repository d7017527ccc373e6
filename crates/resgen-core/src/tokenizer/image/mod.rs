//! The image tokenizer: a convolutional autoencoder around a residual quantizer.

mod autoencoder;
mod config;
#[cfg(test)]
pub(crate) mod testing;

pub use autoencoder::{Autoencoder, Decoder, Encoder};
pub use config::ImageTokenizerConfig;

use super::Tokenizer;

/// Pictures to codes and back; pixels are in [−1, 1], `[B, 3, S, S]`.
pub type ImageTokenizer = Tokenizer<Autoencoder>;
