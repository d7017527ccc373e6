//! The codes of recordings, with what is said in them: made once, learned from often.
//!
//! A folder of parts of up to 1,000 recordings each, in the order of the set. Making goes on where it was stopped: a part is there whole or not at all,
//! and says of which recordings and which tokenizer it is.

mod pairs;
mod part;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::part::{Part, PartHeader, expect, name_of, read};
use super::SpeechSet;
use crate::condition::Saying;
use crate::data::Problem;
use crate::digest;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::rvq::Codes;
use crate::signal::mel::Listener;
use crate::tokenizer::SpeechTokenizer;

/// Recordings of a part.
const PART: usize = 1000;
/// Recordings are followed by silence up to a multiple of so many positions, so that many have the same length.
pub const STRIDE: usize = 8;
/// Recordings that are encoded at once.
const AT_ONCE: usize = 32;

/// One recording of a cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spoken {
    /// The sound file, as in the set.
    pub path: PathBuf,
    /// What is said, numbers and abbreviations in words.
    pub text: String,
    /// Who says it.
    pub speaker: String,
    /// Positions with codes, silence at the end included.
    pub positions: usize,
    /// Positions before that silence.
    pub spoken: usize,
}

impl Spoken {
    /// What is said, and in how many positions.
    pub fn saying(&self) -> Saying {
        Saying::new(&*self.text, self.spoken)
    }
}

/// The codes of recordings.
#[derive(Debug)]
pub struct SpeechCache {
    spoken: Vec<Spoken>,
    places: Vec<[Range<usize>; 2]>, // where a recording's codes are: in two places those of a pair
    codes: Vec<u16>,
    depth: usize,
    vocabulary: usize,
    tokenizer: String,
    problems: Vec<Problem>,
}

impl SpeechCache {
    /// Encodes the recordings of a set into the folder `out`, or those of them that are not there yet; `tokenizer` has the given `fingerprint`.
    ///
    /// # Errors
    /// [`Error::Io`] where a part cannot be written; [`Error::File`] where a part is of other recordings or another tokenizer, or no recording could be
    /// read.
    pub fn make(
        tokenizer: &SpeechTokenizer,
        fingerprint: &str,
        set: &SpeechSet,
        out: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        std::fs::create_dir_all(out).map_err(Error::io(out))?;
        let listener = Listener::new(tokenizer.config().listener())?;
        let count = set.utterances().len();
        let parts = count.div_ceil(PART);
        let mut is_first = true;
        for (index, utterances) in set.utterances().chunks(PART).enumerate() {
            let path = out.join(name_of(index));
            if path.exists() {
                expect(&path, &read(&path)?.0, fingerprint, utterances, parts)?;
                continue;
            }
            if std::mem::take(&mut is_first) {
                progress.begin("encoding recordings", (index * PART) as u64, count as u64);
            }
            let mut made = Part::of(tokenizer, fingerprint, utterances, parts);
            for few in utterances.chunks(AT_ONCE) {
                made.add(tokenizer, &listener, set, few)?;
                progress.step((index * PART + made.tried()) as u64, "");
            }
            made.save(&path)?;
        }
        progress.end();
        Self::open(out)
    }

    /// Reads a cache.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] where it cannot be read, is damaged, not whole or empty.
    pub fn open(folder: &Path) -> Result<Self> {
        let (first, codes) = read(&folder.join(name_of(0)))?;
        let mut cache = Self {
            spoken: Vec::new(),
            places: Vec::new(),
            codes: Vec::new(),
            depth: first.depth,
            vocabulary: first.vocabulary,
            tokenizer: first.tokenizer.clone(),
            problems: Vec::new(),
        };
        let parts = first.parts;
        cache.add(first, codes);
        for index in 1..parts {
            let path = folder.join(name_of(index));
            if !path.exists() {
                let reason = format!(
                    "part {} of {parts} is not there: `resgen tokenize` goes on where it stopped",
                    index + 1
                );
                return Err(Error::file(folder, reason));
            }
            let (header, codes) = read(&path)?;
            let expected = (parts, cache.depth, cache.vocabulary, &cache.tokenizer);
            if expected != (header.parts, header.depth, header.vocabulary, &header.tokenizer) {
                return Err(Error::file(&path, "it is of another cache than the first part"));
            }
            cache.add(header, codes);
        }
        if cache.spoken.is_empty() {
            let first = cache
                .problems
                .first()
                .map(|problem| format!(" ({}: {})", problem.path.display(), problem.reason));
            return Err(Error::file(
                folder,
                format!("none of its recordings could be read{}", first.unwrap_or_default()),
            ));
        }
        Ok(cache)
    }

    /// Adds the recordings of a part.
    fn add(&mut self, header: PartHeader, codes: Vec<u16>) {
        let mut start = self.codes.len();
        for spoken in &header.spoken {
            let end = start + spoken.positions * self.depth;
            self.places.push([start..end, end..end]);
            start = end;
        }
        self.codes.extend(codes);
        self.spoken.extend(header.spoken);
        self.problems.extend(header.problems);
    }

    /// Whether a folder holds such a cache.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(name_of(0)).is_file()
    }

    /// Codes of a position, and of a depth: D and V.
    pub fn sizes(&self) -> [usize; 2] {
        [self.depth, self.vocabulary]
    }

    /// The recordings, in the order of the set.
    pub fn spoken(&self) -> &[Spoken] {
        &self.spoken
    }

    /// The recordings of each length, of those of at most `longest` positions and `most` bytes of text; and the others.
    ///
    /// # Errors
    /// [`Error::Argument`] where all are others.
    pub fn by_length(&self, longest: usize, most: usize) -> Result<(Vec<Vec<usize>>, Vec<usize>)> {
        let (mut lengths, mut others) = (BTreeMap::<usize, Vec<usize>>::new(), Vec::new());
        for (at, spoken) in self.spoken.iter().enumerate() {
            match spoken.positions <= longest && spoken.text.len() <= most {
                true => lengths.entry(spoken.positions).or_default().push(at),
                false => others.push(at),
            }
        }
        match lengths.is_empty() {
            true => {
                let reason = format!("none has at most {longest} positions and {most} bytes of text");
                Err(Error::argument("recordings", reason))
            }
            false => Ok((lengths.into_values().collect(), others)),
        }
    }

    /// The codes of some recordings, all of as many positions.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where they have not as many positions.
    pub fn codes(&self, recordings: &[usize]) -> Result<Codes> {
        let positions = recordings.first().map_or(1, |&first| self.spoken[first].positions);
        if let Some(other) =
            recordings.iter().map(|&at| self.spoken[at].positions).find(|found| *found != positions)
        {
            return Err(Error::mismatch("positions of a recording", positions, other));
        }
        Codes::new(self.values(recordings), positions, self.depth, self.vocabulary)
    }

    /// The codes of all positions of some recordings, each position a signal of its own.
    ///
    /// # Errors
    /// None for a cache that has been opened.
    pub fn positions(&self, recordings: &[usize]) -> Result<Codes> {
        Codes::new(self.values(recordings), 1, self.depth, self.vocabulary)
    }

    fn values(&self, recordings: &[usize]) -> Vec<u16> {
        let places = recordings.iter().flat_map(|&at| self.places[at].clone());
        places.flat_map(|place| &self.codes[place]).copied().collect()
    }

    /// A hash of the codes, of the texts and of what made them.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.tokenizer);
        let line = |spoken: &Spoken| format!("{}\t{}\n", spoken.spoken, spoken.text);
        self.spoken.iter().for_each(|spoken| hash.update(line(spoken)));
        self.codes.iter().for_each(|code| hash.update(code.to_le_bytes()));
        digest::short(hash)
    }

    /// The fingerprint of the tokenizer that made them.
    pub fn tokenizer(&self) -> &str {
        &self.tokenizer
    }

    /// Recordings that could not be encoded.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(folder: &Path, index: usize, parts: usize) {
        let spoken = Spoken {
            path: format!("{index}.wav").into(),
            text: "hello".into(),
            speaker: String::new(),
            positions: index + 1,
            spoken: 1,
        };
        let header = PartHeader {
            parts,
            tokenizer: "one".into(),
            depth: 2,
            vocabulary: 8,
            recordings: String::new(),
            spoken: vec![spoken],
            problems: Vec::new(),
        };
        let codes = (0..2 * (index as u16 + 1)).collect();
        Part { header, codes }.save(&folder.join(name_of(index))).unwrap();
    }

    #[test]
    fn a_cache_is_read_as_it_was_made_and_only_whole() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), 0, 2);
        let refused = SpeechCache::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("part 2 of 2"), "{refused}");
        save(folder.path(), 1, 2);
        let cache = SpeechCache::open(folder.path()).unwrap();
        assert_eq!(cache.codes(&[1]).unwrap().values(), [0, 1, 2, 3]);
        assert_eq!(cache.positions(&[1, 0]).unwrap().values(), [0, 1, 2, 3, 0, 1]);
        assert!(cache.codes(&[0, 1]).is_err());
        save(folder.path(), 1, 3);
        assert!(SpeechCache::open(folder.path()).unwrap_err().to_string().contains("another cache"));
    }
}
