//! Convolutional blocks: residual block, and self-attention over the places of a feature map.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, Linear};
use burn::tensor::{Tensor, activation::silu};
use resgen_kernels::attend;

use super::Builder;
use super::precision::{convolve, project};

/// `x + conv(silu(norm(conv(silu(norm(x))))))`, with a 1×1 convolution on the skip where the width changes.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    norm_in: GroupNorm,
    conv_in: Conv2d,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    skip: Option<Conv2d>,
}

impl ResidualBlock {
    /// A block from `input` to `output` channels.
    pub fn new(builder: &mut Builder, input: usize, output: usize) -> Self {
        Self {
            norm_in: builder.group_norm(input),
            conv_in: builder.conv(input, output, 3, 1),
            norm_out: builder.group_norm(output),
            conv_out: builder.conv(output, output, 3, 1),
            skip: (input != output).then(|| builder.conv(input, output, 1, 1)),
        }
    }

    /// # Shapes
    /// `[B, input, h, w]` → `[B, output, h, w]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = convolve(&self.conv_in, silu(self.norm_in.forward(x.clone())));
        let hidden = convolve(&self.conv_out, silu(self.norm_out.forward(hidden)));
        let skip = match &self.skip {
            Some(conv) => convolve(conv, x),
            None => x,
        };
        skip + hidden
    }
}

/// Residual single-head self-attention over the h·w places of a feature map.
#[derive(Module, Debug)]
pub struct SpatialAttention {
    norm: GroupNorm,
    qkv: Linear,
    out: Linear,
}

impl SpatialAttention {
    /// A block of `channels` channels.
    pub fn new(builder: &mut Builder, channels: usize) -> Self {
        Self {
            norm: builder.group_norm(channels),
            qkv: builder.linear(channels, 3 * channels),
            out: builder.zero_linear(channels, channels),
        }
    }

    /// # Shapes
    /// `[B, C, h, w]` → `[B, C, h, w]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let places = self.norm.forward(x.clone()).reshape([batch, channels, height * width]).swap_dims(1, 2); // [B, hw, C]
        let mixed = project(&self.out, attend(project(&self.qkv, places), 1)); // [B, hw, C]
        x + mixed.swap_dims(1, 2).reshape([batch, channels, height, width])
    }
}

/// Folds `factor`×`factor` neighbourhoods into channels.
///
/// # Shapes
/// `[B, C, h·f, w·f]` → `[B, C·f², h, w]`
pub fn fold_pixels(x: Tensor<4>, factor: usize) -> Tensor<4> {
    if factor == 1 {
        return x;
    }
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height / factor, factor, width / factor, factor])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([batch, channels * factor * factor, height / factor, width / factor])
}

/// The inverse of [`fold_pixels`].
///
/// # Shapes
/// `[B, C·f², h, w]` → `[B, C, h·f, w·f]`
pub fn unfold_pixels(x: Tensor<4>, factor: usize) -> Tensor<4> {
    if factor == 1 {
        return x;
    }
    let [batch, channels, height, width] = x.dims();
    let channels = channels / (factor * factor);
    x.reshape([batch, channels, factor, factor, height, width]).permute([0, 1, 4, 2, 5, 3]).reshape([
        batch,
        channels,
        height * factor,
        width * factor,
    ])
}

/// Doubles height and width by repeating every place.
///
/// # Shapes
/// `[B, C, h, w]` → `[B, C, 2h, 2w]`
pub fn double_nearest(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height, 1, width, 1])
        .expand([batch, channels, height, 2, width, 2])
        .reshape([batch, channels, 2 * height, 2 * width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn folding_keeps_every_pixel_in_its_place() {
        let device = Device::flex();
        let values: Vec<f32> = (0..2 * 3 * 4 * 8).map(|v| v as f32).collect();
        let x = Tensor::<4>::from_data(TensorData::new(values.clone(), [2, 3, 4, 8]), &device);
        let folded = fold_pixels(x, 2);
        assert_eq!(folded.dims(), [2, 12, 2, 4]);
        // Channel 0's neighbourhood of the second column of places starts at pixel (0, 2).
        let first: Vec<f32> = folded.clone().slice([0..1, 0..4, 0..1, 1..2]).try_to_vec_as().unwrap();
        assert_eq!(first, vec![2.0, 3.0, 10.0, 11.0]);
        assert_eq!(unfold_pixels(folded, 2).try_to_vec_as::<f32>().unwrap(), values);
    }

    #[test]
    fn doubling_repeats_rows_and_columns() {
        let x = Tensor::<4>::from_data(TensorData::new(vec![1f32, 2.0], [1, 1, 1, 2]), &Device::flex());
        let doubled: Vec<f32> = double_nearest(x).try_to_vec_as().unwrap();
        assert_eq!(doubled, vec![1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    }
}
