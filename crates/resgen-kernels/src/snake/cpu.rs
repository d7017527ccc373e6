//! The body for the CPU: stretches of time, of which what lies at twice the rate never leaves the cache.

use burn::backend::tensor::FloatTensor;
use burn_flex::Flex;
use rayon::prelude::*;

use super::{SnakeOps, TAPS, low_pass};
use crate::cpu::{CHUNK, blank};
use crate::isa::{Isa, for_every_isa};
use crate::loops::sin_squared;
use crate::scratch::with_scratch;

/// Places at twice the rate that a place sees beyond its own two.
const AROUND: usize = TAPS - 2;
/// Places that a task takes at least, so that what lies around them costs little.
const LEAST_PLACES: usize = 32;

impl SnakeOps for Flex {
    fn anti_aliased_snake(
        x: FloatTensor<Self>,
        frequency: FloatTensor<Self>,
        amplitude: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [x, frequency, amplitude] = [x, frequency, amplitude].map(|tensor| tensor.to_contiguous());
        let [_, length, channels] = x.layout().shape().dims::<3>();
        for values in [&frequency, &amplitude] {
            assert_eq!(values.layout().shape().to_vec(), [channels], "anti_aliased_snake: one a channel");
        }
        let mut out = blank(x.layout().shape());
        if length * channels == 0 {
            return out;
        }
        let (signal, part) = (length * channels, (CHUNK / channels).max(LEAST_PLACES) * channels);
        let (frequency, amplitude) = (frequency.storage::<f32>(), amplitude.storage::<f32>());
        let signals =
            out.storage_mut::<f32>().par_chunks_mut(signal).zip(x.storage::<f32>().par_chunks(signal));
        signals.for_each(|(out, x)| {
            out.par_chunks_mut(part).enumerate().for_each(|(index, out)| {
                with_scratch(2 * out.len() + AROUND * channels, |fine| {
                    bend(Isa::best(), x, index * part / channels, frequency, amplitude, fine);
                    halve(Isa::best(), fine, channels, out);
                });
            });
        });
        out
    }
}

/// The place that lies so far before or behind.
#[inline(always)]
fn at(place: usize, ahead: usize, behind: usize, length: usize) -> usize {
    (place + ahead).saturating_sub(behind).min(length - 1)
}

for_every_isa! {
    /// What the activation makes at twice the rate, from five places before `first` on.
    fn bend(x: &[f32], first: usize, frequency: &[f32], amplitude: &[f32], fine: &mut [f32]) {
        let channels = frequency.len();
        let (filter, length) = (low_pass(), x.len() / channels);
        for (index, out) in fine.chunks_exact_mut(channels).enumerate() {
            let place = at(2 * first, index, TAPS / 2 - 1, 2 * length);
            let phase = place % 2;
            let rows: [&[f32]; TAPS / 2] = std::array::from_fn(|tap| {
                let row = at(place / 2, tap + phase, TAPS / 4, length);
                &x[row * channels..][..channels]
            });
            let taps: [f32; TAPS / 2] = std::array::from_fn(|tap| 2.0 * filter[TAPS - 1 - phase - 2 * tap]);
            let (frequency, amplitude) = (&frequency[..channels], &amplitude[..channels]);
            let out = &mut out[..channels];
            for channel in 0..channels {
                let mut sum = 0.0;
                for tap in 0..TAPS / 2 {
                    sum += taps[tap] * rows[tap][channel];
                }
                out[channel] = sum + amplitude[channel] * sin_squared(frequency[channel] * sum);
            }
        }
    }
}

for_every_isa! {
    /// Every place from the twelve around it at twice the rate.
    fn halve(fine: &[f32], channels: usize, out: &mut [f32]) {
        let filter = low_pass();
        for (place, out) in out.chunks_exact_mut(channels).enumerate() {
            let rows: [&[f32]; TAPS] = std::array::from_fn(|tap| &fine[(2 * place + tap) * channels..][..channels]);
            let out = &mut out[..channels];
            for channel in 0..channels {
                let mut sum = 0.0;
                for tap in 0..TAPS {
                    sum += filter[tap] * rows[tap][channel];
                }
                out[channel] = sum;
            }
        }
    }
}
