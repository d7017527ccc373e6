//! Sizes of the vocoder.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::signal::mel::ListenerConfig;
use crate::tokenizer::SpeechTokenizerConfig;
use crate::vocoder::expect_mel;

/// Sizes of a [`super::Vocos`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocosConfig {
    /// How recordings become spectrograms: as those of the tokenizer whose spectrograms it makes sound of.
    #[serde(default)]
    pub listener: ListenerConfig,
    /// Frames of a piece of speech in training.
    pub segment: usize,
    /// Channels.
    pub width: usize,
    /// Blocks.
    pub blocks: usize,
}

impl VocosConfig {
    /// Samples of a piece of speech in training.
    pub fn samples(&self) -> usize {
        self.segment * self.listener.mel.stft.hop
    }

    /// Samples on either side of a piece that its spectrogram is made of, too.
    pub fn around(&self) -> usize {
        self.listener.mel.stft.pad()
    }

    /// Frames of the spectrogram of a piece with what is around it.
    pub fn frames(&self) -> usize {
        self.listener.mel.stft.frames(self.samples())
    }

    /// Makes sure that a tokenizer takes the spectrograms of pieces.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where it is of other spectrograms, [`Error::Config`] where a piece has no whole positions.
    pub fn expect_tokenizer(&self, tokenizer: &SpeechTokenizerConfig) -> Result<()> {
        let (own, other) = (&self.listener, tokenizer.listener());
        expect_mel(&other.mel, &own.mel)?;
        if *own != other {
            let reason = "it differs from the tokenizer's in loudness, silence, centre or spread";
            return Err(Error::config("vocoder.listener", reason));
        }
        let each = tokenizer.frames_per_position();
        match self.segment.is_multiple_of(each) {
            true => Ok(()),
            false => {
                let reason =
                    format!("expected a multiple of the tokenizer's {each} frames, found {}", self.segment);
                Err(Error::config("vocoder.segment", reason))
            }
        }
    }

    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.listener.validate("vocoder.listener")?;
        let limits =
            [("segment", self.segment, 4096), ("width", self.width, 4096), ("blocks", self.blocks, 64)];
        for (key, value, most) in limits {
            if !(1..=most).contains(&value) {
                let reason = format!("expected 1 to {most}, found {value}");
                return Err(Error::config(format!("vocoder.{key}"), reason));
            }
        }
        let stft = &self.listener.mel.stft;
        if self.samples() <= stft.size {
            let reason =
                format!("{} frames are no longer than one transform of {} samples", self.segment, stft.size);
            return Err(Error::config("vocoder.segment", reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_whole_hops_and_what_does_not_fit_is_named() {
        let config: VocosConfig = toml::from_str("segment = 8\nwidth = 16\nblocks = 2").unwrap();
        config.validate().unwrap();
        assert_eq!((config.samples(), config.around(), config.frames()), (2048, 384, 8));
        let named = |text: &str| {
            let config: VocosConfig = toml::from_str(text).unwrap();
            config.validate().unwrap_err().to_string()
        };
        assert!(named("segment = 4\nwidth = 16\nblocks = 2").contains("`vocoder.segment`"));
        assert!(named("segment = 8\nwidth = 0\nblocks = 2").contains("`vocoder.width`"));
        assert!(named("segment = 8\nwidth = 16\nblocks = 99").contains("`vocoder.blocks`"));
    }
}
