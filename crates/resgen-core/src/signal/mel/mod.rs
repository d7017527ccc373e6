//! Mel spectrograms: what a voice is seen as.
//!
//! samples → short-time Fourier transform → magnitudes → triangular filters on the mel scale → natural logarithm.
//! Every number of that way is in [`MelConfig`], which travels with a model, so that a spectrogram means the same where it is made and where
//! it is made sound again. The presets are those of the vocoders that people have weights of.

mod filters;
mod inverse;
mod listener;
mod picture;
mod stft;

pub use filters::{FilterNorm, MelFilters, MelScale};
pub use listener::{Listener, ListenerConfig};
pub(crate) use picture::picture;
pub(crate) use stft::reflected;
pub use stft::{Padding, Spectrum, Stft, StftConfig};

use serde::{Deserialize, Serialize};

use super::sound::Sound;
use crate::error::{Error, Result};

/// What is taken of a Fourier coefficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// |X|
    Magnitude,
    /// |X|²
    Power,
}

/// How spectrograms are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelConfig {
    /// Samples a second.
    pub rate: u32,
    /// The transform.
    pub stft: StftConfig,
    /// Number of filters.
    pub bins: usize,
    /// Where the lowest filter begins, in Hz.
    pub lowest: f64,
    /// Where the highest filter ends, in Hz.
    pub highest: f64,
    /// The mel scale.
    pub scale: MelScale,
    /// The filters' heights.
    pub norm: FilterNorm,
    /// What the filters are applied to.
    pub strength: Strength,
    /// What is smaller becomes this before the logarithm.
    pub floor: f32,
}

impl MelConfig {
    /// Decibels of a natural logarithm in such a spectrogram.
    pub fn decibels(&self) -> f64 {
        let of_ten = match self.strength {
            Strength::Magnitude => 20.0,
            Strength::Power => 10.0,
        };
        of_ten / std::f64::consts::LN_10
    }

    /// For speech at 16 kHz: 100 filters up to 8 kHz of windows of 50 ms, 62.5 frames a second, otherwise as [`MelConfig::bigvgan`]. Of 80 filters of
    /// windows of 64 ms a recogniser understands less (docs/speech.md).
    pub fn speech() -> Self {
        let published = Self::bigvgan(22_050);
        Self { rate: 16_000, bins: 100, stft: StftConfig { window: 800, ..published.stft }, ..published }
    }

    /// Of BigVGAN's published models at 22.05 and 24 kHz: 80 and 100 filters of librosa's kind on magnitudes, 1,024 samples a frame, 256 apart.
    pub fn bigvgan(rate: u32) -> Self {
        let (bins, highest) = if rate == 24_000 { (100, 12_000.0) } else { (80, 8_000.0) };
        Self {
            rate,
            stft: StftConfig { size: 1024, window: 1024, hop: 256, padding: Padding::Same },
            bins,
            lowest: 0.0,
            highest,
            scale: MelScale::Slaney,
            norm: FilterNorm::Slaney,
            strength: Strength::Magnitude,
            floor: 1e-5,
        }
    }

    /// Of Vocos' published model: 24 kHz, 100 filters of torchaudio's kind on magnitudes.
    pub fn vocos() -> Self {
        Self {
            rate: 24_000,
            stft: StftConfig { size: 1024, window: 1024, hop: 256, padding: Padding::Centre },
            bins: 100,
            lowest: 0.0,
            highest: 12_000.0,
            scale: MelScale::Htk,
            norm: FilterNorm::None,
            strength: Strength::Magnitude,
            floor: 1e-7,
        }
    }

    /// Frames a second.
    pub fn frame_rate(&self) -> f64 {
        f64::from(self.rate) / self.stft.hop as f64
    }

    /// The first number in which another config differs: what it is, here and there.
    pub fn first_difference(&self, other: &Self) -> Option<(&'static str, [String; 2])> {
        fn both<T: std::fmt::Debug>(here: &T, there: &T) -> [String; 2] {
            [format!("{here:?}"), format!("{there:?}")]
        }
        let (here, there) = (&self.stft, &other.stft);
        let all = [
            ("samples a second", both(&self.rate, &other.rate)),
            ("bins", both(&self.bins, &other.bins)),
            ("samples from frame to frame (hop)", both(&here.hop, &there.hop)),
            ("samples of a transform (size)", both(&here.size, &there.size)),
            ("samples of the window", both(&here.window, &there.window)),
            ("padding", both(&here.padding, &there.padding)),
            ("lowest frequency", both(&self.lowest, &other.lowest)),
            ("highest frequency", both(&self.highest, &other.highest)),
            ("mel scale", both(&self.scale, &other.scale)),
            ("norm of the filters", both(&self.norm, &other.norm)),
            ("strength", both(&self.strength, &other.strength)),
            ("floor", both(&self.floor, &other.floor)),
        ];
        all.into_iter().find(|(_, [here, there])| here != there)
    }

    /// # Errors
    /// [`Error::Config`] names the key, under `path`, that is out of range.
    pub fn validate(&self, path: &str) -> Result<()> {
        let key = |name: &str| format!("{path}.{name}");
        self.stft.validate(&key("stft"))?;
        if !super::sound::RATES.contains(&self.rate) {
            return Err(Error::config(key("rate"), format!("{} Hz is not a rate of samples", self.rate)));
        }
        if !(1..=self.stft.coefficients()).contains(&self.bins) {
            let most = self.stft.coefficients();
            return Err(Error::config(key("bins"), format!("expected 1 to {most}, found {}", self.bins)));
        }
        let nyquist = f64::from(self.rate) / 2.0;
        if !(0.0..nyquist).contains(&self.lowest) {
            return Err(Error::config(
                key("lowest"),
                format!("expected 0 to {nyquist} Hz, found {}", self.lowest),
            ));
        }
        if !(self.highest > self.lowest && self.highest <= nyquist) {
            let reason = format!(
                "expected more than {} and at most {nyquist} Hz, found {}",
                self.lowest, self.highest
            );
            return Err(Error::config(key("highest"), reason));
        }
        if !(self.floor > 0.0 && self.floor.is_finite()) {
            return Err(Error::config(key("floor"), format!("expected more than 0, found {}", self.floor)));
        }
        Ok(())
    }
}

/// A spectrogram: `frames` rows of `bins` natural logarithms.
#[derive(Clone, Debug, PartialEq)]
pub struct Mel {
    /// Values of a frame.
    pub bins: usize,
    /// `[frames, bins]`, row-major.
    pub values: Vec<f32>,
}

impl Mel {
    /// The number of frames.
    pub fn frames(&self) -> usize {
        self.values.len() / self.bins
    }

    /// The same, again and again from its beginning, until there are at least so many frames; one without frames stays as it is.
    #[must_use]
    pub fn repeated(mut self, frames: usize) -> Self {
        let (once, wanted) = (self.values.len(), frames * self.bins);
        if (1..wanted).contains(&once) {
            self.values = self.values.iter().copied().cycle().take(wanted).collect();
        }
        self
    }
}

/// Makes spectrograms.
pub struct MelTransform {
    config: MelConfig,
    stft: Stft,
    filters: MelFilters,
}

impl MelTransform {
    /// # Errors
    /// As [`MelConfig::validate`].
    pub fn new(config: MelConfig) -> Result<Self> {
        config.validate("mel")?;
        let filters = MelFilters::new(&config);
        Ok(Self { stft: Stft::new(config.stft.clone()), filters, config })
    }

    /// How it makes them.
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// The transform.
    pub fn stft(&self) -> &Stft {
        &self.stft
    }

    /// The filters.
    pub fn filters(&self) -> &MelFilters {
        &self.filters
    }

    /// The spectrogram of a sound.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for another rate of samples, [`Error::Argument`] for a sound without samples.
    pub fn forward(&self, sound: &Sound) -> Result<Mel> {
        if sound.rate() != self.config.rate {
            return Err(Error::mismatch("samples a second", self.config.rate, sound.rate()));
        }
        if sound.samples().is_empty() {
            return Err(Error::argument("sound", "it has no samples"));
        }
        let spectrum = self.stft.forward(sound.samples());
        let bins = self.config.bins;
        let mut values = vec![0.0; spectrum.frames() * bins];
        let mut strengths = vec![0.0; spectrum.coefficients];
        for (row, frame) in values.chunks_exact_mut(bins).zip(spectrum.rows()) {
            for (strength, coefficient) in strengths.iter_mut().zip(frame) {
                *strength = match self.config.strength {
                    Strength::Magnitude => coefficient.norm(),
                    Strength::Power => coefficient.norm_sqr(),
                };
            }
            self.filters.apply(&strengths, row);
            row.iter_mut().for_each(|value| *value = value.max(self.config.floor).ln());
        }
        Ok(Mel { bins, values })
    }
}

#[cfg(test)]
mod tests;
