//! Pieces of speech for a tokenizer to learn from.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rand_chacha::ChaCha8Rng;

use super::SpeechSet;
use crate::data::Problem;
use crate::data::loader::Examples;
use crate::data::source::CacheLimit;
use crate::data::unreadable::Unreadable;
use crate::error::Result;
use crate::random::index_below;
use crate::signal::mel::Mel;
use crate::signal::sound::Sound;
use crate::tokenizer::SpeechTokenizerConfig;
use crate::tokenizer::speech::Listener;

/// Random pieces of a set's spectrograms, as a tokenizer's network sees them; short recordings are followed by silence.
#[derive(Debug)]
pub struct Segments {
    set: Arc<SpeechSet>,
    config: SpeechTokenizerConfig,
    listener: Listener,
    /// One place a recording, filled when it is first heard, as long as there is room.
    kept: Vec<OnceLock<Mel>>,
    room: AtomicU64,
    unreadable: Unreadable,
}

impl Segments {
    /// Pieces of `set` for a tokenizer; spectrograms are kept in memory as far as `limit` allows.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for spectrograms that cannot be made.
    pub fn new(set: Arc<SpeechSet>, config: SpeechTokenizerConfig, limit: CacheLimit) -> Result<Self> {
        let kept = set.utterances().iter().map(|_| OnceLock::new()).collect();
        let listener = Listener::new(&config)?;
        let room = AtomicU64::new(limit.0);
        Ok(Self { set, config, listener, kept, room, unreadable: Unreadable::default() })
    }

    fn with_mel<R>(&self, item: usize, see: impl FnOnce(&Mel) -> R) -> Result<R> {
        if let Some(mel) = self.kept[item].get() {
            return Ok(see(mel));
        }
        let mel = self.listener.mel(&Sound::open(self.set.path_of(&self.set.utterances()[item]))?)?;
        let seen = see(&mel);
        let bytes = (mel.values.len() * size_of::<f32>()) as u64;
        let take = |room: u64| room.checked_sub(bytes);
        if self.room.try_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            // Another thread may have been faster; it has kept the same.
            let _ = self.kept[item].set(mel);
        }
        Ok(seen)
    }

    /// A piece that begins at a random frame, or all of it.
    fn cut(&self, mel: &Mel, rng: &mut ChaCha8Rng, values: &mut [f32]) {
        let (frames, segment, bins) = (mel.frames(), self.config.segment, mel.bins);
        let first = index_below(rng, frames.saturating_sub(segment) + 1);
        let end = frames.min(first + segment);
        let piece = self.config.normalised(&mel.values[first * bins..end * bins]);
        values[..piece.len()].copy_from_slice(&piece);
        values[piece.len()..].fill(self.config.of_silence());
    }
}

impl Examples for Segments {
    fn root(&self) -> &Path {
        self.set.root()
    }

    fn count(&self) -> usize {
        self.set.utterances().len()
    }

    /// `segment * bins`.
    fn values(&self) -> usize {
        self.config.segment * self.config.mel.bins
    }

    fn class(&self, _item: usize) -> u32 {
        0
    }

    fn read(&self, item: usize, rng: &mut ChaCha8Rng, values: &mut [f32]) -> bool {
        if self.unreadable.contains(item) {
            return false;
        }
        match self.with_mel(item, |mel| self.cut(mel, rng, values)) {
            Ok(()) => true,
            Err(error) => {
                self.unreadable.insert(item, error);
                false
            }
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let problem = |(item, reason): (usize, String)| Problem {
            path: self.set.utterances()[item].path.clone(),
            reason,
        };
        self.unreadable.all().into_iter().map(problem).collect()
    }
}
