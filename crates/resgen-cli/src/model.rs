//! Model files named on the command line.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use resgen_core::features::{ClassifierHeader, SpeakerHeader};
use resgen_core::model::{AnyNetwork, NetworkConfig, Stored};
use resgen_core::nn::parameters::NamedTensors;
use resgen_core::tokenizer::speech::MelAutoencoder;
use resgen_core::tokenizer::{Autoencode, ImageTokenizer, SpeechTokenizer, Tokenizer};
use resgen_core::train::checkpoint::{Checkpoints, MODEL_FILE};
use resgen_core::train::generator::{Generator, GeneratorHeader};
use resgen_core::train::model_file::{self, ModelFile};
use resgen_core::train::tokenizer::TokenizerHeader;
use resgen_core::vocoder::{VocoderHeader, Vocos};
use resgen_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The file meant by `path`: the file itself, or the model in the folder of a run or checkpoint. Of a run that has not
/// finished it is that of the newest checkpoint, and a note says so.
pub fn file_of(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.to_owned();
    }
    let model = path.join(MODEL_FILE);
    match newest_checkpoint(path).filter(|_| !model.exists()) {
        Some(newest) => {
            eprintln!("note: {} has no finished model; this is {}", path.display(), newest.display());
            newest
        }
        None => model,
    }
}

/// The model in the newest checkpoint of a run.
fn newest_checkpoint(run: &Path) -> Option<PathBuf> {
    let step = Checkpoints::new(run, 1).newest_step().ok().flatten()?;
    Some(Checkpoints::new(run, 1).path_of(step).join(MODEL_FILE))
}

/// A tokenizer of either kind.
pub enum AnyTokenizer {
    /// Of pictures.
    Image(Box<ImageTokenizer>),
    /// Of speech.
    Speech(Box<SpeechTokenizer>),
}

/// Loads the tokenizer in `path`, a model file or the folder of a run; a generator's holds its tokenizer too.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it.
pub fn any_tokenizer(path: &Path, device: &Device) -> Result<AnyTokenizer> {
    let path = file_of(path);
    let file = ModelFile::<Value>::load(&path)?;
    if matches!(kind(&file.header), SPEECH_TOKENIZER | SPEECH_GENERATOR) {
        let speech = tokenizer_of(&path, &file, (SPEECH_TOKENIZER, SPEECH_GENERATOR), device)?;
        return Ok(AnyTokenizer::Speech(Box::new(speech)));
    }
    let image = tokenizer_of(&path, &file, (TOKENIZER, GENERATOR), device)?;
    Ok(AnyTokenizer::Image(Box::new(image)))
}

/// Loads the tokenizer of pictures in `path`, as [`any_tokenizer`].
///
/// # Errors
/// As there, and [`Error::File`] for one of speech.
pub fn tokenizer(path: &Path, device: &Device) -> Result<ImageTokenizer> {
    let path = file_of(path);
    tokenizer_of(&path, &ModelFile::load(&path)?, (TOKENIZER, GENERATOR), device)
}

/// Loads the tokenizer of speech in `path`, as [`any_tokenizer`].
///
/// # Errors
/// As there, and [`Error::File`] for one of pictures.
pub fn speech_tokenizer(path: &Path, device: &Device) -> Result<SpeechTokenizer> {
    let path = file_of(path);
    tokenizer_of(&path, &ModelFile::load(&path)?, (SPEECH_TOKENIZER, SPEECH_GENERATOR), device)
}

/// The tokenizer of a file that holds one of the two kinds, by itself or with a generator.
fn tokenizer_of<A: Autoencode>(
    path: &Path,
    file: &ModelFile<Value>,
    (alone, with_generator): (&str, &str),
    device: &Device,
) -> Result<Tokenizer<A>> {
    let (config, prefix) = if kind(&file.header) == with_generator {
        let header: GeneratorHeader<A::Config> = with_header(path, &file.header, with_generator)?;
        (header.tokenizer, "tokenizer.")
    } else {
        (with_header::<TokenizerHeader<A::Config>>(path, &file.header, alone)?.tokenizer, "")
    };
    Tokenizer::load(config, &file.tensors, prefix, device).map_err(|error| Error::file(path, error))
}

/// Loads the generator in `path`, a model file or the folder of a run.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it.
pub fn generator<M: Stored>(path: &Path, device: &Device) -> Result<Generator<M>> {
    generator_and_tensors(path, device).map(|(generator, _)| generator)
}

/// As [`generator`], with the tensors of the file.
///
/// # Errors
/// As [`generator`].
pub fn generator_and_tensors<M: Stored>(
    path: &Path,
    device: &Device,
) -> Result<(Generator<M>, NamedTensors)> {
    let path = file_of(path);
    generator_of(&path, ModelFile::load(&path)?, GENERATOR, |_| Ok(()), device)
}

/// As [`generator_and_tensors`], of a generator that speaks. `encoder` is the folder of its frozen text encoder, where that is not the one that the file
/// names.
///
/// # Errors
/// As [`generator`], and [`Error::File`] for an encoder that it was not trained with.
pub fn speech_generator<M: Stored>(
    path: &Path,
    encoder: Option<&Path>,
    device: &Device,
) -> Result<(Generator<M, MelAutoencoder>, NamedTensors)> {
    let path = file_of(path);
    speech_generator_of(&path, ModelFile::load(&path)?, encoder, device)
}

fn speech_generator_of<M: Stored>(
    path: &Path,
    file: ModelFile<Value>,
    encoder: Option<&Path>,
    device: &Device,
) -> Result<(Generator<M, MelAutoencoder>, NamedTensors)> {
    let place_encoder = |model: &mut NetworkConfig| {
        let named = model.text.as_mut().and_then(|text| text.encoder.as_mut());
        match (named, encoder) {
            (Some(named), Some(folder)) => named.folder = folder.to_owned(),
            (Some(named), None) if !named.folder.is_dir() => {
                let reason =
                    "the text encoder that it was trained with is not there; --text-encoder names its folder";
                return Err(Error::file(&named.folder, reason));
            }
            (None, Some(folder)) => {
                return Err(Error::file(
                    folder,
                    "it was not trained with a frozen text encoder, and needs none",
                ));
            }
            (_, None) => {}
        }
        Ok(())
    };
    generator_of(path, file, SPEECH_GENERATOR, place_encoder, device)
}

/// A generator of either kind.
pub enum AnyGenerator {
    /// Of pictures.
    Image(Box<Generator>),
    /// That speaks.
    Speech(Box<Generator<AnyNetwork, MelAutoencoder>>),
}

/// The generator in `path`, whatever it generates, with the tensors of its file; `encoder` as in [`speech_generator`].
///
/// # Errors
/// As [`generator`] and [`speech_generator`].
pub fn any_generator(
    path: &Path,
    encoder: Option<&Path>,
    device: &Device,
) -> Result<(AnyGenerator, NamedTensors)> {
    let path = file_of(path);
    let file = ModelFile::<Value>::load(&path)?;
    if kind(&file.header) == SPEECH_GENERATOR {
        let (generator, tensors) = speech_generator_of(&path, file, encoder, device)?;
        return Ok((AnyGenerator::Speech(Box::new(generator)), tensors));
    }
    let (generator, tensors) = generator_of(&path, file, GENERATOR, |_| Ok(()), device)?;
    Ok((AnyGenerator::Image(Box::new(generator)), tensors))
}

/// `change` is applied to what the file says of the network before that is built.
fn generator_of<M: Stored, A: Autoencode>(
    path: &Path,
    ModelFile { header, tensors }: ModelFile<Value>,
    kind: &str,
    change: impl FnOnce(&mut NetworkConfig) -> Result<()>,
    device: &Device,
) -> Result<(Generator<M, A>, NamedTensors)> {
    let mut header: GeneratorHeader<A::Config> = with_header(path, &header, kind)?;
    change(&mut header.model).map_err(|error| Error::file(path, error))?;
    let file = ModelFile { header, tensors };
    let generator = Generator::from_file(&file, device).map_err(|error| Error::file(path, error))?;
    Ok((generator, file.tensors))
}

/// The classifier in `path`; none where the file is no model of resgen, but perhaps weights that others trained.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file: it cannot be read, or holds another model of resgen.
pub fn classifier(path: &Path) -> Result<Option<(ClassifierHeader, NamedTensors)>> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let file = match ModelFile::<Value>::from_bytes(&bytes) {
        Ok(file) => file,
        Err(reason) if model_file::claims_to_be_one(&bytes) => return Err(Error::file(path, reason)),
        Err(_) => return Ok(None),
    };
    let header = with_header(path, &file.header, "classifier")?;
    Ok(Some((header, file.tensors)))
}

/// The speaker encoder in `path`.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file: it cannot be read, or holds another model.
pub fn speaker_encoder(path: &Path) -> Result<(SpeakerHeader, NamedTensors)> {
    let file = ModelFile::<Value>::load(path)?;
    Ok((with_header(path, &file.header, "speaker-encoder")?, file.tensors))
}

/// Whether `path` is the folder of a run, or a file that says that it is a model of resgen; weights that others trained are not.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn is_one_of_ours(path: &Path) -> Result<bool> {
    Ok(path.is_dir() || model_file::claims_to_be_one(&std::fs::read(path).map_err(Error::io(path))?))
}

/// The vocoder in `path`, a model file or the folder of a run.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the file and what is wrong with it.
pub fn vocoder(path: &Path, device: &Device) -> Result<Vocos> {
    let path = file_of(path);
    let file = ModelFile::<Value>::load(&path)?;
    let header: VocoderHeader = with_header(&path, &file.header, "vocoder")?;
    Vocos::load(header.vocoder, &file.tensors, device).map_err(|error| Error::file(&path, error))
}

/// As headers spell them.
const GENERATOR: &str = "generator";
const TOKENIZER: &str = "tokenizer";
const SPEECH_GENERATOR: &str = "speech-generator";
const SPEECH_TOKENIZER: &str = "speech-tokenizer";

fn kind(header: &Value) -> &str {
    header.get("kind").and_then(Value::as_str).unwrap_or("model of no kind")
}

/// What the header of a file says, which must hold a model of the kind `expected`.
fn with_header<H: DeserializeOwned>(path: &Path, header: &Value, expected: &str) -> Result<H> {
    let found = kind(header);
    if found != expected {
        return Err(Error::file(path, format!("expected a {expected}, found a {found}")));
    }
    serde_json::from_value(header.clone())
        .map_err(|error| Error::file(path, format!("its header does not read: {error}")))
}
