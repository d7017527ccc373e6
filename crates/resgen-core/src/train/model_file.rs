//! A trained model in one safetensors file: weights, and a header with everything needed to use them.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::TensorData;
use half::bf16;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::{Deserialize, Serialize};

use crate::atomic::write_atomically;
use crate::error::{Error, Result};
use crate::nn::parameters::NamedTensors;
use crate::nn::pretrained::floats;

/// The metadata key that holds the header: a line with a CRC-32 of the header and every tensor, since damage must
/// not look like a model, then the header as JSON. One key, because the format does not keep the order of several.
const HEADER_KEY: &str = "resgen";

/// How weights are stored. Either is read as f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Four bytes a weight.
    F32,
    /// Two bytes a weight, rounded to nearest.
    Bf16,
}

impl Storage {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::BF16,
        }
    }

    /// Bytes a weight.
    fn width(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    fn encode(self, data: &TensorData) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(data.num_elements() * self.width());
        match self {
            Self::F32 => data.iter::<f32>().for_each(|value| bytes.extend(value.to_le_bytes())),
            Self::Bf16 => {
                data.iter::<f32>().for_each(|value| bytes.extend(bf16::from_f32(value).to_le_bytes()))
            }
        }
        bytes
    }
}

/// A header of kind `H` and the tensors it describes.
#[derive(Clone, Debug)]
pub struct ModelFile<H> {
    /// What the file holds and how to use it.
    pub header: H,
    /// The weights.
    pub tensors: NamedTensors,
}

impl<H: Serialize + for<'de> Deserialize<'de>> ModelFile<H> {
    /// Writes the file atomically.
    ///
    /// # Errors
    /// [`Error::Io`] names the path.
    pub fn save(&self, path: impl AsRef<Path>, storage: Storage) -> Result<()> {
        let path = path.as_ref();
        let header = serde_json::to_string(&self.header).map_err(|error| Error::file(path, error))?;
        write(path, &self.tensors, Some(&header), storage).map(|_| ())
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name the path and what is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        Self::from_bytes(&bytes).map_err(|reason| Error::file(path, reason))
    }

    /// Reads a file's content, embedded in a program for example.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (tensors, header) = from_bytes(bytes)?;
        let header = header.ok_or("a safetensors file, but not one of resgen: it has no header")?;
        let header =
            serde_json::from_str(&header).map_err(|error| format!("its header does not read: {error}"))?;
        Ok(Self { header, tensors })
    }
}

/// Whether these are the bytes of a model file of resgen, damaged perhaps, and not of one that others wrote.
pub fn claims_to_be_one(bytes: &[u8]) -> bool {
    let Some(length) = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length)) else {
        return false;
    };
    let end = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(8);
    let header = &bytes[8..bytes.len().min(end)];
    let key = format!("\"{HEADER_KEY}\"");
    header.windows(key.len()).any(|window| window == key.as_bytes())
}

/// Writes tensors, and a header beside them, in the safetensors format, atomically. Returns a CRC-32 of the file.
/// Holds one encoded tensor at a time: the state of a large network need not fit twice.
///
/// # Errors
/// [`Error::File`] names a tensor that is not finite, [`Error::Io`] the path.
pub fn write(path: &Path, tensors: &NamedTensors, header: Option<&str>, storage: Storage) -> Result<u32> {
    for (name, data) in tensors {
        expect_finite(name, data.iter::<f32>()).map_err(|reason| Error::file(path, reason))?;
    }
    let mut end = 0;
    let infos = tensors.iter().map(|(name, data)| {
        let start = end;
        end += data.num_elements() * storage.width();
        let info =
            TensorInfo { dtype: storage.dtype(), shape: data.shape().to_vec(), data_offsets: (start, end) };
        (name.clone(), info)
    });
    let infos = infos.collect();
    let sealed = header.map(|header| {
        let contents =
            tensors.iter().map(|(name, data)| (name.as_str(), data.shape().as_slice(), storage.encode(data)));
        HashMap::from([(HEADER_KEY.to_owned(), format!("{}\n{header}", checksum(header, contents)))])
    });
    let metadata = Metadata::new(sealed, infos).map_err(|error| Error::file(path, error))?;
    let mut preface = serde_json::to_vec(&metadata).map_err(|error| Error::file(path, error))?;
    preface.resize(preface.len().next_multiple_of(8), b' ');

    let mut hasher = crc32fast::Hasher::new();
    write_atomically(path, |writer| {
        let mut put = |bytes: &[u8]| {
            hasher.update(bytes);
            writer.write_all(bytes)
        };
        put(&(preface.len() as u64).to_le_bytes())?;
        put(&preface)?;
        tensors.values().try_for_each(|data| put(&storage.encode(data)))
    })?;
    Ok(hasher.finalize())
}

/// Reads what [`write()`] wrote; every float type is read as f32.
///
/// # Errors
/// What is wrong with the bytes, in words.
pub fn from_bytes(bytes: &[u8]) -> Result<(NamedTensors, Option<String>), String> {
    let not_safetensors = |error| format!("not a whole safetensors file: {error}");
    let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
    let file = safetensors::SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
    let mut tensors = NamedTensors::new();
    for (name, view) in file.tensors() {
        let values = floats(&view)
            .ok_or_else(|| format!("tensor `{name}` has type {:?}; expected a float type", view.dtype()))?;
        expect_finite(&name, values.iter().copied())?;
        tensors.insert(name, TensorData::new(values, view.shape().to_vec()));
    }
    let sealed = metadata.metadata().as_ref().and_then(|metadata| metadata.get(HEADER_KEY));
    let header = sealed.map(|sealed| unsealed(sealed, &file)).transpose()?;
    Ok((tensors, header))
}

fn expect_finite(name: &str, values: impl Iterator<Item = f32>) -> Result<(), String> {
    match values.enumerate().find(|(_, value)| !value.is_finite()) {
        Some((place, value)) => {
            Err(format!("tensor `{name}` holds {value} at place {place}; weights must be finite"))
        }
        None => Ok(()),
    }
}

/// The header after its checksum, which must be that of the header and the tensors of `file`.
fn unsealed(sealed: &str, file: &safetensors::SafeTensors<'_>) -> Result<String, String> {
    let mut views = file.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let contents = views.iter().map(|(name, view)| (name.as_str(), view.shape(), view.data()));
    match sealed.split_once('\n') {
        Some((sum, header)) if sum == checksum(header, contents) => Ok(header.to_owned()),
        _ => Err("damaged: its content is not what its checksum says".into()),
    }
}

/// A CRC-32 of a header and of tensors in the order of their names.
fn checksum<'a>(
    header: &str,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], impl AsRef<[u8]>)>,
) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.as_bytes());
    for (name, shape, bytes) in tensors {
        hasher.update(name.as_bytes());
        hasher.update(format!("{shape:?}").as_bytes());
        hasher.update(bytes.as_ref());
    }
    format!("{:08x}", hasher.finalize())
}
