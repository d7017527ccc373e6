//! A generator's model file, and a generator read from one.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{AnyNetwork, NetworkConfig, Stored};
use crate::nn::Precision;
use crate::sample::Preset;
use crate::text::Pace;
use crate::tokenizer::image::Autoencoder;
use crate::tokenizer::{Autoencode, ImageTokenizerConfig, Tokenizer, TokenizerConfig, TokenizerKind};
use crate::train::model_file::ModelFile;

/// What the model file of a generator says beside its weights; its tokenizer has sizes `C`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorHeader<C = ImageTokenizerConfig> {
    /// What it generates.
    pub kind: GeneratorFileKind,
    /// Sizes of the generator.
    pub model: NetworkConfig,
    /// Sizes of its tokenizer, which is in the same file.
    pub tokenizer: C,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How long it takes to say a text, of generators that speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Sampler settings that suit the model.
    pub preset: Preset,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}

/// What a generator makes, as its file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GeneratorFileKind {
    /// Pictures.
    Generator,
    /// Speech.
    SpeechGenerator,
}

impl GeneratorFileKind {
    /// Of codes of such a tokenizer.
    pub fn of(tokenizer: TokenizerKind) -> Self {
        match tokenizer {
            TokenizerKind::Tokenizer => Self::Generator,
            TokenizerKind::SpeechTokenizer => Self::SpeechGenerator,
        }
    }
}

/// A generator ready to sample, with its tokenizer.
pub struct Generator<M = AnyNetwork, A: Autoencode = Autoencoder> {
    /// What the file says.
    pub header: GeneratorHeader<A::Config>,
    /// The network.
    pub model: M,
    /// Codes to signals.
    pub tokenizer: Tokenizer<A>,
}

impl<M: Stored, A: Autoencode> Generator<M, A> {
    /// Builds the networks of a file.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Mismatch`] where header and tensors do not fit each other.
    pub fn from_file(file: &ModelFile<GeneratorHeader<A::Config>>, device: &Device) -> Result<Self> {
        let mut header = file.header.clone();
        if header.model.vocabulary == 0 {
            header.model.vocabulary = header.tokenizer.quantizer().vocabulary; // files of before it was written down
        }
        header.model.validate()?;
        let tokenizer = Tokenizer::load(header.tokenizer.clone(), &file.tensors, "tokenizer.", device)?;
        let (model, config) = (&header.model, header.tokenizer.quantizer());
        header.tokenizer.expect_positions(model.positions)?;
        let (found, expected) = (
            [model.depth, model.latent, model.vocabulary, model.classes],
            [config.depth, config.latent, config.vocabulary, header.classes.len()],
        );
        if found != expected {
            let text = |[d, h, v, c]: [usize; 4]| format!("D = {d}, H = {h}, V = {v}, {c} classes");
            return Err(Error::mismatch("model sizes", text(expected), text(found)));
        }
        let model = M::load(&header.model, &file.tensors, "generator.", device)?;
        Ok(Self { header, model, tokenizer })
    }

    /// The generator with networks rounded to a precision: to sample from, not to save.
    pub fn in_precision(self, precision: Precision) -> Self {
        let (model, tokenizer) = (self.model.in_precision(precision), self.tokenizer.in_precision(precision));
        Self { model, tokenizer, ..self }
    }
}
