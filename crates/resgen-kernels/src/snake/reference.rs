//! The specification in plain tensor operations.

use burn::tensor::Tensor;

use super::{TAPS, low_pass};

/// See [`super::anti_aliased_snake`].
pub fn anti_aliased_snake(x: Tensor<3>, frequency: Tensor<1>, amplitude: Tensor<1>) -> Tensor<3> {
    let fine = doubled(x);
    let wave = (fine.clone() * frequency.unsqueeze()).sin();
    halved(fine + wave.square() * amplitude.unsqueeze())
}

/// Zeros between the values, sifted, and as loud as before: an even place sees every second tap, an odd one the others.
///
/// # Shapes
/// `[B, T, C]` → `[B, 2T, C]`
fn doubled(x: Tensor<3>) -> Tensor<3> {
    let [batch, length, channels] = x.dims();
    let (filter, reach) = (low_pass(), TAPS / 4);
    let padded = continued(x, reach, reach);
    let phase = |phase: usize| {
        let tap = |at: usize| {
            let seen = padded.clone().narrow(1, at + phase, length);
            seen * (2.0 * filter[TAPS - 1 - phase - 2 * at])
        };
        (1..TAPS / 2).fold(tap(0), |sum, at| sum + tap(at))
    };
    Tensor::stack::<4>(vec![phase(0), phase(1)], 2).reshape([batch, 2 * length, channels])
}

/// Sifted, and every second value of it.
///
/// # Shapes
/// `[B, 2T, C]` → `[B, T, C]`
fn halved(x: Tensor<3>) -> Tensor<3> {
    let [batch, double, channels] = x.dims();
    let (filter, length) = (low_pass(), double / 2);
    let padded = continued(x, TAPS / 2 - 1, TAPS / 2 + 1);
    let pairs = padded.reshape([batch, length + TAPS / 2, 2, channels]);
    let tap = |at: usize| {
        let seen = pairs.clone().narrow(1, at / 2, length).narrow(2, at % 2, 1);
        seen.squeeze_dim::<3>(2) * filter[at]
    };
    (1..TAPS).fold(tap(0), |sum, at| sum + tap(at))
}

/// The first value so many times more before, the last one behind.
fn continued(x: Tensor<3>, before: usize, behind: usize) -> Tensor<3> {
    let last = x.dims()[1] - 1;
    let first = x.clone().narrow(1, 0, 1).repeat_dim(1, before);
    let end = x.clone().narrow(1, last, 1).repeat_dim(1, behind);
    Tensor::cat(vec![first, x, end], 1)
}
