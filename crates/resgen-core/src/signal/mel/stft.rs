//! The short-time Fourier transform and its inverse.

use std::sync::Arc;

use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is done at both ends of a sound, which is reflected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Frames are centred on multiples of the hop, so that there is one more than hops: librosa's and torch's default. Half a transform on either side.
    Centre,
    /// As many frames as hops: half of what a transform is longer than a hop on either side (HiFi-GAN and its successors).
    Same,
}

/// A transform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StftConfig {
    /// Samples of a transform.
    pub size: usize,
    /// Samples of the Hann window (periodic), in the middle of a transform.
    pub window: usize,
    /// Samples from frame to frame.
    pub hop: usize,
    /// What is done at the ends.
    pub padding: Padding,
}

impl StftConfig {
    /// Different coefficients of a real transform: size/2 + 1.
    pub fn coefficients(&self) -> usize {
        self.size / 2 + 1
    }

    /// Samples that are added on either side.
    pub fn pad(&self) -> usize {
        match self.padding {
            Padding::Centre => self.size / 2,
            Padding::Same => (self.size - self.hop) / 2,
        }
    }

    /// Frames of a sound of `samples`.
    pub fn frames(&self, samples: usize) -> usize {
        ((samples + 2 * self.pad()).checked_sub(self.size)).map_or(0, |rest| rest / self.hop + 1)
    }

    /// # Errors
    /// [`Error::Config`] names the key, under `path`, that is out of range.
    pub fn validate(&self, path: &str) -> Result<()> {
        let wrong = |name: &str, reason: String| Err(Error::config(format!("{path}.{name}"), reason));
        if !(4..=1 << 16).contains(&self.size) || !self.size.is_multiple_of(2) {
            return wrong("size", format!("expected an even number from 4 to 65536, found {}", self.size));
        }
        if !(1..=self.size).contains(&self.window) {
            return wrong("window", format!("expected 1 to {}, found {}", self.size, self.window));
        }
        if !(1..=self.window).contains(&self.hop) {
            return wrong("hop", format!("expected 1 to {}, found {}", self.window, self.hop));
        }
        Ok(())
    }

    /// The window in the middle of a transform, zeros around it.
    ///
    /// # Shapes
    /// `[size]`
    pub fn hann(&self) -> Vec<f32> {
        let mut window = vec![0.0; self.size];
        let first = (self.size - self.window) / 2;
        for (at, value) in window[first..first + self.window].iter_mut().enumerate() {
            let turn = std::f64::consts::TAU * at as f64 / self.window as f64;
            *value = (0.5 - 0.5 * turn.cos()) as f32;
        }
        window
    }

    /// The squared windows of all frames, added up: what windowed frames that are windowed again and added up are divided by.
    ///
    /// # Shapes
    /// `[size + (frames − 1)·hop]`
    pub fn overlap(&self, frames: usize) -> Vec<f32> {
        let squares: Vec<f32> = self.hann().iter().map(|weight| weight * weight).collect();
        let mut sum = vec![0.0; frames.saturating_sub(1) * self.hop + self.size];
        for frame in 0..frames {
            for (sum, square) in sum[frame * self.hop..].iter_mut().zip(&squares) {
                *sum += square;
            }
        }
        sum
    }
}

/// Coefficients of all frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// Coefficients of a frame.
    pub coefficients: usize,
    /// `[frames, coefficients]`, row-major.
    pub values: Vec<Complex<f32>>,
}

impl Spectrum {
    /// The number of frames.
    pub fn frames(&self) -> usize {
        self.values.len() / self.coefficients
    }

    /// The frames, one after another.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, Complex<f32>> {
        self.values.chunks_exact(self.coefficients)
    }
}

/// The transform, ready for work.
pub struct Stft {
    config: StftConfig,
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl Stft {
    /// The transform of a configuration that is valid.
    pub fn new(config: StftConfig) -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) =
            (planner.plan_fft_forward(config.size), planner.plan_fft_inverse(config.size));
        Self { window: config.hann(), forward, inverse, config }
    }

    /// How it is done.
    pub fn config(&self) -> &StftConfig {
        &self.config
    }

    /// The spectrum of samples, which are reflected at both ends.
    ///
    /// # Shapes
    /// `[samples]` → `[frames, coefficients]`
    pub fn forward(&self, samples: &[f32]) -> Spectrum {
        let StftConfig { size, hop, .. } = self.config;
        let coefficients = self.config.coefficients();
        let padded = reflected(samples, self.config.pad());
        let frames = self.config.frames(samples.len());
        let mut values = vec![Complex::default(); frames * coefficients];
        let buffers = || (vec![0.0; size], self.forward.make_scratch_vec());
        let rows = values.par_chunks_exact_mut(coefficients).enumerate();
        rows.for_each_init(buffers, |(frame, scratch), (at, row)| {
            for ((value, sample), weight) in frame.iter_mut().zip(&padded[at * hop..]).zip(&self.window) {
                *value = sample * weight;
            }
            // The buffers have the lengths that the transform made or asks for.
            let _ = self.forward.process_with_scratch(frame, row, scratch);
        });
        Spectrum { coefficients, values }
    }

    /// The samples whose spectrum is nearest to the given one (Griffin and Lim 1984): windowed frames are added up and divided by the sum of
    /// squared windows.
    ///
    /// # Shapes
    /// `[frames, coefficients]` → `[samples]`; where it has no frames, silence
    pub fn inverse(&self, spectrum: &Spectrum, samples: usize) -> Vec<f32> {
        let StftConfig { size, hop, .. } = self.config;
        let frames = spectrum.frames();
        let pad = self.config.pad();
        let mut weights = self.config.overlap(frames);
        weights.resize(weights.len().max(pad + samples), 0.0);
        let mut sum = vec![0.0f32; weights.len()];
        let mut windowed = vec![0.0; frames * size];
        let buffers = || (self.inverse.make_input_vec(), self.inverse.make_scratch_vec());
        let scale = 1.0 / size as f32;
        let rows = spectrum.values.par_chunks_exact(spectrum.coefficients);
        let pairs = rows.zip(windowed.par_chunks_exact_mut(size));
        pairs.for_each_init(buffers, |(row, scratch), (values, frame)| {
            row.copy_from_slice(values);
            // The first and the last coefficient of a real signal are real.
            row[0].im = 0.0;
            row[size / 2].im = 0.0;
            let _ = self.inverse.process_with_scratch(row, frame, scratch);
            frame.iter_mut().zip(&self.window).for_each(|(value, weight)| *value *= weight * scale);
        });
        for (at, frame) in windowed.chunks_exact(size).enumerate() {
            sum[at * hop..].iter_mut().zip(frame).for_each(|(sum, value)| *sum += value);
        }
        let kept = sum.iter().zip(&weights).skip(pad).take(samples);
        kept.map(|(sum, weight)| if *weight > 1e-11 { sum / weight } else { 0.0 }).collect()
    }
}

/// The samples with `pad` more on either side, as seen in a mirror at the first and the last one.
pub(crate) fn reflected(samples: &[f32], pad: usize) -> Vec<f32> {
    let count = samples.len() as isize;
    let period = (2 * (count - 1)).max(1);
    let at = |index: isize| {
        let index = index.rem_euclid(period);
        samples[index.min(period - index).min(count - 1) as usize]
    };
    let pad = pad as isize;
    (-pad..count + pad).map(at).collect()
}
