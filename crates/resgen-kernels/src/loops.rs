//! The inner loops of bodies for CPUs: plain Rust over slices, written so that the compiler can use vector instructions,
//! and compiled once for each instruction set.

use crate::isa::for_every_isa;
use crate::reference::NORM_EPSILON;

/// Where e^x is less than 1e-30 it is taken for nothing.
const LEAST_EXPONENT: f32 = -69.0;

/// e^x to about 1e-7 relative; without branches. Up to [`LEAST_EXPONENT`] it is 0, since products of so small a number with others would
/// be subnormal, and some processors need many times as long for those. From 88 on it is e^88.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// 1.5·2²³: a number that is added to it is rounded to a whole one, which then stands in the last bits of the sum.
    /// (`as i32` would look at every number by itself, for what is no number and what is too large.)
    const ROUNDER: f32 = 12_582_912.0;
    let is_nothing = x <= LEAST_EXPONENT;
    let x = x.clamp(LEAST_EXPONENT, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUNDER;
    let whole = rounded - ROUNDER;
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
    let power = series * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    if is_nothing { 0.0 } else { power }
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

/// [`crate::gelu_tanh`] of a value.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    x * gelu_gate(x).0
}

for_every_isa! {
    pub fn gelu_chunk(x: &[f32], out: &mut [f32]) {
        for (x, out) in x.iter().zip(out) {
            *out = gelu(*x);
        }
    }
}

for_every_isa! {
    /// [`crate::gelu_tanh`] of every value.
    pub fn gelu_in_place(values: &mut [f32]) {
        for value in values {
            *value = gelu(*value);
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

/// Numbers that are folded side by side: as many as the widest vector holds.
const LANES: usize = 16;

/// Folds `term` of what stands at the same place of all rows, which are equally long, in [`LANES`] lanes and then by halves: the
/// order is the same for every instruction set, and the compiler can vectorise it.
#[inline(always)]
fn fold<const N: usize>(
    rows: [&[f32]; N],
    start: f32,
    term: impl Fn([f32; N]) -> f32,
    join: impl Fn(f32, f32) -> f32,
) -> f32 {
    let chunks = rows.map(|row| row.as_chunks::<LANES>().0);
    let rests = rows.map(|row| row.as_chunks::<LANES>().1);
    let mut lanes = [start; LANES];
    for index in 0..chunks[0].len() {
        let chunk = chunks.map(|row| &row[index]);
        for (lane, folded) in lanes.iter_mut().enumerate() {
            *folded = join(*folded, term(chunk.map(|row| row[lane])));
        }
    }
    for (index, folded) in lanes.iter_mut().enumerate().take(rests[0].len()) {
        *folded = join(*folded, term(rests.map(|row| row[index])));
    }
    let mut width = LANES / 2;
    while width > 0 {
        let (left, right) = lanes.split_at_mut(width);
        left.iter_mut().zip(right).for_each(|(left, right)| *left = join(*left, *right));
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
pub fn sum(values: &[f32]) -> f32 {
    sum_of([values], |[value]| value)
}

/// Sums `term` of what stands at the same place of all rows, which are equally long.
#[inline(always)]
pub fn sum_of<const N: usize>(rows: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    fold(rows, 0.0, term, |sum, value| sum + value)
}

#[inline(always)]
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    sum_of([left, right], |[left, right]| left * right)
}

/// The largest `term` of what stands at the same place of all rows; what is no number does not count.
#[inline(always)]
pub fn largest_of<const N: usize>(rows: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    fold(rows, f32::NEG_INFINITY, term, |largest, value| if value > largest { value } else { largest })
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row) / count;
    let variance = sum_of([row], |[x]| (x - mean) * (x - mean)) / count;
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
            let average = sum(gradient) / count;
            let along = sum_of([gradient, row], |[g, x]| g * (x - mean) * inverse) / count;
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
    fn powers_of_e() {
        for place in 1..=157_000 {
            let x = place as f32 / 1000.0 - 69.0;
            let error = f64::from(exp(x)) / f64::from(x).exp() - 1.0;
            assert!(error.abs() < 3e-7, "e^{x} is {error:e} off");
        }
        assert_eq!([exp(f32::NEG_INFINITY), exp(-1e30), exp(-69.0)], [0.0; 3]);
        assert_eq!(exp(f32::INFINITY), exp(88.0));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn rows_of_all_lengths_are_folded_whole() {
        for length in [0, 1, 7, 15, 16, 17, 64, 101] {
            let row: Vec<f32> = (0..length).map(|n| ((n * 37) % 101) as f32 - 50.0).collect();
            assert_eq!(sum(&row), row.iter().sum::<f32>(), "{length} numbers");
            assert_eq!(dot(&row, &row), row.iter().map(|x| x * x).sum::<f32>(), "{length} squares");
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest_of([&row], |[x]| x), largest, "the largest of {length}");
        }
        assert_eq!(largest_of([&[1.0, f32::NAN, 3.0]], |[x]| x), 3.0);
    }

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
