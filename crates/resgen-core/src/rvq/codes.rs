//! RVQ codes as a type that cannot hold a code outside its codebook.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{Error, Result};

/// Codes of a batch of signals: `codes[b, i, j]` is the code of signal b at position i and depth j,
/// with depth 0 the coarsest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes {
    values: Vec<u16>,
    positions: usize,
    depth: usize,
    vocabulary: usize,
}

impl Codes {
    /// Codes from values in the order `[B, L, D]`.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the number of values is no multiple of `positions·depth`, or a value is
    /// not below `vocabulary`.
    pub fn new(values: Vec<u16>, positions: usize, depth: usize, vocabulary: usize) -> Result<Self> {
        let signal = positions * depth;
        if signal == 0 || !values.len().is_multiple_of(signal) {
            let expected = format!("a multiple of {positions} positions × {depth} depths");
            return Err(Error::mismatch("number of codes", expected, values.len()));
        }
        if let Some(place) = values.iter().position(|&code| usize::from(code) >= vocabulary) {
            let what = format!(
                "code of signal {}, position {}, depth {}",
                place / signal,
                place % signal / depth,
                place % depth
            );
            return Err(Error::mismatch(what, format!("less than {vocabulary}"), values[place]));
        }
        Ok(Self { values, positions, depth, vocabulary })
    }

    /// Number of signals B.
    pub fn batch(&self) -> usize {
        self.values.len() / (self.positions * self.depth)
    }

    /// Positions per signal, L.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Quantizer depth D.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Codebook size V.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// All values in the order `[B, L, D]`.
    pub fn values(&self) -> &[u16] {
        &self.values
    }

    /// All values, handed over: `[B, L, D]`.
    pub fn into_values(self) -> Vec<u16> {
        self.values
    }

    /// The codes of signal `index`, `[L, D]`.
    pub fn signal(&self, index: usize) -> &[u16] {
        let size = self.positions * self.depth;
        &self.values[index * size..(index + 1) * size]
    }

    /// The same codes without the depths from `depth` on: the level-`depth` approximation.
    ///
    /// # Errors
    /// [`Error::Argument`] unless 1 ≤ `depth` ≤ D.
    pub fn truncated(&self, depth: usize) -> Result<Self> {
        if depth == 0 || depth > self.depth {
            return Err(Error::argument("depth", format!("expected 1 to {}, found {depth}", self.depth)));
        }
        let values = self.values.chunks(self.depth).flat_map(|codes| &codes[..depth]).copied().collect();
        Ok(Self { values, depth, ..*self })
    }

    /// # Shapes
    /// `[B, L, D]`
    pub fn to_tensor(&self, device: &Device) -> Tensor<3, Int> {
        let values: Vec<i32> = self.values.iter().map(|&code| i32::from(code)).collect();
        Tensor::from_data(TensorData::new(values, [self.batch(), self.positions, self.depth]), device)
    }

    /// Reads codes back from a device.
    ///
    /// # Shapes
    /// `[B, L, D]`
    ///
    /// # Errors
    /// As [`Codes::new`], and [`Error::Device`] where the device cannot be read.
    pub fn from_tensor(codes: Tensor<3, Int>, vocabulary: usize) -> Result<Self> {
        let [_, positions, depth] = codes.dims();
        let values = codes.try_into_vec_as::<i64>().map_err(Error::device)?;
        let narrow = |code: i64| u16::try_from(code).unwrap_or(u16::MAX);
        Self::new(values.into_iter().map(narrow).collect(), positions, depth, vocabulary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_outside_the_codebook_is_named() {
        let error = Codes::new(vec![0, 1, 2, 3, 4, 8], 3, 2, 8).unwrap_err().to_string();
        assert_eq!(error, "code of signal 0, position 2, depth 1: expected less than 8, found 8");
        assert!(Codes::new(vec![0; 7], 3, 2, 8).is_err());
    }

    #[test]
    fn truncation_keeps_the_coarse_codes() {
        let codes = Codes::new(vec![0, 1, 2, 3, 4, 5], 2, 3, 8).unwrap();
        assert_eq!(codes.truncated(2).unwrap().values(), [0, 1, 3, 4]);
        assert!(codes.truncated(0).is_err() && codes.truncated(4).is_err());
    }

    #[test]
    fn a_tensor_keeps_the_codes() {
        let codes = Codes::new((0..24).collect(), 3, 4, 24).unwrap();
        assert_eq!(Codes::from_tensor(codes.to_tensor(&Device::flex()), 24).unwrap(), codes);
    }
}
