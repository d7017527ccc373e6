//! A network that tells speakers apart by their voices.

use std::path::Path;
use std::sync::Arc;

use resgen_core::Result;
use resgen_core::data::SpeechSet;
use resgen_core::data::speech::VoicePiece;
use resgen_core::eval::speakers::{Verification, draw_trials, verification, voices};
use resgen_core::features::{SpeakerConfig, SpeakerEncoder};
use resgen_core::progress::Progress as _;
use resgen_core::signal::mel::ListenerConfig;
use resgen_core::train::config::{Experiment, SpeechDataConfig};
use resgen_core::train::model_file::{ModelFile, Storage};
use resgen_core::train::run::Outcome;
use resgen_core::train::speakers::{MarginConfig, SpeakerExperiment, SpeakerLearner};
use resgen_core::workers::Workers;
use serde::Serialize;

use super::{TrainArguments, of_options};
use crate::commands::training::{listen, source};
use crate::context::Context;
use crate::model;
use crate::progress::TerminalProgress;

/// Trials with held-out recordings.
const TRIALS: usize = 10_000;

/// What became of a training.
#[derive(Debug, Serialize)]
struct Trained {
    #[serde(flatten)]
    outcome: Outcome,
    /// How well held-out speakers are told apart.
    heldout: Option<Verification>,
}

/// Trains.
///
/// # Errors
/// Where the recordings cannot be read or learned from, or the run's folder cannot be written.
pub fn train(arguments: &TrainArguments, context: &Context) -> anyhow::Result<()> {
    let experiment = experiment(arguments);
    experiment.validate().map_err(of_options)?;
    let device = context.device()?;
    let set = labelled(&arguments.data)?;
    let heldout = arguments.heldout.as_ref().map(|path| heldout(path, &set, arguments.seed)).transpose()?;
    let speakers = set.speakers().into_iter().map(str::to_owned).collect();
    let mut learner = SpeakerLearner::new(experiment.clone(), speakers, &device)?;
    arguments.run.prepare_folder(&experiment)?;
    let piece = VoicePiece::new(&experiment.encoder)?;
    let mut source = source(set, piece, &experiment.train, context)?;
    let run = &arguments.run;
    let outcome = run.outcome(&mut learner, &mut source, (&experiment, &experiment.train), context)?;
    let heldout = match (&outcome, heldout) {
        (Outcome::Finished { model, .. }, Some(set)) => Some(measured(model, &set, arguments.seed, context)?),
        _ => None,
    };
    context.output.print(&Trained { outcome, heldout }, |trained| {
        let heldout = trained.heldout.as_ref().map_or_else(String::new, told);
        format!("{}{heldout}", run.text(&trained.outcome))
    })
}

fn experiment(arguments: &TrainArguments) -> SpeakerExperiment {
    let asked = &arguments.speakers;
    let listener = ListenerConfig::default();
    let channels = arguments.channels.clone().unwrap_or_else(|| vec![128, 192, 256]);
    let segment = (asked.seconds.unwrap_or(2.5) * listener.mel.frame_rate()).round() as usize;
    SpeakerExperiment {
        licence: arguments.licence.clone(),
        data: SpeechDataConfig { train: arguments.data.clone(), heldout: arguments.heldout.clone() },
        encoder: SpeakerConfig {
            listener,
            segment,
            joins: asked.joins.clone().unwrap_or_else(|| vec![2; channels.len()]),
            channels,
            blocks: asked.blocks.unwrap_or(1),
            embedding: asked.embedding.unwrap_or(128),
        },
        loss: MarginConfig {
            margin: asked.margin.unwrap_or(MarginConfig::default().margin),
            ..MarginConfig::default()
        },
        train: arguments.settings(),
    }
}

/// Recordings of which it is known who speaks.
fn labelled(path: &Path) -> Result<Arc<SpeechSet>> {
    let set = listen(path)?;
    set.expect_speakers()?;
    Ok(set)
}

/// Held-out recordings, of which trials can be made; notes where they are of speakers that are learned from.
fn heldout(path: &Path, training: &SpeechSet, seed: u64) -> Result<Arc<SpeechSet>> {
    let set = labelled(path)?;
    let names: Vec<&str> = set.utterances().iter().map(|utterance| &*utterance.speaker).collect();
    draw_trials(&names, 1, seed)?;
    let speakers = set.speakers();
    let known = training.speakers();
    let shared = speakers.iter().filter(|name| known.contains(name)).count();
    if shared > 0 {
        let note = format!(
            "{}: {shared} of its {} speakers are learned from, and are easier to tell than others",
            path.display(),
            speakers.len()
        );
        TerminalProgress::default().note(&note);
    }
    Ok(set)
}

/// Measures how well held-out speakers are told apart, and writes it into the model's header.
fn measured(path: &Path, set: &SpeechSet, seed: u64, context: &Context) -> anyhow::Result<Verification> {
    let (mut header, tensors) = model::speaker_encoder(path)?;
    let encoder = SpeakerEncoder::new(header.clone(), &tensors, &context.device()?)?;
    let workers = Workers::new(context.at_once())?;
    let heard = voices(&encoder, set, &workers, &mut TerminalProgress::default())?;
    let found = verification(&heard, TRIALS, seed)?;
    header.heldout_equal_error_rate = Some(found.equal_error_rate.value);
    header.heldout_nearer = Some(found.nearer.value);
    ModelFile { header, tensors }.save(path, Storage::F32)?;
    Ok(found)
}

fn told(found: &Verification) -> String {
    let Verification { speakers, recordings, trials, equal_error_rate, nearer } = found;
    format!(
        "\n  {recordings} held-out recordings of {speakers} speakers: equal error rate {}, nearer to the own voice in {} of {trials} trials",
        equal_error_rate.shown(4),
        nearer.shown(4)
    )
}
