//! Pieces of speech for a network to learn from: what is said, or who says it.

use std::fmt::Debug;
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
use crate::features::SpeakerConfig;
use crate::features::speaker::spectrogram;
use crate::random::index_below;
use crate::signal::mel::{Listener, ListenerConfig, Mel, reflected};
use crate::signal::sound::Sound;

/// What pieces are of, and how they are cut.
pub trait Piece: Debug + Send + Sync {
    /// What is made of a recording, and kept.
    type Whole: Debug + Send + Sync;

    /// # Errors
    /// Where nothing can be made of it.
    fn whole(&self, recording: &Sound) -> Result<Self::Whole>;

    /// Numbers of it that are kept.
    fn len(whole: &Self::Whole) -> usize;

    /// Numbers of a piece.
    fn values(&self) -> usize;

    /// A piece that begins at a random place, or all of it and then silence.
    fn cut(&self, whole: &Self::Whole, rng: &mut ChaCha8Rng, values: &mut [f32]);
}

/// Spectrograms, as a network sees them.
#[derive(Debug)]
pub struct MelPiece {
    listener: Listener,
    frames: usize,
}

impl MelPiece {
    /// Of so many frames.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for spectrograms that cannot be made.
    pub fn new(config: ListenerConfig, frames: usize) -> Result<Self> {
        Ok(Self { listener: Listener::new(config)?, frames })
    }
}

impl Piece for MelPiece {
    type Whole = Mel;

    fn whole(&self, recording: &Sound) -> Result<Mel> {
        self.listener.mel(recording)
    }

    fn len(mel: &Mel) -> usize {
        mel.values.len()
    }

    /// `frames · bins`.
    fn values(&self) -> usize {
        self.frames * self.listener.config().mel.bins
    }

    fn cut(&self, mel: &Mel, rng: &mut ChaCha8Rng, values: &mut [f32]) {
        let (frames, bins) = (mel.frames(), mel.bins);
        let first = index_below(rng, frames.saturating_sub(self.frames) + 1);
        let end = frames.min(first + self.frames);
        let piece = self.listener.config().normalised(&mel.values[first * bins..end * bins]);
        values[..piece.len()].copy_from_slice(&piece);
        values[piece.len()..].fill(self.listener.config().of_silence());
    }
}

/// Spectrograms that a voice is told by: a short recording comes again and again, one in which no voice can be told is none.
#[derive(Debug)]
pub struct VoicePiece(MelPiece);

impl VoicePiece {
    /// For a speaker encoder.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for spectrograms that cannot be made.
    pub fn new(config: &SpeakerConfig) -> Result<Self> {
        Ok(Self(MelPiece::new(config.listener.clone(), config.segment)?))
    }
}

impl Piece for VoicePiece {
    type Whole = Mel;

    fn whole(&self, recording: &Sound) -> Result<Mel> {
        spectrogram(&self.0.listener, recording, self.0.frames)
    }

    fn len(mel: &Mel) -> usize {
        MelPiece::len(mel)
    }

    fn values(&self) -> usize {
        self.0.values()
    }

    fn cut(&self, mel: &Mel, rng: &mut ChaCha8Rng, values: &mut [f32]) {
        self.0.cut(mel, rng, values);
    }
}

/// Samples, with those around them that their spectrogram is made of, too.
#[derive(Debug)]
pub struct SoundPiece {
    listener: Listener,
    samples: usize,
    around: usize,
}

impl SoundPiece {
    /// Of so many samples, and so many on either side.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for a listener that cannot be.
    pub fn new(config: ListenerConfig, samples: usize, around: usize) -> Result<Self> {
        Ok(Self { listener: Listener::new(config)?, samples, around })
    }
}

impl Piece for SoundPiece {
    type Whole = Vec<f32>;

    fn whole(&self, recording: &Sound) -> Result<Vec<f32>> {
        Ok(reflected(self.listener.prepared(recording)?.samples(), self.around))
    }

    fn len(samples: &Vec<f32>) -> usize {
        samples.len()
    }

    /// `around + samples + around`.
    fn values(&self) -> usize {
        self.samples + 2 * self.around
    }

    fn cut(&self, samples: &Vec<f32>, rng: &mut ChaCha8Rng, values: &mut [f32]) {
        let first = index_below(rng, samples.len().saturating_sub(values.len()) + 1);
        let piece = &samples[first..samples.len().min(first + values.len())];
        values[..piece.len()].copy_from_slice(piece);
        values[piece.len()..].fill(0.0);
    }
}

/// Random pieces of a set's recordings; the class of each is its speaker's number.
#[derive(Debug)]
pub struct Segments<P: Piece> {
    set: Arc<SpeechSet>,
    piece: P,
    speakers: Vec<u32>, // the number of each recording's
    /// One place a recording, filled when it is first heard, as long as there is room.
    kept: Vec<OnceLock<P::Whole>>,
    room: AtomicU64,
    unreadable: Unreadable,
}

impl<P: Piece> Segments<P> {
    /// Pieces of `set`; what is made of recordings is kept in memory as far as `limit` allows.
    pub fn new(set: Arc<SpeechSet>, piece: P, limit: CacheLimit) -> Self {
        let kept = set.utterances().iter().map(|_| OnceLock::new()).collect();
        let names = set.speakers();
        let number = |name: &str| names.binary_search(&name).map_or(0, |number| number as u32);
        let speakers = set.utterances().iter().map(|utterance| number(&utterance.speaker)).collect();
        Self { set, piece, speakers, kept, room: AtomicU64::new(limit.0), unreadable: Unreadable::default() }
    }

    fn with_whole<R>(&self, item: usize, see: impl FnOnce(&P::Whole) -> R) -> Result<R> {
        if let Some(whole) = self.kept[item].get() {
            return Ok(see(whole));
        }
        let whole = self.piece.whole(&Sound::open(self.set.path_of(&self.set.utterances()[item]))?)?;
        let seen = see(&whole);
        let bytes = (P::len(&whole) * size_of::<f32>()) as u64;
        let take = |room: u64| room.checked_sub(bytes);
        if self.room.try_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            // Another thread may have been faster; it has kept the same.
            let _ = self.kept[item].set(whole);
        }
        Ok(seen)
    }
}

impl<P: Piece> Examples for Segments<P> {
    fn root(&self) -> &Path {
        self.set.root()
    }

    fn count(&self) -> usize {
        self.set.utterances().len()
    }

    fn values(&self) -> usize {
        self.piece.values()
    }

    fn class(&self, item: usize) -> u32 {
        self.speakers[item]
    }

    fn read(&self, item: usize, rng: &mut ChaCha8Rng, values: &mut [f32]) -> bool {
        if self.unreadable.contains(item) {
            return false;
        }
        match self.with_whole(item, |whole| self.piece.cut(whole, rng, values)) {
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
