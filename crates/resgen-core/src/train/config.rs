//! Experiments as TOML files: parsed strictly, overridden from the command line, kept in checkpoints.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::generator::ModelConfig;
use super::run::RunConfig;
use super::tokenizer::LossConfig;
use crate::data::Layout;
use crate::error::{Error, Result, nearest};
use crate::sample::Preset;
use crate::signal::resize::{Crop, Flip};
use crate::tokenizer::{ImageTokenizerConfig, SpeechTokenizerConfig, TokenizerConfig};

/// Pictures to learn from: the `[data]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Folder of training pictures.
    pub train: PathBuf,
    /// Folder of held-out pictures, for previews and measurements.
    #[serde(default)]
    pub heldout: Option<PathBuf>,
    /// One sub-folder a class, or all pictures of no class in one folder.
    #[serde(default = "DataConfig::default_layout")]
    pub layout: Layout,
    /// Which square of a picture is taken.
    #[serde(default = "DataConfig::default_crop")]
    pub crop: Crop,
    /// Whether pictures are mirrored at random.
    #[serde(default = "DataConfig::default_flip")]
    pub flip: Flip,
}

impl DataConfig {
    fn default_layout() -> Layout {
        Layout::Classes
    }

    fn default_crop() -> Crop {
        Crop::Center
    }

    fn default_flip() -> Flip {
        Flip::Never
    }
}

/// What a tokenizer is of: the key `signal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// Pictures.
    #[default]
    Pictures,
    /// Speech.
    Speech,
}

impl SignalKind {
    fn is_pictures(&self) -> bool {
        *self == Self::Pictures
    }

    /// What a config file says that it is about.
    ///
    /// # Errors
    /// As [`load`]; other keys are not looked at.
    pub fn of(path: &Path, overrides: &[String]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Looked {
            #[serde(default)]
            signal: SignalKind,
        }
        load(path, overrides).map(|looked: Looked| looked.signal)
    }
}

/// Recordings to learn from: the `[data]` section where the signal is speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechDataConfig {
    /// Recordings to train on, as [`crate::data::SpeechSet::open`] reads them.
    pub train: PathBuf,
    /// Held-out recordings, for previews and measurements.
    #[serde(default)]
    pub heldout: Option<PathBuf>,
}

/// Everything that makes a tokenizer of speech.
pub type SpeechTokenizerExperiment = TokenizerExperiment<SpeechDataConfig, SpeechTokenizerConfig>;

/// Everything that makes a tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerExperiment<D = DataConfig, C = ImageTokenizerConfig> {
    /// What it is of.
    #[serde(default, skip_serializing_if = "SignalKind::is_pictures")]
    pub signal: SignalKind,
    /// Licence of the resulting weights.
    #[serde(default = "unstated")]
    pub licence: String,
    /// What it learns from.
    pub data: D,
    /// Sizes.
    pub tokenizer: C,
    /// Losses.
    #[serde(default)]
    pub losses: LossConfig,
    /// The run.
    pub train: RunConfig,
}

/// Codes to learn from: the `[codes]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodesConfig {
    /// The token cache.
    pub cache: PathBuf,
    /// The tokenizer that made it.
    pub tokenizer: PathBuf,
    /// Of speech: so many pairs for each recording, up to 1, which are learned from as well: a recording and after it another one of the same speaker. Whoever
    /// speaks after a prompt is shown one sentence and says the next.
    #[serde(default, skip_serializing_if = "CodesConfig::has_no_pairs")]
    pub pairs: f64,
}

impl CodesConfig {
    /// Runs from before there were pairs go on without.
    fn has_no_pairs(pairs: &f64) -> bool {
        *pairs == 0.0
    }
}

/// Everything that makes a generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorExperiment {
    /// Licence of the resulting weights.
    #[serde(default = "unstated")]
    pub licence: String,
    /// A generator's model file whose weights the training begins with, in place of random ones. Its sizes must
    /// be those of `model`, which may have more layers; classes are found by name, those it does not have begin anew.
    #[serde(default)]
    pub init: Option<PathBuf>,
    /// Codes.
    pub codes: CodesConfig,
    /// Which generator, and its sizes.
    pub model: ModelConfig,
    /// Sampler settings that the model file carries.
    #[serde(default)]
    pub sample: Preset,
    /// The run.
    pub train: RunConfig,
}

/// What a config file describes.
pub trait Experiment: DeserializeOwned {
    /// Makes sure that the values are in their ranges, as far as that can be told without the data.
    ///
    /// # Errors
    /// [`Error::Config`] names the first key whose value is not.
    fn validate(&self) -> Result<()>;
}

impl Experiment for TokenizerExperiment {
    fn validate(&self) -> Result<()> {
        self.tokenizer.validate()?;
        self.train.validate()?;
        self.losses.validate(self.tokenizer.resolution, self.train.steps)
    }
}

impl Experiment for SpeechTokenizerExperiment {
    fn validate(&self) -> Result<()> {
        self.tokenizer.validate()?;
        self.train.validate()?;
        if self.losses.lpips.is_some() {
            return Err(Error::config("losses.lpips", "it is a distance of pictures, the signal is speech"));
        }
        let [_, frames, bins] = self.tokenizer.signal();
        self.losses.validate(frames.min(bins), self.train.steps)
    }
}

impl Experiment for GeneratorExperiment {
    fn validate(&self) -> Result<()> {
        let pairs = self.codes.pairs;
        if !(0.0..=1.0).contains(&pairs) {
            return Err(Error::config("codes.pairs", format!("expected 0 to 1, found {pairs}")));
        }
        self.model.validate()?;
        self.train.validate()
    }
}

/// What a model says of its licence where the config says nothing.
pub fn unstated() -> String {
    "not stated".into()
}

/// Reads a config file and applies `key=value` overrides (dotted keys, TOML values; a bare word is text).
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] for the file, [`Error::Config`] for a key that is unknown, missing or of
/// the wrong type, with the nearest right spelling.
pub fn load<C: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<C> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let mut table: Table = toml::from_str(&text).map_err(|error| Error::file(path, error))?;
    for text in overrides {
        override_key(&mut table, text)?;
    }
    parse(table)
}

fn parse<C: DeserializeOwned>(table: Table) -> Result<C> {
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner().to_string();
        Error::config(path, with_hint(reason.trim()))
    })
}

/// Adds the nearest spelling to serde's "unknown field `x`, expected one of `a`, `b`".
fn with_hint(reason: &str) -> String {
    let quoted: Vec<&str> = reason.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((unknown, known)) if reason.starts_with("unknown") => {
            format!("{reason}{}", nearest(unknown, known.iter().copied()))
        }
        _ => reason.to_owned(),
    }
}

fn override_key(table: &mut Table, text: &str) -> Result<()> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| Error::config(text, "expected KEY=VALUE, found no `=`"))?;
    let value = match format!("value = {value}").parse::<Table>() {
        Ok(mut parsed) => parsed.remove("value").unwrap_or_else(|| Value::String(value.into())),
        Err(_) => Value::String(value.into()),
    };
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let last = parts.pop().filter(|last| !last.is_empty());
    let last = last.ok_or_else(|| Error::config(key, "expected a dotted key"))?;
    let mut place = table;
    for part in parts {
        let next = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
        place =
            next.as_table_mut().ok_or_else(|| Error::config(key, format!("`{part}` is not a section")))?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[data]\ntrain = \"a\"\n[tokenizer]\nresolution = 64\nchannels = [8, 16]\nlatent = 4\nvocabulary = 8\ndepth = 2\n[train]\nsteps = 5\nbatch = 4\n";

    fn load_with(text: &str, overrides: &[&str]) -> Result<TokenizerExperiment> {
        let file = tempfile::NamedTempFile::new().map_err(Error::io("temporary file"))?;
        std::fs::write(file.path(), text).map_err(Error::io(file.path()))?;
        load(file.path(), &overrides.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn overrides_replace_and_add() {
        let config = load_with(TEXT, &["train.steps=7", "train.rate.peak=0.5", "data.heldout=b/c"]).unwrap();
        assert_eq!(config.train.steps, 7);
        assert_eq!(config.train.rate.peak, 0.5);
        assert_eq!(config.data.heldout, Some("b/c".into()));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_right_one() {
        let error = load_with(TEXT, &["train.step=7"]).unwrap_err().to_string();
        assert!(error.contains("train") && error.contains("did you mean `steps`?"), "{error}");
        let error = load_with(TEXT, &["train.steps=many"]).unwrap_err().to_string();
        assert!(error.contains("train.steps"), "{error}");
        let error = load_with(&TEXT.replace("steps = 5\n", ""), &[]).unwrap_err().to_string();
        assert!(error.contains("missing field `steps`"), "{error}");
    }
}
