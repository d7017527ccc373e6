//! A generator's model file, and a generator read from one.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{AnyNetwork, NetworkConfig, Stored};
use crate::nn::Precision;
use crate::sample::Preset;
use crate::tokenizer::{ImageTokenizer, ImageTokenizerConfig, TokenizerConfig};
use crate::train::model_file::ModelFile;

/// What a generator's model file says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorHeader {
    /// Always `generator`.
    pub kind: GeneratorFileKind,
    /// Sizes of the generator.
    pub model: NetworkConfig,
    /// Sizes of its tokenizer, which is in the same file.
    pub tokenizer: ImageTokenizerConfig,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Sampler settings that suit the model.
    pub preset: Preset,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}

/// Tells a generator's file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneratorFileKind {
    /// The only value.
    Generator,
}

/// A generator ready to sample, with its tokenizer.
pub struct Generator<M = AnyNetwork> {
    /// What the file says.
    pub header: GeneratorHeader,
    /// The network.
    pub model: M,
    /// Codes to pictures.
    pub tokenizer: ImageTokenizer,
}

impl<M: Stored> Generator<M> {
    /// Builds the networks of a file.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Mismatch`] where header and tensors do not fit each other.
    pub fn from_file(file: &ModelFile<GeneratorHeader>, device: &Device) -> Result<Self> {
        let mut header = file.header.clone();
        if header.model.vocabulary == 0 {
            header.model.vocabulary = header.tokenizer.vocabulary; // files of before it was written down
        }
        header.model.validate()?;
        let tokenizer = ImageTokenizer::load(header.tokenizer.clone(), &file.tensors, "tokenizer.", device)?;
        let (model, config) = (&header.model, &header.tokenizer);
        let (found, expected) = (
            [model.positions, model.depth, model.latent, model.vocabulary, model.classes],
            [config.positions(), config.depth, config.latent, config.vocabulary, header.classes.len()],
        );
        if found != expected {
            let text =
                |[l, d, h, v, c]: [usize; 5]| format!("L = {l}, D = {d}, H = {h}, V = {v}, {c} classes");
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
