//! Snake's activation between two changes of rate (arXiv 2206.04658, section 3.2): what it adds above the highest frequency that the
//! samples can hold is sifted out, and does not come back as another one.
//!
//! It has no gradient.

mod cpu;
pub mod reference;

use std::f64::consts::PI;
use std::sync::LazyLock;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

use crate::operation::Operation;

/// Taps of [`low_pass`].
pub const TAPS: usize = 12;
/// How far from the middle of the band to where the filter stops, as a share of the rate.
const HALF_WIDTH: f64 = 0.3;

/// The operation that a backend may bring a body of its own for.
#[backend_extension(Flex)]
pub trait SnakeOps: Backend {
    /// See [`anti_aliased_snake`].
    fn anti_aliased_snake(
        x: FloatTensor<Self>,
        frequency: FloatTensor<Self>,
        amplitude: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Every channel at twice its rate, `v + amplitude·sin²(frequency·v)` of it, and back. Both times [`low_pass`] sifts; beyond either end the first
/// and the last value go on.
///
/// # Shapes
/// x `[B, T, C]`, frequency and amplitude `[C]` → `[B, T, C]`
pub fn anti_aliased_snake(x: Tensor<3>, frequency: Tensor<1>, amplitude: Tensor<1>) -> Tensor<3> {
    if x.dims()[1] == 0 {
        return x;
    }
    if !Operation::AntiAliasedSnake.has_body_for(&x) {
        return reference::anti_aliased_snake(x, frequency, amplitude);
    }
    let (x, frequency, amplitude) = (x.into_dispatch(), frequency.into_dispatch(), amplitude.into_dispatch());
    Tensor::from_dispatch(Dispatch::anti_aliased_snake(x, frequency, amplitude))
}

/// The filter at twice the rate: a sinc that ends a quarter of it, in Kaiser's window; its sum is 1.
pub fn low_pass() -> [f32; TAPS] {
    static FILTER: LazyLock<[f32; TAPS]> = LazyLock::new(|| {
        let half = TAPS as f64 / 2.0;
        // Kaiser's formulas: how much the window's sides dampen, in dB, and its shape.
        let dampening = 2.285 * (half - 1.0) * PI * 4.0 * HALF_WIDTH + 7.95;
        let shape = 0.1102 * (dampening - 8.7); // of more than 50 dB
        let taps: [f64; TAPS] = std::array::from_fn(|tap| {
            let place = tap as f64 + 0.5 - half;
            let along = 2.0 * tap as f64 / (TAPS as f64 - 1.0) - 1.0;
            let window = bessel(shape * (1.0 - along * along).sqrt()) / bessel(shape);
            window * (PI * place / 2.0).sin() / (PI * place / 2.0)
        });
        let sum: f64 = taps.iter().sum();
        taps.map(|tap| (tap / sum) as f32)
    });
    *FILTER
}

/// The modified Bessel function of order 0, by its series: Σ ((x/2)ⁿ/n!)².
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let terms = (1..40).map(|n| {
        term *= x / 2.0 / f64::from(n);
        term * term
    });
    1.0 + terms.sum::<f64>()
}
