//! Model files named on the command line.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use resgen_core::nn::parameters::NamedTensors;
use resgen_core::tokenizer::ImageTokenizer;
use resgen_core::train::checkpoint::MODEL_FILE;
use resgen_core::train::model_file::ModelFile;
use resgen_core::train::tokenizer::TokenizerHeader;
use resgen_core::{Error, Result};
use serde_json::Value;

/// What a command can ask for, as headers spell it.
const TOKENIZER: &str = "tokenizer";

/// The file meant by `path`: the file itself, or the model in the folder of a run or checkpoint.
pub fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(MODEL_FILE) } else { path.to_owned() }
}

/// Loads the tokenizer in `path`, a model file or the folder of a run.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it.
pub fn tokenizer(path: &Path, device: &Device) -> Result<ImageTokenizer> {
    let file = file_of(path);
    let (header, tensors): (TokenizerHeader, _) = load(&file, TOKENIZER)?;
    ImageTokenizer::load(header.tokenizer, &tensors, "", device).map_err(|error| Error::file(&file, error))
}

/// Reads a file that must hold a model of `kind`.
fn load<H: serde::de::DeserializeOwned>(file: &Path, kind: &str) -> Result<(H, NamedTensors)> {
    let ModelFile { header, tensors } = ModelFile::<Value>::load(file)?;
    let found = header.get("kind").and_then(Value::as_str).unwrap_or("model of no kind");
    if found != kind {
        return Err(Error::file(file, format!("expected a {kind}, found a {found}")));
    }
    let header = serde_json::from_value(header)
        .map_err(|error| Error::file(file, format!("its header does not read: {error}")))?;
    Ok((header, tensors))
}
