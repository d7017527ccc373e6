//! From recordings to spectrograms, in the way that a network was trained on.

use serde::{Deserialize, Serialize};

use super::{Mel, MelConfig, MelTransform};
use crate::error::{Error, Result};
use crate::signal::sound::{Silence, Sound};

/// How recordings become what a network sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// How spectrograms are made.
    #[serde(default = "MelConfig::speech")]
    pub mel: MelConfig,
    /// How loud all recordings are made, in LUFS.
    #[serde(default = "ListenerConfig::usual_loudness")]
    pub loudness: f64,
    /// What of a recording's ends is left out.
    #[serde(default)]
    pub silence: Silence,
    /// The logarithm that becomes 0 for the network.
    #[serde(default = "ListenerConfig::usual_centre")]
    pub centre: f32,
    /// How far from it the logarithm that becomes 1 is.
    #[serde(default = "ListenerConfig::usual_spread")]
    pub spread: f32,
}

impl Default for ListenerConfig {
    /// Speech at 16 kHz.
    fn default() -> Self {
        Self {
            mel: MelConfig::speech(),
            loudness: Self::usual_loudness(),
            silence: Silence::default(),
            centre: Self::usual_centre(),
            spread: Self::usual_spread(),
        }
    }
}

impl ListenerConfig {
    /// That of broadcasts (EBU R 128).
    pub(crate) fn usual_loudness() -> f64 {
        -23.0
    }

    /// Near the mean logarithm of speech.
    pub(crate) fn usual_centre() -> f32 {
        -5.0
    }

    /// Near its standard deviation.
    pub(crate) fn usual_spread() -> f32 {
        2.5
    }

    /// What the network sees of logarithms.
    pub fn normalised(&self, values: &[f32]) -> Vec<f32> {
        values.iter().map(|value| (value - self.centre) / self.spread).collect()
    }

    /// The inverse of [`ListenerConfig::normalised`]; nothing falls below the floor.
    pub fn denormalised(&self, values: &[f32]) -> Vec<f32> {
        let floor = self.mel.floor.ln();
        values.iter().map(|value| (value * self.spread + self.centre).max(floor)).collect()
    }

    /// What the network sees of silence.
    pub fn of_silence(&self) -> f32 {
        (self.mel.floor.ln() - self.centre) / self.spread
    }

    /// # Errors
    /// [`Error::Config`] names the key, under `path`, that is out of range.
    pub fn validate(&self, path: &str) -> Result<()> {
        let wrong = |key: &str, reason: String| Err(Error::config(format!("{path}.{key}"), reason));
        self.mel.validate(&format!("{path}.mel"))?;
        if !(-70.0..=0.0).contains(&self.loudness) {
            return wrong("loudness", format!("expected -70 to 0 LUFS, found {}", self.loudness));
        }
        if !(self.silence.below > 0.0 && self.silence.keep >= 0.0 && self.silence.keep.is_finite()) {
            let reason = "expected `below`, more than 0 dB, and `keep`, at least 0 seconds";
            return wrong("silence", reason.to_owned());
        }
        if !self.centre.is_finite() {
            return wrong("centre", format!("expected a number, found {}", self.centre));
        }
        if !(self.spread > 0.0 && self.spread.is_finite()) {
            return wrong("spread", format!("expected more than 0, found {}", self.spread));
        }
        Ok(())
    }
}

/// Makes spectrograms of recordings:
/// 1. as many samples a second as the network takes,
/// 2. without the silence at either end,
/// 3. all equally loud.
pub struct Listener {
    config: ListenerConfig,
    transform: MelTransform,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Listener {
    /// # Errors
    /// [`Error::Config`] for spectrograms that cannot be made.
    pub fn new(config: ListenerConfig) -> Result<Self> {
        Ok(Self { transform: MelTransform::new(config.mel.clone())?, config })
    }

    /// How it makes them.
    pub fn config(&self) -> &ListenerConfig {
        &self.config
    }

    /// What makes spectrograms of sounds.
    pub fn transform(&self) -> &MelTransform {
        &self.transform
    }

    /// The recording as the spectrogram is made of it.
    ///
    /// # Errors
    /// As [`Sound::loudness`].
    pub fn prepared(&self, recording: &Sound) -> Result<Sound> {
        let sound = recording.resampled(self.config.mel.rate)?.trimmed(self.config.silence);
        sound.at_loudness(self.config.loudness)
    }

    /// The spectrogram of a recording.
    ///
    /// # Errors
    /// [`Error::Argument`] for one without samples, or where all is silence.
    pub fn mel(&self, recording: &Sound) -> Result<Mel> {
        self.transform.forward(&self.prepared(recording)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_any_rate_and_loudness_look_alike() {
        let listener = Listener::new(ListenerConfig::default()).unwrap();
        let tone = |rate: u32, amplitude: f64, silence: f64| {
            let at = |n: usize| n as f64 / f64::from(rate) - silence;
            let sample =
                |n: usize| if at(n) < 0.0 { 0.0 } else { (amplitude * (2765.0 * at(n)).sin()) as f32 };
            Sound::new(rate, (0..((1.0 + silence) * f64::from(rate)) as usize).map(sample).collect()).unwrap()
        };
        let first = listener.mel(&tone(16_000, 0.1, 0.5)).unwrap();
        let second = listener.mel(&tone(44_100, 0.7, 0.5)).unwrap();
        assert_eq!(first.frames(), second.frames());
        assert!((62..=66).contains(&first.frames()), "{}", first.frames());
        let middle = 20 * 80..40 * 80;
        let pairs = first.values[middle.clone()].iter().zip(&second.values[middle]);
        let loud = pairs.filter(|(a, _)| **a > -4.0).map(|(a, b)| (a - b).abs());
        assert!(loud.fold(0.0, f32::max) < 0.05);
        let silence = listener.mel(&Sound::new(16_000, vec![0.0; 16_000]).unwrap());
        assert!(matches!(silence, Err(Error::Argument { .. })));
    }

    #[test]
    fn logarithms_come_back_and_what_is_out_of_range_is_named() {
        let config = ListenerConfig::default();
        let there_and_back = config.denormalised(&config.normalised(&[-3.0, 0.5, -11.0]));
        assert!(there_and_back.iter().zip([-3.0, 0.5, -11.0]).all(|(a, b)| (a - b).abs() < 1e-5));
        assert_eq!(config.denormalised(&[-100.0]), [1e-5f32.ln()]);
        let key = |change: fn(&mut ListenerConfig)| {
            let mut config = ListenerConfig::default();
            change(&mut config);
            config.validate("ears").unwrap_err().to_string()
        };
        assert!(key(|config| config.spread = 0.0).contains("`ears.spread`"));
        assert!(key(|config| config.loudness = 3.0).contains("`ears.loudness`"));
        assert!(key(|config| config.mel.bins = 0).contains("`ears.mel.bins`"));
    }
}
