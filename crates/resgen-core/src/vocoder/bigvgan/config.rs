//! `config.json` as it is published beside a BigVGAN's weights. What only its training needs is passed over.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::signal::mel::{MelConfig, Padding, StftConfig};

/// Most upsamplings, and blocks after each.
const MOST_LAYERS: usize = 16;
/// Largest distance of a kernel's taps.
const MOST_DILATION: usize = 1024;

/// Sizes of a generator, and the spectrograms that it was trained on, by their published names.
#[derive(Clone, Debug, Deserialize)]
pub struct BigVganConfig {
    num_mels: usize,
    sampling_rate: u32,
    n_fft: usize,
    hop_size: usize,
    win_size: usize,
    fmin: f64,
    /// Half the rate where there is none.
    fmax: Option<f64>,
    /// How many times as many samples each level gives.
    pub(super) upsample_rates: Vec<usize>,
    /// Taps of its transposed convolution.
    pub(super) upsample_kernel_sizes: Vec<usize>,
    /// Channels before the first level; each level halves them.
    pub(super) upsample_initial_channel: usize,
    /// The blocks' kind.
    pub(super) resblock: Resblock,
    /// Taps of the convolutions of each of a level's blocks.
    pub(super) resblock_kernel_sizes: Vec<usize>,
    /// The distances of the taps, block by block.
    pub(super) resblock_dilation_sizes: Vec<Vec<usize>>,
    /// The activation's kind.
    pub(super) activation: Activation,
    /// Whether its parameters are logarithms.
    pub(super) snake_logscale: bool,
    /// Whether tanh ends it; otherwise what exceeds ±1 is cut off.
    #[serde(default = "yes")]
    pub(super) use_tanh_at_final: bool,
    /// Whether the last convolution has a bias.
    #[serde(default = "yes")]
    pub(super) use_bias_at_final: bool,
}

/// How many convolutions a residual of a block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Resblock {
    /// A dilated one and another one after it.
    #[serde(rename = "1")]
    Two,
    /// A dilated one.
    #[serde(rename = "2")]
    One,
}

/// A periodic activation: `x + sin²(αx)/β`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// β is α.
    Snake,
    /// β is a parameter of its own.
    SnakeBeta,
}

fn yes() -> bool {
    true
}

impl BigVganConfig {
    /// Reads the `config.json` in the folder of the weights.
    ///
    /// # Errors
    /// [`Error::File`] where there is none, or names what it lacks or what in it cannot be; [`Error::Io`] where it cannot be read.
    pub fn beside(weights: &Path) -> Result<Self> {
        let path = weights.with_file_name("config.json");
        let text = std::fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let reason = format!(
                    "there is no such file; the weights in {} are of no use without it",
                    weights.display()
                );
                Error::file(&path, reason)
            }
            _ => Error::io(&path)(error),
        })?;
        let config: Self = serde_json::from_slice(&text)
            .map_err(|error| Error::file(&path, format!("no config of a BigVGAN: {error}")))?;
        config.mel().validate("mel").map_err(|error| Error::file(&path, error))?;
        config.validate().map_err(|reason| Error::file(&path, reason))?;
        Ok(config)
    }

    /// The spectrograms that it was trained on.
    pub fn mel(&self) -> MelConfig {
        MelConfig {
            stft: StftConfig {
                size: self.n_fft,
                window: self.win_size,
                hop: self.hop_size,
                padding: Padding::Same,
            },
            bins: self.num_mels,
            lowest: self.fmin,
            highest: self.fmax.unwrap_or(f64::from(self.sampling_rate) / 2.0),
            ..MelConfig::bigvgan(self.sampling_rate)
        }
    }

    /// Channels after a level.
    pub fn channels(&self, level: usize) -> usize {
        self.upsample_initial_channel >> (level + 1)
    }

    fn validate(&self) -> Result<(), String> {
        let within = |name: &str, count: usize| match (1..=MOST_LAYERS).contains(&count) {
            true => Ok(()),
            false => Err(format!("{name}: expected 1 to {MOST_LAYERS} numbers, found {count}")),
        };
        let as_many = |name: &str, count: usize, other: &str, expected: usize| match count == expected {
            true => Ok(()),
            false => Err(format!("{name}: expected {expected} entries, as {other} has, found {count}")),
        };
        let (rates, kernels) = (&self.upsample_rates, &self.upsample_kernel_sizes);
        within("upsample_rates", rates.len())?;
        as_many("upsample_kernel_sizes", kernels.len(), "upsample_rates", rates.len())?;
        let (taps, dilations) = (&self.resblock_kernel_sizes, &self.resblock_dilation_sizes);
        within("resblock_kernel_sizes", taps.len())?;
        as_many("resblock_dilation_sizes", dilations.len(), "resblock_kernel_sizes", taps.len())?;
        for (&rate, &kernel) in rates.iter().zip(kernels) {
            if rate == 0 || kernel < rate || !(kernel - rate).is_multiple_of(2) {
                let expected = format!("expected {rate} for a rate of {rate}, or an even number more");
                return Err(format!("upsample_kernel_sizes: {expected}, found {kernel}"));
            }
        }
        let samples = rates.iter().try_fold(1usize, |product, &rate| product.checked_mul(rate));
        if samples != Some(self.hop_size) {
            let hop = self.hop_size;
            return Err(format!(
                "upsample_rates: expected a product of {hop}, the hop_size, found {rates:?}"
            ));
        }
        if self.channels(rates.len() - 1) == 0 {
            let (channels, levels) = (self.upsample_initial_channel, rates.len());
            return Err(format!("upsample_initial_channel: {channels} cannot be halved {levels} times"));
        }
        if let Some(even) = taps.iter().find(|taps| taps.is_multiple_of(2)) {
            return Err(format!("resblock_kernel_sizes: expected odd numbers, found {even}"));
        }
        let mut dilations = dilations.iter().flatten();
        match dilations.find(|dilation| !(1..=MOST_DILATION).contains(*dilation)) {
            Some(found) => {
                Err(format!("resblock_dilation_sizes: expected 1 to {MOST_DILATION}, found {found}"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the published generator for 24 kHz.
    const PUBLISHED: &str = r#"{
        "resblock": "1", "batch_size": 4, "learning_rate": 0.0001,
        "upsample_rates": [4,4,2,2,2,2], "upsample_kernel_sizes": [8,8,4,4,4,4], "upsample_initial_channel": 1536,
        "resblock_kernel_sizes": [3,7,11], "resblock_dilation_sizes": [[1,3,5], [1,3,5], [1,3,5]],
        "use_tanh_at_final": false, "use_bias_at_final": false, "activation": "snakebeta", "snake_logscale": true,
        "num_mels": 100, "n_fft": 1024, "hop_size": 256, "win_size": 1024, "sampling_rate": 24000,
        "fmin": 0, "fmax": null, "dist_config": { "world_size": 1 }
    }"#;

    fn read(text: &str) -> Result<BigVganConfig> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        BigVganConfig::beside(&folder.path().join("weights.pt"))
    }

    #[test]
    fn the_published_one_is_for_the_spectrograms_of_its_preset() {
        let config = read(PUBLISHED).unwrap();
        assert_eq!(config.mel(), MelConfig::bigvgan(24_000));
        assert_eq!((config.channels(0), config.channels(5)), (768, 24));
        assert!(!config.use_tanh_at_final && !config.use_bias_at_final);
        let first = PUBLISHED.replace("\"use_tanh_at_final\": false, \"use_bias_at_final\": false,", "");
        let first = read(&first).unwrap();
        assert!(first.use_tanh_at_final && first.use_bias_at_final);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let refused = |from: &str, to: &str| {
            let text = PUBLISHED.replace(from, to);
            assert_ne!(text, PUBLISHED);
            let message = read(&text).unwrap_err().to_string();
            assert!(message.contains("config.json: "), "{message}");
            message
        };
        assert!(refused("\"num_mels\": 100,", "").contains("num_mels"));
        assert!(refused("snakebeta", "relu").contains("`snake` or `snakebeta`"));
        assert!(refused("\"num_mels\": 100", "\"num_mels\": 0").contains("bins"));
        assert!(refused("\"hop_size\": 256", "\"hop_size\": 512").contains("a product of 512"));
        assert!(refused("[8,8,4,4,4,4]", "[8,8,4,4,4]").contains("expected 6 entries"));
        assert!(refused("[8,8,4,4,4,4]", "[8,8,4,4,4,5]").contains("found 5"));
        assert!(refused("[8,8,4,4,4,4]", "[8,8,4,4,4,0]").contains("found 0"));
        assert!(refused("[4,4,2,2,2,2]", "[]").contains("1 to 16"));
        assert!(refused("1536", "63").contains("cannot be halved 6 times"));
        assert!(refused("[3,7,11]", "[3,7,10]").contains("odd"));
        assert!(refused("[[1,3,5], [1,3,5], [1,3,5]]", "[[1,3,5], [1,3,5]]").contains("expected 3"));
        assert!(refused("[[1,3,5]", "[[1,0,5]").contains("found 0"));
        let missing = BigVganConfig::beside(Path::new("no/such/weights.pt")).unwrap_err().to_string();
        assert!(missing.starts_with("no/such/config.json: there is no such file"), "{missing}");
    }
}
