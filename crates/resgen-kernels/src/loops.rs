//! The inner loops of bodies for CPUs: plain Rust over slices, written so that the compiler can use vector instructions,
//! and compiled once for each instruction set.

use crate::isa::for_every_isa;
use crate::reference::NORM_EPSILON;

/// e^x to about 1e-7 relative, between the largest and smallest normal numbers; without branches.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let whole = (x * std::f32::consts::LOG2_E + 0.5).floor();
    // ln 2 in two parts, so that the difference keeps its digits.
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5
                        + rest
                            * (0.166_666_66
                                + rest * (0.041_665_796 + rest * (8.333_45e-3 + rest * 1.39e-3)))));
    series * f32::from_bits(((whole as i32 + 127) << 23) as u32)
}

/// sin²(x) to about 3e-7, for x up to a few thousand; without branches. Beyond, something from 0 to 1.
#[inline(always)]
pub fn sin_squared(x: f32) -> f32 {
    let turns = (x * std::f32::consts::FRAC_1_PI + 0.5).floor();
    // π in three parts, of which the first two take few digits: the products are exact.
    let rest = x - turns * 3.140_625 - turns * 9.675_026e-4 - turns * 1.509_958e-7;
    let rest = rest.clamp(-std::f32::consts::FRAC_PI_2, std::f32::consts::FRAC_PI_2);
    let square = rest * rest;
    let series = square
        * (-0.166_666_57 + square * (8.333_017e-3 + square * (-1.980_661_5e-4 + square * 2.600_054_6e-6)));
    let sine = rest + rest * series;
    sine * sine
}

/// `tanh`'s argument in the GELU, doubled, and its slope: with σ the logistic function,
/// `(1 + tanh(u))/2 = σ(2u)`.
#[inline(always)]
fn gelu_gate(x: f32) -> (f32, f32) {
    const ROOT: f32 = 1.595_769_2; // 2·√(2/π)
    let square = x * x;
    let doubled = ROOT * x * (1.0 + 0.044_715 * square);
    (1.0 / (1.0 + exp(-doubled)), ROOT * (1.0 + 3.0 * 0.044_715 * square))
}

for_every_isa! {
    pub fn gelu_chunk(x: &[f32], out: &mut [f32]) {
        for (x, out) in x.iter().zip(out) {
            *out = x * gelu_gate(*x).0;
        }
    }
}

for_every_isa! {
    /// [`crate::gelu_tanh`] of every value.
    pub fn gelu_in_place(values: &mut [f32]) {
        for value in values {
            *value *= gelu_gate(*value).0;
        }
    }
}

for_every_isa! {
    /// `gradient` becomes the gradient of x.
    pub fn gelu_backward_chunk(x: &[f32], gradient: &mut [f32]) {
        for (x, gradient) in x.iter().zip(gradient) {
            let (gate, slope) = gelu_gate(*x);
            *gradient *= gate + x * gate * (1.0 - gate) * slope;
        }
    }
}

/// Sums in eight lanes: the order is fixed, and the compiler can vectorise it.
#[inline(always)]
pub fn sum(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let mut lanes = [0.0; 8];
    for (index, value) in values.enumerate() {
        lanes[index % 8] += value;
    }
    lanes.iter().sum()
}

/// The largest, in eight lanes as [`sum`]; what is no number does not count.
#[inline(always)]
pub fn largest(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    for (index, value) in values.enumerate() {
        let lane = &mut lanes[index % 8];
        *lane = if value > *lane { value } else { *lane };
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row.iter().copied()) / count;
    let variance = sum(row.iter().map(|x| (x - mean) * (x - mean))) / count;
    (mean, 1.0 / (variance + NORM_EPSILON).sqrt())
}

for_every_isa! {
    pub fn norm_rows(x: &[f32], shift: &[f32], scale: &[f32], out: &mut [f32]) {
        let width = shift.len();
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let (mean, inverse) = moments(row);
            for index in 0..width {
                out[index] = (row[index] - mean) * inverse * (1.0 + scale[index]) + shift[index];
            }
        }
    }
}

for_every_isa! {
    /// `gradient` becomes the gradient of x; those of shift and scale are added up over the rows.
    pub fn norm_rows_backward(x: &[f32], scale: &[f32], gradient: &mut [f32], shifts: &mut [f32], scales: &mut [f32]) {
        let width = scale.len();
        let count = width as f32;
        for (row, gradient) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let (mean, inverse) = moments(row);
            for index in 0..width {
                shifts[index] += gradient[index];
                scales[index] += gradient[index] * (row[index] - mean) * inverse;
                gradient[index] *= 1.0 + scale[index];
            }
            let average = sum(gradient.iter().copied()) / count;
            let along = sum(gradient.iter().zip(row).map(|(g, x)| g * (x - mean) * inverse)) / count;
            for index in 0..width {
                gradient[index] = inverse * (gradient[index] - average - (row[index] - mean) * inverse * along);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_of_sines_far_from_zero() {
        let worst = |most: f32| {
            let places = (0..100_000).map(|n| (n as f32 / 50_000.0 - 1.0) * most);
            let errors = places.map(|x| (f64::from(sin_squared(x)) - f64::from(x).sin().powi(2)).abs());
            errors.fold(0.0, f64::max)
        };
        for most in [3.0, 100.0, 2000.0] {
            assert!(worst(most) < 4e-7, "{} up to {most}", worst(most));
        }
        assert!([1e6, -1e12, f32::MAX].iter().all(|&x| (0.0..=1.001).contains(&sin_squared(x))));
        assert!(sin_squared(f32::NAN).is_nan());
    }
}
