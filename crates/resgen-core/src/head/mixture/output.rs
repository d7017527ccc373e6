//! The head's raw outputs, their guidance, and the scale they stand for.

use burn::tensor::Tensor;

/// The log-scale a stays inside (−bound, bound): exp(±7) ≈ 1100 spans more than any standardised
/// target needs, and the square of a target scaled by it is far from overflow in f32.
pub const LOG_SCALE_BOUND: f64 = 7.0;

/// Raw mixture parameters of N positions.
///
/// They stay raw, the log-scale unbounded, so that guidance can extrapolate them; use
/// [`bounded_log_scale`](Self::bounded_log_scale) for the a of the density.
#[derive(Debug, Clone)]
pub struct MixtureOutput {
    /// Unnormalised log-weights of the components, π. `[N, K]`
    pub logits: Tensor<2>,
    /// Coordinates of the means in the low-rank projections, u. `[N, r]`
    pub mixer: Tensor<2>,
    /// Shift, s. `[N, H]`
    pub shift: Tensor<2>,
    /// Log-scale before its bound. `[N, A]`, A = H or 1
    pub log_scale: Tensor<2>,
}

impl MixtureOutput {
    /// The first and the second half of the positions: the two batches that ran as one.
    pub fn halves(self) -> (Self, Self) {
        let rows = self.logits.dims()[0] / 2;
        let half = |start: usize| {
            let cut = |values: &Tensor<2>| values.clone().narrow(0, start, rows);
            Self {
                logits: cut(&self.logits),
                mixer: cut(&self.mixer),
                shift: cut(&self.shift),
                log_scale: cut(&self.log_scale),
            }
        };
        (half(0), half(rows))
    }

    /// Classifier-free guidance: uncond + `scale`·(cond − uncond) on every raw output.
    ///
    /// # Shapes
    ///
    /// - `cond`, `uncond` and the result: the same N, K, r, H and A
    pub fn guided(cond: Self, uncond: Self, scale: f32) -> Self {
        // Weighting the two ends is exact at scale 0 and 1, where uncond + (cond − uncond) rounds.
        cond.combine(uncond, |cond, uncond| cond * scale + uncond * (1.0 - scale))
    }

    /// [`guided`](Self::guided) with one guidance scale per position.
    ///
    /// # Shapes
    ///
    /// - `cond`, `uncond` and the result: the same N, K, r, H and A
    /// - `scale`: `[N, 1]`
    pub fn guided_by_position(cond: Self, uncond: Self, scale: Tensor<2>) -> Self {
        let rest = scale.clone().neg() + 1.0; // [N, 1]
        cond.combine(uncond, |cond, uncond| cond * scale.clone() + uncond * rest.clone())
    }

    fn combine(self, other: Self, join: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            logits: join(self.logits, other.logits),
            mixer: join(self.mixer, other.mixer),
            shift: join(self.shift, other.shift),
            log_scale: join(self.log_scale, other.log_scale),
        }
    }

    /// The a of the density: bound·tanh(raw/bound).
    ///
    /// The bound is soft because a hard one has no gradient to lead the value back inside.
    ///
    /// # Shapes
    ///
    /// - output: `[N, A]`
    pub fn bounded_log_scale(&self) -> Tensor<2> {
        (self.log_scale.clone() / LOG_SCALE_BOUND).tanh() * LOG_SCALE_BOUND
    }

    /// Σ a over the H coordinates, the log-determinant of the scale.
    ///
    /// # Shapes
    ///
    /// - output: `[N, 1]`
    pub fn log_determinant(&self) -> Tensor<2> {
        let [_, vector] = self.shift.dims();
        let [_, scales] = self.log_scale.dims();
        // A scalar log-scale counts once for each of the coordinates it is shared by.
        self.bounded_log_scale().sum_dim(1) * (vector / scales) as f64
    }

    /// The standardised target y = (z − s)·exp(−a).
    ///
    /// # Shapes
    ///
    /// - `target`: `[N, H]`
    /// - output: `[N, H]`
    pub fn standardise(&self, target: Tensor<2>) -> Tensor<2> {
        (target - self.shift.clone()) * self.bounded_log_scale().neg().exp()
    }

    /// The vector at `mean + tau·noise` in standardised coordinates: s + exp(a)·(mean + τ·ε), the
    /// inverse of [`standardise`](Self::standardise).
    ///
    /// # Shapes
    ///
    /// - `mean`, `noise`: `[N, H]`
    /// - output: `[N, H]`
    pub fn place(&self, mean: Tensor<2>, noise: Tensor<2>, tau: f32) -> Tensor<2> {
        self.shift.clone() + self.bounded_log_scale().exp() * (mean + noise * tau)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn row<const C: usize>(values: [f32; C]) -> Tensor<2> {
        Tensor::from_floats([values], &Device::flex())
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    fn output(x: f32) -> MixtureOutput {
        MixtureOutput {
            logits: row([x, 0.3]),
            mixer: row([-x]),
            shift: row([2.0 * x, 1.0]),
            log_scale: row([x / 3.0]),
        }
    }

    #[test]
    fn guidance_is_exact_at_its_ends_and_extrapolates() {
        let guided = MixtureOutput::guided(output(0.7), output(-0.1), 1.0);
        assert_eq!(values(guided.log_scale), values(output(0.7).log_scale));
        let guided = MixtureOutput::guided(output(0.7), output(-0.1), 0.0);
        assert_eq!(values(guided.shift), values(output(-0.1).shift));
        // −1 + 3·(1 − (−1)) = 5
        let guided = MixtureOutput::guided(output(1.0), output(-1.0), 3.0);
        assert_eq!(values(guided.mixer), [-5.0]);
        let guided = MixtureOutput::guided_by_position(output(1.0), output(-1.0), row([3.0]));
        assert_eq!(values(guided.shift), [10.0, 1.0]);
    }

    #[test]
    fn no_log_scale_makes_the_standardised_target_infinite() {
        let out = MixtureOutput { log_scale: row([-1e30]), ..output(0.5) };
        // exp(7) = 1096.633; z − s = (1, 1)
        assert!(values(out.standardise(row([2.0, 2.0]))).iter().all(|y| (y - 1096.633).abs() < 0.01));
        // The scalar log-scale counts for both coordinates.
        assert_eq!(values(out.log_determinant()), [-14.0]);
    }

    #[test]
    fn place_inverts_standardise() {
        let out = output(0.6);
        let target = row([0.25, -1.5]);
        let mean = row([0.5, -0.5]);
        let noise = (out.standardise(target.clone()) - mean.clone()) / 0.8;
        let placed = values(out.place(mean, noise, 0.8));
        assert!(placed.iter().zip(values(target)).all(|(a, b)| (a - b).abs() < 1e-6), "{placed:?}");
    }
}
