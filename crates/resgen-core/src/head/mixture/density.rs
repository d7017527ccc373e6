//! Distances to all component means and the exact log-density.

use std::f64::consts::TAU;

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use super::{MixtureHead, MixtureOutput};

/// The density's view of a head's parameters, arranged so that the distances to all means are two
/// products. It depends on parameters only: a sampler makes it once for all its steps.
///
/// |y − c_ν − M_ν u|² = |y|² + |c_ν|² − 2 yᵀM_ν u + (−2 y·c_ν + 2 c_νᵀM_ν u + uᵀG_ν u) with
/// G_ν = M_νᵀM_ν; the bracket is one product of the features (y, u, u⊗u), and [N, K, H] is never built.
#[derive(Debug, Clone)]
pub struct MixtureDensity {
    cross: Cross,
    features: Tensor<2>,     // [H + r + r², K]
    center_norms: Tensor<2>, // [1, K]
}

/// M arranged for yᵀM_ν u. Both ways cost the same arithmetic; the intermediate differs.
#[derive(Debug, Clone)]
enum Cross {
    /// Through y⊗u, an intermediate of [N, H·r]; M as [H·r, K].
    Outer(Tensor<2>),
    /// Through yᵀM, an intermediate of [N, K·r]; M as [H, K·r].
    Projected(Tensor<2>),
}

impl MixtureHead {
    /// Prepares the density; gradients flow through it to the parameters.
    pub fn density(&self) -> MixtureDensity {
        let [components, vector, rank] = self.projection.dims();
        let projection = self.projection.val(); // [K, H, r]
        let centers = self.centers.val(); // [K, H]
        let gram = projection.clone().swap_dims(1, 2).matmul(projection.clone()); // [K, r, r]
        let lean = centers.clone().unsqueeze_dim::<3>(1).matmul(projection.clone()); // [K, 1, r]
        let features = Tensor::cat(
            vec![
                centers.clone() * -2.0,
                lean.reshape([components, rank]) * 2.0,
                gram.reshape([components, rank * rank]),
            ],
            1,
        ); // [K, H + r + r²]
        let cross = if vector <= components {
            Cross::Outer(projection.permute([1, 2, 0]).reshape([vector * rank, components]))
        } else {
            Cross::Projected(projection.swap_dims(0, 1).reshape([vector, components * rank]))
        };
        MixtureDensity {
            cross,
            features: features.transpose(),
            center_norms: centers.square().sum_dim(1).transpose(),
        }
    }

    /// Squared distances |y − μ_ν|² to all K means.
    ///
    /// # Shapes
    ///
    /// - `standardised`: y, `[N, H]`
    /// - `mixer`: u, `[N, r]`
    /// - output: `[N, K]`
    pub fn distances(&self, standardised: Tensor<2>, mixer: Tensor<2>) -> Tensor<2> {
        self.density().distances(standardised, mixer)
    }

    /// The exact log p(z) of every position.
    ///
    /// # Shapes
    ///
    /// - `target`: z, `[N, H]`
    /// - output: `[N]`
    pub fn log_density(&self, out: &MixtureOutput, target: Tensor<2>) -> Tensor<1> {
        self.density().log_density(out, target)
    }
}

impl MixtureDensity {
    /// Squared distances |y − μ_ν|² to all K means.
    ///
    /// # Shapes
    ///
    /// - `standardised`: y, `[N, H]`
    /// - `mixer`: u, `[N, r]`
    /// - output: `[N, K]`
    pub fn distances(&self, standardised: Tensor<2>, mixer: Tensor<2>) -> Tensor<2> {
        let [positions, rank] = mixer.dims();
        let norms = standardised.clone().square().sum_dim(1); // [N, 1]
        let cross = self.cross.product(standardised.clone(), mixer.clone()); // [N, K]
        let square = outer(mixer.clone(), mixer.clone()).reshape([positions, rank * rank]);
        let features = Tensor::cat(vec![standardised, mixer, square], 1); // [N, H + r + r²]
        let bracket = features.matmul(self.features.clone()); // [N, K]
        // The expansion cancels near a mean, where rounding may leave a small negative number.
        (bracket - cross * 2.0 + norms + self.center_norms.clone()).clamp_min(0.0)
    }

    /// The exact log p(z) of every position.
    ///
    /// # Shapes
    ///
    /// - `target`: z, `[N, H]`
    /// - output: `[N]`
    pub fn log_density(&self, out: &MixtureOutput, target: Tensor<2>) -> Tensor<1> {
        let [_, vector] = target.dims();
        let distances = self.distances(out.standardise(target), out.mixer.clone()); // [N, K]
        let joint = log_softmax(out.logits.clone(), 1) - distances * 0.5; // [N, K]
        (log_sum_exp(joint) - out.log_determinant() - normalizer(vector)).squeeze_dim(1)
    }
}

impl Cross {
    /// yᵀM_ν u for all ν.
    ///
    /// # Shapes
    ///
    /// - `standardised`: `[N, H]`, `mixer`: `[N, r]`, output: `[N, K]`
    fn product(&self, standardised: Tensor<2>, mixer: Tensor<2>) -> Tensor<2> {
        let [positions, vector] = standardised.dims();
        let [_, rank] = mixer.dims();
        match self {
            Self::Outer(table) => {
                outer(standardised, mixer).reshape([positions, vector * rank]).matmul(table.clone())
            }
            Self::Projected(table) => {
                let [_, columns] = table.dims();
                let projected = standardised.matmul(table.clone()); // [N, K·r]
                let projected = projected.reshape([positions, columns / rank, rank]);
                (projected * mixer.unsqueeze_dim::<3>(1)).sum_dim(2).squeeze_dim(2)
            }
        }
    }
}

/// The outer product of two rows: `[N, A]`, `[N, B]` → `[N, A, B]`.
fn outer(left: Tensor<2>, right: Tensor<2>) -> Tensor<3> {
    left.unsqueeze_dim::<3>(2) * right.unsqueeze_dim::<3>(1)
}

/// H/2·log 2π, the constant of a unit normal in R^H.
pub(super) fn normalizer(vector: usize) -> f64 {
    0.5 * vector as f64 * TAU.ln()
}

/// log Σ exp over the components, `[N, K]` → `[N, 1]`.
fn log_sum_exp(values: Tensor<2>) -> Tensor<2> {
    // The maximum only moves the origin, so it takes no part in the gradient.
    let max = values.clone().max_dim(1).detach(); // [N, 1]
    (values - max.clone()).exp().sum_dim(1).log() + max
}

#[cfg(test)]
mod tests {
    use super::super::{MixtureConfig, MixtureLoss, ScaleKind};
    use super::*;
    use crate::nn::Builder;
    use burn::module::Param;
    use burn::tensor::{Device, Distribution, Int};

    fn config(components: usize, rank: usize) -> MixtureConfig {
        MixtureConfig { components, rank, scale: ScaleKind::Vector, loss: MixtureLoss::Nll }
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    #[test]
    fn distances_follow_from_the_means_in_both_arrangements() {
        let device = Device::flex();
        // u = 2 gives the means (2, 5), (1, −1) and (1, 1); y = (1, 1) is 1 + 16, 4 and 0 away.
        let centers = Tensor::<2>::from_floats([[0., 1.], [1., 1.], [-1., -1.]], &device);
        let projection = Tensor::<3>::from_floats([[[1.], [2.]], [[0.], [-1.]], [[1.], [1.]]], &device);
        let target = Tensor::<2>::ones([1, 2], &device);
        let mixer = Tensor::<2>::full([1, 1], 2.0, &device);
        // Vectors wider than the number of components take the other way of `Cross`.
        for (components, expected) in [(3, vec![17.0, 4.0, 0.0]), (1, vec![17.0])] {
            let mut head = config(components, 1).init(&mut Builder::new(1, &device), 1, 2);
            head.centers = Param::from_tensor(centers.clone().narrow(0, 0, components));
            head.projection = Param::from_tensor(projection.clone().narrow(0, 0, components));
            assert_eq!(values(head.distances(target.clone(), mixer.clone())), expected);
        }
    }

    #[test]
    fn a_single_component_at_its_mean_has_the_constant_density() {
        let device = Device::flex();
        let head = config(1, 1).init(&mut Builder::new(1, &device), 1, 2);
        let out = MixtureOutput {
            logits: Tensor::zeros([1, 1], &device),
            mixer: Tensor::zeros([1, 1], &device),
            shift: Tensor::zeros([1, 2], &device),
            log_scale: Tensor::zeros([1, 2], &device),
        };
        // z = c, so |y − μ|² = 0 and log p = −log 2π for H = 2.
        let density = values(head.log_density(&out, head.centers.val()));
        assert!((density[0] + 1.837_877).abs() < 1e-5, "{density:?}");
    }

    #[test]
    fn a_target_far_from_every_mean_stays_finite() {
        let device = Device::flex();
        let head = config(3, 1).init(&mut Builder::new(1, &device), 2, 2);
        let out = head.forward(Tensor::zeros([1, 2], &device));
        let density = values(head.log_density(&out, Tensor::full([1, 2], 1e6, &device)));
        assert!(density[0].is_finite() && density[0] < -1e11, "{density:?}");
    }

    #[test]
    fn the_density_integrates_to_one() {
        let device = Device::flex();
        let head = config(4, 2).init(&mut Builder::new(1, &device), 3, 1);
        let hidden = Tensor::<2>::random([1, 3], Distribution::Uniform(-1.0, 1.0), &device);
        let (points, step) = (4001, 0.01);
        let grid = Tensor::<1, Int>::arange(0..points, &device).float() * step - 20.0;
        let out = head.forward(hidden.repeat_dim(0, points as usize));
        let density = head.log_density(&out, grid.unsqueeze_dim(1)).exp();
        // The trapezoid rule on a smooth function that vanishes at both ends is exact to rounding.
        let integral = f64::from(density.sum().into_scalar::<f32>()) * step;
        assert!((integral - 1.0).abs() < 1e-4, "{integral}");
    }
}
