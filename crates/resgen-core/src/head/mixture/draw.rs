//! The deterministic part of drawing from the mixture: the means of chosen components.

use burn::tensor::{Int, Tensor};

use super::MixtureHead;

/// The most numbers of M copied out at once (64 MiB in f32): M_ν differs from position to position,
/// so the copy holds H·r numbers for each, and a whole batch of them may not fit.
const GATHERED: usize = 1 << 24;

impl MixtureHead {
    /// The mean μ_ν = M_ν u + c_ν of one chosen component per position.
    ///
    /// # Shapes
    ///
    /// - `components`: ν, `[N]`, each in 0..K
    /// - `mixer`: u, `[N, r]`
    /// - output: `[N, H]`
    pub fn component_means(&self, components: Tensor<1, Int>, mixer: Tensor<2>) -> Tensor<2> {
        let rows = GATHERED / (self.sizes().vector * self.sizes().rank);
        self.means_in_slices(components, mixer, rows.max(1))
    }

    fn means_in_slices(&self, components: Tensor<1, Int>, mixer: Tensor<2>, rows: usize) -> Tensor<2> {
        let [positions] = components.dims();
        if positions <= rows {
            return self.gathered_means(components, mixer);
        }
        let slices = components.split(rows, 0).into_iter().zip(mixer.split(rows, 0));
        Tensor::cat(slices.map(|(components, mixer)| self.gathered_means(components, mixer)).collect(), 0)
    }

    fn gathered_means(&self, components: Tensor<1, Int>, mixer: Tensor<2>) -> Tensor<2> {
        let projection = self.projection.val().select(0, components.clone()); // [N, H, r]
        let centers = self.centers.val().select(0, components); // [N, H]
        projection.matmul(mixer.unsqueeze_dim::<3>(2)).squeeze_dim::<2>(2) + centers
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MixtureConfig, MixtureLoss, MixtureOutput, ScaleKind};
    use super::*;
    use crate::nn::Builder;
    use burn::module::Param;
    use burn::tensor::{Device, TensorData};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use resgen_kernels::sampling::{Nucleus, choose_components};

    /// Means at u = 2: (2, 5), (1, −1) and (1, 1).
    fn head(device: &Device) -> MixtureHead {
        let config =
            MixtureConfig { components: 3, rank: 1, scale: ScaleKind::Scalar, loss: MixtureLoss::Nll };
        let mut head = config.init(&mut Builder::new(1, device), 1, 2);
        let centers = [[0., 1.], [1., 1.], [-1., -1.]];
        let projection = [[[1.], [2.]], [[0.], [-1.]], [[1.], [1.]]];
        head.centers = Param::from_tensor(Tensor::from_floats(centers, device));
        head.projection = Param::from_tensor(Tensor::from_floats(projection, device));
        head
    }

    #[test]
    fn component_means_do_not_depend_on_the_slices() {
        let device = Device::flex();
        let head = head(&device);
        let components = Tensor::<1, Int>::from_ints([2, 0, 1, 0, 2], &device);
        let mixer = Tensor::full([5, 1], 2.0, &device);
        for rows in [1, 2, 5, 9] {
            let means = head.means_in_slices(components.clone(), mixer.clone(), rows);
            let means = means.try_into_vec_as::<f32>().unwrap();
            assert_eq!(means, [1., 1., 2., 5., 1., -1., 2., 5., 1., 1.], "{rows} rows at a time");
        }
    }

    /// Standard normal numbers (Box–Muller).
    fn normals(count: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut normal = || {
            let (radius, angle): (f64, f64) = (rng.random(), rng.random());
            ((-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()) as f32
        };
        (0..count).map(|_| normal()).collect()
    }

    #[test]
    fn many_draws_have_the_moments_of_the_mixture() {
        let device = Device::flex();
        let head = head(&device);
        let count = 20_000;
        let row = |values: [f32; 3]| Tensor::<2>::from_floats([values], &device).repeat_dim(0, count);
        let out = MixtureOutput {
            logits: row([0.2f32.ln(), 0.5f32.ln(), 0.3f32.ln()]),
            mixer: Tensor::full([count, 1], 2.0, &device),
            shift: Tensor::full([count, 2], 3.0, &device),
            log_scale: Tensor::full([count, 1], -0.5, &device),
        };
        // Evenly spaced numbers choose every component with its exact frequency.
        let uniform: Vec<f32> = (0..count).map(|i| (i as f32 + 0.5) / count as f32).collect();
        let uniform = Tensor::from_floats(uniform.as_slice(), &device);
        let all = Nucleus { temperature: 1.0, top_p: 1.0 };
        let chosen = choose_components(out.logits.clone(), uniform, all);
        let means = head.component_means(chosen, out.mixer.clone());
        let noise = Tensor::from_data(TensorData::new(normals(2 * count), [count, 2]), &device);
        let (variance, mean) = out.place(means, noise, 0.5).var_mean(0);

        // Mean of μ: (1.2, 0.8). Of μ²: (1.6, 5.8), so its variance is (0.16, 5.16); plus τ² = 0.25.
        let scale = (7.0 * (-0.5f32 / 7.0).tanh()).exp();
        let mean = mean.try_into_vec_as::<f32>().unwrap();
        let variance = variance.try_into_vec_as::<f32>().unwrap();
        for (h, (mu, var)) in [(1.2, 0.41), (0.8, 5.41)].into_iter().enumerate() {
            // The components are exact, so only the noise, of deviation 0.5, spreads the mean, by
            // 0.5/√N = 0.0035; the variance, by 2·0.5·√5.16/√N = 0.016 at most. Four deviations.
            assert!((mean[h] - (3.0 + scale * mu)).abs() < 0.014, "mean {h}: {}", mean[h]);
            assert!((variance[h] / scale.powi(2) - var).abs() < 0.065, "variance {h}: {}", variance[h]);
        }
    }
}
