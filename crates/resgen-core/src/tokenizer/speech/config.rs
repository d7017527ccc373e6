//! Sizes of the speech tokenizer.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::rvq::{CodebookConfig, Sharing};
use crate::signal::mel::{ListenerConfig, MelConfig};
use crate::signal::sound::Silence;
use crate::tokenizer::{QuantizerConfig, TokenizerConfig, TokenizerKind};

/// Sizes of a [`super::SpeechTokenizer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechTokenizerConfig {
    /// How spectrograms are made.
    #[serde(default = "MelConfig::speech")]
    pub mel: MelConfig,
    /// How loud all recordings are made, in LUFS.
    #[serde(default = "ListenerConfig::usual_loudness")]
    pub loudness: f64,
    /// What of a recording's ends is left out.
    #[serde(default)]
    pub silence: Silence,
    /// The logarithm that becomes 0 for the network.
    #[serde(default = "ListenerConfig::usual_centre")]
    pub centre: f32,
    /// How far from it the logarithm that becomes 1 is.
    #[serde(default = "ListenerConfig::usual_spread")]
    pub spread: f32,
    /// Frames of a piece of speech in training.
    pub segment: usize,
    /// Channels per level.
    pub channels: Vec<usize>,
    /// Frames that each level joins to one: their product is the number of frames of a position.
    pub joins: Vec<usize>,
    /// Blocks per level.
    pub blocks: usize,
    /// Width H of a code vector.
    pub latent: usize,
    /// Codebook size V.
    pub vocabulary: usize,
    /// Quantizer depth D.
    pub depth: usize,
    /// One codebook per depth, or one for all.
    #[serde(default = "separate")]
    pub sharing: Sharing,
    /// How the codebooks learn.
    #[serde(default)]
    pub codebook: CodebookConfig,
}

fn separate() -> Sharing {
    Sharing::Separate
}

impl SpeechTokenizerConfig {
    /// How recordings become what the network sees.
    pub fn listener(&self) -> ListenerConfig {
        let &Self { ref mel, loudness, silence, centre, spread, .. } = self;
        ListenerConfig { mel: mel.clone(), loudness, silence, centre, spread }
    }

    /// Frames that one position stands for.
    pub fn frames_per_position(&self) -> usize {
        self.joins.iter().product()
    }

    /// Positions a second.
    pub fn position_rate(&self) -> f64 {
        self.mel.frame_rate() / self.frames_per_position() as f64
    }
}

impl TokenizerConfig for SpeechTokenizerConfig {
    const KIND: TokenizerKind = TokenizerKind::SpeechTokenizer;

    fn quantizer(&self) -> QuantizerConfig {
        let &Self { latent, vocabulary, depth, sharing, codebook, .. } = self;
        QuantizerConfig { latent, vocabulary, depth, sharing, codebook }
    }

    fn signal(&self) -> [usize; 3] {
        [1, self.segment, self.mel.bins]
    }

    fn positions(&self) -> usize {
        self.segment / self.frames_per_position()
    }

    fn expect_signal(&self, [channels, frames, bins]: [usize; 3]) -> Result<()> {
        let each = self.frames_per_position();
        if channels != 1 || bins != self.mel.bins || frames == 0 || !frames.is_multiple_of(each) {
            let expected = format!("1×(a multiple of {each})×{}", self.mel.bins);
            return Err(Error::mismatch("spectrogram", expected, format!("{channels}×{frames}×{bins}")));
        }
        Ok(())
    }

    fn expect_positions(&self, positions: usize) -> Result<()> {
        if positions == 0 {
            return Err(Error::mismatch("positions of codes", "at least 1", 0));
        }
        Ok(())
    }

    fn validate(&self) -> Result<()> {
        let wrong = |key: &str, reason: String| Err(Error::config(format!("tokenizer.{key}"), reason));
        let within = |key: &str, value: usize, low: usize, high: usize| match (low..=high).contains(&value) {
            true => Ok(()),
            false => wrong(key, format!("expected {low} to {high}, found {value}")),
        };
        self.listener().validate("tokenizer")?;
        within("channels", self.channels.len(), 1, 8)?;
        for &channels in &self.channels {
            within("channels", channels, 4, 4096)?;
        }
        if self.joins.len() != self.channels.len() {
            let reason =
                format!("expected {}, one for each level, found {}", self.channels.len(), self.joins.len());
            return wrong("joins", reason);
        }
        for &join in &self.joins {
            within("joins", join, 1, 64)?;
        }
        within("blocks", self.blocks, 1, 64)?;
        within("latent", self.latent, 1, 4096)?;
        within("vocabulary", self.vocabulary, 2, usize::from(u16::MAX))?;
        within("depth", self.depth, 1, 256)?;
        within("segment", self.segment, 1, 1 << 16)?;
        if !self.segment.is_multiple_of(self.frames_per_position()) {
            let reason = format!(
                "{} frames are no multiple of a position's {}",
                self.segment,
                self.frames_per_position()
            );
            return wrong("segment", reason);
        }
        self.codebook.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Result<SpeechTokenizerConfig, toml::de::Error> {
        let text = "segment = 16\nchannels = [8, 12]\njoins = [2, 4]\nblocks = 1\nlatent = 4\nvocabulary = 8\ndepth = 2\n";
        toml::from_str(&format!("{text}{more}"))
    }

    #[test]
    fn the_defaults_are_speech_at_62_frames_a_second() {
        let config = config("").unwrap();
        config.validate().unwrap();
        assert_eq!((config.frames_per_position(), config.positions()), (8, 2));
        assert_eq!(config.signal(), [1, 16, 100]);
        assert!((config.position_rate() - 7.8125).abs() < 1e-9);
        assert_eq!(config.listener(), ListenerConfig::default());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let key = |change: fn(&mut SpeechTokenizerConfig)| {
            let mut config = config("").unwrap();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(key(|config| config.segment = 12).contains("`tokenizer.segment`"));
        assert!(key(|config| config.joins = vec![2]).contains("`tokenizer.joins`"));
        assert!(key(|config| config.spread = 0.0).contains("`tokenizer.spread`"));
        assert!(key(|config| config.mel.bins = 0).contains("`tokenizer.mel.bins`"));
        assert!(config("widht = 3").is_err());
        let config = config("").unwrap();
        assert!(config.expect_signal([1, 24, 100]).is_ok());
        assert!(config.expect_signal([1, 20, 100]).is_err());
        assert!(config.expect_signal([3, 24, 100]).is_err());
        assert!(config.expect_positions(0).is_err());
    }
}
