//! The patch discriminator of PatchGAN (arXiv 1611.07004): one logit per overlapping patch.

use burn::module::Module;
use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, activation::leaky_relu};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::conv::{fold_pixels, normalise, unfold_pixels};
use crate::nn::precision::convolve;

const SLOPE: f64 = 0.2;
/// Widths stop doubling at this multiple of the first.
const MAX_WIDENING: usize = 8;

/// Size and pace of a [`Discriminator`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscriminatorConfig {
    /// Channels of the first layer; they double per layer, up to eightfold.
    pub channels: usize,
    /// Layers, each halving the size. A logit sees 22, 38 or 70 pixels of a side with 2, 3 or 4 layers.
    pub layers: usize,
    /// Its learning rate as a multiple of the tokenizer's.
    pub rate: f64,
}

impl Default for DiscriminatorConfig {
    fn default() -> Self {
        Self { channels: 64, layers: 3, rate: 1.0 }
    }
}

impl DiscriminatorConfig {
    /// # Errors
    /// [`Error::Config`] where a number is out of range, or signals whose shorter side is `side` are too small for so many layers.
    pub fn validate(&self, side: usize) -> Result<()> {
        let within = |key: &str, value: usize, low: usize, high: usize| match (low..=high).contains(&value) {
            true => Ok(()),
            false => {
                let reason = format!("expected {low} to {high}, found {value}");
                Err(Error::config(format!("losses.adversarial.discriminator.{key}"), reason))
            }
        };
        within("channels", self.channels, 4, 1024)?;
        within("layers", self.layers, 1, 8)?;
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            let reason = format!("expected a number of more than 0, found {}", self.rate);
            return Err(Error::config("losses.adversarial.discriminator.rate", reason));
        }
        if side >> self.layers == 0 {
            let reason = format!("{} halvings leave nothing of a side of {side}", self.layers);
            return Err(Error::config("losses.adversarial.discriminator.layers", reason));
        }
        Ok(())
    }
}

/// Tells real patches from reconstructed ones.
#[derive(Module, Debug)]
pub struct Discriminator {
    first: Conv2d,
    layers: Vec<Layer>,
    last: Conv2d,
}

/// Group norm, where PatchGAN has batch norm: batch statistics would change with the size of the
/// micro-batches a step is cut into, and their moving averages would be a state to save for resuming.
#[derive(Module, Debug)]
struct Layer {
    conv: Conv2d,
    norm: GroupNorm,
}

impl Discriminator {
    /// A fresh network of the configured size, for signals of so many `channels`.
    pub fn new(builder: &mut Builder, config: &DiscriminatorConfig, channels: usize) -> Self {
        let width = |layer: usize| config.channels * (1 << layer.min(31)).min(MAX_WIDENING);
        let first = builder.conv(channels, width(0), 4, 2);
        let layers = (1..config.layers)
            .map(|layer| Layer {
                conv: builder.conv(width(layer - 1), width(layer), 4, 2),
                norm: builder.group_norm(width(layer)),
            })
            .collect();
        Self { first, layers, last: builder.conv(width(config.layers.saturating_sub(1)), 1, 3, 1) }
    }

    /// High for patches that look real.
    ///
    /// # Shapes
    /// signals `[B, C, h, w]` → `[B, 1, h/2^layers, w/2^layers]`
    pub fn logits(&self, signals: Tensor<4>) -> Tensor<4> {
        let x = leaky_relu(convolve(&self.first, fold_pixels(signals, 1)), SLOPE);
        let x = self
            .layers
            .iter()
            .fold(x, |x, layer| leaky_relu(normalise(&layer.norm, convolve(&layer.conv, x)), SLOPE));
        unfold_pixels(convolve(&self.last, x), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameters::{names_and_shapes, read, take_gradients};
    use burn::tensor::{Device, TensorData};

    fn tiny(device: &Device) -> Discriminator {
        Discriminator::new(
            &mut Builder::new(3, device),
            &DiscriminatorConfig { channels: 4, layers: 3, rate: 1.0 },
            3,
        )
    }

    #[test]
    fn every_layer_halves_the_size_and_doubles_the_width() {
        let discriminator = tiny(&Device::flex());
        assert_eq!(discriminator.logits(Tensor::zeros([2, 3, 32, 24], &Device::flex())).dims(), [2, 1, 4, 3]);
        let shapes: Vec<_> = names_and_shapes(&discriminator)
            .into_iter()
            .filter_map(|(_, shape)| (shape.len() == 4).then_some(shape))
            .collect();
        assert_eq!(shapes, [vec![4, 3, 4, 4], vec![8, 4, 4, 4], vec![16, 8, 4, 4], vec![1, 16, 3, 3]]);
    }

    #[test]
    fn a_seed_gives_the_same_weights_and_a_picture_its_logits_in_any_batch() {
        let device = Device::flex();
        assert_eq!(read(&tiny(&device)), read(&tiny(&device)));
        let values: Vec<f32> = (0..2 * 3 * 16 * 16).map(|i| (i as f32 * 0.7).sin()).collect();
        let pixels = Tensor::<4>::from_data(TensorData::new(values, [2, 3, 16, 16]), &device);
        let both = tiny(&device).logits(pixels.clone());
        let alone = tiny(&device).logits(pixels.slice([0..1, 0..3, 0..16, 0..16]));
        let difference: f32 = (both.slice([0..1, 0..1, 0..2, 0..2]) - alone).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn a_logit_sees_its_patch_only() {
        // With one layer the last row of 8 depends on pixels from row 11 on: three rows of 4×4 windows.
        let discriminator = Discriminator::new(
            &mut Builder::new(3, &Device::flex()),
            &DiscriminatorConfig { channels: 4, layers: 1, rate: 1.0 },
            3,
        );
        let pixels = Tensor::<4>::ones([1, 3, 16, 16], &Device::flex()).autodiff().require_grad();
        let last = discriminator.logits(pixels.clone()).slice([0..1, 0..1, 7..8, 0..8]).sum();
        let gradient = pixels.grad(&last.backward()).unwrap().abs();
        let rows: Vec<f32> = gradient.sum_dims(&[1, 3]).reshape([16]).try_to_vec_as::<f32>().unwrap();
        assert_eq!(rows.iter().position(|row| *row > 0.0), Some(11), "{rows:?}");
    }

    #[test]
    fn gradients_reach_every_parameter() {
        let device = Device::flex().autodiff();
        let discriminator = tiny(&device);
        let values: Vec<f32> = (0..3 * 16 * 16).map(|i| (i as f32 * 0.7).sin()).collect();
        let pixels = Tensor::<4>::from_data(TensorData::new(values, [1, 3, 16, 16]), &device);
        let mut gradients = discriminator.logits(pixels).square().sum().backward();
        for (gradient, (name, _)) in
            take_gradients(&discriminator, &mut gradients).into_iter().zip(names_and_shapes(&discriminator))
        {
            // Even the biases before a norm: a group of 4 channels takes away their common part only.
            assert!(gradient.abs().sum().into_scalar::<f32>() > 0.0, "{name}");
        }
    }

    #[test]
    fn pictures_must_survive_the_halvings() {
        let config = DiscriminatorConfig { channels: 4, layers: 3, rate: 1.0 };
        assert!(config.validate(8).is_ok());
        assert!(
            config.validate(7).unwrap_err().to_string().contains("losses.adversarial.discriminator.layers")
        );
        assert!(DiscriminatorConfig { channels: 0, ..config }.validate(64).is_err());
        assert!(DiscriminatorConfig { rate: f64::NAN, ..config }.validate(64).is_err());
        assert_eq!(
            tiny(&Device::flex()).logits(Tensor::zeros([1, 3, 8, 8], &Device::flex())).dims(),
            [1, 1, 1, 1]
        );
    }
}
