//! One file of codes.
//!
//! All numbers are little endian: the magic, a version `u32` and a count `u32`; then for every signal its
//! class `u32` and its `L·D` codes `u16`.

use std::path::{Path, PathBuf};

use super::header::{CacheInputs, ShardEntry};
use crate::error::{Error, Result};
use crate::rvq::Codes;

const MAGIC: &[u8; 8] = b"RESGENRQ";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 16;

/// The signals of a shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Signals {
    pub classes: Vec<u32>,
    pub values: Vec<u16>, // [N, L, D]
}

/// The file of shard `index`.
pub(super) fn path(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("shard-{index:05}.codes"))
}

/// The content of a shard's file.
///
/// # Errors
/// [`Error::Mismatch`] where values and classes do not belong together or are too many.
pub(super) fn to_bytes(signals: &Signals, values: usize) -> Result<Vec<u8>> {
    let count = signals.classes.len();
    if signals.values.len() != count * values {
        return Err(Error::mismatch("codes of a shard", count * values, signals.values.len()));
    }
    let number = u32::try_from(count).map_err(|_| Error::mismatch("signals of a shard", u32::MAX, count))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + count * signal_bytes(values));
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(number.to_le_bytes());
    for (class, codes) in signals.classes.iter().zip(signals.values.chunks_exact(values)) {
        bytes.extend(class.to_le_bytes());
        codes.iter().for_each(|code| bytes.extend(code.to_le_bytes()));
    }
    Ok(bytes)
}

/// The shard's length in bytes according to the header; saturates where that is absurd.
pub(super) fn expected_bytes(inputs: &CacheInputs, entry: &ShardEntry) -> u64 {
    let signals = (entry.count as u64).saturating_mul(signal_bytes(inputs.values()) as u64);
    signals.saturating_add(HEADER_BYTES as u64)
}

/// Checks the file's length before anything of it is read into memory.
///
/// # Errors
/// [`Error::Io`], or [`Error::File`] for another length.
pub(super) fn check_length(path: &Path, inputs: &CacheInputs, entry: &ShardEntry) -> Result<()> {
    let found = std::fs::metadata(path).map_err(Error::io(path))?.len();
    let expected = expected_bytes(inputs, entry);
    if found != expected {
        let reason = format!("expected {expected} bytes ({} signals), found {found}", entry.count);
        return Err(Error::file(path, reason));
    }
    Ok(())
}

/// Reads shard `index` and checks everything the header says of it.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it.
pub(super) fn read(dir: &Path, index: usize, inputs: &CacheInputs, entry: &ShardEntry) -> Result<Signals> {
    let path = path(dir, index);
    check_length(&path, inputs, entry)?;
    let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
    let crc32 = crc32fast::hash(&bytes);
    if crc32 != entry.crc32 {
        let reason =
            format!("checksum: expected {:08x}, found {crc32:08x}; the file is damaged", entry.crc32);
        return Err(Error::file(&path, reason));
    }
    from_bytes(&bytes, inputs, entry).map_err(|reason| Error::file(&path, reason))
}

fn from_bytes(bytes: &[u8], inputs: &CacheInputs, entry: &ShardEntry) -> Result<Signals, String> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or("it is too short for a header")?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or("it is too short for a header")?;
    let (count, rest) = rest.split_first_chunk::<4>().ok_or("it is too short for a header")?;
    if magic != MAGIC || u32::from_le_bytes(*version) != VERSION {
        return Err(format!("not a shard of codes of version {VERSION}"));
    }
    let expected = (entry.count, entry.count.saturating_mul(signal_bytes(inputs.values())));
    let found = (u32::from_le_bytes(*count) as usize, rest.len());
    if found != expected {
        return Err(format!("(signals, bytes): expected {expected:?}, found {found:?}"));
    }
    let mut signals = Signals::default();
    signals.classes.reserve_exact(entry.count);
    signals.values.reserve_exact(entry.count * inputs.values());
    for signal in rest.chunks_exact(signal_bytes(inputs.values())) {
        let (class, codes) = signal.split_first_chunk::<4>().ok_or("a signal breaks off")?;
        signals.classes.push(u32::from_le_bytes(*class));
        signals.values.extend(codes.as_chunks::<2>().0.iter().map(|code| u16::from_le_bytes(*code)));
    }
    check_ranges(signals, inputs)
}

fn check_ranges(signals: Signals, inputs: &CacheInputs) -> Result<Signals, String> {
    let classes = inputs.class_count();
    if let Some(place) = signals.classes.iter().position(|&class| class as usize >= classes) {
        let class = signals.classes[place];
        return Err(format!("class of signal {place}: expected less than {classes}, found {class}"));
    }
    let codes = Codes::new(signals.values, inputs.positions, inputs.depth, inputs.vocabulary)
        .map_err(|error| error.to_string())?;
    Ok(Signals { classes: signals.classes, values: codes.into_values() })
}

fn signal_bytes(values: usize) -> usize {
    4 + 2 * values
}
