//! Convolutional blocks: residual block, and self-attention over the places of a feature map. Feature maps are channels-last.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, Linear};
use burn::tensor::Tensor;
use resgen_kernels::{Sight, attend, group_norm, group_norm_silu};

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
    /// `[B, h, w, input]` → `[B, h, w, output]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = convolve(&self.conv_in, normalise_silu(&self.norm_in, x.clone()));
        let hidden = convolve(&self.conv_out, normalise_silu(&self.norm_out, hidden));
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
    /// `[B, h, w, C]` → `[B, h, w, C]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, channels] = x.dims();
        let places = normalise(&self.norm, x.clone()).reshape([batch, height * width, channels]);
        let mixed = project(&self.out, attend(project(&self.qkv, places), 1, Sight::All)); // [B, hw, C]
        x + mixed.reshape([batch, height, width, channels])
    }
}

/// A group norm over channels-last pictures, one that [`Builder::group_norm`] makes.
///
/// # Shapes
/// `[B, h, w, C]` → `[B, h, w, C]`
pub fn normalise(layer: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    let [gain, bias] = gain_and_bias(layer);
    group_norm(x, gain, bias, layer.num_groups)
}

/// `y·σ(y)` of what [`normalise`] gives.
///
/// # Shapes
/// as there
pub fn normalise_silu(layer: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    let [gain, bias] = gain_and_bias(layer);
    group_norm_silu(x, gain, bias, layer.num_groups)
}

fn gain_and_bias(layer: &GroupNorm) -> [Tensor<1>; 2] {
    [&layer.gamma, &layer.beta].map(|param| param.as_ref().expect("a norm with gain and bias").val())
}

/// Pictures as channels-last maps of their `factor`×`factor` neighbourhoods.
///
/// # Shapes
/// `[B, C, h·f, w·f]` → `[B, h, w, C·f²]`
pub fn fold_pixels(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let (height, width) = (height / factor, width / factor);
    x.reshape([batch, channels, height, factor, width, factor]).permute([0, 2, 4, 1, 3, 5]).reshape([
        batch,
        height,
        width,
        channels * factor * factor,
    ])
}

/// The inverse of [`fold_pixels`].
///
/// # Shapes
/// `[B, h, w, C·f²]` → `[B, C, h·f, w·f]`
pub fn unfold_pixels(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let channels = channels / (factor * factor);
    x.reshape([batch, height, width, channels, factor, factor]).permute([0, 3, 1, 4, 2, 5]).reshape([
        batch,
        channels,
        height * factor,
        width * factor,
    ])
}

/// Doubles height and width by repeating every place.
///
/// # Shapes
/// `[B, h, w, C]` → `[B, 2h, 2w, C]`
pub fn double_nearest(x: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    x.reshape([batch, height, 1, width, 1, channels])
        .expand([batch, height, 2, width, 2, channels])
        .reshape([batch, 2 * height, 2 * width, channels])
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
        assert_eq!(folded.dims(), [2, 2, 4, 12]);
        // Channel 0's neighbourhood of the second column of places starts at pixel (0, 2).
        let first: Vec<f32> = folded.clone().slice([0..1, 0..1, 1..2, 0..4]).try_to_vec_as().unwrap();
        assert_eq!(first, vec![2.0, 3.0, 10.0, 11.0]);
        assert_eq!(unfold_pixels(folded, 2).try_to_vec_as::<f32>().unwrap(), values);
    }

    #[test]
    fn doubling_repeats_rows_and_columns() {
        let x = Tensor::<4>::from_data(TensorData::new(vec![1f32, 2.0], [1, 1, 2, 1]), &Device::flex());
        let doubled: Vec<f32> = double_nearest(x).try_to_vec_as().unwrap();
        assert_eq!(doubled, vec![1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    }
}
