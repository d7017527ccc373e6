//! A network that tells speakers apart by their voices, so that how alike two voices are can be measured without a download: it
//! means something on recordings like those it was trained on, and on no others.
//!
//! recording → spectrogram → ConvNeXt blocks along fewer and fewer frames → mean and standard deviation over time → embedding

mod encoder;
mod network;

pub use encoder::{SpeakerEncoder, spectrogram};
pub use network::{SpeakerConfig, SpeakerNetwork};

use serde::{Deserialize, Serialize};

/// What a speaker encoder's model file says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerHeader {
    /// Always `speaker-encoder`.
    pub kind: SpeakerKind,
    /// Sizes, and how recordings become spectrograms.
    pub encoder: SpeakerConfig,
    /// Names of the speakers that it learned from.
    pub speakers: Vec<String>,
    /// Of trials with held-out recordings, where there were any: the share of wrong answers where as many of the same speaker are
    /// refused as of different ones are accepted.
    pub heldout_equal_error_rate: Option<f64>,
    /// Share of those trials in which a recording was nearer to another of its speaker than to one of somebody else.
    pub heldout_nearer: Option<f64>,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}

/// Tells a speaker encoder's file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpeakerKind {
    /// The only value.
    #[serde(rename = "speaker-encoder")]
    SpeakerEncoder,
}
