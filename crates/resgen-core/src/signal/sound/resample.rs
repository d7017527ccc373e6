//! Another rate of samples.

use audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

use super::{Sound, expect_rate};
use crate::error::{Error, Result};

/// Samples of the lower rate that one transform works on: the filter's length. The longer, the steeper it cuts.
const BLOCK: usize = 1024;

/// The samples at the rate `from` that one transform works on: whole units of both rates, and an even number, since the middle of a filter of odd
/// length lies between samples and would delay the sound by half of one.
fn block(from: usize, to: usize) -> usize {
    let unit = from / gcd(from, to);
    let wanted = (BLOCK * from).div_ceil(from.min(to));
    wanted.div_ceil(2 * unit) * 2 * unit
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Sound {
    /// The same sound with `rate` samples a second: what the new rate cannot hold is filtered away, nothing is delayed, and the length is
    /// that of the sound, rounded up to whole samples.
    ///
    /// # Errors
    /// [`Error::Argument`] for a rate out of [`super::RATES`].
    pub fn resampled(&self, rate: u32) -> Result<Self> {
        if rate == self.rate || self.samples.is_empty() {
            return Self::new(rate, self.samples.clone());
        }
        expect_rate(rate)?;
        let failed = |reason: String| Error::argument("rate", format!("resampling: {reason}"));
        let (from, to) = (self.rate as usize, rate as usize);
        let chunk = block(from, to);
        let window = WindowFunction::BlackmanHarris2;
        let mut resampler = Fft::<f32>::new_custom(from, to, chunk, 1, 1, window, FixedSync::Both)
            .map_err(|reason| failed(reason.to_string()))?;
        let channels = [self.samples.clone()];
        let input = SequentialSliceOfVecs::new(&channels, 1, self.samples.len())
            .map_err(|reason| failed(reason.to_string()))?;
        let output = resampler
            .process_all(&input, self.samples.len(), None)
            .map_err(|reason| failed(reason.to_string()))?;
        Self::new(rate, output.take_data())
    }
}
