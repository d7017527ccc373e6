//! What a cache says about itself, in two small JSON files that carry their own checksum.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sealed;
use crate::signal::resize::{Crop, Flip};

/// The version of the format that this program writes and reads.
pub(super) const VERSION: u32 = 1;

/// Everything the content of a cache depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheInputs {
    /// A hash of the names, classes and lengths of the picture files.
    pub pictures: String,
    /// Names of the classes by index; none where pictures have no classes.
    pub classes: Vec<String>,
    /// The fingerprint of the tokenizer's weights (see [`crate::nn::parameters::fingerprint`]).
    pub tokenizer: String,
    /// Side of the square pictures, in pixels.
    pub resolution: usize,
    /// Which square of a picture was taken.
    pub crop: Crop,
    /// [`Flip::Half`] where every picture is stored twice: as it is, then mirrored.
    pub flip: Flip,
    /// Pictures encoded together. It is here because the last bit of a latent may depend on it.
    pub batch_size: usize,
    /// Pictures of a shard, readable or not.
    pub shard_size: usize,
    /// Positions per signal, L.
    pub positions: usize,
    /// Quantizer depth D.
    pub depth: usize,
    /// Codebook size V.
    pub vocabulary: usize,
}

/// One shard of a cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Signals in it.
    pub count: usize,
    /// CRC-32 of the whole file.
    pub crc32: u32,
}

/// A picture that could not be read and is not in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreadable {
    /// The file, relative to the folder of pictures.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What `cache.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheHeader {
    /// What the codes were made of.
    pub inputs: CacheInputs,
    /// Number of signals.
    pub signals: usize,
    /// The shards in order.
    pub shards: Vec<ShardEntry>,
    /// The pictures that are missing.
    pub unreadable: Vec<Unreadable>,
}

/// What `building.json` says: the inputs, and what has been done so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unfinished {
    pub inputs: CacheInputs,
    pub shards: Vec<UnfinishedShard>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnfinishedShard {
    pub entry: ShardEntry,
    pub unreadable: Vec<Unreadable>,
}

impl CacheInputs {
    /// Number of values of one signal, `L·D`.
    pub(super) fn values(&self) -> usize {
        self.positions * self.depth
    }

    /// Number of distinct classes: 1 where pictures have none.
    pub(super) fn class_count(&self) -> usize {
        self.classes.len().max(1)
    }

    /// # Errors
    /// [`Error::Mismatch`] names the first field in which `found`, described by `what`, differs.
    pub(super) fn expect_equal(&self, what: &str, found: &Self) -> Result<()> {
        let fields = |inputs: &Self| serde_json::to_value(inputs).unwrap_or_default();
        let (expected, found) = (fields(self), fields(found));
        let names = expected.as_object().into_iter().flat_map(|object| object.keys());
        for name in names {
            if expected[name] != found[name] {
                return Err(Error::mismatch(format!("{what}: {name}"), &expected[name], &found[name]));
            }
        }
        Ok(())
    }

    /// Bounds within which nothing computed from the sizes overflows.
    fn validate(&self) -> Result<(), String> {
        let within = |name: &str, value: usize, low: usize, high: usize| match (low..=high).contains(&value) {
            true => Ok(()),
            false => Err(format!("`{name}`: expected {low} to {high}, found {value}")),
        };
        within("resolution", self.resolution, 1, 1 << 16)?;
        within("positions", self.positions, 1, 1 << 24)?;
        within("depth", self.depth, 1, 256)?;
        within("vocabulary", self.vocabulary, 1, usize::from(u16::MAX))
    }
}

impl CacheHeader {
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name `cache.json` and what is wrong with it.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self> {
        let path = header_path(dir.as_ref());
        let header: Self = sealed::read(&path, VERSION)?;
        header.validate().map_err(|reason| Error::file(&path, reason))?;
        Ok(header)
    }

    fn validate(&self) -> Result<(), String> {
        self.inputs.validate()?;
        let counts = self.shards.iter().map(|shard| shard.count);
        let sum = counts.fold(0usize, usize::saturating_add);
        match self.signals {
            0 => Err("it holds no signals".into()),
            signals if signals != sum => {
                Err(format!("`signals`: expected {sum} (all shards), found {signals}"))
            }
            _ => Ok(()),
        }
    }
}

/// Where the header of a cache is.
pub(super) fn header_path(dir: &Path) -> PathBuf {
    dir.join("cache.json")
}

/// Where an unfinished cache keeps how far it is.
pub(super) fn unfinished_path(dir: &Path) -> PathBuf {
    dir.join("building.json")
}
