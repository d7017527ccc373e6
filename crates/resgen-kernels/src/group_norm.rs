//! Group norm of channels-last pictures on the CPU.
//!
//! Sums are taken for every channel of a chunk of places, in parallel; chunks are added up in their order, then the channels of a
//! group. So a result does not depend on the number of threads.

use burn::tensor::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::cpu::{blank, in_f32, writable};
use crate::isa::{Isa, for_every_isa};
use crate::loops::exp;
use crate::reference::NORM_EPSILON;

/// Numbers of a chunk.
const CHUNK: usize = 32 * 1024;

/// See [`crate::group_norm`]; `is_gated` where `y·σ(y)` follows.
pub fn group_norm(
    x: FlexTensor,
    gain: FlexTensor,
    bias: FlexTensor,
    groups: usize,
    is_gated: bool,
) -> FlexTensor {
    let (x, gain, bias) = (x.to_contiguous(), in_f32(gain), in_f32(bias));
    let sizes = Sizes::of(&x, &gain, &bias, groups);
    let mut out = blank(x.layout().shape());
    if x.storage::<f32>().is_empty() {
        return out;
    }
    let (values, gain, bias) = (x.storage::<f32>(), gain.storage::<f32>(), bias.storage::<f32>());
    let moments = sizes.moments(values);
    let parts =
        out.storage_mut::<f32>().par_chunks_mut(sizes.picture()).zip(values.par_chunks(sizes.picture()));
    parts.zip(&moments).for_each(|((out, values), moments)| {
        let scales: Vec<f32> =
            gain.iter().zip(&moments.inverse).map(|(gain, inverse)| gain * inverse).collect();
        let parts = out.par_chunks_mut(sizes.chunk()).zip(values.par_chunks(sizes.chunk()));
        parts.for_each(|(out, values)| {
            normalise(Isa::best(), values, &moments.mean, &scales, bias, out);
            if is_gated {
                gate(Isa::best(), out);
            }
        });
    });
    out
}

/// The gradients of [`group_norm`]'s input, gain and bias.
pub fn group_norm_backward(
    x: FlexTensor,
    gain: FlexTensor,
    bias: FlexTensor,
    gradient: FlexTensor,
    groups: usize,
    is_gated: bool,
) -> [FlexTensor; 3] {
    let (x, gain, bias) = (x.to_contiguous(), in_f32(gain), in_f32(bias));
    let mut gradient = writable(gradient);
    let sizes = Sizes::of(&x, &gain, &bias, groups);
    let shape = Shape::new([sizes.channels]);
    let (mut of_gain, mut of_bias) = (blank(&shape), blank(&shape));
    if x.storage::<f32>().is_empty() {
        return [gradient, of_gain, of_bias];
    }
    let (values, gain, bias) = (x.storage::<f32>(), gain.storage::<f32>(), bias.storage::<f32>());
    let moments = sizes.moments(values);
    let parts =
        gradient.storage_mut::<f32>().par_chunks_mut(sizes.picture()).zip(values.par_chunks(sizes.picture()));
    // Of the gain, then of the bias.
    let sums: Vec<Vec<f32>> = parts
        .zip(&moments)
        .map(|((gradient, values), moments)| {
            let parts = gradient.par_chunks_mut(sizes.chunk()).zip(values.par_chunks(sizes.chunk()));
            let chunks: Vec<Vec<f32>> = parts
                .map(|(gradient, values)| {
                    let mut sums = vec![0.0; 2 * sizes.channels];
                    let (of_gain, of_bias) = sums.split_at_mut(sizes.channels);
                    if is_gated {
                        ungate(Isa::best(), values, &moments.mean, &moments.inverse, gain, bias, gradient);
                    }
                    add_gradients(
                        Isa::best(),
                        values,
                        &moments.mean,
                        &moments.inverse,
                        gradient,
                        of_gain,
                        of_bias,
                    );
                    sums
                })
                .collect();
            let sums = added(chunks);
            let shares = sizes.shares(&sums, gain);
            let parts = gradient.par_chunks_mut(sizes.chunk()).zip(values.par_chunks(sizes.chunk()));
            parts.for_each(|(gradient, values)| {
                to_input(Isa::best(), values, &moments.mean, &moments.inverse, gain, &shares, gradient);
            });
            sums
        })
        .collect();
    let sums = added(sums);
    let (gains, biases) = sums.split_at(sizes.channels);
    of_gain.storage_mut::<f32>().copy_from_slice(gains);
    of_bias.storage_mut::<f32>().copy_from_slice(biases);
    [gradient, of_gain, of_bias]
}

/// One after the other, in order.
fn added(sums: Vec<Vec<f32>>) -> Vec<f32> {
    let add = |mut all: Vec<f32>, part: Vec<f32>| {
        all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
        all
    };
    sums.into_iter().reduce(add).unwrap_or_default()
}

#[derive(Clone, Copy)]
struct Sizes {
    places: usize,
    channels: usize,
    groups: usize,
}

/// Of a picture's groups, for each of its channels.
struct Moments {
    mean: Vec<f32>,
    /// 1 / standard deviation.
    inverse: Vec<f32>,
}

impl Sizes {
    /// # Panics
    /// Where the shapes do not belong together: the loops rely on it.
    fn of(x: &FlexTensor, gain: &FlexTensor, bias: &FlexTensor, groups: usize) -> Self {
        let shape = x.layout().shape().to_vec();
        let [_, height, width, channels] = shape[..] else {
            panic!("group_norm: expected [B, h, w, C], found {shape:?}")
        };
        for values in [gain, bias] {
            assert_eq!(values.layout().shape().to_vec(), [channels], "group_norm: shape of gain or bias");
        }
        assert!(groups > 0 && channels % groups == 0, "group_norm: {groups} groups of {channels} channels");
        Self { places: height * width, channels, groups }
    }

    fn picture(&self) -> usize {
        self.places * self.channels
    }

    fn chunk(&self) -> usize {
        (CHUNK / self.channels).max(1) * self.channels
    }

    fn moments(&self, values: &[f32]) -> Vec<Moments> {
        let of_picture = |picture: &[f32]| {
            let mean = self.mean(picture, |chunk, sums| add_rows(Isa::best(), chunk, sums));
            let variance = self.mean(picture, |chunk, sums| add_squares(Isa::best(), chunk, &mean, sums));
            let inverse =
                variance.into_iter().map(|variance| 1.0 / (variance + NORM_EPSILON).sqrt()).collect();
            Moments { mean, inverse }
        };
        values.par_chunks(self.picture()).map(of_picture).collect()
    }

    /// For every channel the mean over its group of what `add` sums over a chunk's places.
    fn mean(&self, picture: &[f32], add: impl Fn(&[f32], &mut [f32]) + Sync) -> Vec<f32> {
        let chunks = picture.par_chunks(self.chunk()).map(|chunk| {
            let mut sums = vec![0.0; self.channels];
            add(chunk, &mut sums);
            sums
        });
        self.over_groups(&added(chunks.collect()))
    }

    /// For every channel the mean over its group of what was summed over places.
    fn over_groups(&self, sums: &[f32]) -> Vec<f32> {
        let width = self.channels / self.groups;
        let count = (self.places * width) as f64;
        let mean = |group: &[f32]| (group.iter().map(|sum| f64::from(*sum)).sum::<f64>() / count) as f32;
        sums.chunks_exact(width).flat_map(|group| std::iter::repeat_n(mean(group), width)).collect()
    }

    /// What the mean and the deviation of a group take from every gradient: means of gradient and of gradient · normalised value.
    fn shares(&self, sums: &[f32], gain: &[f32]) -> [Vec<f32>; 2] {
        let (of_gain, of_bias) = sums.split_at(self.channels);
        [of_bias, of_gain].map(|sums| {
            let weighted: Vec<f32> = sums.iter().zip(gain).map(|(sum, gain)| sum * gain).collect();
            self.over_groups(&weighted)
        })
    }
}

for_every_isa! {
    fn add_rows(values: &[f32], sums: &mut [f32]) {
        for row in values.chunks_exact(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

for_every_isa! {
    fn add_squares(values: &[f32], mean: &[f32], sums: &mut [f32]) {
        for row in values.chunks_exact(sums.len()) {
            for ((sum, value), mean) in sums.iter_mut().zip(row).zip(mean) {
                *sum += (value - mean) * (value - mean);
            }
        }
    }
}

for_every_isa! {
    fn normalise(values: &[f32], mean: &[f32], scale: &[f32], bias: &[f32], out: &mut [f32]) {
        for (row, out) in values.chunks_exact(mean.len()).zip(out.chunks_exact_mut(mean.len())) {
            let channels = mean.iter().zip(scale).zip(bias);
            for ((value, out), ((mean, scale), bias)) in row.iter().zip(out).zip(channels) {
                *out = (value - mean) * scale + bias;
            }
        }
    }
}

for_every_isa! {
    fn gate(values: &mut [f32]) {
        for value in values {
            *value /= 1.0 + exp(-*value);
        }
    }
}

for_every_isa! {
    /// The gradient of what was gated, from that of the result.
    fn ungate(values: &[f32], mean: &[f32], inverse: &[f32], gain: &[f32], bias: &[f32], gradient: &mut [f32]) {
        for (row, gradient) in values.chunks_exact(mean.len()).zip(gradient.chunks_exact_mut(mean.len())) {
            let channels = mean.iter().zip(inverse).zip(gain.iter().zip(bias));
            for ((value, gradient), ((mean, inverse), (gain, bias))) in row.iter().zip(gradient).zip(channels) {
                let y = (value - mean) * (gain * inverse) + bias;
                let share = 1.0 / (1.0 + exp(-y));
                *gradient *= share * (1.0 + y * (1.0 - share));
            }
        }
    }
}

for_every_isa! {
    fn add_gradients(
        values: &[f32],
        mean: &[f32],
        inverse: &[f32],
        gradient: &[f32],
        of_gain: &mut [f32],
        of_bias: &mut [f32],
    ) {
        for (row, gradient) in values.chunks_exact(mean.len()).zip(gradient.chunks_exact(mean.len())) {
            let channels = mean.iter().zip(inverse).zip(of_gain.iter_mut().zip(of_bias.iter_mut()));
            for ((value, gradient), ((mean, inverse), (of_gain, of_bias))) in row.iter().zip(gradient).zip(channels) {
                *of_gain += gradient * ((value - mean) * inverse);
                *of_bias += gradient;
            }
        }
    }
}

for_every_isa! {
    /// The gradient of the input, from that of the result.
    fn to_input(
        values: &[f32],
        mean: &[f32],
        inverse: &[f32],
        gain: &[f32],
        shares: &[Vec<f32>; 2],
        gradient: &mut [f32],
    ) {
        for (row, gradient) in values.chunks_exact(mean.len()).zip(gradient.chunks_exact_mut(mean.len())) {
            let channels = mean.iter().zip(inverse).zip(gain).zip(shares[0].iter().zip(&shares[1]));
            for ((value, gradient), (((mean, inverse), gain), (plain, along))) in row.iter().zip(gradient).zip(channels) {
                *gradient = inverse * (gain * *gradient - plain - (value - mean) * inverse * along);
            }
        }
    }
}
