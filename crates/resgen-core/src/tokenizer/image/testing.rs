//! A tokenizer for tests: untrained, and small enough to run in milliseconds.

use burn::tensor::Device;

use super::{Autoencoder, ImageTokenizer, ImageTokenizerConfig};
use crate::nn::Builder;
use crate::rvq::{CodebookConfig, Codebooks, Sharing};
use crate::tokenizer::Autoencode;

/// Pictures of 8×8 pixels, four positions, two depths, five codes; the weights are drawn by `seed`.
pub(crate) fn tiny(seed: u64) -> ImageTokenizer {
    let config = ImageTokenizerConfig {
        resolution: 8,
        stem: 4,
        channels: vec![8],
        blocks: 1,
        latent: 3,
        vocabulary: 5,
        depth: 2,
        sharing: Sharing::Separate,
        codebook: CodebookConfig::default(),
    };
    let mut builder = Builder::new(seed, &Device::flex());
    let autoencoder = Autoencoder::new(&mut builder, &config);
    let books = Codebooks::new(builder.normal([2, 5, 3], 0.5).val(), 2).unwrap();
    ImageTokenizer::new(config, autoencoder, books).unwrap()
}
