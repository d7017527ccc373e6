//! Whether what was said is in the voice that was asked for: cosines between embeddings of speakers.
//!
//! - SIM-o: with the prompt as it was recorded;
//! - SIM-r: with the prompt as codes and vocoder leave it, so that their losses do not count (arXiv 2306.15687);
//! - own voice: the share of sentences that are nearer to their prompt than to a recording of somebody else.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::distribution::{Estimate, RunningMean};
use super::manifest::{Measured, Metric, SetKind, SetRecord};
use super::speakers::cosine;
use crate::digest;
use crate::error::{Error, Result};
use crate::features::SpeakerEncoder;
use crate::signal::sound::Sound;

/// The recordings that a sentence is compared with.
pub struct Reference {
    original: Vec<f32>,
    rebuilt: Option<Vec<f32>>,
    other: Option<Vec<f32>>,
    bytes: Vec<u8>, // of the original's samples
}

impl Reference {
    /// The prompt as it was recorded, and as codes and vocoder leave it.
    ///
    /// # Errors
    /// As [`SpeakerEncoder::embedding`] of the recording.
    pub fn new(encoder: &SpeakerEncoder, original: &Sound, rebuilt: &Sound) -> Result<Self> {
        Ok(Self {
            original: encoder.embedding(original)?,
            rebuilt: told(encoder, rebuilt)?,
            other: None,
            bytes: bytes_of(original),
        })
    }

    /// Puts a recording of somebody else beside it.
    ///
    /// # Errors
    /// As [`SpeakerEncoder::embedding`].
    pub fn put_beside(&mut self, encoder: &SpeakerEncoder, other: &Sound) -> Result<()> {
        self.other = Some(encoder.embedding(other)?);
        Ok(())
    }
}

/// The embedding of what was made; none where no voice can be told of it, being silent or too short.
fn told(encoder: &SpeakerEncoder, made: &Sound) -> Result<Option<Vec<f32>>> {
    match encoder.embedding(made) {
        Err(error @ Error::Device(_)) => Err(error),
        embedding => Ok(embedding.ok()),
    }
}

/// What sentences of one set gave so far.
#[derive(Default)]
pub struct Likeness {
    to_original: RunningMean,
    to_rebuilt: RunningMean,
    nearer: usize,
    compared: usize, // with somebody else
    count: usize,
    voiceless: usize,
    said: Sha256,
    prompts: Sha256,
}

impl Likeness {
    /// Takes a sentence. Where no voice can be told, of it or of what codes and vocoder leave, the cosine is 0 and not the larger one.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn add(&mut self, encoder: &SpeakerEncoder, said: &Sound, reference: &Reference) -> Result<()> {
        let embedding = told(encoder, said)?;
        let to = |other: &[f32]| embedding.as_ref().map_or(0.0, |said| cosine(said, other));
        self.to_original.add(to(&reference.original));
        self.to_rebuilt.add(reference.rebuilt.as_deref().map_or(0.0, to));
        if let Some(other) = &reference.other {
            self.compared += 1;
            self.nearer += usize::from(to(&reference.original) > to(other));
        }
        self.voiceless += usize::from(embedding.is_none());
        self.count += 1;
        self.said.update(bytes_of(said));
        self.prompts.update(&reference.bytes);
        Ok(())
    }

    /// Sentences in which no voice could be told.
    pub fn voiceless(&self) -> usize {
        self.voiceless
    }

    /// What was found.
    pub fn results(&self) -> Vec<Measured> {
        let means =
            [(Metric::SimilarityToPrompt, self.to_original), (Metric::SimilarityToRebuilt, self.to_rebuilt)];
        let mean = |(metric, mean): (Metric, RunningMean)| {
            mean.estimate().map(|estimate| Measured::whole(metric, estimate, self.count))
        };
        let share = (self.compared > 0).then(|| {
            let share = self.nearer as f64 / self.compared as f64;
            Measured::whole(Metric::OwnVoice, Estimate::share(share, self.compared), self.compared)
        });
        means.into_iter().filter_map(mean).chain(share).collect()
    }

    /// The sentences, and the prompts that they were compared with, wherever they lie.
    pub fn records(self, sentences: &Path, prompts: &Path) -> [SetRecord; 2] {
        let record = |path: &Path, hash| SetRecord {
            path: path.to_owned(),
            kind: SetKind::Recordings,
            count: self.count,
            size: None,
            fingerprint: digest::short(hash),
            made_by: None,
        };
        [record(sentences, self.said), record(prompts, self.prompts)]
    }
}

fn bytes_of(sound: &Sound) -> Vec<u8> {
    sound.samples().iter().flat_map(|sample| sample.to_le_bytes()).collect()
}
