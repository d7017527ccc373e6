//! What a tokenizer's model file says beside its weights.

use serde::{Deserialize, Serialize};

use crate::tokenizer::TokenizerKind;

/// What the model file of a tokenizer with sizes `C` says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerHeader<C> {
    /// What it is of.
    pub kind: TokenizerKind,
    /// Sizes.
    pub tokenizer: C,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}
