//! Sizes of the image tokenizer.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::rvq::{CodebookConfig, Sharing};
use crate::tokenizer::{QuantizerConfig, TokenizerConfig, TokenizerKind};

/// Sizes of an [`super::ImageTokenizer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageTokenizerConfig {
    /// Side S of the square pictures, in pixels.
    pub resolution: usize,
    /// Pixels folded into channels before the first convolution, per side, 1 to 16. Larger is faster.
    #[serde(default = "one")]
    pub stem: usize,
    /// Channels per level; every level after the first halves the size.
    pub channels: Vec<usize>,
    /// Residual blocks per level.
    #[serde(default = "two")]
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

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn separate() -> Sharing {
    Sharing::Separate
}

impl ImageTokenizerConfig {
    /// How many pixels of a side one position stands for.
    pub fn downsampling(&self) -> usize {
        self.stem << (self.channels.len().max(1) - 1)
    }

    /// Side of the grid of positions.
    pub fn grid(&self) -> usize {
        self.resolution / self.downsampling()
    }
}

impl TokenizerConfig for ImageTokenizerConfig {
    const KIND: TokenizerKind = TokenizerKind::Tokenizer;

    fn quantizer(&self) -> QuantizerConfig {
        let &Self { latent, vocabulary, depth, sharing, codebook, .. } = self;
        QuantizerConfig { latent, vocabulary, depth, sharing, codebook }
    }

    fn signal(&self) -> [usize; 3] {
        [3, self.resolution, self.resolution]
    }

    fn positions(&self) -> usize {
        self.grid() * self.grid()
    }

    fn expect_signal(&self, signal: [usize; 3]) -> Result<()> {
        let text = |[channels, height, width]: [usize; 3]| format!("{channels}×{height}×{width}");
        if signal != self.signal() {
            return Err(Error::mismatch("picture", text(self.signal()), text(signal)));
        }
        Ok(())
    }

    fn expect_positions(&self, positions: usize) -> Result<()> {
        if positions != self.positions() {
            return Err(Error::mismatch("positions of codes", self.positions(), positions));
        }
        Ok(())
    }

    fn validate(&self) -> Result<()> {
        let within = |key: &str, value: usize, low: usize, high: usize| match (low..=high).contains(&value) {
            true => Ok(()),
            false => Err(Error::config(
                format!("tokenizer.{key}"),
                format!("expected {low} to {high}, found {value}"),
            )),
        };
        within("resolution", self.resolution, 8, 4096)?;
        within("stem", self.stem, 1, 16)?;
        within("channels", self.channels.len(), 1, 8)?;
        for &channels in &self.channels {
            within("channels", channels, 4, 4096)?;
        }
        within("blocks", self.blocks, 1, 16)?;
        within("latent", self.latent, 1, 4096)?;
        within("vocabulary", self.vocabulary, 2, usize::from(u16::MAX))?;
        within("depth", self.depth, 1, 256)?;
        within(
            "channels and resolution: positions",
            (self.resolution / self.downsampling()).pow(2),
            1,
            1 << 14,
        )?;
        if !self.resolution.is_multiple_of(self.downsampling()) {
            let reason = format!(
                "{} pixels are no multiple of the downsampling {}",
                self.resolution,
                self.downsampling()
            );
            return Err(Error::config("tokenizer.resolution", reason));
        }
        self.codebook.validate()
    }
}
