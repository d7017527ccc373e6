//! When each byte of a text is said: its alignment with a signal that says it, learned along from both alone.
//!
//! A position has [`SLOTS`] slots, and each of them belongs to one byte: that of the slot before, or the next one.
//! 1. Of every byte's state a layer makes what a position sounds like that has the byte in its first, second, … slot: the mean of a normal distribution of
//!    its embedding, to which what the whole signal sounds like on average adds something. Variances are the same for all.
//! 2. A slot is as likely as its position is, to the power of 1/SLOTS, and bytes are not said far from where they are expected.
//! 3. The sum over all paths from the first byte to the last is what is learned, as in a hidden Markov model; so many slots belong to a byte on average
//!    over them, and that is how long it takes.
//!
//! Bytes that only had to be told from each other (Badlani et al., arXiv 2108.10447) learned something else here: to be the first or the last one.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::precision::project;

/// Slots of a position: more than bytes that can be said in one.
const SLOTS: usize = 4;
/// Standard deviation, in positions, of the bell around where the first and the last byte are expected. Between them it is wider, as a random walk from
/// one to the other would be.
const SPREAD: f32 = 0.5;
/// The least logarithm of a standard deviation of embeddings; there are only so many of them, and none is to be a point.
const LEAST: f64 = -2.0;

/// Aligns signals with what they say.
#[derive(Module, Debug)]
pub(super) struct Aligner {
    sounds: Linear,               // [w, SLOTS·H]
    voice: Linear,                // [H, H]
    deviations: Param<Tensor<1>>, // [H], logarithms
}

/// How far a text is said in a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// To its last byte.
    Last,
    /// To any: the signal is a beginning.
    Any,
}

/// Texts, and where each of their tokens is expected.
pub(super) struct Expected<'a> {
    /// `[B, S, w]`
    pub states: &'a Tensor<3>,
    /// In positions, `[B, S]`.
    pub places: Tensor<2>,
    /// Of each text its bytes, which follow one token that is none, and the positions that they are said in.
    pub texts: Vec<[usize; 2]>,
    /// Of all of them.
    pub ending: Ending,
}

/// What was found.
pub(super) struct Aligned {
    /// Positions that each token takes, `[B, S]`; zeros for a text that is none or has more bytes than there is room for.
    pub taken: Tensor<2>,
    /// Nats a position of those that could, `[1]`.
    pub loss: Tensor<1>,
}

impl Aligner {
    /// Of signals of width `latent` with states of width `width`. At first all bytes sound the same.
    pub fn new(builder: &mut Builder, latent: usize, width: usize) -> Self {
        Self {
            sounds: builder.zero_linear(width, SLOTS * latent),
            voice: builder.zero_linear(latent, latent),
            deviations: builder.parameter([latent], |_, device| Tensor::zeros([latent], device)),
        }
    }

    /// # Shapes
    /// signal `[B, L, H]`
    ///
    /// # Errors
    /// [`Error::Device`] where the device cannot be read.
    pub fn forward(&self, signal: Tensor<3>, expected: Expected) -> Result<Aligned> {
        let log_densities = self.log_densities(signal, &expected); // [B, slots, S]
        let [batch, slots, length] = log_densities.dims();
        let device = log_densities.device();
        let values = log_densities.clone().without_autodiff() + expected.bells(slots);
        let values: Vec<f32> = values.try_into_vec_as().map_err(Error::device)?;
        let find = |(values, &[bytes, said_in]): (&[f32], &[usize; 2])| {
            let rows = values.chunks(length).take(said_in * SLOTS).map(|row| &row[1..=bytes]);
            posterior(&rows.collect::<Vec<_>>(), expected.ending)
        };
        let signals = values.par_chunks(slots * length).zip(&expected.texts);
        let found: Vec<Option<Vec<f32>>> = signals.map(find).collect();
        let mut paths = vec![0.0; values.len()];
        let mut taken = vec![0.0; batch * length];
        let mut positions = 0;
        for (signal, (found, &[bytes, said_in])) in found.iter().zip(&expected.texts).enumerate() {
            let Some(found) = found else { continue };
            let taken = &mut taken[signal * length..][1..=bytes];
            let rows = paths[signal * slots * length..].chunks_mut(length);
            for (row, found) in rows.zip(found.chunks(bytes)) {
                row[1..=bytes].copy_from_slice(found);
                taken.iter_mut().zip(found).for_each(|(sum, part)| *sum += part / SLOTS as f32);
            }
            positions += said_in;
        }
        let paths = Tensor::<3>::from_data(TensorData::new(paths, [batch, slots, length]), &device);
        Ok(Aligned {
            taken: Tensor::from_data(TensorData::new(taken, [batch, length]), &device),
            // Its gradient is that of the sum over all paths.
            loss: (paths * log_densities).sum().neg() / positions.max(1) as f64,
        })
    }

    /// How likely each slot sounds as it does if it belongs to each token; all but what is the same for all signals.
    ///
    /// # Shapes
    /// signal `[B, L, H]` → `[B, L·SLOTS, S]`
    fn log_densities(&self, signal: Tensor<3>, expected: &Expected) -> Tensor<3> {
        let [batch, positions, latent] = signal.dims();
        let [_, length, _] = expected.states.dims();
        let logs = self.deviations.val().clamp_min(LEAST); // [H]
        let precision = logs.clone().neg().exp().reshape([1, 1, latent]);
        let voice = project(&self.voice, expected.mean(signal.clone())); // [B, 1, H]
        let signal = (signal - voice) * precision.clone();
        let sounds = project(&self.sounds, expected.states.clone());
        let sounds = sounds.reshape([batch, length * SLOTS, latent]) * precision;
        let squares = |x: Tensor<3>| x.square().sum_dim(2);
        let off = squares(signal.clone()) + squares(sounds.clone()).swap_dims(1, 2)
            - signal.matmul(sounds.swap_dims(1, 2)).mul_scalar(2.0); // [B, L, S·SLOTS]
        let log_densities = off.mul_scalar(-0.5) - logs.sum().reshape([1, 1, 1]);
        let each = log_densities.reshape([batch, positions, length, SLOTS]).swap_dims(2, 3);
        each.reshape([batch, positions * SLOTS, length]).div_scalar(SLOTS as f32)
    }
}

impl Expected<'_> {
    /// Over the positions in which something is said.
    ///
    /// # Shapes
    /// `[B, L, H]` → `[B, 1, H]`
    fn mean(&self, signal: Tensor<3>) -> Tensor<3> {
        let [batch, positions, _] = signal.dims();
        let share = |said_in: usize| {
            let said_in = said_in.min(positions);
            (0..positions).map(move |at| if at < said_in { 1.0 / said_in as f32 } else { 0.0 })
        };
        let shares: Vec<f32> = self.texts.iter().flat_map(|&[_, said_in]| share(said_in)).collect();
        let shares = Tensor::from_data(TensorData::new(shares, [batch, positions, 1]), &signal.device());
        (signal * shares).sum_dim(1)
    }

    /// How far each slot is from where each token is expected, as logarithms of something likely.
    ///
    /// # Shapes
    /// `[B, slots, S]`
    fn bells(&self, slots: usize) -> Tensor<3> {
        let device = self.places.device();
        let all: Vec<f32> = self.texts.iter().map(|&[_, said_in]| said_in.max(1) as f32).collect();
        let all = Tensor::<2>::from_data(TensorData::new(all, [self.texts.len(), 1]), &device);
        let left = all.clone() - self.places.clone();
        let variances = (self.places.clone() * left / all).clamp_min(0.0) + SPREAD * SPREAD; // [B, S]
        let slot = (0..slots).map(|slot| (slot as f32 + 0.5) / SLOTS as f32).collect::<Vec<f32>>();
        let slot = Tensor::<3>::from_data(TensorData::new(slot, [1, slots, 1]), &device);
        let off = slot - self.places.clone().unsqueeze_dim(1);
        off.square().mul_scalar(-0.5) / variances.unsqueeze_dim(1)
    }
}

/// The share of all paths, as likely as they are, in which a slot belongs to a byte; none where there are more bytes to be said than slots, or no bytes.
/// `slots` has the logarithms of how likely each slot belongs to each byte.
///
/// # Shapes
/// `[slots, bytes]` → `[slots, bytes]`
fn posterior(slots: &[&[f32]], ending: Ending) -> Option<Vec<f32>> {
    let bytes = slots.first()?.len();
    let is_whole = ending == Ending::Last;
    if bytes == 0 || is_whole && bytes > slots.len() {
        return None;
    }
    let likely: Vec<f64> = slots.iter().copied().flatten().map(|log| f64::from(*log).exp()).collect();
    let likely = |slot: usize| &likely[slot * bytes..][..bytes];
    // Of the paths up to a slot, and from it on; each row is divided by its largest number.
    let mut before = vec![0.0; slots.len() * bytes];
    let mut row = vec![0.0; bytes];
    row[0] = 1.0;
    for (slot, kept) in before.chunks_mut(bytes).enumerate() {
        if slot > 0 {
            (1..bytes).rev().for_each(|byte| row[byte] += row[byte - 1]);
        }
        row.iter_mut().zip(likely(slot)).for_each(|(paths, likely)| *paths *= likely);
        if is_whole {
            // What can no longer reach the last byte must not be what others are divided by.
            row[..bytes.saturating_sub(slots.len() - slot)].fill(0.0);
        }
        scale(&mut row)?;
        kept.copy_from_slice(&row);
    }
    match ending {
        Ending::Last => row[..bytes - 1].fill(0.0),
        Ending::Any => row.fill(1.0),
    }
    row[bytes - 1] = 1.0;
    let mut found = vec![0.0; slots.len() * bytes];
    for slot in (0..slots.len()).rev() {
        let both = before[slot * bytes..].iter().zip(&row).map(|(before, after)| before * after);
        let sum: f64 = both.clone().sum();
        if !(sum > 0.0 && sum.is_finite()) {
            return None;
        }
        found[slot * bytes..][..bytes]
            .iter_mut()
            .zip(both)
            .for_each(|(found, both)| *found = (both / sum) as f32);
        row.iter_mut().zip(likely(slot)).for_each(|(paths, likely)| *paths *= likely);
        (1..bytes).for_each(|byte| row[byte - 1] += row[byte]);
        row[slot.min(bytes)..].fill(0.0);
        if slot > 0 {
            scale(&mut row)?;
        }
    }
    Some(found)
}

/// Divides by the largest number; none where that cannot be.
fn scale(row: &mut [f64]) -> Option<()> {
    let largest = row.iter().copied().fold(0.0, f64::max);
    (largest > 0.0 && largest.is_finite()).then(|| row.iter_mut().for_each(|value| *value /= largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every path its probability, added up over those through each byte of each slot.
    fn by_hand(slots: &[Vec<f32>], bytes: usize, ending: Ending) -> Vec<f32> {
        let (mut sums, mut all) = (vec![0.0; slots.len() * bytes], 0.0);
        for steps in 0..1u32 << (slots.len() - 1) {
            let mut path = vec![0];
            path.extend((0..slots.len() - 1).scan(0, |at, slot| {
                *at += (steps >> slot & 1) as usize;
                Some(*at)
            }));
            let last = path[slots.len() - 1];
            if last >= bytes || ending == Ending::Last && last != bytes - 1 {
                continue;
            }
            let likely = path.iter().zip(slots).map(|(&byte, slot)| slot[byte]).sum::<f32>().exp();
            path.iter().enumerate().for_each(|(slot, byte)| sums[slot * bytes + byte] += likely);
            all += likely;
        }
        sums.iter().map(|sum| sum / all).collect()
    }

    fn found(slots: &[Vec<f32>]) -> Option<Vec<f32>> {
        ending(slots, Ending::Last)
    }

    fn ending(slots: &[Vec<f32>], ending: Ending) -> Option<Vec<f32>> {
        posterior(&slots.iter().map(Vec::as_slice).collect::<Vec<_>>(), ending)
    }

    #[test]
    fn the_posterior_is_the_share_of_paths() {
        let slots: Vec<Vec<f32>> = (0..6)
            .map(|slot| (0..3).map(|byte| ((slot * 5 + byte * 7) % 11) as f32 / -4.0).collect())
            .collect();
        for (slots, last) in [(&slots[..], Ending::Last), (&slots, Ending::Any), (&slots[..2], Ending::Any)] {
            let (found, expected) = (ending(slots, last).unwrap(), by_hand(slots, 3, last));
            let is_near = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(is_near, "{last:?}: {found:?} {expected:?}");
        }
    }

    #[test]
    fn what_cannot_be_aligned_is_not() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[vec![], vec![]]), None);
        assert_eq!(found(&[vec![0.0, 0.0, 0.0], vec![0.0, 0.0, 0.0]]), None);
        assert_eq!(found(&[vec![f32::NAN], vec![0.0]]), None);
        assert_eq!(found(&[vec![0.0, -1.0], vec![-2.0, -3.0]]), Some(vec![1.0, 0.0, 0.0, 1.0]));
        // However unlikely.
        assert_eq!(found(&[vec![-300.0, 0.0], vec![0.0, -300.0]]), Some(vec![1.0, 0.0, 0.0, 1.0]));
    }
}
