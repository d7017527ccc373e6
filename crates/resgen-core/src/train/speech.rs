//! Micro-batches of speech: codes of recordings of one length, and what is said in them.

use super::learner::BatchSource;
use super::run::RunConfig;
use super::tokens::TokenBatch;
use crate::data::order::Order;
use crate::data::speech::{SpeechCache, Spoken};
use crate::error::Result;
use crate::random::{Purpose, shuffle, stream};

/// The streams of [`Purpose::Shuffle`] are told apart by their step: this one orders the batches of an epoch; the first orders recordings.
const BATCHES: u64 = 2;

/// Endless batches of a cache; a function of the seed and the step. A batch has recordings of one length only, which are found in turn; a length with
/// fewer recordings than a batch has repeats them.
pub struct SpeechSource {
    cache: SpeechCache,
    lengths: Vec<Vec<usize>>, // recordings of each length
    seed: u64,
    batch: usize,
    micro_batches: usize,
    left_out: Vec<String>,
    epoch: Option<(u64, Vec<(usize, usize)>)>, // batches of the epoch last asked for: a length, and which of its batches
}

impl SpeechSource {
    /// Batches of `run.batch` recordings in equal parts, and of so many `pairs` of them for each recording ([`SpeechCache::add_pairs`]). Recordings of more
    /// than `longest` positions, or texts of more than `most` bytes, are left out.
    ///
    /// # Errors
    /// As [`SpeechCache::by_length`] and [`SpeechCache::add_pairs`].
    pub fn new(
        mut cache: SpeechCache,
        (longest, most): (usize, usize),
        pairs: f64,
        run: &RunConfig,
    ) -> Result<Self> {
        cache.add_pairs(pairs, (longest, most), run.seed)?;
        let (lengths, others) = cache.by_length(longest, most)?;
        let reason = |at: usize| {
            let Spoken { path, positions, text, .. } = &cache.spoken()[at];
            let (path, bytes) = (path.display(), text.len());
            format!(
                "{path}: {positions} positions and {bytes} bytes of text, of at most {longest} and {most}"
            )
        };
        let left_out = others.into_iter().map(reason).collect();
        let RunConfig { seed, batch, micro_batches, .. } = *run;
        Ok(Self { cache, lengths, seed, batch, micro_batches, left_out, epoch: None })
    }

    /// Batches of an epoch.
    fn epoch_len(&self) -> u64 {
        self.lengths.iter().map(|recordings| recordings.len().div_ceil(self.batch) as u64).sum()
    }

    /// The length and the number, over all epochs, of the batch of its recordings that `step` takes.
    fn place_of(&mut self, step: u64) -> (usize, u64) {
        let each = self.epoch_len();
        let epoch = step / each;
        if self.epoch.as_ref().is_none_or(|(known, _)| *known != epoch) {
            let batches = |length: usize| self.lengths[length].len().div_ceil(self.batch);
            let mut order: Vec<(usize, usize)> = (0..self.lengths.len())
                .flat_map(|length| (0..batches(length)).map(move |at| (length, at)))
                .collect();
            shuffle(&mut order, &mut stream(self.seed, Purpose::Shuffle, epoch, BATCHES));
            self.epoch = Some((epoch, order));
        }
        let (length, at) = self.epoch.as_ref().map_or((0, 0), |(_, order)| order[(step % each) as usize]);
        let batches = self.lengths[length].len().div_ceil(self.batch) as u64;
        (length, epoch * batches + at as u64)
    }
}

impl BatchSource for SpeechSource {
    type Batch = TokenBatch;

    fn batches(&mut self, step: u64) -> Result<Vec<TokenBatch>> {
        let (length, number) = self.place_of(step);
        let recordings = &self.lengths[length];
        // A stream of its own for each length: the seed of an order is all that tells two apart.
        let mut order = Order::new(self.seed ^ ((length as u64 + 1) << 32), recordings.len());
        let first = number * self.batch as u64;
        let picked: Vec<usize> =
            (first..first + self.batch as u64).map(|place| recordings[order.item_at(place)]).collect();
        let size = self.batch / self.micro_batches;
        picked
            .chunks(size)
            .take(self.micro_batches)
            .enumerate()
            .map(|(part, picked)| TokenBatch::of_speech(&self.cache, picked, part * size))
            .collect()
    }

    fn unreadable(&self) -> Vec<String> {
        self.left_out.clone()
    }
}
