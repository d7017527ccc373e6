//! What a tokenizer's model file says beside its weights.

use serde::{Deserialize, Serialize};

use crate::tokenizer::ImageTokenizerConfig;

/// What a tokenizer's model file says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerHeader {
    /// Always `tokenizer`.
    pub kind: TokenizerKind,
    /// Sizes.
    pub tokenizer: ImageTokenizerConfig,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}

/// Tells a tokenizer's file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// The only value.
    Tokenizer,
}
