//! From a mel spectrogram back to magnitudes.

use super::{Mel, MelTransform, Strength};

/// Rounds of the search: afterwards the filters of what was found are the spectrogram's within about a hundredth.
const ROUNDS: usize = 200;

impl MelTransform {
    /// Magnitudes that are not negative and whose mel spectrogram is nearest to `mel` (before the logarithm, in least squares): the
    /// multiplicative updates of Lee and Seung (2001), from what the filters turned round make of it.
    ///
    /// # Shapes
    /// `[frames, bins]` → `[frames, coefficients]`
    pub fn magnitudes(&self, mel: &Mel) -> Vec<f32> {
        let (bins, coefficients) = (mel.bins, self.stft().config().coefficients());
        let mut found = vec![0.0; mel.frames() * coefficients];
        let (mut wanted, mut seen) = (vec![0.0; bins], vec![0.0; bins]);
        let (mut upward, mut downward) = (vec![0.0; coefficients], vec![0.0; coefficients]);
        for (frame, row) in mel.values.chunks_exact(bins).zip(found.chunks_exact_mut(coefficients)) {
            wanted.iter_mut().zip(frame).for_each(|(wanted, value)| *wanted = value.exp());
            self.filters().apply_transposed(&wanted, &mut upward);
            row.copy_from_slice(&upward);
            for _ in 0..ROUNDS {
                self.filters().apply(row, &mut seen);
                self.filters().apply_transposed(&seen, &mut downward);
                for ((value, up), down) in row.iter_mut().zip(&upward).zip(&downward) {
                    *value *= up / down.max(f32::MIN_POSITIVE);
                }
            }
            if self.config().strength == Strength::Power {
                row.iter_mut().for_each(|value| *value = value.sqrt());
            }
        }
        found
    }
}
