//! A finished cache in memory.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::header::CacheHeader;
use super::shard;
use crate::digest;
use crate::error::{Error, Result};
use crate::rvq::Codes;
use crate::tokenizer::{ImageTokenizerConfig, TokenizerConfig};

/// The codes and classes of a whole dataset.
///
/// Signals are in the order of the picture folder, without the unreadable pictures. With
/// [`crate::signal::resize::Flip::Half`] signal 2i is picture i as it is, and 2i + 1 its mirror picture.
#[derive(Clone, Debug)]
pub struct TokenCache {
    dir: PathBuf,
    header: CacheHeader,
    classes: Vec<u32>, // [N]
    codes: Codes,      // of N signals
}

impl TokenCache {
    /// Reads the whole cache and checks every byte of it.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let header = CacheHeader::read(dir)?;
        let inputs = &header.inputs;
        for (index, entry) in header.shards.iter().enumerate() {
            shard::check_length(&shard::path(dir, index), inputs, entry)?;
        }
        // All the files have the lengths they should have, so this is no more than lies on the disk.
        let mut classes = Vec::with_capacity(header.signals);
        let mut values = Vec::with_capacity(header.signals * inputs.values());
        for (index, entry) in header.shards.iter().enumerate() {
            let signals = shard::read(dir, index, inputs, entry)?;
            classes.extend(signals.classes);
            values.extend(signals.values);
        }
        let codes = Codes::new(values, inputs.positions, inputs.depth, inputs.vocabulary)?;
        Ok(Self { dir: dir.to_owned(), header, classes, codes })
    }

    /// Checks that these are codes of one certain tokenizer.
    ///
    /// # Errors
    /// [`Error::Mismatch`] names the first thing that does not fit.
    pub fn expect_tokenizer(&self, fingerprint: &str, config: &ImageTokenizerConfig) -> Result<()> {
        let inputs = &self.header.inputs;
        let sizes = [
            ("resolution", config.resolution, inputs.resolution),
            ("positions", config.positions(), inputs.positions),
            ("depth", config.depth, inputs.depth),
            ("vocabulary", config.vocabulary, inputs.vocabulary),
        ];
        let what = |field: &str| format!("token cache {}: {field} of its tokenizer", self.dir.display());
        for (field, expected, found) in sizes {
            if expected != found {
                return Err(Error::mismatch(what(field), expected, found));
            }
        }
        if fingerprint != inputs.tokenizer {
            return Err(Error::mismatch(what("fingerprint"), fingerprint, &inputs.tokenizer));
        }
        Ok(())
    }

    /// What the codes were made of, and which pictures are missing.
    pub fn header(&self) -> &CacheHeader {
        &self.header
    }

    /// A hash of what the codes were made of and of the codes.
    pub fn fingerprint(&self) -> String {
        let CacheHeader { inputs, shards, .. } = &self.header;
        let mut hash = Sha256::new();
        hash.update(&inputs.pictures);
        hash.update(&inputs.tokenizer);
        shards.iter().for_each(|shard| hash.update(shard.crc32.to_le_bytes()));
        digest::short(hash)
    }

    /// Number of signals. Never 0.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Always false: a cache without signals does not open.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Names of the classes by index; none where pictures have no classes (all are then of class 0).
    pub fn classes(&self) -> &[String] {
        &self.header.inputs.classes
    }

    /// Number of signals of every class; a single number where there are no classes.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.header.inputs.class_count()];
        for &class in &self.classes {
            counts[class as usize] += 1;
        }
        counts
    }

    /// The class of signal `signal`.
    ///
    /// # Errors
    /// [`Error::Argument`] where there is no such signal.
    pub fn class_of(&self, signal: usize) -> Result<u32> {
        self.classes.get(signal).copied().ok_or_else(|| self.no_signal(signal))
    }

    /// The codes of some signals, in the order asked for.
    ///
    /// # Errors
    /// [`Error::Argument`] where there is no such signal.
    pub fn codes(&self, signals: &[usize]) -> Result<Codes> {
        let inputs = &self.header.inputs;
        let mut values = Vec::with_capacity(signals.len() * inputs.values());
        for &signal in signals {
            if signal >= self.len() {
                return Err(self.no_signal(signal));
            }
            values.extend(self.codes.signal(signal));
        }
        Codes::new(values, inputs.positions, inputs.depth, inputs.vocabulary)
    }

    fn no_signal(&self, signal: usize) -> Error {
        Error::argument("signal", format!("expected less than {}, found {signal}", self.len()))
    }
}
