//! Recordings with what is said in them, and by whom.

mod cache;
mod inspect;
mod layouts;
mod manifest;
mod segments;

pub use cache::{STRIDE, SpeechCache, Spoken};
pub use inspect::{Doubtful, SpeakerCount, SpeechInspection, inspect};
pub use manifest::ManifestForm;
pub use segments::{MelPiece, Piece, Segments, SoundPiece, VoicePiece};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Problem;
use crate::error::{Error, Result};
use crate::text::{has_words, spelled_out};

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utterance {
    /// The sound file; in a set, relative to its folder where it lies within.
    pub path: PathBuf,
    /// What is said.
    pub text: String,
    /// Who says it.
    pub speaker: String,
}

/// Recordings, in an order that depends on their names only.
#[derive(Clone, Debug)]
pub struct SpeechSet {
    root: PathBuf,
    utterances: Vec<Utterance>,
    problems: Vec<Problem>,
}

impl SpeechSet {
    /// Lists the recordings of `path`. No sound is opened. It is
    /// - a manifest: `.csv` with the columns `path`, `text` and `speaker` (the last may be missing), `.tsv` the same with tabs, or
    ///   `.jsonl` with an object of these a line; paths are relative to its folder;
    /// - a folder with one `manifest.csv`, `manifest.tsv` or `manifest.jsonl`;
    /// - LJSpeech: a folder with `metadata.csv` and `wavs/`;
    /// - LibriSpeech: folders of speakers and chapters with `….trans.txt`;
    /// - LibriTTS: folders of speakers and chapters with `….normalized.txt` beside each sound.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::File`] where it is none of these, a line cannot be understood, or no recording is left.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut set = match std::fs::metadata(path).map_err(Error::io(path))?.is_dir() {
            true => layouts::folder(path)?,
            false => manifest::read(path)?,
        };
        set.utterances.sort();
        set.leave_out();
        match set.utterances.is_empty() {
            true => {
                let first = set.problems.first();
                let example =
                    first.map(|problem| format!(" ({}: {})", problem.path.display(), problem.reason));
                Err(Error::file(path, format!("no recordings in it{}", example.unwrap_or_default())))
            }
            false => Ok(set),
        }
    }

    /// Whether a path looks like recordings, and not like pictures: a list, or a folder with a list of recordings in it.
    pub fn is_at(path: &Path) -> bool {
        path.is_file() && ManifestForm::of(path).is_ok() || layouts::is_speech(path)
    }

    /// The folder that paths are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The recordings, by path. Never none.
    pub fn utterances(&self) -> &[Utterance] {
        &self.utterances
    }

    /// What was found that cannot be used: sounds without a text, texts without a sound, the same sound twice.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The names of the speakers, in order.
    pub fn speakers(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self.utterances.iter().map(|utterance| &*utterance.speaker).collect();
        names.into_iter().collect()
    }

    /// Makes sure that of every recording it is said who speaks.
    ///
    /// # Errors
    /// [`Error::File`] names the first of which it is not, and how many there are.
    pub fn expect_speakers(&self) -> Result<()> {
        let nameless = || self.utterances.iter().filter(|utterance| utterance.speaker.is_empty());
        match nameless().next() {
            None => Ok(()),
            Some(first) => {
                let (count, all) = (nameless().count(), self.utterances.len());
                let reason =
                    format!("it is not said who speaks in it, nor in {} more of {all} recordings", count - 1);
                Err(Error::file(self.path_of(first), reason))
            }
        }
    }

    /// The whole path of a recording.
    pub fn path_of(&self, utterance: &Utterance) -> PathBuf {
        self.root.join(&utterance.path)
    }

    /// Leaves out what cannot be used, as far as that can be told without opening sounds. They are sorted.
    fn leave_out(&mut self) {
        let mut kept: Vec<Utterance> = Vec::with_capacity(self.utterances.len());
        for utterance in std::mem::take(&mut self.utterances) {
            let reason = if utterance.text.trim().is_empty() {
                Some("it has no text")
            } else if !has_words(&utterance.text) && !has_words(&spelled_out(&utterance.text)) {
                Some("nothing is said in its text")
            } else if kept.last().is_some_and(|last| last.path == utterance.path) {
                Some("it is listed twice")
            } else if !self.root.join(&utterance.path).is_file() {
                Some("there is no such sound file")
            } else {
                None
            };
            match reason {
                Some(reason) => {
                    self.problems.push(Problem { path: utterance.path, reason: reason.to_owned() })
                }
                None => kept.push(utterance),
            }
        }
        self.utterances = kept;
        self.problems.sort();
    }
}

#[cfg(test)]
mod tests;
