//! What a vocoder's model file says beside its weights.

use serde::{Deserialize, Serialize};

use super::VocosConfig;

/// What the model file of a vocoder says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocoderHeader {
    /// Always `vocoder`.
    pub kind: VocoderKind,
    /// Sizes.
    pub vocoder: VocosConfig,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}

/// Tells a vocoder's file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VocoderKind {
    /// The only value.
    Vocoder,
}
