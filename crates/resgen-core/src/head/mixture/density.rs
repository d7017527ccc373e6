//! Distances to all component means and the exact log-density.

use std::f64::consts::TAU;

use burn::tensor::Tensor;
use resgen_kernels::{affine, mixture};

use super::{MixtureHead, MixtureOutput};

/// The density's view of a head's parameters, arranged so that the distances to all means are one
/// affine layer. It depends on parameters only: a sampler makes it once for all its steps.
///
/// |y − c_ν − M_ν u|² = |y|² + |c_ν|² − 2 yᵀM_ν u − 2 y·c_ν + 2 c_νᵀM_ν u + uᵀG_ν u with G_ν = M_νᵀM_ν: but for
/// the norms it is linear in the features (y⊗u, y, u, u⊗u), and [N, K, H] is never built, but [N, H·r].
#[derive(Debug, Clone)]
pub struct MixtureDensity {
    table: Tensor<2>,        // [H·r + H + r + r², K]
    center_norms: Tensor<1>, // [K]
}

impl MixtureHead {
    /// Prepares the density; gradients flow through it to the parameters.
    pub fn density(&self) -> MixtureDensity {
        let [components, vector, rank] = self.projection.dims();
        let projection = self.projection.val(); // [K, H, r]
        let centers = self.centers.val(); // [K, H]
        let gram = projection.clone().swap_dims(1, 2).matmul(projection.clone()); // [K, r, r]
        let lean = centers.clone().unsqueeze_dim::<3>(1).matmul(projection.clone()); // [K, 1, r]
        // Row by row in the order that products read it, so that they can keep what they make of it.
        let table = Tensor::cat(
            vec![
                projection.reshape([components, vector * rank]).transpose() * -2.0,
                centers.clone().transpose() * -2.0,
                lean.reshape([components, rank]).transpose() * 2.0,
                gram.reshape([components, rank * rank]).transpose(),
            ],
            0,
        ); // [H·r + H + r + r², K]
        MixtureDensity { table, center_norms: centers.square().sum_dim(1).squeeze_dim(1) }
    }

    /// Squared distances |y − μ_ν|² to all K means, up to rounding: the expansion cancels near a mean, and may leave a small
    /// negative number.
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
    /// Squared distances |y − μ_ν|² to all K means, up to rounding: the expansion cancels near a mean, and may leave a small
    /// negative number.
    ///
    /// # Shapes
    ///
    /// - `standardised`: y, `[N, H]`
    /// - `mixer`: u, `[N, r]`
    /// - output: `[N, K]`
    pub fn distances(&self, standardised: Tensor<2>, mixer: Tensor<2>) -> Tensor<2> {
        let norms = standardised.clone().square().sum_dim(1); // [N, 1]
        let features = mixture::features(standardised, mixer); // [N, H·r + H + r + r²]
        // Norms can be large and are added exactly: a card may round what it multiplies.
        affine(features, self.table.clone(), self.center_norms.clone()) + norms
    }

    /// The exact log p(z) of every position.
    ///
    /// # Shapes
    ///
    /// - `target`: z, `[N, H]`
    /// - output: `[N]`
    pub fn log_density(&self, out: &MixtureOutput, target: Tensor<2>) -> Tensor<1> {
        log_density_at(self.distances(out.standardise(target), out.mixer.clone()), out)
    }
}

/// The exact log p(z) of every position.
///
/// # Shapes
///
/// - `distances`: of z to all means, `[N, K]`
/// - output: `[N]`
pub(super) fn log_density_at(distances: Tensor<2>, out: &MixtureOutput) -> Tensor<1> {
    let [_, vector] = out.shift.dims();
    let likelihood = mixture::log_likelihood(out.logits.clone(), distances); // [N]
    likelihood - out.log_determinant().squeeze_dim(1) - normalizer(vector)
}

/// H/2·log 2π, the constant of a unit normal in R^H.
pub(super) fn normalizer(vector: usize) -> f64 {
    0.5 * vector as f64 * TAU.ln()
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
    fn distances_follow_from_the_means() {
        let device = Device::flex();
        // u = 2 gives the means (2, 5), (1, −1) and (1, 1); y = (1, 1) is 1 + 16, 4 and 0 away.
        let centers = Tensor::<2>::from_floats([[0., 1.], [1., 1.], [-1., -1.]], &device);
        let projection = Tensor::<3>::from_floats([[[1.], [2.]], [[0.], [-1.]], [[1.], [1.]]], &device);
        let target = Tensor::<2>::ones([1, 2], &device);
        let mixer = Tensor::<2>::full([1, 1], 2.0, &device);
        let mut head = config(3, 1).init(&mut Builder::new(1, &device), 1, 2);
        head.centers = Param::from_tensor(centers);
        head.projection = Param::from_tensor(projection);
        assert_eq!(values(head.distances(target, mixer)), [17.0, 4.0, 0.0]);
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
