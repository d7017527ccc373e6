//! Sound from magnitudes alone (Griffin and Lim 1984, with the momentum of Perraudin, Balazs and Søndergaard 2013): no weights, and a voice
//! that can be understood. Phases are those of the spectrum of the sound of the last guess, again and again.

use rayon::prelude::*;
use realfft::num_complex::Complex;

use crate::error::Result;
use crate::random::{Purpose, stream, uniform};
use crate::signal::mel::{Mel, MelTransform, Spectrum, Stft};
use crate::signal::sound::Sound;

/// What the search begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phases {
    /// All zero.
    Zero,
    /// Drawn from a stream of this seed.
    Drawn(u64),
}

/// How the search goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GriffinLim {
    /// Rounds.
    pub rounds: usize,
    /// How far a step goes beyond the last one's; 0 is the original.
    pub momentum: f32,
    /// The beginning.
    pub phases: Phases,
}

impl Default for GriffinLim {
    fn default() -> Self {
        Self { rounds: 60, momentum: 0.99, phases: Phases::Drawn(0) }
    }
}

impl GriffinLim {
    /// The sound of a spectrogram, as long as its frames are.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a spectrogram with values that are no numbers.
    pub fn sound(&self, transform: &MelTransform, mel: &Mel) -> Result<Sound> {
        let magnitudes = transform.magnitudes(mel);
        let samples = mel.frames() * transform.config().stft.hop;
        Sound::new(transform.config().rate, self.samples(transform.stft(), &magnitudes, samples))
    }

    /// The samples whose spectrum has nearly these magnitudes.
    ///
    /// # Shapes
    /// `[frames, coefficients]` → `[samples]`
    pub fn samples(&self, stft: &Stft, magnitudes: &[f32], samples: usize) -> Vec<f32> {
        if samples == 0 {
            return Vec::new();
        }
        let coefficients = stft.config().coefficients();
        let mut directions = self.directions(magnitudes.len());
        let mut before: Option<Vec<Complex<f32>>> = None;
        let beyond = self.momentum / (1.0 + self.momentum);
        for _ in 0..self.rounds {
            let sound = stft.inverse(&with_magnitudes(magnitudes, &directions, coefficients), samples);
            let found = stft.forward(&sound).values;
            let pairs = directions.par_iter_mut().zip(&found).enumerate().with_min_len(coefficients);
            pairs.for_each(|(at, (direction, found))| {
                let last = before.as_ref().map_or(Complex::default(), |before| before[at]);
                let ahead = found - last * beyond;
                *direction = ahead / (ahead.norm() + f32::MIN_POSITIVE);
            });
            before = Some(found);
        }
        stft.inverse(&with_magnitudes(magnitudes, &directions, coefficients), samples)
    }

    fn directions(&self, count: usize) -> Vec<Complex<f32>> {
        match self.phases {
            Phases::Zero => vec![Complex::new(1.0, 0.0); count],
            Phases::Drawn(seed) => {
                let mut rng = stream(seed, Purpose::Phase, 0, 0);
                let mut turn = || (uniform(&mut rng) * std::f64::consts::TAU) as f32;
                (0..count).map(|_| Complex::from_polar(1.0, turn())).collect()
            }
        }
    }
}

fn with_magnitudes(magnitudes: &[f32], directions: &[Complex<f32>], coefficients: usize) -> Spectrum {
    let values =
        magnitudes.iter().zip(directions).map(|(magnitude, direction)| direction * magnitude).collect();
    Spectrum { coefficients, values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::mel::MelConfig;

    /// A voice-like sound: a buzz of harmonics whose pitch moves.
    fn buzz(rate: u32) -> Sound {
        let mut phase = 0.0f64;
        let sample = |at: usize| {
            let seconds = at as f64 / f64::from(rate);
            phase += (150.0 + 40.0 * (3.0 * seconds).sin()) / f64::from(rate);
            let harmonics =
                (1..20).map(|n| (std::f64::consts::TAU * phase * f64::from(n)).sin() / f64::from(n));
            (harmonics.sum::<f64>() * 0.2) as f32
        };
        Sound::new(rate, (0..rate as usize).map(sample).collect()).unwrap()
    }

    /// The mean difference of two spectrograms in nats, where there is something to be heard.
    fn difference(a: &Mel, b: &Mel) -> f32 {
        let pairs = a.values.iter().zip(&b.values).filter(|(a, _)| **a > -6.0);
        let (sum, count) = pairs.fold((0.0, 0), |(sum, count), (a, b)| (sum + (a - b).abs(), count + 1));
        sum / count as f32
    }

    #[test]
    fn magnitudes_have_the_spectrogram_they_come_from() {
        let transform = MelTransform::new(MelConfig::speech()).unwrap();
        let mel = transform.forward(&buzz(16_000)).unwrap();
        let magnitudes = transform.magnitudes(&mel);
        let mut again = mel.clone();
        let coefficients = transform.stft().config().coefficients();
        for (row, frame) in again.values.chunks_exact_mut(mel.bins).zip(magnitudes.chunks_exact(coefficients))
        {
            transform.filters().apply(frame, row);
            row.iter_mut().for_each(|value| *value = value.max(1e-5).ln());
        }
        assert!(difference(&mel, &again) < 0.02, "{}", difference(&mel, &again));
    }

    #[test]
    fn the_sound_of_a_spectrogram_has_that_spectrogram() {
        for config in
            [MelConfig::speech(), MelConfig { rate: 16_000, highest: 8_000.0, ..MelConfig::vocos() }]
        {
            let transform = MelTransform::new(config).unwrap();
            let mel = transform.forward(&buzz(16_000)).unwrap();
            let rounds = |rounds| GriffinLim { rounds, ..GriffinLim::default() };
            let of = |rounds: GriffinLim| {
                let sound = rounds.sound(&transform, &mel).unwrap();
                difference(&mel, &transform.forward(&sound).unwrap())
            };
            let (few, many) = (of(rounds(1)), of(rounds(60)));
            assert!(many < 0.35 && many < 0.7 * few, "{few} after one round, {many} after 60");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_sound() {
        let transform = MelTransform::new(MelConfig::speech()).unwrap();
        let mel = transform.forward(&buzz(16_000).part(0.0, 0.2)).unwrap();
        let with = |seed| {
            let search = GriffinLim { rounds: 2, phases: Phases::Drawn(seed), ..GriffinLim::default() };
            search.sound(&transform, &mel).unwrap()
        };
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        let nothing = Mel { bins: 80, values: vec![] };
        assert!(GriffinLim::default().sound(&transform, &nothing).unwrap().samples().is_empty());
    }
}
