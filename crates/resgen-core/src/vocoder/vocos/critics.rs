//! What tells recordings from sounds that a vocoder made, and so teaches it phases: networks that look at samples so many apart (the
//! multi-period discriminators of HiFi-GAN, arXiv 2010.05646) and networks that look at spectra of several sizes (the multi-resolution
//! discriminators of UnivNet, arXiv 2106.07889, here of real and imaginary parts).

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::Fourier;
use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::precision::convolve;
use crate::signal::mel::{Padding, StftConfig};

const SLOPE: f64 = 0.1;
/// Of samples.
const SAMPLES: Layers = Layers { input: 1, kernel: [5, 1], stride: 3, last: [3, 1] };
/// Of real and imaginary parts.
const SPECTRA: Layers = Layers { input: 2, kernel: [5, 5], stride: 2, last: [3, 3] };
/// How many times as many channels as the first layer the later ones have.
const WIDENINGS: [usize; 4] = [1, 2, 4, 4];

/// Sizes of the critics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CriticsConfig {
    /// Channels of the first layer of each.
    pub channels: usize,
    /// Samples apart that the samples lie which one critic sees beside each other; a critic each.
    pub periods: Vec<usize>,
    /// Samples of the transforms whose spectra critics see, a quarter of that apart; a critic each.
    pub resolutions: Vec<usize>,
}

impl Default for CriticsConfig {
    fn default() -> Self {
        Self { channels: 16, periods: vec![2, 3, 5, 7, 11], resolutions: vec![256, 512, 1024] }
    }
}

impl CriticsConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range, or too large for pieces of so many samples.
    pub fn validate(&self, samples: usize) -> Result<()> {
        let wrong = |key: &str, reason: String| Err(Error::config(format!("losses.critics.{key}"), reason));
        if !(4..=256).contains(&self.channels) {
            return wrong("channels", format!("expected 4 to 256, found {}", self.channels));
        }
        for &period in &self.periods {
            if !(1..=samples / 2).contains(&period) {
                return wrong("periods", format!("expected 1 to {}, found {period}", samples / 2));
            }
        }
        for &size in &self.resolutions {
            if !(16..=samples).contains(&size) || !size.is_multiple_of(4) {
                return wrong(
                    "resolutions",
                    format!("expected multiples of 4 from 16 to {samples}, found {size}"),
                );
            }
        }
        if self.periods.is_empty() && self.resolutions.is_empty() {
            return wrong("periods", "expected at least one period or resolution".into());
        }
        Ok(())
    }

    /// The transforms that the critics of spectra see through, in order.
    pub fn transforms(&self, device: &Device) -> Vec<Fourier> {
        let config = |&size: &usize| StftConfig { size, window: size, hop: size / 4, padding: Padding::Same };
        self.resolutions.iter().map(|size| Fourier::new(&config(size), device)).collect()
    }
}

/// What one critic says.
pub struct Judgement {
    /// What its layers see, `[B', h, w, C]` each.
    pub features: Vec<Tensor<4>>,
    /// High where it sounds real, `[B', h, w, 1]`.
    pub logits: Tensor<4>,
}

/// All critics.
#[derive(Module, Debug)]
pub struct Critics {
    of_periods: Vec<Critic>,
    of_spectra: Vec<Critic>,
    periods: Vec<usize>,
}

/// What a critic's layers look like.
struct Layers {
    /// Channels that enter.
    input: usize,
    /// Places that each sees: of time, and of what lies beside.
    kernel: [usize; 2],
    /// How many times as short, and as narrow, each makes its input.
    stride: usize,
    /// Places that the last one sees.
    last: [usize; 2],
}

#[derive(Module, Debug)]
struct Critic {
    layers: Vec<Conv2d>,
    last: Conv2d,
}

impl Critics {
    /// Fresh ones.
    pub fn new(builder: &mut Builder, config: &CriticsConfig) -> Self {
        let mut critic = |layers| Critic::new(builder, layers, config.channels);
        Self {
            of_periods: config.periods.iter().map(|_| critic(&SAMPLES)).collect(),
            of_spectra: config.resolutions.iter().map(|_| critic(&SPECTRA)).collect(),
            periods: config.periods.clone(),
        }
    }

    /// What each says of sounds; `transforms` are those of [`CriticsConfig::transforms`].
    ///
    /// # Shapes
    /// `[B, samples]`
    pub fn judge(&self, sounds: &Tensor<2>, transforms: &[Fourier]) -> Vec<Judgement> {
        let of_periods = self.of_periods.iter().zip(&self.periods);
        let of_periods = of_periods.map(|(critic, &period)| critic.judge(strands(sounds.clone(), period)));
        let of_spectra = self.of_spectra.iter().zip(transforms);
        let of_spectra =
            of_spectra.map(|(critic, transform)| critic.judge(spectra(transform, sounds.clone())));
        of_periods.chain(of_spectra).collect()
    }
}

impl Critic {
    fn new(builder: &mut Builder, layers: &Layers, channels: usize) -> Self {
        let mut input = layers.input;
        let convs = WIDENINGS.map(|widening| {
            let output = channels * widening;
            let layer = builder.conv_of([input, output], layers.kernel, layers.stride);
            input = output;
            layer
        });
        Self { layers: convs.into(), last: builder.conv_of([input, 1], layers.last, 1) }
    }

    /// # Shapes
    /// channels-last `[B, h, w, C]`
    fn judge(&self, mut x: Tensor<4>) -> Judgement {
        let mut features = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            x = leaky_relu(convolve(layer, x), SLOPE);
            features.push(x.clone());
        }
        Judgement { logits: convolve(&self.last, x), features }
    }
}

/// The samples `period` apart, each strand by itself.
///
/// # Shapes
/// `[B, samples]` → `[B·period, samples / period, 1, 1]`
fn strands(sounds: Tensor<2>, period: usize) -> Tensor<4> {
    let [batch, samples] = sounds.dims();
    let each = samples / period;
    let woven: Tensor<3> = sounds.narrow(1, 0, each * period).reshape([batch, each, period]);
    woven.swap_dims(1, 2).reshape([batch * period, each, 1, 1])
}

/// # Shapes
/// `[B, samples]` → `[B, frames, coefficients, 2]`
fn spectra(transform: &Fourier, sounds: Tensor<2>) -> Tensor<4> {
    let spectrum = transform.forward(sounds);
    let [batch, frames, width] = spectrum.dims();
    spectrum.reshape([batch, frames, 2, width / 2]).swap_dims(2, 3)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::nn::parameters::{names_and_shapes, take_gradients};

    fn config() -> CriticsConfig {
        CriticsConfig { channels: 4, periods: vec![2, 3], resolutions: vec![32] }
    }

    fn sounds(device: &Device) -> Tensor<2> {
        let values: Vec<f32> = (0..2 * 256).map(|at| (at as f32 * 0.37).sin()).collect();
        Tensor::from_data(TensorData::new(values, [2, 256]), device)
    }

    #[test]
    fn strands_are_samples_a_period_apart() {
        let x = Tensor::from_data(
            TensorData::new(vec![0f32, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 7]),
            &Device::flex(),
        );
        let found = strands(x, 3);
        assert_eq!(found.dims(), [3, 2, 1, 1]);
        assert_eq!(found.try_to_vec_as::<f32>().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn every_critic_speaks_and_a_sound_is_judged_alike_in_any_batch() {
        let device = Device::flex();
        let (critics, transforms) =
            (Critics::new(&mut Builder::new(1, &device), &config()), config().transforms(&device));
        let both = critics.judge(&sounds(&device), &transforms);
        let alone = critics.judge(&sounds(&device).narrow(0, 0, 1), &transforms);
        assert_eq!(both.len(), 3);
        for (both, alone) in both.iter().zip(alone) {
            let rows = alone.logits.dims()[0];
            let difference = both.logits.clone().narrow(0, 0, rows) - alone.logits;
            assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
            assert_eq!(both.features.len(), WIDENINGS.len());
        }
    }

    #[test]
    fn gradients_reach_every_parameter_and_the_sounds() {
        let device = Device::flex().autodiff();
        let critics = Critics::new(&mut Builder::new(1, &device), &config());
        let transforms = config().transforms(&Device::flex());
        let sounds = sounds(&Device::flex()).autodiff().require_grad();
        let judged = critics.judge(&sounds, &transforms);
        let sum = judged.into_iter().map(|judgement| judgement.logits.square().sum()).reduce(|a, b| a + b);
        let mut gradients = sum.unwrap().backward();
        let of_sounds = sounds.grad_remove(&mut gradients).unwrap();
        assert!(of_sounds.abs().sum().into_scalar::<f32>() > 0.0);
        for (gradient, (name, _)) in
            take_gradients(&critics, &mut gradients).into_iter().zip(names_and_shapes(&critics))
        {
            assert!(gradient.abs().sum().into_scalar::<f32>() > 0.0, "{name}");
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_named() {
        assert!(config().validate(256).is_ok());
        let named = |config: CriticsConfig| config.validate(256).unwrap_err().to_string();
        assert!(named(CriticsConfig { channels: 1, ..config() }).contains("critics.channels"));
        assert!(named(CriticsConfig { periods: vec![0], ..config() }).contains("critics.periods"));
        assert!(named(CriticsConfig { resolutions: vec![512], ..config() }).contains("critics.resolutions"));
        assert!(
            named(CriticsConfig { periods: vec![], resolutions: vec![], ..config() })
                .contains("at least one")
        );
    }
}
