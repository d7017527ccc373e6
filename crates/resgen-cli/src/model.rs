//! Model files named on the command line.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use resgen_core::tokenizer::ImageTokenizer;
use resgen_core::train::checkpoint::MODEL_FILE;
use resgen_core::train::generator::{Generator, GeneratorHeader};
use resgen_core::train::model_file::ModelFile;
use resgen_core::train::tokenizer::TokenizerHeader;
use resgen_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The file meant by `path`: the file itself, or the model in the folder of a run or checkpoint.
pub fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(MODEL_FILE) } else { path.to_owned() }
}

/// Loads the tokenizer in `path`, a model file or the folder of a run.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it.
pub fn tokenizer(path: &Path, device: &Device) -> Result<ImageTokenizer> {
    let path = file_of(path);
    let file: ModelFile<TokenizerHeader> = load(&path, "tokenizer")?;
    ImageTokenizer::load(file.header.tokenizer, &file.tensors, "", device)
        .map_err(|error| Error::file(&path, error))
}

/// Loads the generator in `path`, a model file or the folder of a run.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it.
pub fn generator(path: &Path, device: &Device) -> Result<Generator> {
    let path = file_of(path);
    let file: ModelFile<GeneratorHeader> = load(&path, "generator")?;
    Generator::from_file(&file, device).map_err(|error| Error::file(&path, error))
}

/// Reads a file that must hold a model of `kind`, as headers spell it.
fn load<H: DeserializeOwned>(path: &Path, kind: &str) -> Result<ModelFile<H>> {
    let ModelFile { header, tensors } = ModelFile::<Value>::load(path)?;
    let found = header.get("kind").and_then(Value::as_str).unwrap_or("model of no kind");
    if found != kind {
        return Err(Error::file(path, format!("expected a {kind}, found a {found}")));
    }
    let header = serde_json::from_value(header)
        .map_err(|error| Error::file(path, format!("its header does not read: {error}")))?;
    Ok(ModelFile { header, tensors })
}
