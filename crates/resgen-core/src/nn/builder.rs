//! Layers with weights drawn from a stream that the caller passes in, so that a seed and a config
//! give the same network on every device and in every thread.

use burn::module::{Param, ParamId};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::random::{Purpose, normal, stream, uniform};

/// Makes layers; each call draws the next weights of its stream.
pub struct Builder {
    device: Device,
    rng: Option<ChaCha8Rng>, // none where nothing is drawn
}

impl Builder {
    /// A builder whose weights depend on `seed` alone.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { device: device.clone(), rng: Some(stream(seed, Purpose::Init, 0, 0)) }
    }

    /// A builder of layers whose weights will be loaded: they take no memory and no time until then.
    pub fn blank(device: &Device) -> Self {
        Self { device: device.clone(), rng: None }
    }

    /// The device the layers live on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A parameter with the values that `draw` gives.
    pub fn parameter<const D: usize>(
        &mut self,
        shape: [usize; D],
        draw: impl FnOnce(&mut ChaCha8Rng, &Device) -> Tensor<D>,
    ) -> Param<Tensor<D>> {
        match &mut self.rng {
            Some(rng) => Param::from_tensor(draw(rng, &self.device)),
            None => Param::uninitialized(
                ParamId::new(),
                move |device, _| Tensor::zeros(shape, device),
                self.device.clone(),
                true,
                shape.into(),
            ),
        }
    }

    /// A parameter of independent normal values with standard deviation `std`.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f32) -> Param<Tensor<D>> {
        self.parameter(shape, |rng, device| normal_values(rng, device, shape, std))
    }

    /// A parameter of uniform values in ±`bound`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f32) -> Param<Tensor<D>> {
        self.parameter(shape, |rng, device| {
            let values: Vec<f32> =
                (0..shape.iter().product()).map(|_| bound * (2.0 * uniform(rng) as f32 - 1.0)).collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        })
    }

    /// An affine layer with Xavier-uniform weights and zero bias.
    pub fn linear(&mut self, input: usize, output: usize) -> Linear {
        let mut layer = self.zero_linear(input, output);
        layer.weight = self.uniform([input, output], (6.0 / (input + output) as f32).sqrt());
        layer
    }

    /// An affine layer that starts as zero: the last layer of a residual branch or a modulation.
    pub fn zero_linear(&mut self, input: usize, output: usize) -> Linear {
        LinearConfig::new(input, output).with_initializer(Initializer::Zeros).init(&self.device)
    }

    /// A `kernel`×`kernel` convolution that keeps (stride 1) or halves (stride 2) the size, with
    /// uniform weights of variance 1/fan-in and zero bias.
    pub fn conv(&mut self, input: usize, output: usize, kernel: usize, stride: usize) -> Conv2d {
        self.conv_of([input, output], [kernel; 2], stride)
    }

    /// As [`Builder::conv`], with a kernel of any height and width; `channels` are those of input and output.
    pub fn conv_of(&mut self, channels: [usize; 2], kernel: [usize; 2], stride: usize) -> Conv2d {
        let [lines, columns] = kernel.map(|side| (side - 1) / 2);
        let mut layer = Conv2dConfig::new(channels, kernel)
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(lines, columns, lines, columns))
            .with_initializer(Initializer::Zeros)
            .init(&self.device);
        let ([input, output], [height, width]) = (channels, kernel);
        let fan_in = (input * height * width) as f32;
        layer.weight = self.uniform([output, input, height, width], (3.0 / fan_in).sqrt());
        layer
    }

    /// A group norm over at most 32 groups of at least 4 channels.
    pub fn group_norm(&mut self, channels: usize) -> GroupNorm {
        let groups =
            (1..=32usize).rev().find(|groups| channels.is_multiple_of(*groups) && channels / groups >= 4);
        GroupNormConfig::new(groups.unwrap_or(1), channels).with_epsilon(1e-6).init(&self.device)
    }
}

/// Independent normal values with standard deviation `std`, of a parameter or a part of one.
pub fn normal_values<const D: usize>(
    rng: &mut ChaCha8Rng,
    device: &Device,
    shape: [usize; D],
    std: f32,
) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| std * normal(rng)).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}
