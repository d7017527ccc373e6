//! How loud a sound is, and what of it is silence.

use ebur128::{EbuR128, Mode};
use serde::{Deserialize, Serialize};

use super::Sound;
use crate::error::{Error, Result};

/// Samples this near to full scale are clipped.
const FULL_SCALE: f32 = 0.999;
/// The share of clipped samples above which a recording is not worth using.
const MAX_CLIPPED: f64 = 0.2;
/// The loudest sample of a recording that counts as silent: −60 dB of full scale.
const SILENT: f32 = 1e-3;
/// The shortest stretch whose loudness the standard defines, in seconds.
const LOUDNESS_WINDOW: f64 = 0.4;

/// What a recording must be to be of use.
#[derive(Clone, Copy, Debug)]
pub struct Usable {
    /// The shortest, in seconds.
    pub least_seconds: f64,
    /// The longest, in seconds.
    pub most_seconds: f64,
}

impl Usable {
    /// Of a voice: less tells nothing of it, and of more than a minute hardly any text is known well enough.
    pub const VOICE: Self = Self { least_seconds: 0.3, most_seconds: 60.0 };
}

/// What counts as silence around a sound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// How far below the loudest frame, in dB.
    pub below: f32,
    /// Seconds of it that stay on either side.
    pub keep: f64,
}

impl Default for Silence {
    fn default() -> Self {
        Self { below: 45.0, keep: 0.05 }
    }
}

impl Sound {
    /// The largest magnitude of a sample.
    pub fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// Why a recording, as it came, is of no use, if it is not: too short or too long without the silence at its ends, silent, or so clipped that
    /// nothing is left of it.
    ///
    /// # Errors
    /// [`Error::Argument`], with what was found.
    pub fn check(&self, usable: Usable) -> Result<()> {
        let reason = |reason: String| Err(Error::argument("recording", reason));
        let spoken = self.trimmed(Silence::default());
        let (seconds, peak) = (spoken.seconds(), self.peak());
        let Usable { least_seconds, most_seconds } = usable;
        if peak < SILENT || spoken.samples.is_empty() {
            return reason(format!("it is silent (its loudest sample is {peak:.5} of full scale)"));
        }
        if seconds < least_seconds {
            return reason(format!(
                "it has {seconds:.2} s beside silence at its ends, at least {least_seconds} s are needed"
            ));
        }
        if seconds > most_seconds {
            return reason(format!(
                "it has {seconds:.1} s beside silence at its ends, at most {most_seconds} s can be used"
            ));
        }
        let clipped = spoken.samples.iter().filter(|sample| sample.abs() >= FULL_SCALE).count();
        let share = clipped as f64 / spoken.samples.len() as f64;
        if share > MAX_CLIPPED {
            return reason(format!("{:.0} % of its samples are clipped", share * 100.0));
        }
        Ok(())
    }

    /// The integrated loudness in LUFS (ITU-R BS.1770-4, gated); −∞ for silence. A sound shorter than the 0.4 s that the standard
    /// needs is measured as if it went on and on.
    ///
    /// # Errors
    /// [`Error::Argument`] for a rate that the measurement does not take.
    pub fn loudness(&self) -> Result<f64> {
        let failed = |reason: ebur128::Error| Error::argument("rate", format!("loudness: {reason}"));
        if self.samples.is_empty() {
            return Ok(f64::NEG_INFINITY);
        }
        let mut meter = EbuR128::new(1, self.rate, Mode::I).map_err(failed)?;
        let window = (LOUDNESS_WINDOW * f64::from(self.rate)).ceil() as usize + 1;
        for _ in 0..window.div_ceil(self.samples.len()) {
            meter.add_frames_f32(&self.samples).map_err(failed)?;
        }
        meter.loudness_global().map_err(failed)
    }

    /// The same sound with a loudness of `target` LUFS, as far as no sample passes full scale. Silence stays as it is.
    ///
    /// # Errors
    /// As [`Sound::loudness`].
    pub fn at_loudness(self, target: f64) -> Result<Self> {
        let loudness = self.loudness()?;
        if !loudness.is_finite() {
            return Ok(self);
        }
        let factor = 10f64.powf((target - loudness) / 20.0) as f32;
        let most = FULL_SCALE / self.peak();
        Ok(self.scaled(factor.min(most)))
    }

    /// The sound without the silence before and after it; nothing where all is silence.
    #[must_use]
    pub fn trimmed(&self, silence: Silence) -> Self {
        let frame = (self.rate as usize / 50).max(1); // 20 ms
        let powers: Vec<f64> = self.samples.chunks(frame).map(mean_square).collect();
        let loudest = powers.iter().copied().fold(0.0, f64::max);
        let least =
            (loudest * 10f64.powf(f64::from(-silence.below) / 10.0)).max(f64::from(SILENT).powi(2) / 2.0);
        let loud = |power: &f64| *power >= least;
        let Some(first) = powers.iter().position(loud) else {
            return Self { rate: self.rate, samples: Vec::new() };
        };
        let end = powers.iter().rposition(loud).map_or(first, |last| last + 1);
        let keep = (silence.keep * f64::from(self.rate)) as usize;
        let (start, end) =
            ((first * frame).saturating_sub(keep), (end * frame + keep).min(self.samples.len()));
        Self { rate: self.rate, samples: self.samples[start..end].to_vec() }
    }
}

fn mean_square(frame: &[f32]) -> f64 {
    frame.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / frame.len() as f64
}
