//! A trained model in one safetensors file: weights, and a header with everything needed to use them.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::TensorData;
use half::bf16;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use crate::atomic::write_atomically;
use crate::error::{Error, Result};
use crate::nn::parameters::NamedTensors;

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
        let bytes =
            to_bytes(&self.tensors, Some(header), storage).map_err(|reason| Error::file(path, reason))?;
        write_atomically(path, |writer| writer.write_all(&bytes))
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

/// Tensors, and a text beside them, in the safetensors format.
///
/// # Errors
/// The format's reason, in words.
pub fn to_bytes(tensors: &NamedTensors, header: Option<String>, storage: Storage) -> Result<Vec<u8>, String> {
    let (dtype, encode): (Dtype, fn(f32, &mut Vec<u8>)) = match storage {
        Storage::F32 => (Dtype::F32, |value, bytes| bytes.extend(value.to_le_bytes())),
        Storage::Bf16 => (Dtype::BF16, |value, bytes| bytes.extend(bf16::from_f32(value).to_le_bytes())),
    };
    let encoded: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, data)| {
            let mut bytes = Vec::with_capacity(data.num_elements() * 4);
            data.iter::<f32>().for_each(|value| encode(value, &mut bytes));
            (name.clone(), data.shape().to_vec(), bytes)
        })
        .collect();
    let views = encoded
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| error.to_string())?;
    let metadata = header.map(|header| {
        let contents =
            encoded.iter().map(|(name, shape, bytes)| (name.as_str(), shape.as_slice(), bytes.as_slice()));
        HashMap::from([(HEADER_KEY.to_owned(), format!("{}\n{header}", checksum(&header, contents)))])
    });
    safetensors::serialize(views, metadata).map_err(|error| error.to_string())
}

/// The inverse of [`to_bytes`]; f16, bf16 and f32 are read as f32.
///
/// # Errors
/// What is wrong with the bytes, in words.
pub fn from_bytes(bytes: &[u8]) -> Result<(NamedTensors, Option<String>), String> {
    let not_safetensors = |error| format!("not a whole safetensors file: {error}");
    let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
    let file = safetensors::SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
    let mut tensors = NamedTensors::new();
    for (name, view) in file.tensors() {
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => {
                view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            Dtype::BF16 => view
                .data()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|bytes| bf16::from_le_bytes(*bytes).to_f32())
                .collect(),
            Dtype::F16 => view
                .data()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|bytes| half::f16::from_le_bytes(*bytes).to_f32())
                .collect(),
            other => return Err(format!("tensor `{name}` has type {other:?}; expected F32, BF16 or F16")),
        };
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!(
                "tensor `{name}` holds {} at place {place}; weights must be finite",
                values[place]
            ));
        }
        tensors.insert(name, TensorData::new(values, view.shape().to_vec()));
    }
    let sealed = metadata.metadata().as_ref().and_then(|metadata| metadata.get(HEADER_KEY));
    let header = sealed.map(|sealed| unsealed(sealed, &file)).transpose()?;
    Ok((tensors, header))
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
fn checksum<'a>(header: &str, tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.as_bytes());
    for (name, shape, bytes) in tensors {
        hasher.update(name.as_bytes());
        hasher.update(format!("{shape:?}").as_bytes());
        hasher.update(bytes);
    }
    format!("{:08x}", hasher.finalize())
}
