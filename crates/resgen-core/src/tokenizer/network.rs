//! What tokenizers of pictures and of speech have in common: a network between signals and latents, and a quantizer.
//!
//! A signal is `[C, h, w]` to its network: a picture has three channels of rows and columns, a mel spectrogram one of frames and bins.

use std::fmt::Debug;

use burn::module::Module;
use burn::tensor::Tensor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::nn::Builder;
use crate::rvq::{CodebookConfig, Sharing};
use crate::signal::Picture;

/// The sizes of a quantizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizerConfig {
    /// Width H of a code vector.
    pub latent: usize,
    /// Codebook size V.
    pub vocabulary: usize,
    /// Quantizer depth D.
    pub depth: usize,
    /// One codebook per depth, or one for all.
    pub sharing: Sharing,
    /// How the codebooks learn.
    pub codebook: CodebookConfig,
}

/// What a tokenizer is of, as its model files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenizerKind {
    /// Pictures.
    Tokenizer,
    /// Speech.
    SpeechTokenizer,
}

/// The sizes of a tokenizer.
pub trait TokenizerConfig:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What it is of.
    const KIND: TokenizerKind;

    /// Those of its quantizer.
    fn quantizer(&self) -> QuantizerConfig;

    /// The shape `[C, h, w]` of a signal in training.
    fn signal(&self) -> [usize; 3];

    /// Positions L of a signal in training.
    fn positions(&self) -> usize;

    /// # Errors
    /// [`crate::Error::Mismatch`] where a signal `[C, h, w]` cannot be encoded.
    fn expect_signal(&self, signal: [usize; 3]) -> Result<()>;

    /// # Errors
    /// [`crate::Error::Mismatch`] where so many positions are not a signal.
    fn expect_positions(&self, positions: usize) -> Result<()>;

    /// # Errors
    /// [`crate::Error::Config`] names the key that is out of range.
    fn validate(&self) -> Result<()>;
}

/// The network of a tokenizer: everything of it that gradients train.
pub trait Autoencode: Module + Debug + Sync {
    /// Its sizes.
    type Config: TokenizerConfig;

    /// The column of a training's log that says how good reconstructions are.
    const FIDELITY: &'static str;
    /// The same for people.
    const FIDELITY_LABEL: &'static str;

    /// A fresh network.
    fn new(builder: &mut Builder, config: &Self::Config) -> Self;

    /// # Shapes
    /// signals `[B, C, h, w]` → latents `[B, L, H]`
    fn encode(&self, signals: Tensor<4>) -> Tensor<3>;

    /// Everything of the decoder before its last layer.
    ///
    /// # Shapes
    /// latents `[B, L, H]` → as the last layer takes them
    fn features(&self, latents: Tensor<3>) -> Tensor<4>;

    /// The last layer of the decoder.
    ///
    /// # Shapes
    /// features → signals `[B, C, h, w]`
    fn to_signals(&self, features: Tensor<4>) -> Tensor<4>;

    /// The norm of a loss's gradient with respect to the last layer's weight.
    ///
    /// # Shapes
    /// what [`Autoencode::features`] gave, without a graph; the loss's gradient with respect to the signals `[B, C, h, w]`
    ///
    /// # Errors
    /// [`crate::Error::Mismatch`] where the shapes do not belong together.
    fn last_gradient_norm(features: Tensor<4>, signals: Tensor<4>) -> Result<f64>;

    /// How good reconstructions with this mean squared error are.
    fn fidelity(config: &Self::Config, squared_error: f64) -> f64;

    /// What signals look like.
    ///
    /// # Shapes
    /// `[B, C, h, w]` → B pictures
    ///
    /// # Errors
    /// Where the device cannot be read.
    fn pictures(signals: Tensor<4>) -> Result<Vec<Picture>>;

    /// # Shapes
    /// latents `[B, L, H]` → signals `[B, C, h, w]`
    fn decode(&self, latents: Tensor<3>) -> Tensor<4> {
        self.to_signals(self.features(latents))
    }
}
