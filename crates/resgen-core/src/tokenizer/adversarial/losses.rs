//! The adversarial losses of the tokenizer, and their balance with the other losses (VQGAN, arXiv
//! 2012.09841, equation 7).

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

use super::DiscriminatorConfig;
use crate::error::{Error, Result};
use crate::tokenizer::Autoencode;

/// Keeps the adaptive weight finite where the adversarial gradient vanishes.
const EPSILON: f64 = 1e-4;

/// When and how strongly the discriminator speaks: the `[losses.adversarial]` section.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdversarialConfig {
    /// Weight of the generator's loss; 0 leaves the discriminator out.
    pub weight: f64,
    /// First step with adversarial losses: a discriminator wins too easily against a decoder that has not
    /// learned anything yet.
    pub start_step: u64,
    /// Whether `weight` stands alone or is multiplied by [`adaptive_weight`].
    pub balance: Balance,
    /// The adaptive weight's upper limit.
    pub max_adaptive: f64,
    /// The discriminator.
    pub discriminator: DiscriminatorConfig,
}

/// How the adversarial loss is balanced with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// By the configured weight alone.
    Fixed,
    /// So that both losses pull equally at the decoder's last layer, times the configured weight.
    Adaptive,
}

impl Default for AdversarialConfig {
    fn default() -> Self {
        Self {
            weight: 0.5,
            start_step: 10_000,
            balance: Balance::Adaptive,
            max_adaptive: 1e4,
            discriminator: DiscriminatorConfig::default(),
        }
    }
}

impl AdversarialConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range, or too large for signals whose shorter side is `side`.
    pub fn validate(&self, side: usize) -> Result<()> {
        for (key, value) in [("weight", self.weight), ("max_adaptive", self.max_adaptive)] {
            if !(value >= 0.0 && value.is_finite()) {
                let reason = format!("expected a number of at least 0, found {value}");
                return Err(Error::config(format!("losses.adversarial.{key}"), reason));
            }
        }
        self.discriminator.validate(side)
    }

    /// Whether the adversarial losses take part in this step.
    pub fn is_active(&self, step: u64) -> bool {
        self.weight > 0.0 && step >= self.start_step
    }
}

/// The hinge loss: real patches should score above 1, reconstructed ones below −1.
///
/// # Shapes
/// logits `[B, 1, h, w]` twice → `[1]`
pub fn discriminator_loss(real_logits: Tensor<4>, fake_logits: Tensor<4>) -> Tensor<1> {
    let real = relu(-real_logits + 1.0).mean();
    let fake = relu(fake_logits + 1.0).mean();
    (real + fake).mul_scalar(0.5)
}

/// Reconstructed patches should score high.
///
/// # Shapes
/// logits `[B, 1, h, w]` → `[1]`
pub fn generator_loss(fake_logits: Tensor<4>) -> Tensor<1> {
    -fake_logits.mean()
}

/// What two losses want of the reconstructions.
#[derive(Clone, Debug)]
pub struct SignalGradients {
    /// Of the reconstruction losses, `[B, C, h, w]`.
    pub reconstruction: Tensor<4>,
    /// Of [`generator_loss`], `[B, C, h, w]`.
    pub adversarial: Tensor<4>,
}

/// λ = |∇ reconstruction| / (|∇ adversarial| + 1e-4), the gradients taken with respect to the weight of the
/// decoder's last layer, limited to [0, `limit`]; NaN where a gradient is not finite, so that the guard
/// that a training has for its losses sees it too.
///
/// Both gradients follow from the signals', so that no network needs a second backward pass.
///
/// # Shapes
/// `features`: what enters the last layer; no tensor with a graph is needed
///
/// # Errors
/// [`Error::Mismatch`] where the shapes do not belong together.
pub fn adaptive_weight<A: Autoencode>(
    features: Tensor<4>,
    gradients: SignalGradients,
    limit: f64,
) -> Result<f64> {
    let features = features.without_autodiff();
    let reconstruction = A::last_gradient_norm(features.clone(), gradients.reconstruction)?;
    let adversarial = A::last_gradient_norm(features, gradients.adversarial)?;
    if !(reconstruction.is_finite() && adversarial.is_finite()) {
        return Ok(f64::NAN);
    }
    Ok((reconstruction / (adversarial + EPSILON)).clamp(0.0, limit.max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Builder;
    use crate::nn::parameters::{names_and_shapes, take_gradients};
    use crate::tokenizer::image::{Autoencoder, Decoder, ImageTokenizerConfig};
    use burn::tensor::{Device, TensorData};

    fn waves<const D: usize>(shape: [usize; D], pace: f32, device: &Device) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * pace).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn logits(values: [f32; 2]) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 1, 2]), &Device::flex())
    }

    #[test]
    fn hinge_losses_by_hand() {
        // Real: hinges max(0, 1 − 3) = 0 and 1 − 0.5 = 0.5, mean 0.25. Fake: max(0, 1 − 2) = 0 and 1 + 0.5 = 1.5,
        // mean 0.75. Half of their sum is 0.5.
        let loss: f32 = discriminator_loss(logits([3.0, 0.5]), logits([-2.0, 0.5])).into_scalar();
        assert!((loss - 0.5).abs() < 1e-6, "{loss}");
        let loss: f32 = generator_loss(logits([3.0, 0.5])).into_scalar();
        assert!((loss + 1.75).abs() < 1e-6, "{loss}");
    }

    fn decoder(stem: usize, device: &Device) -> Decoder {
        let text = format!(
            "resolution = {}\nstem = {stem}\nchannels = [4, 8]\nblocks = 1\nlatent = 3\nvocabulary = 8\ndepth = 2",
            8 * stem
        );
        let config: ImageTokenizerConfig = toml::from_str(&text).unwrap();
        Autoencoder::new(&mut Builder::new(1, device), &config).decoder
    }

    fn losses(pixels: Tensor<4>) -> [Tensor<1>; 2] {
        let target = waves(pixels.dims(), 0.3, &pixels.device());
        [(pixels.clone() - target).square().mean(), generator_loss(pixels.tanh() * 0.1)]
    }

    /// Autodiff's norm of one loss's gradient at the last convolution's weight.
    fn norm_by_autodiff(stem: usize, which: usize) -> f64 {
        let device = Device::flex().autodiff();
        let decoder = decoder(stem, &device);
        let loss = losses(decoder.forward(waves([2, 16, 3], 0.9, &device)))[which].clone();
        let gradients = take_gradients(&decoder, &mut loss.backward());
        let at = names_and_shapes(&decoder).iter().position(|(name, _)| name == "last.weight").unwrap();
        f64::from(gradients[at].clone().square().sum().into_scalar::<f32>()).sqrt()
    }

    #[test]
    fn the_adaptive_weight_is_what_autodiff_gives() {
        for stem in [1, 2] {
            let device = Device::flex();
            let decoder = decoder(stem, &device);
            let features = decoder.features(waves([2, 16, 3], 0.9, &device));
            let leaf = decoder.to_pixels(features.clone()).without_autodiff().autodiff().require_grad();
            let [reconstruction, adversarial] =
                losses(leaf.clone()).map(|loss| leaf.grad(&loss.backward()).unwrap());
            let gradients = SignalGradients { reconstruction, adversarial };
            let found = adaptive_weight::<Autoencoder>(features.clone(), gradients.clone(), 1e4).unwrap();
            let expected = norm_by_autodiff(stem, 0) / (norm_by_autodiff(stem, 1) + 1e-4);
            assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
            assert_eq!(
                adaptive_weight::<Autoencoder>(features, gradients, 0.5 * expected).unwrap(),
                0.5 * expected
            );
        }
    }

    #[test]
    fn a_vanishing_adversary_meets_the_limit_and_odd_shapes_an_error() {
        let device = Device::flex();
        let features = Tensor::ones([1, 4, 4, 2], &device);
        let with = |reconstruction: f64, shape: [usize; 4]| SignalGradients {
            reconstruction: Tensor::full([1, 3, 8, 8], reconstruction, &device),
            adversarial: Tensor::zeros(shape, &device),
        };
        assert_eq!(
            adaptive_weight::<Autoencoder>(features.clone(), with(1.0, [1, 3, 8, 8]), 1e4).unwrap(),
            1e4
        );
        assert!(
            adaptive_weight::<Autoencoder>(features.clone(), with(f64::NAN, [1, 3, 8, 8]), 1e4)
                .unwrap()
                .is_nan()
        );
        assert!(adaptive_weight::<Autoencoder>(features, with(1.0, [1, 3, 8, 6]), 1e4).is_err());
    }

    #[test]
    fn the_config_starts_late_and_refuses_nonsense() {
        let config: AdversarialConfig =
            toml::from_str("weight = 0.1\nstart_step = 5\nbalance = \"fixed\"").unwrap();
        assert!(config.validate(64).is_ok() && !config.is_active(4) && config.is_active(5));
        assert!(!AdversarialConfig { weight: 0.0, ..config }.is_active(5));
        assert!(AdversarialConfig { weight: f64::NAN, ..config }.validate(64).is_err());
        assert!(toml::from_str::<AdversarialConfig>("wieght = 1").is_err());
    }
}
