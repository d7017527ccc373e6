//! The mixture-of-Gaussians head over the collective embedding z of a position's masked codes
//! (arXiv 2412.10208; low-rank means as in arXiv 2404.02781).
//!
//! From a hidden state t in R^d come, in one product, the logits π in R^K, the mixer u in R^r, the
//! shift s in R^H and the log-scale a in R^H or R. Then
//!
//! ```text
//! y = (z − s)·exp(−a)          standardised target
//! μ_ν = M_ν u + c_ν            mean of component ν
//! log p(z) = logsumexp_ν [ log π_ν + log N(y; μ_ν, I) ] − Σ a
//! ```
//!
//! Shape legend: N positions · d hidden width · K components · r rank · H code-vector width ·
//! A width of the log-scale (H or 1).

mod density;
mod draw;
mod loss;
mod output;

pub use density::MixtureDensity;
pub use loss::MixtureScore;
pub use output::{LOG_SCALE_BOUND, MixtureOutput};

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::nn::Builder;
use crate::nn::builder::normal_values;
use crate::nn::precision::project;
use crate::{Error, Result};

/// Whether the log-scale a is one number per coordinate or one for the whole vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleKind {
    /// a in R^H: every coordinate has its own scale.
    Vector,
    /// a in R: one scale for all coordinates.
    Scalar,
}

impl ScaleKind {
    /// The number of log-scales predicted for vectors of width `vector`.
    pub fn width(self, vector: usize) -> usize {
        match self {
            Self::Vector => vector,
            Self::Scalar => 1,
        }
    }
}

/// Which training loss the head computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixtureLoss {
    /// The exact negative log-likelihood.
    Nll,
    /// Classification plus regression under responsibilities held constant: an upper bound of the
    /// exact value that keeps all components in use.
    Split,
}

/// Configuration of a [`MixtureHead`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureConfig {
    /// Number of mixture components, K.
    pub components: usize,
    /// Rank of the mean projection, r.
    pub rank: usize,
    /// Shape of the log-scale.
    pub scale: ScaleKind,
    /// Training loss.
    pub loss: MixtureLoss,
}

impl MixtureConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] naming `head.components` or `head.rank`.
    pub fn validate(&self) -> Result<()> {
        if self.components == 0 {
            return Err(Error::config("head.components", "a mixture needs at least 1 component, found 0"));
        }
        if self.components > 1 << 16 || self.rank > 1 << 12 {
            let reason = format!("expected at most {} components of rank at most {}", 1 << 16, 1 << 12);
            return Err(Error::config("head.components", reason));
        }
        if self.rank == 0 {
            return Err(Error::config(
                "head.rank",
                "the mean projection needs a rank of at least 1, found 0",
            ));
        }
        Ok(())
    }

    /// Creates the head for hidden states of width `width` (d) and code vectors of width `vector` (H),
    /// from a configuration that [`validate`](Self::validate) accepts.
    ///
    /// The starting values assume targets with about unit variance per coordinate and hidden states
    /// that leave a normalisation layer, |t|² ≈ d:
    /// - c has standard deviation 1/√H. Two components' log-densities then differ by
    ///   y·(c_ν − c_κ) ≈ √2 nats: components differ, yet no responsibility is one-hot before
    ///   training, so all of them receive gradient.
    /// - W_u has 1/√d, hence u ≈ N(0, I), and M has 1/√(rH), hence M_ν u is as large as c_ν and
    ///   neither u nor M starts without gradient.
    /// - W_π has a tenth of that: the prior starts almost uniform.
    /// - s and a start as constants, whatever the hidden state: s = 0, and a such that the marginal
    ///   variance exp(2a)·(1 + 1/H + 1/H) is that of the target. So −log p starts near
    ///   H/2·(1 + log 2π), the entropy of a standard normal: the value of knowing nothing.
    pub fn init(&self, builder: &mut Builder, width: usize, vector: usize) -> MixtureHead {
        let sizes = MixtureSizes { components: self.components, rank: self.rank, vector };
        let mean_std = 1.0 / (vector as f32).sqrt();
        let mix_std = mean_std / (self.rank as f32).sqrt();
        MixtureHead {
            output: self.init_output(builder, width, vector),
            projection: builder.normal([self.components, vector, self.rank], mix_std),
            centers: builder.normal([self.components, vector], mean_std),
            sizes,
            config: *self,
        }
    }

    /// The fused product t → (π, u, s, a); see [`init`](Self::init) for the values.
    fn init_output(&self, builder: &mut Builder, width: usize, vector: usize) -> Linear {
        let (components, rank, scales) = (self.components, self.rank, self.scale.width(vector));
        let std = 1.0 / (width as f32).sqrt();
        let weight = builder.parameter([width, components + rank + vector + scales], |rng, device| {
            let logits = normal_values(rng, device, [width, components], 0.1 * std);
            let mixer = normal_values(rng, device, [width, rank], std);
            Tensor::cat(vec![logits, mixer, Tensor::zeros([width, vector + scales], device)], 1)
        });
        let log_scale = -0.5 * (1.0 + 2.0 / vector as f64).ln();
        let bias = builder.parameter([components + rank + vector + scales], |_, device| {
            let zeros = Tensor::<1>::zeros([components + rank + vector], device);
            Tensor::cat(vec![zeros, Tensor::full([scales], log_scale, device)], 0)
        });
        Linear { weight, bias: Some(bias) }
    }
}

/// The widths a head was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixtureSizes {
    /// Number of components, K.
    pub components: usize,
    /// Rank of the mean projection, r.
    pub rank: usize,
    /// Width of a code vector, H.
    pub vector: usize,
}

/// Predicts a mixture of Gaussians over the collective embedding of a position's masked codes.
#[derive(Module, Debug)]
pub struct MixtureHead {
    /// The fused product to π, u, s and a: one product is faster than four. `[d, K + r + H + A]`
    pub output: Linear,
    /// The mean projections M. `[K, H, r]`
    pub projection: Param<Tensor<3>>,
    /// The component centers c. `[K, H]`
    pub centers: Param<Tensor<2>>,
    #[module(skip)]
    sizes: MixtureSizes,
    #[module(skip)]
    config: MixtureConfig,
}

impl MixtureHead {
    /// The widths of this head.
    pub fn sizes(&self) -> MixtureSizes {
        self.sizes
    }

    /// The configuration this head was made from.
    pub fn config(&self) -> MixtureConfig {
        self.config
    }

    /// The raw mixture parameters of every position.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[N, d]`
    /// - output: logits `[N, K]`, mixer `[N, r]`, shift `[N, H]`, log_scale `[N, A]`
    pub fn forward(&self, hidden: Tensor<2>) -> MixtureOutput {
        let MixtureSizes { components, rank, vector } = self.sizes;
        let fused = project(&self.output, hidden); // [N, K + r + H + A]
        let part = |start, length| fused.clone().narrow(1, start, length);
        MixtureOutput {
            logits: part(0, components),            // [N, K]
            mixer: part(components, rank),          // [N, r]
            shift: part(components + rank, vector), // [N, H]
            log_scale: part(components + rank + vector, self.config.scale.width(vector)), // [N, A]
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn config() -> MixtureConfig {
        MixtureConfig { components: 5, rank: 2, scale: ScaleKind::Scalar, loss: MixtureLoss::Nll }
    }

    #[test]
    fn validation_names_the_key() {
        assert!(config().validate().is_ok());
        let message =
            |config: MixtureConfig| config.validate().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message(MixtureConfig { components: 0, ..config() }).contains("`head.components`"));
        assert!(message(MixtureConfig { rank: 0, ..config() }).contains("`head.rank`"));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = "components = 5\nrank = 2\nscale = \"scalar\"\nloss = \"nll\"\n";
        assert_eq!(toml::from_str::<MixtureConfig>(text).unwrap(), config());
        assert!(toml::from_str::<MixtureConfig>(&format!("{text}ranks = 2\n")).is_err());
    }

    #[test]
    fn forward_cuts_the_fused_product_in_order() {
        let head = config().init(&mut Builder::new(1, &Device::flex()), 4, 3);
        let hidden = Tensor::<2>::random([6, 4], Distribution::Normal(0.0, 1.0), &Device::flex());
        let out = head.forward(hidden);
        assert_eq!(out.logits.dims(), [6, 5]);
        assert_eq!(out.mixer.dims(), [6, 2]);
        // At the start the shift is 0 and the log-scale −½ log(1 + 2/H) = −½ log(5/3), by the bias alone.
        assert_eq!(out.shift.to_data(), Tensor::<2>::zeros([6, 3], &Device::flex()).to_data());
        let log_scale = out.log_scale.try_into_vec_as::<f32>().unwrap();
        assert_eq!(log_scale.len(), 6);
        assert!(log_scale.iter().all(|a| (a + 0.5 * (5.0f32 / 3.0).ln()).abs() < 1e-6));
    }

    #[test]
    fn the_start_costs_about_the_entropy_of_a_standard_normal() {
        let (width, vector, positions) = (32, 64, 256);
        let device = Device::flex();
        let config =
            MixtureConfig { components: 128, rank: 8, scale: ScaleKind::Vector, loss: MixtureLoss::Nll };
        let head = config.init(&mut Builder::new(1, &device), width, vector);
        let standard =
            |columns| Tensor::random([positions, columns], Distribution::Normal(0.0, 1.0), &device);
        let density = head.log_density(&head.forward(standard(width)), standard(vector));
        let per_coordinate = -density.mean().into_scalar::<f32>() / vector as f32;
        // H/2·(1 + log 2π)/H = 1.4189; the targets' own spread of |z|²/2 is √(H/2)/H/√N = 0.006 per
        // coordinate, and the mixture's mismatch to a normal is of order 1/H.
        assert!((per_coordinate - 1.4189).abs() < 0.05, "{per_coordinate}");
    }
}
