//! The convolutional encoder and decoder.

use burn::module::Module;
use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

use super::ImageTokenizerConfig;
use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::conv::{
    ResidualBlock, SpatialAttention, double_nearest, fold_pixels, normalise_silu, unfold_pixels,
};
use crate::nn::precision::convolve;
use crate::signal::Picture;
use crate::tokenizer::Autoencode;

/// Side of the kernel of the decoder's last convolution.
const LAST_KERNEL: usize = 3;

/// Encoder and decoder: everything of a tokenizer that gradients train.
#[derive(Module, Debug)]
pub struct Autoencoder {
    /// Pictures to latents.
    pub encoder: Encoder,
    /// Latents to pictures.
    pub decoder: Decoder,
}

impl Autoencode for Autoencoder {
    type Config = ImageTokenizerConfig;
    const FIDELITY: &'static str = "psnr";
    const FIDELITY_LABEL: &'static str = "PSNR in dB";

    fn new(builder: &mut Builder, config: &ImageTokenizerConfig) -> Self {
        Self { encoder: Encoder::new(builder, config), decoder: Decoder::new(builder, config) }
    }

    fn encode(&self, signals: Tensor<4>) -> Tensor<3> {
        self.encoder.forward(signals)
    }

    fn features(&self, latents: Tensor<3>) -> Tensor<4> {
        self.decoder.features(latents)
    }

    fn to_signals(&self, features: Tensor<4>) -> Tensor<4> {
        self.decoder.to_pixels(features)
    }

    fn last_gradient_norm(features: Tensor<4>, signals: Tensor<4>) -> Result<f64> {
        let [batch, height, width, channels] = features.dims();
        let [pictures, colours, rows, columns] = signals.dims();
        let stem = rows / height.max(1);
        if stem == 0 || [pictures, colours, rows, columns] != [batch, 3, stem * height, stem * width] {
            let expected = format!("[{batch}, 3, S, S] for features {height}×{width}");
            return Err(Error::mismatch("gradient of the pixels", expected, format!("{:?}", signals.dims())));
        }
        let wanted = fold_pixels(signals.without_autodiff(), stem).autodiff(); // [B, S/stem, S/stem, 3·stem²]
        // The gradient of a product with the weight does not depend on the weight.
        let device = features.device().autodiff();
        let outputs = 3 * stem * stem;
        let weight = Tensor::zeros([outputs, channels, LAST_KERNEL, LAST_KERNEL], &device).require_grad();
        let bias = Tensor::zeros([outputs], &device);
        let padding = [(LAST_KERNEL - 1) / 2; 2];
        let made = resgen_kernels::convolve(features.autodiff(), weight.clone(), bias, 1, padding);
        let gradient = weight
            .grad_remove(&mut (made * wanted).sum().backward())
            .ok_or_else(|| Error::Training("a convolution that does not depend on its weight".into()))?;
        let square: f32 = gradient.square().sum().try_into_scalar().map_err(Error::device)?;
        Ok(f64::from(square).sqrt())
    }

    /// Of pixels in [−1, 1].
    fn fidelity(_: &ImageTokenizerConfig, squared_error: f64) -> f64 {
        10.0 * (4.0 / squared_error.max(1e-12)).log10()
    }

    fn pictures(signals: Tensor<4>) -> Result<Vec<Picture>> {
        let [_, channels, height, width] = signals.dims();
        let values = signals.try_into_vec_as::<f32>().map_err(Error::device)?;
        values
            .chunks(channels * height * width)
            .map(|values| Picture::from_unit(values, width as u32, height as u32))
            .collect()
    }
}

/// Residual blocks with attention between, at the lowest resolution.
#[derive(Module, Debug)]
struct Middle {
    before: ResidualBlock,
    attention: SpatialAttention,
    after: ResidualBlock,
}

impl Middle {
    fn new(builder: &mut Builder, channels: usize) -> Self {
        Self {
            before: ResidualBlock::new(builder, channels, channels),
            attention: SpatialAttention::new(builder, channels),
            after: ResidualBlock::new(builder, channels, channels),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.after.forward(self.attention.forward(self.before.forward(x)))
    }
}

/// Residual blocks of one size, then a change of size.
#[derive(Module, Debug)]
struct Level {
    blocks: Vec<ResidualBlock>,
    resize: Option<Conv2d>,
}

impl Level {
    fn new(builder: &mut Builder, input: usize, output: usize, blocks: usize) -> Self {
        let blocks = (0..blocks)
            .map(|index| ResidualBlock::new(builder, if index == 0 { input } else { output }, output))
            .collect();
        Self { blocks, resize: None }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.blocks.iter().fold(x, |x, block| block.forward(x))
    }
}

/// Pictures to latents.
#[derive(Module, Debug)]
pub struct Encoder {
    first: Conv2d,
    levels: Vec<Level>,
    middle: Middle,
    norm: GroupNorm,
    last: Conv2d,
    stem: usize,
}

impl Encoder {
    fn new(builder: &mut Builder, config: &ImageTokenizerConfig) -> Self {
        let channels = &config.channels;
        let first = builder.conv(3 * config.stem * config.stem, channels[0], 3, 1);
        let levels = (0..channels.len())
            .map(|index| {
                let mut level =
                    Level::new(builder, channels[index.saturating_sub(1)], channels[index], config.blocks);
                let is_lowest = index + 1 == channels.len();
                level.resize = (!is_lowest).then(|| builder.conv(channels[index], channels[index], 3, 2));
                level
            })
            .collect();
        let lowest = channels[channels.len() - 1];
        Self {
            first,
            levels,
            middle: Middle::new(builder, lowest),
            norm: builder.group_norm(lowest),
            last: builder.conv(lowest, config.latent, 1, 1),
            stem: config.stem,
        }
    }

    /// # Shapes
    /// pixels `[B, 3, S, S]` → latents, positions row by row, `[B, L, H]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let mut x = convolve(&self.first, fold_pixels(pixels, self.stem));
        for level in &self.levels {
            x = level.forward(x);
            if let Some(halve) = &level.resize {
                x = convolve(halve, x);
            }
        }
        let x = convolve(&self.last, normalise_silu(&self.norm, self.middle.forward(x))); // [B, h, w, H]
        x.flatten(1, 2)
    }
}

/// Latents to pictures.
#[derive(Module, Debug)]
pub struct Decoder {
    first: Conv2d,
    middle: Middle,
    levels: Vec<Level>,
    norm: GroupNorm,
    last: Conv2d,
    stem: usize,
}

impl Decoder {
    fn new(builder: &mut Builder, config: &ImageTokenizerConfig) -> Self {
        let channels: Vec<usize> = config.channels.iter().rev().copied().collect();
        let first = builder.conv(config.latent, channels[0], 3, 1);
        let middle = Middle::new(builder, channels[0]);
        let levels = (0..channels.len())
            .map(|index| {
                let mut level =
                    Level::new(builder, channels[index.saturating_sub(1)], channels[index], config.blocks);
                let is_highest = index + 1 == channels.len();
                level.resize = (!is_highest).then(|| builder.conv(channels[index], channels[index], 3, 1));
                level
            })
            .collect();
        let highest = channels[channels.len() - 1];
        Self {
            first,
            middle,
            levels,
            norm: builder.group_norm(highest),
            last: builder.conv(highest, 3 * config.stem * config.stem, LAST_KERNEL, 1),
            stem: config.stem,
        }
    }

    /// # Shapes
    /// latents `[B, L, H]` → pixels `[B, 3, S, S]`
    pub fn forward(&self, latents: Tensor<3>) -> Tensor<4> {
        self.to_pixels(self.features(latents))
    }

    /// Everything before the last convolution.
    ///
    /// # Shapes
    /// latents `[B, L, H]` → `[B, S/stem, S/stem, C]`
    pub fn features(&self, latents: Tensor<3>) -> Tensor<4> {
        let [batch, positions, latent] = latents.dims();
        let side = positions.isqrt();
        let x = latents.reshape([batch, side, side, latent]);
        let mut x = self.middle.forward(convolve(&self.first, x));
        for level in &self.levels {
            x = level.forward(x);
            if let Some(conv) = &level.resize {
                x = convolve(conv, double_nearest(x));
            }
        }
        normalise_silu(&self.norm, x)
    }

    /// The last convolution.
    ///
    /// # Shapes
    /// features `[B, S/stem, S/stem, C]` → pixels `[B, 3, S, S]`
    pub fn to_pixels(&self, features: Tensor<4>) -> Tensor<4> {
        unfold_pixels(convolve(&self.last, features), self.stem)
    }
}
