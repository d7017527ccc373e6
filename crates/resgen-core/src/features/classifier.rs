//! A small network that tells the classes of a user's own pictures apart, so that distances can be measured without a
//! download: its features mean something on those pictures, and on no others.
//!
//! Residual blocks at a half, a quarter, an eighth … of the picture's size, then the mean over places.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, Linear};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::conv::{ResidualBlock, fold_pixels, normalise_silu};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::precision::{convolve, project};

/// Pixels of a side that the first layer takes together.
const PATCH: usize = 2;
/// Channels of the last map whose places are features of their own.
pub const SPATIAL_CHANNELS: usize = 7;

/// The sizes of a [`Classifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// The side of a picture, in pixels.
    pub resolution: usize,
    /// Channels at a half, a quarter, … of that side; the last number is the width of the features.
    pub channels: Vec<usize>,
}

impl ClassifierConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        let is_possible = |&channels: &usize| (8..=4096).contains(&channels) && channels.is_multiple_of(4);
        if self.channels.is_empty() || self.channels.len() > 8 || !self.channels.iter().all(is_possible) {
            let reason = format!("expected 1 to 8 multiples of 4 from 8 to 4096, found {:?}", self.channels);
            return Err(Error::config("features.channels", reason));
        }
        let multiple = PATCH << (self.channels.len() - 1);
        if self.resolution == 0 || self.resolution > 4096 || !self.resolution.is_multiple_of(multiple) {
            let reason = format!("expected a multiple of {multiple} up to 4096, found {}", self.resolution);
            return Err(Error::config("features.resolution", reason));
        }
        Ok(())
    }

    /// Width of the features.
    pub fn width(&self) -> usize {
        self.channels.last().copied().unwrap_or(0)
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Classifier {
    stages: Vec<Stage>,
    norm: GroupNorm,
    classes: Linear,
}

#[derive(Module, Debug)]
struct Stage {
    enter: Conv2d,
    block: ResidualBlock,
}

/// What the network says of pictures.
pub struct ClassifierFeatures {
    /// Means over all places of the last map, `[B, F]`.
    pub pooled: Tensor<2>,
    /// The first seven channels of that map, place by place, `[B, h·w·7]`.
    pub spatial: Tensor<2>,
    /// `[B, classes]`
    pub logits: Tensor<2>,
}

impl Classifier {
    /// A fresh network.
    pub fn new(builder: &mut Builder, config: &ClassifierConfig, classes: usize) -> Self {
        let mut input = 3 * PATCH * PATCH;
        let mut stages = Vec::with_capacity(config.channels.len());
        for (index, &channels) in config.channels.iter().enumerate() {
            let stride = if index == 0 { 1 } else { 2 };
            let enter = builder.conv(input, channels, 3, stride);
            stages.push(Stage { enter, block: ResidualBlock::new(builder, channels, channels) });
            input = channels;
        }
        Self { stages, norm: builder.group_norm(input), classes: builder.linear(input, classes) }
    }

    /// The network with weights of a file.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Mismatch`] where sizes and weights do not fit each other.
    pub fn load(
        config: &ClassifierConfig,
        classes: usize,
        tensors: &NamedTensors,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        parameters::load(Self::new(&mut Builder::blank(device), config, classes), tensors, "")
    }

    /// # Shapes
    /// pixels in [−1, 1] `[B, 3, S, S]`
    pub fn forward(&self, pixels: Tensor<4>) -> ClassifierFeatures {
        let x = self
            .stages
            .iter()
            .fold(fold_pixels(pixels, PATCH), |x, stage| stage.block.forward(convolve(&stage.enter, x)));
        let x = normalise_silu(&self.norm, x); // [B, h, w, F]
        let spatial = x.clone().slice_dim(3, 0..SPATIAL_CHANNELS).flatten(1, 3);
        let pooled: Tensor<2> = x.mean_dims(&[1, 2]).flatten(1, 3);
        let logits = project(&self.classes, pooled.clone());
        ClassifierFeatures { pooled, spatial, logits }
    }
}
