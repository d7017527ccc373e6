//! BigVGAN's generator (arXiv 2206.04658; version 2 as published), from its published weights:
//! 1. a convolution widens spectrograms;
//! 2. level by level a transposed convolution makes more places of half the channels, and the mean of several blocks, each with taps
//!    of its own, follows: residuals of a periodic activation and a dilated convolution;
//! 3. the activation and a last convolution give the samples, which stay within ±1.
//!
//! Nothing of it is trained here.

mod config;
mod layers;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

pub use config::BigVganConfig;
use config::Resblock;
use layers::{Convolution, Layers, Snake, Upsampling};

use crate::error::{Error, Result};
use crate::nn::{NamedWeights, Precision};
use crate::signal::mel::Mel;
use crate::signal::sound::Sound;

/// Taps of the first and the last convolution.
const TAPS: usize = 7;

/// The generator.
pub struct BigVgan {
    config: BigVganConfig,
    fingerprint: String,
    device: Device,
    first: Convolution,
    levels: Vec<Level>,
    snake: Snake,
    last: Convolution,
}

impl BigVgan {
    /// Loads `bigvgan_generator.pt`, or a safetensors file of the same names, and the `config.json` in its folder. Weight norm is folded into the
    /// weights.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read, [`Error::File`] where it is damaged or one does not belong to the other.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let weights = NamedWeights::read(path, device)?;
        let config = BigVganConfig::beside(path)?;
        let layers = Layers::new(&weights, &config);
        let initial = config.upsample_initial_channel;
        let levels = config.upsample_rates.len();
        let final_channels = config.channels(levels - 1);
        let first = layers.convolution("conv_pre", [initial, config.mel().bins, TAPS], 1)?;
        let levels = (0..levels).map(|level| Level::read(&layers, &config, level)).collect::<Result<_>>()?;
        let snake = layers.snake("activation_post", final_channels)?;
        let last = layers.last("conv_post", [1, final_channels, TAPS])?;
        layers.expect_all_used()?;
        let (fingerprint, device) = (weights.fingerprint(), weights.device().clone());
        Ok(Self { config, fingerprint, device, first, levels, snake, last })
    }

    /// What it was read with.
    pub fn config(&self) -> &BigVganConfig {
        &self.config
    }

    /// A hash of its weights.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// With convolutions in this precision; the one that gives the samples stays f32.
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        match precision {
            Precision::F32 => self,
            Precision::Bf16 => Self {
                first: self.first.rounded(),
                levels: self.levels.into_iter().map(Level::rounded).collect(),
                ..self
            },
        }
    }

    /// The sound of a spectrogram, as long as its frames are.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for another number of bins, [`Error::Argument`] for values that are no numbers.
    pub fn sound(&self, mel: &Mel) -> Result<Sound> {
        let config = self.config.mel();
        if mel.bins != config.bins {
            return Err(Error::mismatch("bins of the spectrogram", config.bins, mel.bins));
        }
        if mel.frames() == 0 {
            return Sound::new(config.rate, Vec::new());
        }
        let values = TensorData::new(mel.values.clone(), [1, mel.frames(), mel.bins]);
        let samples = self.forward(Tensor::from_data(values, &self.device));
        Sound::new(config.rate, samples.try_into_vec_as().map_err(Error::device)?)
    }

    /// # Shapes
    /// spectrograms `[B, T, bins]` → samples `[B, T·hop, 1]`
    fn forward(&self, mel: Tensor<3>) -> Tensor<3> {
        let x = self.levels.iter().fold(self.first.forward(mel), |x, level| level.forward(x));
        let samples = self.last.forward(self.snake.forward(x));
        match self.config.use_tanh_at_final {
            true => samples.tanh(),
            false => samples.clamp(-1.0, 1.0),
        }
    }
}

/// An upsampling and its blocks.
struct Level {
    upsampling: Upsampling,
    blocks: Vec<Block>,
}

impl Level {
    fn read(layers: &Layers<'_>, config: &BigVganConfig, level: usize) -> Result<Self> {
        let channels = config.channels(level);
        let before = config.upsample_initial_channel >> level;
        let (rate, taps) = (config.upsample_rates[level], config.upsample_kernel_sizes[level]);
        let kinds = config.resblock_kernel_sizes.len();
        let block = |kind: usize| Block::read(layers, config, level * kinds + kind, channels, kind);
        Ok(Self {
            upsampling: layers.upsampling(&format!("ups.{level}.0"), [before, channels, taps], rate)?,
            blocks: (0..kinds).map(block).collect::<Result<_>>()?,
        })
    }

    /// # Shapes
    /// `[B, T, C]` → `[B, T·rate, C/2]`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.upsampling.forward(x);
        let sum = self.blocks.iter().map(|block| block.forward(x.clone())).reduce(|sum, out| sum + out);
        sum.unwrap_or(x) / self.blocks.len() as f32
    }

    fn rounded(self) -> Self {
        let blocks = self.blocks.into_iter().map(Block::rounded).collect();
        Self { upsampling: self.upsampling.rounded(), blocks }
    }
}

/// Residuals one after another, each of one or two activations with a convolution after each.
struct Block {
    residuals: Vec<Vec<(Snake, Convolution)>>,
}

impl Block {
    fn read(
        layers: &Layers<'_>,
        config: &BigVganConfig,
        number: usize,
        channels: usize,
        kind: usize,
    ) -> Result<Self> {
        let shape = [channels, channels, config.resblock_kernel_sizes[kind]];
        let layer = |activation: usize, list: &str, index: usize, dilation: usize| {
            let snake = layers.snake(&format!("resblocks.{number}.activations.{activation}"), channels)?;
            let name = format!("resblocks.{number}.{list}.{index}");
            Ok((snake, layers.convolution(&name, shape, dilation)?))
        };
        let residual = |(index, &dilation): (usize, &usize)| match config.resblock {
            Resblock::Two => Ok(vec![
                layer(2 * index, "convs1", index, dilation)?,
                layer(2 * index + 1, "convs2", index, 1)?,
            ]),
            Resblock::One => Ok(vec![layer(index, "convs", index, dilation)?]),
        };
        let dilations = config.resblock_dilation_sizes[kind].iter().enumerate();
        Ok(Self { residuals: dilations.map(residual).collect::<Result<_>>()? })
    }

    /// # Shapes
    /// `[B, T, C]` → `[B, T, C]`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.residuals.iter().fold(x, |x, layers| {
            let step = |hidden, (snake, convolution): &(Snake, Convolution)| {
                convolution.forward(snake.forward(hidden))
            };
            x.clone() + layers.iter().fold(x, step)
        })
    }

    fn rounded(self) -> Self {
        let rounded = |layers: Vec<(Snake, Convolution)>| {
            layers.into_iter().map(|(snake, convolution)| (snake, convolution.rounded())).collect()
        };
        Self { residuals: self.residuals.into_iter().map(rounded).collect() }
    }
}
