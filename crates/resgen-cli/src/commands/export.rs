//! `export`: a model file to give away, smaller if wanted.

use std::path::PathBuf;

use resgen_core::train::model_file::{ModelFile, Storage};
use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::model;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen export runs/model --out model.safetensors
  resgen export runs/model --storage bf16 --out model.safetensors")]
pub struct Arguments {
    /// A model file, or the folder of a run.
    model: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How weights are stored; bf16 halves the file and rounds every weight to 8 bits of precision.
    #[arg(long, value_enum, default_value = "f32")]
    storage: StorageChoice,
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
/// Where the model cannot be read or the file cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let file = ModelFile::<Value>::load(model::file_of(&arguments.model))?;
    let storage = match arguments.storage {
        StorageChoice::F32 => Storage::F32,
        StorageChoice::Bf16 => Storage::Bf16,
    };
    file.save(&arguments.out, storage)?;
    let bytes = std::fs::metadata(&arguments.out).map_err(resgen_core::Error::io(&arguments.out))?.len();
    let exported = Exported { out: arguments.out.clone(), bytes };
    context
        .output
        .print(&exported, |exported| format!("{}: {} bytes", exported.out.display(), exported.bytes))
}
