//! Micro-batches of codes.

use burn::tensor::Device;

use super::learner::BatchSource;
use crate::condition::{Condition, Saying};
use crate::data::order::Order;
use crate::data::speech::SpeechCache;
use crate::error::{Error, Result};
use crate::rvq::Codes;

/// A micro-batch of codes.
pub struct TokenBatch {
    /// The codes.
    pub codes: Codes,
    /// The class of each signal.
    pub classes: Vec<usize>,
    /// What each signal says, for generators that speak; for others none.
    pub texts: Vec<Saying>,
    /// Index of the first signal within its batch; randomness is keyed by it.
    pub first: usize,
}

impl TokenBatch {
    /// Of recordings of one length, the first of which is the `first` of its batch.
    ///
    /// # Errors
    /// As [`SpeechCache::codes`].
    pub fn of_speech(cache: &SpeechCache, recordings: &[usize], first: usize) -> Result<Self> {
        Ok(Self {
            codes: cache.codes(recordings)?,
            classes: vec![0; recordings.len()],
            texts: recordings.iter().map(|&at| cache.spoken()[at].saying()).collect(),
            first,
        })
    }

    /// What the signals are.
    pub fn condition(&self, device: &Device) -> Condition {
        self.condition_without(&vec![false; self.classes.len()], 0, device)
    }

    /// The same, but those that `dropped` says are asked for nothing, `nothing` being the label of that.
    pub fn condition_without(&self, dropped: &[bool], nothing: usize, device: &Device) -> Condition {
        let kept = self.classes.iter().zip(dropped);
        let condition = Condition::of_classes(
            kept.map(|(&class, &is_dropped)| if is_dropped { nothing } else { class }),
            device,
        );
        if self.texts.is_empty() {
            return condition;
        }
        let positions = self.codes.positions();
        let kept = |(saying, &is_dropped): (&Saying, &bool)| match is_dropped {
            true => Saying::nothing(positions),
            false => saying.clone(),
        };
        condition.saying(self.texts.iter().zip(dropped).map(kept).collect(), positions)
    }
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
                    texts: Vec::new(),
                    first,
                })
            })
            .collect()
    }
}
