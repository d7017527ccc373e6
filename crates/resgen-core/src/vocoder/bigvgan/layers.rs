//! The layers of a generator, and how they are read. Signals are channels-last.

use std::cell::RefCell;
use std::collections::BTreeSet;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use resgen_kernels::convolve;
use resgen_kernels::snake::{TAPS, anti_aliased_snake, low_pass};

use super::config::{Activation, BigVganConfig};
use crate::error::Result;
use crate::nn::NamedWeights;

/// Added to what a square of a sine is divided by.
const NO_ZERO: f32 = 1e-9;

/// A convolution along time that keeps the length.
pub struct Convolution {
    weight: Tensor<4>, // [O, C, taps, 1]
    bias: Tensor<1>,
    dilation: usize,
}

impl Convolution {
    /// Of a kernel `[O, C, taps]` with an odd number of taps.
    fn new(kernel: Kernel, bias: Vec<f32>, dilation: usize, device: &Device) -> Self {
        let [outputs, channels, taps] = kernel.shape;
        Self {
            weight: tensor(kernel.values, [outputs, channels, taps, 1], device),
            bias: tensor(bias, [outputs], device),
            dilation,
        }
    }

    /// What lies a dilation apart stands in a column of a picture, in which the taps are neighbours.
    ///
    /// # Shapes
    /// `[B, T, C]` → `[B, T, O]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let ([batch, length, channels], [outputs, _, taps, _]) = (x.dims(), self.weight.dims());
        let lines = length.div_ceil(self.dilation);
        let whole = lines * self.dilation;
        let x = match whole - length {
            0 => x,
            rest => Tensor::cat(vec![x.clone(), Tensor::zeros([batch, rest, channels], &x.device())], 1),
        };
        let picture = x.reshape([batch, lines, self.dilation, channels]);
        let out = convolve(picture, self.weight.clone(), self.bias.clone(), 1, [taps / 2, 0]);
        out.reshape([batch, whole, outputs]).narrow(1, 0, length)
    }

    /// With weights rounded to bf16.
    #[must_use]
    pub fn rounded(self) -> Self {
        let (weight, bias) = (self.weight.cast(FloatDType::BF16), self.bias.cast(FloatDType::BF16));
        Self { weight, bias, ..self }
    }
}

/// A transposed convolution that makes `rate` places of each. It is computed as a convolution that gives all of them side by side.
pub struct Upsampling {
    side_by_side: Convolution,
    rate: usize,
}

impl Upsampling {
    /// Of a kernel `[C, O, taps]` with as many taps as the rate, or an even number more, half of which is cut off at either end.
    fn new(kernel: &Kernel, bias: &[f32], rate: usize, device: &Device) -> Self {
        let [channels, outputs, taps] = kernel.shape;
        let cut = (taps - rate) / 2;
        let reach = cut.div_ceil(rate);
        let width = 2 * reach + 1;
        let mut values = vec![0.0; rate * outputs * channels * width]; // [rate, O, C, width]
        for (index, &value) in kernel.values.iter().enumerate() {
            let (channel, output, tap) = (index / taps / outputs, index / taps % outputs, index % taps);
            // The tap reaches from place n to place n·rate + tap − cut: to which of whose places?
            let to = tap + reach * rate - cut;
            let (phase, behind) = (to % rate, to / rate);
            values[((phase * outputs + output) * channels + channel) * width + 2 * reach - behind] = value;
        }
        let kernel = Kernel { values, shape: [rate * outputs, channels, width] };
        Self { side_by_side: Convolution::new(kernel, bias.repeat(rate), 1, device), rate }
    }

    /// # Shapes
    /// `[B, T, C]` → `[B, T·rate, O]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, _] = x.dims();
        let out = self.side_by_side.forward(x);
        let outputs = out.dims()[2] / self.rate;
        out.reshape([batch, length * self.rate, outputs])
    }

    /// With weights rounded to bf16.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self { side_by_side: self.side_by_side.rounded(), ..self }
    }
}

/// The activation.
pub struct Snake {
    frequency: Tensor<1>,
    amplitude: Tensor<1>,
}

impl Snake {
    /// # Shapes
    /// `[B, T, C]` → `[B, T, C]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        anti_aliased_snake(x, self.frequency.clone(), self.amplitude.clone())
    }
}

/// Values of a kernel, row by row.
struct Kernel {
    values: Vec<f32>,
    shape: [usize; 3],
}

/// Reads layers by the names that the published code gives them, and remembers which tensors were asked for.
pub struct Layers<'a> {
    weights: &'a NamedWeights,
    config: &'a BigVganConfig,
    prefix: &'static str,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Layers<'a> {
    /// A checkpoint has the generator's tensors under its name; a file may have them alone.
    pub fn new(weights: &'a NamedWeights, config: &'a BigVganConfig) -> Self {
        const PREFIX: &str = "generator.";
        let prefix = if weights.names().any(|name| name.starts_with(PREFIX)) { PREFIX } else { "" };
        Self { weights, config, prefix, used: RefCell::default() }
    }

    /// A convolution of an odd number of taps.
    ///
    /// # Errors
    /// [`crate::Error::File`] names the tensor that is missing, has another shape or holds what is no number.
    pub fn convolution(&self, name: &str, shape: [usize; 3], dilation: usize) -> Result<Convolution> {
        let bias = self.values(&format!("{name}.bias"), [shape[0]])?.to_vec();
        Ok(Convolution::new(self.kernel(name, shape)?, bias, dilation, self.weights.device()))
    }

    /// The convolution that gives the samples.
    ///
    /// # Errors
    /// As [`Layers::convolution`].
    pub fn last(&self, name: &str, shape: [usize; 3]) -> Result<Convolution> {
        if self.config.use_bias_at_final {
            return self.convolution(name, shape, 1);
        }
        Ok(Convolution::new(self.kernel(name, shape)?, vec![0.0; shape[0]], 1, self.weights.device()))
    }

    /// A transposed convolution, of a kernel `[C, O, taps]`.
    ///
    /// # Errors
    /// As [`Layers::convolution`].
    pub fn upsampling(&self, name: &str, shape: [usize; 3], rate: usize) -> Result<Upsampling> {
        let bias = self.values(&format!("{name}.bias"), [shape[1]])?;
        Ok(Upsampling::new(&self.kernel(name, shape)?, bias, rate, self.weights.device()))
    }

    /// An activation.
    ///
    /// # Errors
    /// As [`Layers::convolution`]; also for one that was trained with another filter.
    pub fn snake(&self, name: &str, channels: usize) -> Result<Snake> {
        for part in ["upsample", "downsample.lowpass"] {
            self.expect_filter(&format!("{name}.{part}.filter"))?;
        }
        let parameter = |part: &str| -> Result<Vec<f32>> {
            let values = self.values(&format!("{name}.act.{part}"), [channels])?.iter();
            Ok(match self.config.snake_logscale {
                true => values.map(|value| value.exp()).collect(),
                false => values.copied().collect(),
            })
        };
        let alpha = parameter("alpha")?;
        let divisor = match self.config.activation {
            Activation::Snake => alpha.clone(),
            Activation::SnakeBeta => parameter("beta")?,
        };
        let amplitude = divisor.into_iter().map(|value| 1.0 / (value + NO_ZERO)).collect();
        let device = self.weights.device();
        Ok(Snake {
            frequency: tensor(alpha, [channels], device),
            amplitude: tensor(amplitude, [channels], device),
        })
    }

    /// Makes sure that nothing of the generator is left over.
    ///
    /// # Errors
    /// [`crate::Error::File`] names a tensor that was not asked for.
    pub fn expect_all_used(&self) -> Result<()> {
        let used = self.used.borrow();
        let mut own = self.weights.names().filter(|name| name.starts_with(self.prefix));
        match own.find(|name| !used.contains(*name)) {
            Some(name) => {
                Err(self.weights.error(format!("tensor `{name}` has no place in what config.json describes")))
            }
            None => Ok(()),
        }
    }

    /// A kernel as it is, or direction and length of its rows (weight norm, arXiv 1602.07868) under either of PyTorch's names.
    fn kernel(&self, name: &str, shape: [usize; 3]) -> Result<Kernel> {
        let folded = format!("{name}.weight");
        if self.contains(&folded) {
            return Ok(Kernel { values: self.values(&folded, shape)?.to_vec(), shape });
        }
        let new = format!("{name}.parametrizations.weight.original");
        let [length, direction] = match self.contains(&format!("{new}1")) {
            true => [format!("{new}0"), format!("{new}1")],
            false => [format!("{name}.weight_g"), format!("{name}.weight_v")],
        };
        let directions = self.values(&direction, shape)?;
        let lengths = self.values(&length, [shape[0], 1, 1])?;
        let mut values = Vec::with_capacity(directions.len());
        for (row, length) in directions.chunks_exact(shape[1] * shape[2]).zip(lengths) {
            let norm = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            if norm == 0.0 {
                return Err(self.weights.error(format!("tensor `{direction}` has a row without direction")));
            }
            let factor = f64::from(*length) / norm;
            values.extend(row.iter().map(|value| (f64::from(*value) * factor) as f32));
        }
        Ok(Kernel { values, shape })
    }

    /// The filter is not trained; where it is stored it must be the one that is computed with.
    fn expect_filter(&self, name: &str) -> Result<()> {
        if !self.contains(name) {
            return Ok(());
        }
        let stored = self.values(name, [1, 1, TAPS])?;
        match stored.iter().zip(low_pass()).all(|(stored, own)| (stored - own).abs() < 1e-5) {
            true => Ok(()),
            false => Err(self.weights.error(format!("tensor `{name}` is another filter than BigVGAN's"))),
        }
    }

    fn contains(&self, name: &str) -> bool {
        self.weights.contains(&format!("{}{name}", self.prefix))
    }

    fn values<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<&'a [f32]> {
        let name = format!("{}{name}", self.prefix);
        let values = self.weights.values(&name, shape)?;
        self.used.borrow_mut().insert(name);
        Ok(values)
    }
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(values: &[f32]) -> Tensor<3> {
        tensor(values.to_vec(), [1, values.len(), 1], &Device::flex())
    }

    #[test]
    fn a_dilated_convolution_by_hand() {
        let kernel = Kernel { values: vec![1.0, 10.0, 100.0], shape: [1, 1, 3] };
        let layer = Convolution::new(kernel, vec![0.5], 2, &Device::flex());
        let found: Vec<f32> = layer.forward(signal(&[1.0, 2.0, 3.0, 4.0, 5.0])).try_to_vec_as().unwrap();
        // Place n: x[n−2] + 10·x[n] + 100·x[n+2] + 0.5.
        assert_eq!(found, [310.5, 420.5, 531.5, 42.5, 53.5]);
    }

    #[test]
    fn upsamplings_by_hand() {
        // Place n reaches 2n − 1 to 2n + 2 with 1, 10, 100 and 1000.
        let kernel = Kernel { values: vec![1.0, 10.0, 100.0, 1000.0], shape: [1, 1, 4] };
        let layer = Upsampling::new(&kernel, &[0.0], 2, &Device::flex());
        let found: Vec<f32> = layer.forward(signal(&[1.0, 2.0])).try_to_vec_as().unwrap();
        assert_eq!(found, [10.0, 102.0, 1020.0, 200.0]);
        // Two outputs, as many taps as the rate: every place becomes its own kernel, a column an output.
        let kernel = Kernel { values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], shape: [1, 2, 3] };
        let layer = Upsampling::new(&kernel, &[0.0, 0.5], 3, &Device::flex());
        let found: Vec<f32> = layer.forward(signal(&[1.0, 10.0])).try_to_vec_as().unwrap();
        assert_eq!(found, [1.0, 4.5, 2.0, 5.5, 3.0, 6.5, 10.0, 40.5, 20.0, 50.5, 30.0, 60.5]);
    }
}
