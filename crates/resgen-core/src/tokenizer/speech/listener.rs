//! From recordings to spectrograms, in the way that a tokenizer was trained on.

use super::SpeechTokenizerConfig;
use crate::error::Result;
use crate::signal::mel::{Mel, MelTransform};
use crate::signal::sound::Sound;

/// Makes spectrograms of recordings:
/// 1. as many samples a second as the tokenizer takes,
/// 2. without the silence at either end,
/// 3. all equally loud.
pub struct Listener {
    config: SpeechTokenizerConfig,
    transform: MelTransform,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Listener {
    /// # Errors
    /// [`crate::Error::Config`] for spectrograms that cannot be made.
    pub fn new(config: &SpeechTokenizerConfig) -> Result<Self> {
        Ok(Self { transform: MelTransform::new(config.mel.clone())?, config: config.clone() })
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
    /// [`crate::Error::Argument`] for one without samples, or where all is silence.
    pub fn mel(&self, recording: &Sound) -> Result<Mel> {
        self.transform.forward(&self.prepared(recording)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn recordings_of_any_rate_and_loudness_look_alike() {
        let text =
            "segment = 16\nchannels = [8]\njoins = [2]\nblocks = 1\nlatent = 4\nvocabulary = 8\ndepth = 2";
        let listener = Listener::new(&toml::from_str(text).unwrap()).unwrap();
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
}
