//! `eval features train`: a network to measure with that needs no download.

use std::path::PathBuf;

use resgen_core::data::{Layout, Loader, LoaderOptions, PictureSet, SetOptions};
use resgen_core::eval::images::class_accuracy;
use resgen_core::features::{ClassifierConfig, Extractor};
use resgen_core::nn::Precision;
use resgen_core::signal::resize::{Crop, Flip};
use resgen_core::train::classifier::{ClassifierExperiment, ClassifierLearner};
use resgen_core::train::config::{DataConfig, Experiment};
use resgen_core::train::model_file::{ModelFile, Storage};
use resgen_core::train::rate::RateConfig;
use resgen_core::train::run::{Outcome, RunConfig};
use resgen_core::train::signals::SignalSource;
use resgen_core::workers::Workers;
use resgen_core::{Error, Result};
use serde::Serialize;

use crate::commands::training::{RunArguments, scan};
use crate::context::Context;
use crate::model;
use crate::named::{PrecisionArgument, parser};
use crate::progress::TerminalProgress;

/// What is done about networks to measure with.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Train a small network to tell the classes of your own pictures apart.
    #[command(after_help = EXAMPLES)]
    Train(TrainArguments),
}

const EXAMPLES: &str = "\
Examples:
  resgen eval features train pictures/ --heldout heldout/ --out runs/features
  resgen eval features train pictures/ --heldout heldout/ --out runs/features --resume

Its features mean something on pictures like those it was trained on, and on no others. Results measured with it are
labelled by it, and comparable only with results of the same file.";

/// Arguments of `eval features train`.
#[derive(Debug, clap::Args)]
pub struct TrainArguments {
    /// Folder of pictures, one sub-folder a class.
    pictures: PathBuf,
    /// Folder of held-out pictures with the same sub-folders, to tell how many are recognised.
    #[arg(long, value_name = "DIR")]
    heldout: Option<PathBuf>,
    #[command(flatten)]
    run: RunArguments,
    /// The side that pictures are cropped to, in pixels.
    #[arg(long, default_value_t = 64, value_name = "PIXELS")]
    resolution: usize,
    /// Channels at a half, a quarter, … of that side. The last number is the width of the features.
    #[arg(long, default_value = "32,64,128", value_name = "N,N,…", value_delimiter = ',')]
    channels: Vec<usize>,
    /// Training steps.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    steps: u64,
    /// Pictures a step.
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch: usize,
    /// The highest learning rate.
    #[arg(long, default_value_t = 1e-3, value_name = "RATE")]
    rate: f64,
    /// Which square of a picture is taken in training: center or random.
    #[arg(long, default_value = "center", value_parser = parser::<Crop>(&["center", "random"]))]
    crop: Crop,
    /// Whether pictures are mirrored in training: never, or half of them at random.
    #[arg(long, default_value = "never", value_parser = parser::<Flip>(&["never", "half"]))]
    flip: Flip,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Licence of the resulting weights, written into the file.
    #[arg(long, default_value = "unstated", value_name = "TEXT")]
    licence: String,
    #[command(flatten)]
    precision: PrecisionArgument,
}

/// What became of a training.
#[derive(Debug, Serialize)]
struct Trained {
    #[serde(flatten)]
    outcome: Outcome,
    /// Share of held-out pictures whose class was told.
    heldout_accuracy: Option<f64>,
}

/// Does what is asked about networks to measure with.
///
/// # Errors
/// Whatever the command reports.
pub fn run(command: &Command, context: &Context) -> anyhow::Result<()> {
    let Command::Train(arguments) = command;
    train(arguments, context)
}

fn train(arguments: &TrainArguments, context: &Context) -> anyhow::Result<()> {
    let experiment = experiment(arguments);
    experiment.validate()?;
    let device = context.device()?;
    let folder = scan(&arguments.pictures, Layout::Classes)?;
    let heldout = arguments.heldout.as_ref().map(|path| heldout(path, folder.classes())).transpose()?;
    arguments.run.prepare_folder(&experiment)?;
    let mut learner = ClassifierLearner::new(&experiment, folder.classes().to_vec(), &device)?;
    let options = LoaderOptions {
        seed: arguments.seed,
        batch_size: arguments.batch,
        size: arguments.resolution as u32,
        crop: arguments.crop,
        flip: arguments.flip,
        threads: context.threads,
        ..LoaderOptions::default()
    };
    let mut source = SignalSource::new(Loader::new(folder, options)?, experiment.train.micro_batches);
    let run = &arguments.run;
    let outcome = run.outcome(&mut learner, &mut source, (&experiment, &experiment.train), context)?;
    let heldout_accuracy = match (&outcome, heldout) {
        (Outcome::Finished { model, .. }, Some(heldout)) => Some(measured(model, &heldout, context)?),
        _ => None,
    };
    context.output.print(&Trained { outcome, heldout_accuracy }, |trained| {
        let accuracy = trained.heldout_accuracy.map_or_else(String::new, |accuracy| {
            format!("\n  tells the class of {:.1} % of the held-out pictures", 100.0 * accuracy)
        });
        format!("{}{accuracy}", run.text(&trained.outcome))
    })
}

fn experiment(arguments: &TrainArguments) -> ClassifierExperiment {
    ClassifierExperiment {
        licence: arguments.licence.clone(),
        data: DataConfig {
            train: arguments.pictures.clone(),
            heldout: arguments.heldout.clone(),
            layout: Layout::Classes,
            crop: arguments.crop,
            flip: arguments.flip,
        },
        features: ClassifierConfig { resolution: arguments.resolution, channels: arguments.channels.clone() },
        train: RunConfig {
            steps: arguments.steps,
            batch: arguments.batch,
            // Always the same, so that the weights do not depend on the number of cores.
            micro_batches: if arguments.batch.is_multiple_of(2) { 2 } else { 1 },
            seed: arguments.seed,
            checkpoint_every: 500,
            keep: 1,
            preview_every: 0,
            rate: RateConfig {
                peak: arguments.rate,
                warmup: 100.min(arguments.steps / 10),
                ..RateConfig::default()
            },
            optimizer: Default::default(),
            precision: arguments.precision.precision.unwrap_or(Precision::F32),
        },
    }
}

/// Held-out pictures of the same classes.
fn heldout(path: &PathBuf, classes: &[String]) -> Result<PictureSet> {
    let options = SetOptions { layout: Some(Layout::Classes), size: None, takes_grey: true };
    let set = PictureSet::open(path, options)?;
    match set.classes().iter().find(|class| !classes.contains(class)) {
        Some(class) => Err(Error::mismatch(format!("class of {}", path.display()), "one of training", class)),
        None => Ok(set),
    }
}

/// Measures the accuracy on held-out pictures, and writes it into the model's header.
fn measured(path: &PathBuf, heldout: &PictureSet, context: &Context) -> anyhow::Result<f64> {
    let (mut header, tensors) =
        model::classifier(path)?.ok_or_else(|| Error::file(path, "expected a classifier"))?;
    let extractor = Extractor::classifier(header.clone(), &tensors, &context.device()?)?;
    let workers = Workers::new(context.at_once())?;
    let accuracy = class_accuracy(&extractor, heldout, &workers, &mut TerminalProgress::default())?;
    header.heldout_accuracy = Some(accuracy);
    ModelFile { header, tensors }.save(path, Storage::F32)?;
    Ok(accuracy)
}
