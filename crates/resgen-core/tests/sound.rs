//! Spectra and sounds beside what librosa, torch and pyloudnorm make of the same samples: `peers/sound/make_golden.py` made the file.

use std::path::Path;

use resgen_core::signal::mel::{
    FilterNorm, MelConfig, MelFilters, MelScale, MelTransform, Padding, Spectrum, Stft, StftConfig, Strength,
};
use resgen_core::signal::sound::Sound;
use resgen_core::vocoder::{GriffinLim, Phases};
use safetensors::SafeTensors;

const RATE: u32 = 24_000;

/// The content of the golden file.
struct Golden(Vec<u8>);

impl Golden {
    fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sound.safetensors");
        Self(std::fs::read(path).unwrap())
    }

    fn values(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let bytes = file.tensor(name).unwrap().data();
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    fn sound(&self, rate: u32) -> Sound {
        Sound::new(rate, self.values("samples")).unwrap()
    }

    fn spectrum(&self) -> Spectrum {
        let parts = self.values("stft.re").into_iter().zip(self.values("stft.im"));
        let values = parts.map(|(re, im)| realfft::num_complex::Complex::new(re, im)).collect();
        Spectrum { coefficients: 257, values }
    }
}

/// The transform of the golden spectra.
fn transform() -> StftConfig {
    StftConfig { size: 512, window: 400, hop: 160, padding: Padding::Centre }
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn spectra_are_those_of_librosa() {
    let golden = Golden::load();
    let expected = golden.spectrum();
    let found = Stft::new(transform()).forward(&golden.values("samples"));
    assert_eq!(found.frames(), expected.frames());
    let error = found.values.iter().zip(&expected.values).map(|(a, b)| (a - b).norm()).fold(0.0, f32::max);
    // The largest coefficient is about 60; both are worked out in f32.
    assert!(error < 1e-4, "{error}");
}

#[test]
fn sounds_of_spectra_are_those_of_librosa() {
    let golden = Golden::load();
    let part = Spectrum { coefficients: 257, values: golden.spectrum().values[10 * 257..50 * 257].to_vec() };
    let found = Stft::new(transform()).inverse(&part, 39 * 160);
    let error = worst(&found, &golden.values("istft"));
    assert!(error < 1e-5, "{error}");
}

#[test]
fn griffin_and_lim_find_what_they_find_in_librosa() {
    let golden = Golden::load();
    let search = GriffinLim { rounds: 8, momentum: 0.99, phases: Phases::Zero };
    let found = search.samples(&Stft::new(transform()), &golden.values("magnitudes"), 59 * 160);
    let error = worst(&found, &golden.values("griffin-lim"));
    // Each round divides by magnitudes, some of them nearly zero: rounding grows from round to round.
    assert!(error < 2e-3, "{error}");
}

#[test]
fn filters_are_those_of_librosa() {
    let golden = Golden::load();
    let config = |scale, norm| MelConfig {
        rate: RATE,
        stft: transform(),
        bins: 40,
        lowest: 0.0,
        highest: 12_000.0,
        scale,
        norm,
        strength: Strength::Power,
        floor: 1e-10,
    };
    let slaney = MelFilters::new(&config(MelScale::Slaney, FilterNorm::Slaney)).matrix();
    assert!(worst(&slaney, &golden.values("filters.slaney")) < 1e-8);
    let htk = MelFilters::new(&config(MelScale::Htk, FilterNorm::None)).matrix();
    assert!(worst(&htk, &golden.values("filters.htk")) < 1e-6);
    let mel = MelTransform::new(config(MelScale::Slaney, FilterNorm::Slaney)).unwrap();
    let error = worst(&mel.forward(&golden.sound(RATE)).unwrap().values, &golden.values("mel.librosa"));
    assert!(error < 1e-3, "{error}");
}

#[test]
fn presets_are_those_of_the_vocoders() {
    let golden = Golden::load();
    // Logarithms of small numbers: a relative error of 1e-4 in what they are of.
    for (name, config, tolerance) in [
        ("mel.bigvgan-24", MelConfig::bigvgan(24_000), 1e-3),
        ("mel.bigvgan-22", MelConfig::bigvgan(22_050), 1e-3),
        ("mel.vocos", MelConfig::vocos(), 1e-3),
    ] {
        let rate = config.rate;
        let found = MelTransform::new(config).unwrap().forward(&golden.sound(rate)).unwrap();
        let error = worst(&found.values, &golden.values(name));
        assert!(error < tolerance, "{name}: {error}");
    }
}

#[test]
fn loudness_is_that_of_pyloudnorm() {
    let golden = Golden::load();
    let found = golden.sound(RATE).loudness().unwrap();
    let expected = f64::from(golden.values("loudness")[0]);
    // pyloudnorm makes the standard's filters for other rates than 48 kHz by its own formula.
    assert!((found - expected).abs() < 0.1, "{found}, expected {expected}");
}
