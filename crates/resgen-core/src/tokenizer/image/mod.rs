//! The image tokenizer: a convolutional autoencoder around a residual quantizer.

mod autoencoder;
mod config;
mod discriminator;
mod gan;
#[cfg(test)]
pub(crate) mod testing;

pub use autoencoder::{Autoencoder, Decoder, Encoder};
pub use config::ImageTokenizerConfig;
pub use discriminator::{Discriminator, DiscriminatorConfig};
pub use gan::{
    AdversarialConfig, Balance, PixelGradients, adaptive_weight, discriminator_loss, generator_loss,
};

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::nn::{Builder, Precision, parameters};
use crate::rvq::{Codebooks, Codes};

/// A tokenizer ready for use: pictures to codes and back.
#[derive(Clone, Debug)]
pub struct ImageTokenizer {
    config: ImageTokenizerConfig,
    autoencoder: Autoencoder,
    books: Codebooks,
}

impl ImageTokenizer {
    /// Puts trained parts together.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the codebooks are not the config's.
    pub fn new(config: ImageTokenizerConfig, autoencoder: Autoencoder, books: Codebooks) -> Result<Self> {
        let expected = [config.depth, config.vocabulary, config.latent];
        let found = [books.depth(), books.vocabulary(), books.width()];
        if expected != found {
            let text = |[d, v, h]: [usize; 3]| format!("D = {d}, V = {v}, H = {h}");
            return Err(Error::mismatch("codebooks", text(expected), text(found)));
        }
        Ok(Self { config, autoencoder, books })
    }

    /// Loads the weights named `autoencoder.…` and `codebooks` from `tensors`, after `prefix`.
    ///
    /// # Errors
    /// [`Error::Config`] for a config out of range, [`Error::Mismatch`] for tensors that do not fit it.
    pub fn load(
        config: ImageTokenizerConfig,
        tensors: &parameters::NamedTensors,
        prefix: &str,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let blank = Autoencoder::new(&mut Builder::blank(device), &config);
        let autoencoder = parameters::load(blank, tensors, &format!("{prefix}autoencoder."))?;
        let name = format!("{prefix}codebooks");
        let vectors = tensors
            .get(&name)
            .ok_or_else(|| Error::mismatch(format!("tensor `{name}`"), "[D, V, H]", "none"))?;
        if vectors.shape().len() != 3 {
            return Err(Error::mismatch(
                format!("tensor `{name}`"),
                "three dimensions",
                format!("{:?}", vectors.shape()),
            ));
        }
        let books = Codebooks::new(Tensor::from_data(vectors.clone(), device), config.depth)?;
        Self::new(config, autoencoder, books)
    }

    /// The tokenizer with networks rounded to a precision: to compute with, not to save.
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { autoencoder: precision.of(self.autoencoder), ..self }
    }

    /// All weights by name, as [`ImageTokenizer::load`] takes them.
    pub fn tensors(&self) -> parameters::NamedTensors {
        let mut tensors: parameters::NamedTensors = parameters::read(&self.autoencoder)
            .into_iter()
            .map(|(name, data)| (format!("autoencoder.{name}"), data))
            .collect();
        tensors.insert("codebooks".into(), self.books.vectors().into_data());
        tensors
    }

    /// The configuration.
    pub fn config(&self) -> &ImageTokenizerConfig {
        &self.config
    }

    /// The codebooks.
    pub fn books(&self) -> &Codebooks {
        &self.books
    }

    /// The convolutional networks.
    pub fn autoencoder(&self) -> &Autoencoder {
        &self.autoencoder
    }

    /// Pictures to codes.
    ///
    /// # Shapes
    /// pixels in [−1, 1] `[B, 3, S, S]` → codes of B signals
    ///
    /// # Errors
    /// [`Error::Mismatch`] for pictures of another size.
    pub fn encode(&self, pixels: Tensor<4>) -> Result<Codes> {
        let [batch, channels, height, width] = pixels.dims();
        let side = self.config.resolution;
        if [channels, height, width] != [3, side, side] {
            return Err(Error::mismatch(
                "picture",
                format!("3×{side}×{side}"),
                format!("{channels}×{height}×{width}"),
            ));
        }
        let latents = self.autoencoder.encoder.forward(pixels); // [B, L, H]
        let [_, positions, _] = latents.dims();
        let codes = self.books.encode(latents.flatten(0, 1)).reshape([batch, positions, self.config.depth]);
        Codes::from_tensor(codes, self.config.vocabulary)
    }

    /// What the visible codes of signals look like alone: position i of signal b shows its D − `masked[i]`
    /// coarsest codes.
    ///
    /// # Shapes
    /// codes of B signals, `masked` `[L]` for all of them → pixels `[B, 3, S, S]`
    ///
    /// # Errors
    /// [`Error::Mismatch`] for codes or masks of another shape.
    pub fn decode_visible(&self, codes: &Codes, masked: &[usize]) -> Result<Tensor<4>> {
        let found = [codes.positions(), codes.depth(), codes.vocabulary(), masked.len()];
        let expected =
            [self.config.positions(), self.config.depth, self.config.vocabulary, self.config.positions()];
        if found != expected || masked.iter().any(|&masked| masked > codes.depth()) {
            let text = |[l, d, v, m]: [usize; 4]| format!("L = {l}, D = {d}, V = {v}, a mask of {m}");
            return Err(Error::mismatch("codes and mask", text(expected), text(found)));
        }
        let device = self.books.vectors().device();
        let rows = codes.batch() * codes.positions();
        let visible: Vec<i32> = masked.iter().map(|&masked| (codes.depth() - masked) as i32).collect();
        let visible =
            Tensor::<2, Int>::from_data(TensorData::new(visible.repeat(codes.batch()), [rows, 1]), &device);
        let indices = codes.to_tensor(&device).reshape([rows, codes.depth()]);
        let seen = self.books.visible_embedding(indices, visible);
        let latents = seen.reshape([codes.batch(), codes.positions(), self.config.latent]);
        Ok(self.autoencoder.decoder.forward(latents))
    }

    /// Codes to pictures; codes of fewer depths than the tokenizer's give the coarser approximation.
    ///
    /// # Shapes
    /// codes of B signals → pixels, about [−1, 1], `[B, 3, S, S]`
    ///
    /// # Errors
    /// [`Error::Mismatch`] for codes of another grid, depth or codebook.
    pub fn decode(&self, codes: &Codes) -> Result<Tensor<4>> {
        let found = [codes.positions(), codes.vocabulary()];
        let expected = [self.config.positions(), self.config.vocabulary];
        if found != expected || codes.depth() > self.config.depth {
            let text = |[l, v]: [usize; 2], d| format!("{l} positions, {v} codes, depth up to {d}");
            return Err(Error::mismatch(
                "codes",
                text(expected, self.config.depth),
                text(found, codes.depth()),
            ));
        }
        let device = self.books.vectors().device();
        let indices = codes.to_tensor(&device).reshape([codes.batch() * codes.positions(), codes.depth()]);
        let latents =
            self.books.decode(indices).reshape([codes.batch(), codes.positions(), self.config.latent]);
        Ok(self.autoencoder.decoder.forward(latents))
    }
}
