//! Training losses of the mixture head, and how many components it uses.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

use resgen_kernels::mixture;

use super::density::{log_density_at, normalizer};
use super::{MixtureHead, MixtureLoss, MixtureOutput};

/// How well a head predicts.
pub struct MixtureScore {
    /// The configured loss, averaged over the positions with weight 1. `[1]`, in nats per position
    pub loss: Tensor<1>,
    /// The perplexity of the mean posterior p(ν | z) over those positions: the number of components in use, from 1
    /// to K. It carries no gradient. `[1]`
    pub used_components: Tensor<1>,
}

impl MixtureHead {
    /// The loss and what else is worth knowing while it falls.
    ///
    /// # Shapes
    ///
    /// - `target`: z, `[N, H]`
    /// - `weight`: `[N]`, 1 where something is masked (k > 0) and 0 elsewhere
    pub fn score(&self, out: &MixtureOutput, target: Tensor<2>, weight: Tensor<1>) -> MixtureScore {
        let distances = self.distances(out.standardise(target), out.mixer.clone()); // [N, K]
        let used_components = used_components(out, distances.clone(), weight.clone());
        let losses = match self.config().loss {
            MixtureLoss::Nll => log_density_at(distances, out).neg(),
            MixtureLoss::Split => split_losses_at(distances, out),
        };
        MixtureScore { loss: weighted_mean(losses, weight), used_components }
    }
}

/// Classification −Σ q log π plus regression Σ q |y − μ|²/2 + Σ a + H/2·log 2π, with
/// q = softmax(−|y − μ|²/2) held constant. It exceeds −log p by at least the entropy of q
/// (Jensen's inequality).
///
/// # Shapes
///
/// - `distances`: of z to all means, `[N, K]`
/// - output: `[N]`
fn split_losses_at(distances: Tensor<2>, out: &MixtureOutput) -> Tensor<1> {
    let [_, vector] = out.shift.dims();
    let energies = distances * 0.5; // [N, K]
    // Held constant: otherwise the classifier's loss would pull the means towards likely components.
    let closeness = softmax(energies.clone().neg().detach(), 1); // [N, K]
    let costs = energies - log_softmax(out.logits.clone(), 1); // [N, K]
    ((closeness * costs).sum_dim(1) + out.log_determinant() + normalizer(vector)).squeeze_dim(1)
}

/// See [`MixtureScore::used_components`].
///
/// # Shapes
///
/// - `distances`: of z to all means, `[N, K]`
/// - `weight`: `[N]`, 0 or 1
/// - output: `[1]`
fn used_components(out: &MixtureOutput, distances: Tensor<2>, weight: Tensor<1>) -> Tensor<1> {
    let total = weight.clone().without_autodiff().sum().clamp_min(1.0); // [1]
    let mean = mixture::posterior_mass(out.logits.clone(), distances, weight) / total; // [K]
    // p·log p → 0 as p → 0; the floor only keeps the logarithm finite there.
    (mean.clone() * mean.clamp_min(1e-30).log()).sum().neg().exp()
}

/// Σ weight·value / Σ weight, and 0 where no position counts.
///
/// # Shapes
///
/// - `values`, `weight`: `[N]`; output: `[1]`
fn weighted_mean(values: Tensor<1>, weight: Tensor<1>) -> Tensor<1> {
    let total = weight.clone().sum().clamp_min(1.0);
    (values * weight).sum() / total
}

#[cfg(test)]
mod tests {
    use super::super::{MixtureConfig, ScaleKind};
    use super::*;
    use crate::nn::Builder;
    use burn::module::Param;
    use burn::tensor::{Device, Distribution};

    fn head(components: usize, loss: MixtureLoss) -> MixtureHead {
        let config = MixtureConfig { components, rank: 2, scale: ScaleKind::Vector, loss };
        config.init(&mut Builder::new(1, &Device::flex()), 4, 3)
    }

    fn standard<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    #[test]
    fn split_exceeds_nll_by_at_least_the_entropy_of_the_closeness() {
        let head = head(7, MixtureLoss::Split);
        let out = head.forward(standard([50, 4]));
        let target = standard([50, 3]);
        let distances = head.distances(out.standardise(target.clone()), out.mixer.clone());
        let closeness = softmax(distances.clone() * -0.5, 1);
        let entropy = (closeness.clone() * closeness.log()).sum_dim(1).squeeze_dim::<1>(1).neg();
        let gap = split_losses_at(distances, &out) + head.log_density(&out, target);
        // 1e-4 is rounding: the two losses are of order 10.
        assert!(values(gap - entropy.clone()).iter().all(|excess| *excess >= -1e-4));
        assert!(values(entropy).iter().all(|entropy| *entropy > 0.0));
    }

    #[test]
    fn the_losses_agree_where_there_is_nothing_to_classify() {
        let head = head(1, MixtureLoss::Split);
        let out = head.forward(standard([5, 4]));
        let target = standard([5, 3]);
        let distances = head.distances(out.standardise(target.clone()), out.mixer.clone());
        let sum = split_losses_at(distances, &out) + head.log_density(&out, target);
        assert!(values(sum).iter().all(|sum| sum.abs() < 1e-4));
    }

    #[test]
    fn only_weighted_positions_count() {
        let head = head(3, MixtureLoss::Nll);
        let out = head.forward(standard([3, 4]));
        let target = standard([3, 3]);
        let density = values(head.log_density(&out, target.clone()));
        let weight = |weight: [f32; 3]| Tensor::<1>::from_floats(weight, &Device::flex());
        let loss = |weight| values(head.score(&out, target.clone(), weight).loss);
        let found = loss(weight([1.0, 0.0, 1.0]));
        assert!((found[0] + (density[0] + density[2]) / 2.0).abs() < 1e-5);
        assert_eq!(loss(weight([0.0; 3])), [0.0]);
    }

    #[test]
    fn used_components_counts_those_with_responsibility() {
        let device = Device::flex();
        let mut head = head(4, MixtureLoss::Nll);
        // Centers 100 apart and no projection: every target belongs to one component only.
        let centers = [[0., 0., 0.], [100., 0., 0.], [0., 100., 0.], [0., 0., 100.]];
        head.centers = Param::from_tensor(Tensor::from_floats(centers, &device));
        head.projection = Param::from_tensor(Tensor::zeros([4, 3, 2], &device));
        let out = MixtureOutput {
            logits: Tensor::zeros([3, 4], &device),
            mixer: Tensor::zeros([3, 2], &device),
            shift: Tensor::zeros([3, 3], &device),
            log_scale: Tensor::zeros([3, 3], &device),
        };
        let target = Tensor::from_floats([[1., 0., 0.], [99., 0., 0.], [0., 0., 101.]], &device);
        let used = |weight: [f32; 3]| {
            values(head.score(&out, target.clone(), Tensor::from_floats(weight, &device)).used_components)[0]
        };
        assert!((used([1.0, 1.0, 1.0]) - 3.0).abs() < 1e-4);
        assert!((used([1.0, 1.0, 0.0]) - 2.0).abs() < 1e-4);
        assert!((used([0.0, 0.0, 1.0]) - 1.0).abs() < 1e-4);
    }
}
