//! A network that tells the classes of pictures apart.

use std::path::PathBuf;

use resgen_core::data::{Layout, Loader, LoaderOptions, PictureSet, SetOptions};
use resgen_core::eval::images::class_accuracy;
use resgen_core::features::{ClassifierConfig, Extractor};
use resgen_core::signal::resize::{Crop, Flip};
use resgen_core::train::classifier::{ClassifierExperiment, ClassifierLearner};
use resgen_core::train::config::{DataConfig, Experiment};
use resgen_core::train::model_file::{ModelFile, Storage};
use resgen_core::train::run::Outcome;
use resgen_core::train::signals::SignalSource;
use resgen_core::workers::Workers;
use resgen_core::{Error, Result};
use serde::Serialize;

use super::{TrainArguments, of_options};
use crate::commands::training::scan;
use crate::context::Context;
use crate::model;
use crate::progress::TerminalProgress;

/// What became of a training.
#[derive(Debug, Serialize)]
struct Trained {
    #[serde(flatten)]
    outcome: Outcome,
    /// Share of held-out pictures whose class was told.
    heldout_accuracy: Option<f64>,
}

/// Trains.
///
/// # Errors
/// Where the pictures cannot be read or learned from, or the run's folder cannot be written.
pub fn train(arguments: &TrainArguments, context: &Context) -> anyhow::Result<()> {
    let experiment = experiment(arguments);
    experiment.validate().map_err(of_options)?;
    let device = context.device()?;
    let folder = scan(&arguments.data, Layout::Classes)?;
    let heldout = arguments.heldout.as_ref().map(|path| heldout(path, folder.classes())).transpose()?;
    arguments.run.prepare_folder(&experiment)?;
    let mut learner = ClassifierLearner::new(experiment.clone(), folder.classes().to_vec(), &device)?;
    let options = LoaderOptions {
        seed: arguments.seed,
        batch_size: arguments.batch,
        size: experiment.features.resolution as u32,
        crop: experiment.data.crop,
        flip: experiment.data.flip,
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
    let asked = &arguments.pictures;
    ClassifierExperiment {
        licence: arguments.licence.clone(),
        data: DataConfig {
            train: arguments.data.clone(),
            heldout: arguments.heldout.clone(),
            layout: Layout::Classes,
            crop: asked.crop.unwrap_or(Crop::Center),
            flip: asked.flip.unwrap_or(Flip::Never),
        },
        features: ClassifierConfig {
            resolution: asked.resolution.unwrap_or(64),
            channels: arguments.channels.clone().unwrap_or_else(|| vec![32, 64, 128]),
        },
        train: arguments.settings(),
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
