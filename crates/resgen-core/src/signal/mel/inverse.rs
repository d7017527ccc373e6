//! From a mel spectrogram back to magnitudes.

use rayon::prelude::*;

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
        let frames = mel.values.par_chunks_exact(bins).zip(found.par_chunks_exact_mut(coefficients));
        let buffers = || [bins, bins, coefficients, coefficients].map(|length| vec![0.0; length]);
        frames.for_each_init(buffers, |[wanted, seen, upward, downward], (frame, row)| {
            wanted.iter_mut().zip(frame).for_each(|(wanted, value)| *wanted = value.exp());
            self.filters().apply_transposed(wanted, upward);
            row.copy_from_slice(upward);
            for _ in 0..ROUNDS {
                self.filters().apply(row, seen);
                self.filters().apply_transposed(seen, downward);
                for ((value, up), down) in row.iter_mut().zip(&*upward).zip(&*downward) {
                    *value *= up / down.max(f32::MIN_POSITIVE);
                }
            }
            if self.config().strength == Strength::Power {
                row.iter_mut().for_each(|value| *value = value.sqrt());
            }
        });
        found
    }
}
