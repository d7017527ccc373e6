//! ConvNeXt blocks along time (arXiv 2201.03545, in one dimension as Vocos has them, arXiv 2306.00814): a convolution of every channel by
//! itself mixes neighbouring frames, two affine layers mix the channels of a frame.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use resgen_kernels::modulated_norm;

use super::Builder;
use super::precision::{project, project_gelu};

/// Frames that a block sees.
const KERNEL: usize = 7;
/// Channels between the two affine layers, as a multiple.
const WIDENING: usize = 3;

/// Layer norm with a learned gain and bias.
#[derive(Module, Debug)]
pub struct Norm {
    gain: Param<Tensor<1>>, // of 1 + gain
    bias: Param<Tensor<1>>,
}

impl Norm {
    /// A norm that changes neither scale nor mean at first.
    pub fn new(builder: &mut Builder, channels: usize) -> Self {
        let mut zeros = || builder.parameter([channels], |_, device| Tensor::zeros([channels], device));
        Self { gain: zeros(), bias: zeros() }
    }

    /// # Shapes
    /// `[B, T, C]` → `[B, T, C]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, _, channels] = x.dims();
        let each = |values: &Param<Tensor<1>>| values.val().reshape([1, 1, channels]).repeat_dim(0, batch);
        modulated_norm(x, each(&self.bias), each(&self.gain))
    }
}

/// `x + scale · narrow(gelu(widen(norm(convolution(x)))))`
#[derive(Module, Debug)]
pub struct ConvNext {
    kernel: Param<Tensor<2>>, // [KERNEL, C]
    bias: Param<Tensor<1>>,   // [C]
    norm: Norm,
    widen: Linear,
    narrow: Linear,
    scale: Param<Tensor<1>>, // [C]
}

/// Fewer frames that are then worked on: several are joined to one, and go through blocks.
#[derive(Module, Debug)]
pub struct Narrowing {
    join: Linear,
    blocks: Vec<ConvNext>,
}

impl Narrowing {
    /// One after another, from frames of `input` channels: of each its channels and the frames that it joins to one, and so many blocks.
    pub fn levels(
        builder: &mut Builder,
        input: usize,
        channels: &[usize],
        joins: &[usize],
        blocks: usize,
    ) -> Vec<Self> {
        let inputs = [input].into_iter().chain(channels.iter().copied());
        let level = |((input, &channels), &join): ((usize, &usize), &usize)| Self {
            join: builder.linear(input * join, channels),
            blocks: ConvNext::stack(builder, channels, blocks, joins.len() * blocks),
        };
        inputs.zip(channels).zip(joins).map(level).collect()
    }

    /// # Shapes
    /// `[B, T, input]`, T a multiple of `join` → `[B, T/join, channels]`
    pub fn forward(&self, x: Tensor<3>, join: usize) -> Tensor<3> {
        let [batch, frames, channels] = x.dims();
        through(&self.blocks, project(&self.join, x.reshape([batch, frames / join, channels * join])))
    }
}

/// # Shapes
/// `[B, T, C]` → `[B, T, C]`
pub fn through(blocks: &[ConvNext], x: Tensor<3>) -> Tensor<3> {
    blocks.iter().fold(x, |x, block| block.forward(x))
}

impl ConvNext {
    /// `count` blocks that follow one another, of `all` that a network has.
    pub fn stack(builder: &mut Builder, channels: usize, count: usize, all: usize) -> Vec<Self> {
        (0..count).map(|_| Self::new(builder, channels, all)).collect()
    }

    /// One of `blocks` blocks: each adds a part of what the others leave.
    pub fn new(builder: &mut Builder, channels: usize, blocks: usize) -> Self {
        let scale = 1.0 / blocks.max(1) as f32;
        Self {
            kernel: builder.uniform([KERNEL, channels], (3.0 / KERNEL as f32).sqrt()),
            bias: builder.parameter([channels], |_, device| Tensor::zeros([channels], device)),
            norm: Norm::new(builder, channels),
            widen: builder.linear(channels, WIDENING * channels),
            narrow: builder.linear(WIDENING * channels, channels),
            scale: builder.parameter([channels], |_, device| Tensor::full([channels], scale, device)),
        }
    }

    /// # Shapes
    /// `[B, T, C]` → `[B, T, C]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = self.norm.forward(self.mix_frames(x.clone()));
        let hidden = project(&self.narrow, project_gelu(&self.widen, hidden));
        x + hidden * self.scale.val().unsqueeze()
    }

    /// Every channel by itself, with nothing before the first frame and after the last.
    fn mix_frames(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, frames, channels] = x.dims();
        let edge = Tensor::zeros([batch, KERNEL / 2, channels], &x.device());
        let padded = Tensor::cat(vec![edge.clone(), x, edge], 1);
        let tap = |at: usize| {
            let weight = self.kernel.val().narrow(0, at, 1).unsqueeze::<3>(); // [1, 1, C]
            padded.clone().narrow(1, at, frames) * weight
        };
        (1..KERNEL).fold(tap(0), |sum, at| sum + tap(at)) + self.bias.val().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn waves(shape: [usize; 3]) -> Tensor<3> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * 0.7).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn a_frame_sees_three_on_either_side() {
        let block = ConvNext::new(&mut Builder::new(1, &Device::flex()), 8, 4);
        let x = waves([1, 20, 8]);
        let changed = x.clone().slice_assign([0..1, 10..11, 0..8], Tensor::zeros([1, 1, 8], &Device::flex()));
        let change = (block.forward(x) - block.forward(changed)).abs().sum_dim(2);
        let frames: Vec<f32> = change.try_to_vec_as().unwrap();
        let seen: Vec<usize> = (0..20).filter(|&frame| frames[frame] > 0.0).collect();
        assert_eq!(seen, (7..14).collect::<Vec<_>>());
    }

    #[test]
    fn the_convolution_by_hand() {
        let mut block = ConvNext::new(&mut Builder::new(1, &Device::flex()), 1, 1);
        let taps = TensorData::new(vec![0f32, 0.0, 1.0, 10.0, 100.0, 0.0, 0.0], [7, 1]);
        block.kernel = Param::from_tensor(Tensor::from_data(taps, &Device::flex()));
        let x = Tensor::from_data(TensorData::new(vec![1f32, 2.0, 3.0], [1, 3, 1]), &Device::flex());
        let found: Vec<f32> = block.mix_frames(x).try_to_vec_as().unwrap();
        // Frame 0: 10·1 + 100·2; frame 1: 1·1 + 10·2 + 100·3; frame 2: 1·2 + 10·3.
        assert_eq!(found, [210.0, 321.0, 32.0]);
    }
}
