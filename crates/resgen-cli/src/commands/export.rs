//! `export`: a model file to give away, smaller if wanted.

use std::path::{Path, PathBuf};

use resgen_core::model::NetworkConfig;
use resgen_core::sample::Preset;
use resgen_core::train::model_file::{ModelFile, Storage};
use resgen_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commands::sample::settings::SettingArguments;
use crate::context::Context;
use crate::model;
use crate::output::expect_other;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen export runs/model --out model.safetensors
  resgen export runs/model --storage bf16 --out model.safetensors
  resgen export runs/model --guidance 3 --out model.safetensors

A generator's file says how it samples where nothing else is asked for: sampler settings that are given here replace those of its training.")]
pub struct Arguments {
    /// A model file, or the folder of a run.
    model: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How weights are stored; bf16 halves the file and rounds every weight to 8 bits of precision.
    #[arg(long, value_enum, default_value = "f32")]
    storage: StorageChoice,
    #[command(flatten)]
    settings: SettingArguments,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum StorageChoice {
    F32,
    Bf16,
}

#[derive(Debug, Serialize)]
struct Exported {
    out: PathBuf,
    bytes: u64,
}

/// Writes the file.
///
/// # Errors
/// Where the model cannot be read, sampler settings mean nothing to it or are out of range, or the file cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let path = model::file_of(&arguments.model);
    expect_other(&arguments.out, [&*path])?;
    let mut file = ModelFile::<Value>::load(&path)?;
    if arguments.settings != SettingArguments::default() {
        set_preset(&mut file.header, &arguments.settings, &path)?;
    }
    let storage = match arguments.storage {
        StorageChoice::F32 => Storage::F32,
        StorageChoice::Bf16 => Storage::Bf16,
    };
    file.save(&arguments.out, storage)?;
    let bytes = std::fs::metadata(&arguments.out).map_err(Error::io(&arguments.out))?.len();
    let exported = Exported { out: arguments.out.clone(), bytes };
    context
        .output
        .print(&exported, |exported| format!("{}: {} bytes", exported.out.display(), exported.bytes))
}

/// What a generator's header says of sampling.
#[derive(Deserialize)]
struct Sampling {
    preset: Preset,
    model: NetworkConfig,
}

/// Puts settings into the header of a generator.
fn set_preset(header: &mut Value, settings: &SettingArguments, path: &Path) -> Result<()> {
    let Sampling { preset, model } = Sampling::deserialize(&*header)
        .map_err(|_| Error::file(path, "no generator, so that sampler settings mean nothing to it"))?;
    let preset = settings.over(preset, model.kind)?;
    preset.validate(model.positions * model.depth)?;
    header["preset"] = serde_json::to_value(preset).map_err(|error| Error::file(path, error))?;
    Ok(())
}
