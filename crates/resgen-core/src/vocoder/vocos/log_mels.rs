//! Mel spectrograms of tensors, so that a loss can compare them.

use burn::tensor::{Device, Tensor, TensorData};

use super::fourier::{Fourier, product};
use crate::signal::mel::{MelConfig, MelTransform, Strength};

/// Added to squared magnitudes: the root of nothing has no gradient.
const LEAST: f64 = 1e-16;

/// Makes spectrograms as [`MelTransform`] does, of what lies within the samples.
#[derive(Clone, Debug)]
pub struct LogMels {
    fourier: Fourier,
    filters: Tensor<2>, // [coefficients, bins]
    strength: Strength,
    floor: f32,
}

impl LogMels {
    /// As the transform has it.
    pub fn new(transform: &MelTransform, device: &Device) -> Self {
        let MelConfig { stft, bins, strength, floor, .. } = transform.config();
        let coefficients = stft.coefficients();
        let mut filters = vec![0.0; coefficients * bins];
        let mut one = vec![0.0; coefficients];
        for (coefficient, row) in filters.chunks_exact_mut(*bins).enumerate() {
            one[coefficient] = 1.0;
            transform.filters().apply(&one, row);
            one[coefficient] = 0.0;
        }
        Self {
            fourier: Fourier::new(stft, device),
            filters: Tensor::from_data(TensorData::new(filters, [coefficients, *bins]), device),
            strength: *strength,
            floor: *floor,
        }
    }

    /// The transform without its filters.
    pub fn fourier(&self) -> &Fourier {
        &self.fourier
    }

    /// Natural logarithms.
    ///
    /// # Shapes
    /// `[B, samples]` → `[B, frames, bins]`
    pub fn forward(&self, samples: Tensor<2>) -> Tensor<3> {
        let spectrum = self.fourier.forward(samples);
        let coefficients = self.filters.dims()[0];
        let squares = spectrum.square();
        let powers =
            squares.clone().narrow(2, 0, coefficients) + squares.narrow(2, coefficients, coefficients);
        let strengths = match self.strength {
            Strength::Magnitude => (powers + LEAST).sqrt(),
            Strength::Power => powers,
        };
        product(strengths, &self.filters).clamp_min(self.floor).log()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::sound::Sound;

    #[test]
    fn they_are_those_of_the_transform_of_numbers() {
        for config in [
            MelConfig::speech(),
            MelConfig { rate: 16_000, highest: 8_000.0, strength: Strength::Power, ..MelConfig::vocos() },
        ] {
            let transform = MelTransform::new(config).unwrap();
            let samples: Vec<f32> = (0..8 * 256).map(|at| 0.3 * ((at * at) as f32 * 0.001).sin()).collect();
            let mel = transform.forward(&Sound::new(16_000, samples.clone()).unwrap()).unwrap();
            let stft = &transform.config().stft;
            let inner = stft.pad().div_ceil(stft.hop);
            let offset = inner * stft.hop - stft.pad();
            let tensor = TensorData::new(samples[offset..].to_vec(), [1, samples.len() - offset]);
            let found =
                LogMels::new(&transform, &Device::flex()).forward(Tensor::from_data(tensor, &Device::flex()));
            let [_, frames, bins] = found.dims();
            assert!(frames >= 4);
            let found: Vec<f32> = found.try_to_vec_as().unwrap();
            let expected = &mel.values[inner * bins..(inner + frames) * bins];
            // Near silence the logarithm shows how sums are rounded.
            let audible = found.iter().zip(expected).filter(|(_, expected)| **expected > -7.0);
            assert!(audible.clone().count() > found.len() / 4);
            let worst = audible.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-3, "{worst}");
        }
    }
}
