//! What a cache says about itself, in two small JSON files that carry their own checksum.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::atomic::write_atomically;
use crate::error::{Error, Result};
use crate::signal::resize::{Crop, Flip};

/// The version of the format that this program writes and reads.
const VERSION: u32 = 1;

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
        let header: Self = read_sealed(&path)?;
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

/// A JSON file's content beside its version and checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<T> {
    version: u32,
    /// Of the content written without spaces.
    crc32: u32,
    content: T,
}

/// Writes `content` so that [`read_sealed`] notices any change of it.
pub(super) fn write_sealed<T: Serialize>(path: &Path, content: &T) -> Result<()> {
    let crc32 = checksum(path, content)?;
    let mut text = serde_json::to_vec_pretty(&Sealed { version: VERSION, crc32, content })
        .map_err(|error| Error::file(path, error))?;
    text.push(b'\n');
    write_atomically(path, |writer| writer.write_all(&text))
}

/// # Errors
/// [`Error::Io`] and [`Error::File`] name the path.
pub(super) fn read_sealed<T: Serialize + DeserializeOwned>(path: &Path) -> Result<T> {
    /// Read first: the rest of another version's file need not make sense.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let text = std::fs::read(path).map_err(Error::io(path))?;
    let broken = |error: serde_json::Error| Error::file(path, format!("it does not read: {error}"));
    let Version { version } = serde_json::from_slice(&text).map_err(broken)?;
    if version != VERSION {
        let reason = format!("`version`: expected {VERSION}, found {version}; build the cache again");
        return Err(Error::file(path, reason));
    }
    let sealed: Sealed<T> = serde_json::from_slice(&text).map_err(broken)?;
    let expected = checksum(path, &sealed.content)?;
    if sealed.crc32 != expected {
        let reason = format!(
            "its content does not match its checksum (expected {expected}, found {}): it was damaged or edited",
            sealed.crc32
        );
        return Err(Error::file(path, reason));
    }
    Ok(sealed.content)
}

fn checksum<T: Serialize>(path: &Path, content: &T) -> Result<u32> {
    let text = serde_json::to_vec(content).map_err(|error| Error::file(path, error))?;
    Ok(crc32fast::hash(&text))
}
