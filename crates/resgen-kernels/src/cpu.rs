//! Bodies for the CPU: one pass over memory each, rows side by side on all threads of the current pool.
//!
//! The inner loops are plain Rust over slices, written so that the compiler can use vector instructions;
//! `with_widest!` compiles them once for AVX-512, once for AVX2 and once for any processor, and picks at run
//! time.

use burn::backend::tensor::FloatTensor;
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use crate::reference::NORM_EPSILON;
use crate::{FusedGradients, FusedOps};

/// Elements that one task works on.
const CHUNK: usize = 16 * 1024;

/// Compiles a loop for the widest vectors of the processor it runs on.
macro_rules! with_widest {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        fn $name($($arg: $type),*) {
            #[inline(always)]
            fn body($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,fma")]
                fn avx512($($arg: $type),*) { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) { body($($arg),*) }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has every feature the function was compiled for.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

pub(crate) use with_widest;

/// e^x to about 1e-7 relative, between the largest and smallest normal numbers; without branches.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
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

/// `tanh`'s argument in the GELU, doubled, and its slope: with σ the logistic function,
/// `(1 + tanh(u))/2 = σ(2u)`.
#[inline(always)]
fn gelu_gate(x: f32) -> (f32, f32) {
    const ROOT: f32 = 1.595_769_2; // 2·√(2/π)
    let square = x * x;
    let doubled = ROOT * x * (1.0 + 0.044_715 * square);
    (1.0 / (1.0 + exp(-doubled)), ROOT * (1.0 + 3.0 * 0.044_715 * square))
}

with_widest! {
    fn gelu_chunk(x: &[f32], out: &mut [f32]) {
        for (x, out) in x.iter().zip(out) {
            *out = x * gelu_gate(*x).0;
        }
    }
}

with_widest! {
    /// `gradient` becomes the gradient of x.
    fn gelu_backward_chunk(x: &[f32], gradient: &mut [f32]) {
        for (x, gradient) in x.iter().zip(gradient) {
            let (gate, slope) = gelu_gate(*x);
            *gradient *= gate + x * gate * (1.0 - gate) * slope;
        }
    }
}

/// Sums in eight lanes: the order is fixed, and the compiler can vectorise it.
#[inline(always)]
pub(crate) fn sum(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let mut lanes = [0.0; 8];
    for (index, value) in values.enumerate() {
        lanes[index % 8] += value;
    }
    lanes.iter().sum()
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row.iter().copied()) / count;
    let variance = sum(row.iter().map(|x| (x - mean) * (x - mean))) / count;
    (mean, 1.0 / (variance + NORM_EPSILON).sqrt())
}

with_widest! {
    fn norm_rows(x: &[f32], shift: &[f32], scale: &[f32], out: &mut [f32]) {
        let width = shift.len();
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let (mean, inverse) = moments(row);
            for index in 0..width {
                out[index] = (row[index] - mean) * inverse * (1.0 + scale[index]) + shift[index];
            }
        }
    }
}

with_widest! {
    /// `gradient` becomes the gradient of x; those of shift and scale are added up over the rows.
    fn norm_rows_backward(x: &[f32], scale: &[f32], gradient: &mut [f32], shifts: &mut [f32], scales: &mut [f32]) {
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

/// The values of a tensor in order, in a tensor that may be written to.
fn writable(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

impl FusedOps for Flex {
    fn gelu_tanh(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let mut out = FlexTensor::empty(x.layout().shape().clone(), x.dtype());
        let input = x.storage::<f32>();
        let output = out.storage_mut::<f32>();
        output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).for_each(|(out, x)| gelu_chunk(x, out));
        out
    }

    fn modulated_norm(
        x: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        scale: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [x, shift, scale] = [x, shift, scale].map(|tensor| tensor.to_contiguous());
        let mut out = FlexTensor::empty(x.layout().shape().clone(), x.dtype());
        let Some((rows, width)) = rows_and_width(&x, &shift, &scale) else { return out };
        let (shift, scale, x) = (shift.storage::<f32>(), scale.storage::<f32>(), x.storage::<f32>());
        let output = out.storage_mut::<f32>();
        let block = rows * width;
        output.par_chunks_mut(block).zip(x.par_chunks(block)).enumerate().for_each(|(signal, (out, x))| {
            let modulation = signal * width..(signal + 1) * width;
            norm_rows(x, &shift[modulation.clone()], &scale[modulation], out);
        });
        out
    }
}

impl FusedGradients for Flex {
    fn gelu_tanh_backward(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let mut gradient = writable(gradient);
        let input = x.storage::<f32>();
        let output = gradient.storage_mut::<f32>();
        output
            .par_chunks_mut(CHUNK)
            .zip(input.par_chunks(CHUNK))
            .for_each(|(gradient, x)| gelu_backward_chunk(x, gradient));
        gradient
    }

    fn modulated_norm_backward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        let [x, scale] = [x, scale].map(|tensor| tensor.to_contiguous());
        let mut gradient = writable(gradient);
        let mut shifts = FlexTensor::zeros(scale.layout().shape().clone(), scale.dtype());
        let mut scales = shifts.clone();
        if let Some((rows, width)) = rows_and_width(&x, &scale, &scale) {
            let block = rows * width;
            let (x, scale) = (x.storage::<f32>(), scale.storage::<f32>());
            let blocks = gradient.storage_mut::<f32>().par_chunks_mut(block).zip(x.par_chunks(block));
            let sums = shifts
                .storage_mut::<f32>()
                .par_chunks_mut(width)
                .zip(scales.storage_mut::<f32>().par_chunks_mut(width));
            blocks.zip(sums).zip(scale.par_chunks(width)).for_each(
                |(((gradient, x), (shifts, scales)), scale)| {
                    norm_rows_backward(x, scale, gradient, shifts, scales);
                },
            );
        }
        [gradient, shifts, scales]
    }
}

/// Rows per signal and their width; `None` where there is nothing to do.
///
/// # Panics
/// Where shift or scale is not `[B, 1, d]` of x's `[B, L, d]`: the loops rely on it.
fn rows_and_width(x: &FlexTensor, shift: &FlexTensor, scale: &FlexTensor) -> Option<(usize, usize)> {
    let shape = x.layout().shape().to_vec();
    let [batch, rows, width] = shape[..] else {
        panic!("modulated_norm: expected [B, L, d], found {shape:?}")
    };
    for modulation in [shift, scale] {
        assert_eq!(
            modulation.layout().shape().to_vec(),
            [batch, 1, width],
            "modulated_norm: shape of the modulation"
        );
    }
    (batch * rows * width > 0).then_some((rows, width))
}
