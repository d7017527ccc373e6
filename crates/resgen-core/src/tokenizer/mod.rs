//! Tokenizers: signal ⇄ codes.

pub mod adversarial;
pub mod image;
mod network;
pub mod speech;

use burn::tensor::{Device, Int, Tensor, TensorData};

pub use image::{ImageTokenizer, ImageTokenizerConfig};
pub use network::{Autoencode, QuantizerConfig, TokenizerConfig, TokenizerKind};
pub use speech::{SpeechTokenizer, SpeechTokenizerConfig};

use crate::error::{Error, Result};
use crate::nn::{Builder, Precision, parameters};
use crate::rvq::{Codebooks, Codes};
use crate::signal::Picture;

/// A tokenizer ready for use: signals to codes and back.
#[derive(Clone, Debug)]
pub struct Tokenizer<A: Autoencode> {
    config: A::Config,
    autoencoder: A,
    books: Codebooks,
}

impl<A: Autoencode> Tokenizer<A> {
    /// Puts trained parts together.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the codebooks are not the config's.
    pub fn new(config: A::Config, autoencoder: A, books: Codebooks) -> Result<Self> {
        let quantizer = config.quantizer();
        let expected = [quantizer.depth, quantizer.vocabulary, quantizer.latent];
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
        config: A::Config,
        tensors: &parameters::NamedTensors,
        prefix: &str,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let blank = A::new(&mut Builder::blank(device), &config);
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
        let books = Codebooks::new(Tensor::from_data(vectors.clone(), device), config.quantizer().depth)?;
        Self::new(config, autoencoder, books)
    }

    /// The tokenizer with networks rounded to a precision: to compute with, not to save.
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { autoencoder: precision.of(self.autoencoder), ..self }
    }

    /// All weights by name, as [`Tokenizer::load`] takes them.
    pub fn tensors(&self) -> parameters::NamedTensors {
        let mut tensors: parameters::NamedTensors = parameters::read(&self.autoencoder)
            .into_iter()
            .map(|(name, data)| (format!("autoencoder.{name}"), data))
            .collect();
        tensors.insert("codebooks".into(), self.books.vectors().into_data());
        tensors
    }

    /// The configuration.
    pub fn config(&self) -> &A::Config {
        &self.config
    }

    /// The codebooks.
    pub fn books(&self) -> &Codebooks {
        &self.books
    }

    /// The network.
    pub fn autoencoder(&self) -> &A {
        &self.autoencoder
    }

    /// Signals to codes.
    ///
    /// # Shapes
    /// `[B, C, h, w]` → codes of B signals
    ///
    /// # Errors
    /// [`Error::Mismatch`] for signals that the tokenizer does not take.
    pub fn encode(&self, signals: Tensor<4>) -> Result<Codes> {
        let (codes, [batch, positions, _]) = self.indices(signals)?;
        Codes::from_tensor(codes.reshape([batch, positions, self.books.depth()]), self.books.vocabulary())
    }

    /// What all codes leave of signals: [`Tokenizer::decode`] after [`Tokenizer::encode`], without the codes leaving the device.
    ///
    /// # Shapes
    /// `[B, C, h, w]` → `[B, C, h, w]`
    ///
    /// # Errors
    /// [`Error::Mismatch`] for signals that the tokenizer does not take.
    pub fn rebuilt(&self, signals: Tensor<4>) -> Result<Tensor<4>> {
        let (codes, latents) = self.indices(signals)?;
        Ok(self.autoencoder.decode(self.books.decode(codes).reshape(latents)))
    }

    /// The codes of all positions, `[B·L, D]`, and the shape of the latents, `[B, L, H]`.
    fn indices(&self, signals: Tensor<4>) -> Result<(Tensor<2, Int>, [usize; 3])> {
        let [_, channels, height, width] = signals.dims();
        self.config.expect_signal([channels, height, width])?;
        let latents = self.autoencoder.encode(signals);
        let shape = latents.dims();
        Ok((self.books.encode(latents.flatten(0, 1)), shape))
    }

    /// What the visible codes of signals are alone: position i of signal b shows its D − `masked[i]`
    /// coarsest codes.
    ///
    /// # Shapes
    /// codes of B signals, `masked` `[L]` for all of them → signals `[B, C, h, w]`
    ///
    /// # Errors
    /// [`Error::Mismatch`] for codes or masks of another shape.
    pub fn decode_visible(&self, codes: &Codes, masked: &[usize]) -> Result<Tensor<4>> {
        self.expect_codes(codes)?;
        let depth = self.books.depth();
        if masked.len() != codes.positions()
            || codes.depth() != depth
            || masked.iter().any(|&count| count > depth)
        {
            let expected = format!("{} positions of up to {depth} masked codes", codes.positions());
            let found = format!("{} positions of up to {:?}", masked.len(), masked.iter().max());
            return Err(Error::mismatch("mask", expected, found));
        }
        let device = self.books.vectors().device();
        let rows = codes.batch() * codes.positions();
        let visible: Vec<i32> = masked.iter().map(|&masked| (depth - masked) as i32).collect();
        let visible =
            Tensor::<2, Int>::from_data(TensorData::new(visible.repeat(codes.batch()), [rows, 1]), &device);
        let indices = codes.to_tensor(&device).reshape([rows, depth]);
        let seen = self.books.visible_embedding(indices, visible);
        let latents = seen.reshape([codes.batch(), codes.positions(), self.books.width()]);
        Ok(self.autoencoder.decode(latents))
    }

    /// Codes to signals; codes of fewer depths than the tokenizer's give the coarser approximation.
    ///
    /// # Shapes
    /// codes of B signals → `[B, C, h, w]`
    ///
    /// # Errors
    /// [`Error::Mismatch`] for codes of another number of positions, depth or codebook.
    pub fn decode(&self, codes: &Codes) -> Result<Tensor<4>> {
        self.expect_codes(codes)?;
        let device = self.books.vectors().device();
        let indices = codes.to_tensor(&device).reshape([codes.batch() * codes.positions(), codes.depth()]);
        let latents =
            self.books.decode(indices).reshape([codes.batch(), codes.positions(), self.books.width()]);
        Ok(self.autoencoder.decode(latents))
    }

    /// What signals look like.
    ///
    /// # Shapes
    /// `[B, C, h, w]` → B pictures
    ///
    /// # Errors
    /// Where the device cannot be read.
    pub fn pictures(&self, signals: Tensor<4>) -> Result<Vec<Picture>> {
        A::pictures(signals)
    }

    fn expect_codes(&self, codes: &Codes) -> Result<()> {
        self.config.expect_positions(codes.positions())?;
        if codes.vocabulary() != self.books.vocabulary() || codes.depth() > self.books.depth() {
            let text = |v, d| format!("{v} codes, depth up to {d}");
            let expected = text(self.books.vocabulary(), self.books.depth());
            return Err(Error::mismatch("codes", expected, text(codes.vocabulary(), codes.depth())));
        }
        Ok(())
    }
}
