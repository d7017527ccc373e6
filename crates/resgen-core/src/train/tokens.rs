//! Micro-batches of codes.

use super::learner::BatchSource;
use crate::data::order::Order;
use crate::error::{Error, Result};
use crate::rvq::Codes;

/// A micro-batch of codes.
pub struct TokenBatch {
    /// The codes.
    pub codes: Codes,
    /// The class of each signal.
    pub classes: Vec<usize>,
    /// Index of the first signal within its batch; randomness is keyed by it.
    pub first: usize,
}

/// Shuffled batches of a data set of codes; a function of the seed and the step.
pub struct TokenSource {
    codes: Codes,
    classes: Vec<usize>,
    order: Order,
    batch: usize,
    micro_batches: usize,
}

impl TokenSource {
    /// Batches of `batch` signals in `micro_batches` equal parts.
    ///
    /// # Errors
    /// [`Error::Mismatch`] unless there is one class per signal, and at least one signal.
    pub fn new(
        codes: Codes,
        classes: Vec<usize>,
        seed: u64,
        batch: usize,
        micro_batches: usize,
    ) -> Result<Self> {
        if classes.len() != codes.batch() || classes.is_empty() {
            return Err(Error::mismatch("classes of the codes", codes.batch().max(1), classes.len()));
        }
        Ok(Self { order: Order::new(seed, classes.len()), codes, classes, batch, micro_batches })
    }
}

impl BatchSource for TokenSource {
    type Batch = TokenBatch;

    fn batches(&mut self, step: u64) -> Result<Vec<TokenBatch>> {
        let size = self.batch / self.micro_batches;
        (0..self.micro_batches)
            .map(|part| {
                let first = part * size;
                let start = step * self.batch as u64 + first as u64;
                let picks: Vec<usize> =
                    (start..start + size as u64).map(|place| self.order.item_at(place)).collect();
                let values = picks.iter().flat_map(|&pick| self.codes.signal(pick)).copied().collect();
                let codes =
                    Codes::new(values, self.codes.positions(), self.codes.depth(), self.codes.vocabulary())?;
                Ok(TokenBatch {
                    codes,
                    classes: picks.iter().map(|&pick| self.classes[pick]).collect(),
                    first,
                })
            })
            .collect()
    }
}
