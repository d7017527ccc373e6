//! Sound in and out: one channel of samples at a known rate.

mod decode;
mod encode;
mod level;
mod resample;

use std::path::Path;

pub use decode::{Decoded, MAX_SECONDS, decode};
pub use encode::{Encoding, WavStream, state_lengths};
pub use level::{Silence, Usable};

use crate::error::{Error, Result};

/// Rates of samples that are taken, in Hz: from less than a telephone's to more than any recorder's.
pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// One channel of samples, full scale at ±1. It may be empty.
#[derive(Clone, PartialEq)]
pub struct Sound {
    rate: u32,
    samples: Vec<f32>,
}

impl std::fmt::Debug for Sound {
    // The samples would drown every other field of whatever holds a sound.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sound({:.3} s at {} Hz)", self.seconds(), self.rate)
    }
}

impl Sound {
    /// A sound of `samples` taken `rate` times a second.
    ///
    /// # Errors
    /// [`Error::Argument`] for a rate out of [`RATES`] or a sample that is no number.
    pub fn new(rate: u32, samples: Vec<f32>) -> Result<Self> {
        expect_rate(rate)?;
        if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
            return Err(Error::argument("samples", format!("sample {at} is no number")));
        }
        Ok(Self { rate, samples })
    }

    /// Reads a sound file: WAV, FLAC, MP3 or OGG Vorbis of any rate, depth and number of channels, which are averaged (see [`decode`]).
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::File`] when it holds no whole sound.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        decode(path).map(|decoded| decoded.sound)
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The samples.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The samples, handed over.
    pub fn into_samples(self) -> Vec<f32> {
        self.samples
    }

    /// How long it is.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// The part from `from` to `to`, in seconds, as far as there is one.
    #[must_use]
    pub fn part(&self, from: f64, to: f64) -> Self {
        let at = |seconds: f64| ((seconds * f64::from(self.rate)).round() as usize).min(self.samples.len());
        let (start, end) = (at(from), at(to));
        Self { rate: self.rate, samples: self.samples[start..end.max(start)].to_vec() }
    }

    /// The sound, growing from nothing in its first `seconds` and falling to nothing in its last.
    #[must_use]
    pub fn faded(mut self, seconds: f64) -> Self {
        let count = self.samples.len();
        let length = ((seconds * f64::from(self.rate)) as usize).min(count / 2);
        for at in 0..length {
            let factor = at as f32 / length as f32;
            self.samples[at] *= factor;
            self.samples[count - 1 - at] *= factor;
        }
        self
    }

    /// The same sound, every sample multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f32) -> Self {
        self.samples.iter_mut().for_each(|sample| *sample *= factor);
        self
    }
}

fn expect_rate(rate: u32) -> Result<()> {
    match RATES.contains(&rate) {
        true => Ok(()),
        false => {
            let (least, most) = (RATES.start(), RATES.end());
            Err(Error::argument("rate", format!("expected {least} to {most} Hz, found {rate}")))
        }
    }
}

#[cfg(test)]
mod tests;
