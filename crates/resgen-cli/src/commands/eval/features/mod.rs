//! `eval features train`: a network to measure with that needs no download.

mod pictures;
mod speakers;

use std::path::PathBuf;

use resgen_core::data::SpeechSet;
use resgen_core::nn::Precision;
use resgen_core::signal::resize::{Crop, Flip};
use resgen_core::train::rate::RateConfig;
use resgen_core::train::run::RunConfig;
use resgen_core::{Error, Result};

use crate::commands::expect_none;
use crate::commands::training::RunArguments;
use crate::context::Context;
use crate::named::{PrecisionArgument, parser};

/// What is done about networks to measure with.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Train a small network to tell the classes of your own pictures apart, or the speakers of your own recordings.
    #[command(after_help = EXAMPLES)]
    Train(TrainArguments),
}

const EXAMPLES: &str = "\
Examples:
  resgen eval features train pictures/ --heldout heldout/ --out runs/features
  resgen eval features train pictures/ --heldout heldout/ --out runs/features --resume
  resgen eval features train voices/train --heldout voices/heldout --out runs/speakers

The first is for `eval images`, the last for `eval speech`. Recordings are a list with path, text and speaker, or a folder, as for training;
held-out ones should be of other speakers. A network's features mean something on pictures or recordings like those it was trained on, and
on no others. Results measured with it are labelled by it, and comparable only with results of the same file.";

/// Arguments of `eval features train`.
#[derive(Debug, clap::Args)]
pub struct TrainArguments {
    /// Folder of pictures, one sub-folder a class; or recordings whose speakers are known.
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Held-out pictures of the same classes, to tell how many are recognised; or recordings of other speakers, to tell how well these
    /// are told apart.
    #[arg(long, value_name = "DATA")]
    heldout: Option<PathBuf>,
    #[command(flatten)]
    run: RunArguments,
    /// Channels, level by level. Of pictures at a half, a quarter, … of the side (by default 32,64,128), the last number being the width of
    /// the features; of recordings the levels that join frames (128,192,256).
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    channels: Option<Vec<usize>>,
    /// Training steps.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    steps: u64,
    /// Pictures or recordings a step.
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch: usize,
    /// The highest learning rate.
    #[arg(long, default_value_t = 1e-3, value_name = "RATE")]
    rate: f64,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Licence of the resulting weights, written into the file.
    #[arg(long, default_value = "unstated", value_name = "TEXT")]
    licence: String,
    #[command(flatten)]
    precision: PrecisionArgument,
    #[command(flatten)]
    pictures: PictureArguments,
    #[command(flatten)]
    speakers: SpeakerArguments,
}

/// What is asked of pictures only.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Pictures")]
struct PictureArguments {
    /// The side that pictures are cropped to, in pixels. By default 64.
    #[arg(long, value_name = "PIXELS")]
    resolution: Option<usize>,
    /// Which square of a picture is taken in training: center (by default) or random.
    #[arg(long, value_parser = parser::<Crop>(&["center", "random"]))]
    crop: Option<Crop>,
    /// Whether pictures are mirrored in training: never (by default), or half of them at random.
    #[arg(long, value_parser = parser::<Flip>(&["never", "half"]))]
    flip: Option<Flip>,
}

/// What is asked of recordings only.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Recordings")]
struct SpeakerArguments {
    /// Seconds of the pieces that it learns from. By default 2.5; shorter recordings are repeated.
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Frames that each level joins to one. By default 2 each.
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    joins: Option<Vec<usize>>,
    /// Blocks of each level. By default 1.
    #[arg(long, value_name = "N")]
    blocks: Option<usize>,
    /// Width of the embedding. By default 128.
    #[arg(long, value_name = "N")]
    embedding: Option<usize>,
    /// By how much the cosine to the own speaker must be larger than to others. By default 0.2.
    #[arg(long, value_name = "COSINE")]
    margin: Option<f64>,
}

impl PictureArguments {
    /// # Errors
    /// [`Error::Argument`] where the data are recordings and one of these is given.
    fn expect_none(&self) -> Result<()> {
        let Self { resolution, crop, flip } = self;
        let given =
            [("--resolution", resolution.is_some()), ("--crop", crop.is_some()), ("--flip", flip.is_some())];
        expect_none(&given, "it is for pictures, and these are recordings")
    }
}

impl SpeakerArguments {
    /// # Errors
    /// [`Error::Argument`] where the data are pictures and one of these is given.
    fn expect_none(&self) -> Result<()> {
        let Self { seconds, joins, blocks, embedding, margin } = self;
        let given = [
            ("--seconds", seconds.is_some()),
            ("--joins", joins.is_some()),
            ("--blocks", blocks.is_some()),
            ("--embedding", embedding.is_some()),
            ("--margin", margin.is_some()),
        ];
        expect_none(&given, "it is for recordings, and these are pictures")
    }
}

impl TrainArguments {
    /// The settings of the run, the same for any data.
    fn settings(&self) -> RunConfig {
        RunConfig {
            steps: self.steps,
            batch: self.batch,
            // Always the same, so that the weights do not depend on the number of cores.
            micro_batches: if self.batch.is_multiple_of(2) { 2 } else { 1 },
            seed: self.seed,
            checkpoint_every: 500,
            keep: 1,
            preview_every: 0,
            rate: RateConfig { peak: self.rate, warmup: 100.min(self.steps / 10), ..RateConfig::default() },
            optimizer: Default::default(),
            precision: self.precision.precision.unwrap_or(Precision::F32),
        }
    }
}

/// An error about the experiment that options make, with the option in place of the key.
fn of_options(error: Error) -> Error {
    let Error::Config { key, mut reason } = error else { return error };
    if key == "encoder.segment" {
        reason += " frames";
    }
    let option = match &*key {
        "features.resolution" => "--resolution",
        "features.channels" | "encoder.channels" => "--channels",
        "encoder.segment" => "--seconds",
        "encoder.joins" => "--joins",
        "encoder.blocks" => "--blocks",
        "encoder.embedding" => "--embedding",
        "loss.margin" => "--margin",
        "train.steps" => "--steps",
        "train.batch" => "--batch",
        "train.rate.peak" => "--rate",
        _ => return Error::Config { key, reason },
    };
    Error::Argument { name: option, reason }
}

/// Does what is asked about networks to measure with.
///
/// # Errors
/// Whatever the command reports.
pub fn run(command: &Command, context: &Context) -> anyhow::Result<()> {
    let Command::Train(arguments) = command;
    if SpeechSet::is_at(&arguments.data) {
        arguments.pictures.expect_none()?;
        return speakers::train(arguments, context);
    }
    arguments.speakers.expect_none()?;
    pictures::train(arguments, context)
}
