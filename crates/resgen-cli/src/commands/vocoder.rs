//! `vocoder train`.

use std::path::Path;
use std::sync::Arc;

use resgen_core::data::speech::{Segments, SoundPiece};
use resgen_core::data::{BatchOptions, CacheLimit, Loader};
use resgen_core::train::preview;
use resgen_core::train::signals::SignalSource;
use resgen_core::train::vocoder::{VocoderExperiment, VocoderLearner};

use crate::commands::training::{TrainingArguments, listen};
use crate::context::Context;

/// How many held-out pieces the previews show.
const PREVIEWED: usize = 6;
/// Batches that are made ahead.
const PREFETCHED: usize = 4;

/// The commands about vocoders.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Train a vocoder on recordings of speech.
    #[command(after_help = TRAIN_EXAMPLES)]
    Train(TrainingArguments),
}

const TRAIN_EXAMPLES: &str = "\
Examples:
  resgen vocoder train --config vocoder.toml --out runs/vocoder
  resgen vocoder train --config vocoder.toml --out runs/vocoder --resume
  resgen speak runs/voices \"Hello there.\" --vocoder runs/vocoder --out hello.wav

Ctrl-C writes a checkpoint and ends the program; a second one ends it at once.";

/// Does what is asked about vocoders.
///
/// # Errors
/// Whatever the command reports.
pub fn run(command: &Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Train(arguments) => train(arguments, context),
    }
}

fn train(arguments: &TrainingArguments, context: &Context) -> anyhow::Result<()> {
    let experiment: VocoderExperiment = arguments.load()?;
    arguments.prepare_folder(&experiment)?;

    let config = &experiment.vocoder;
    let segments = |path: &Path, limit: CacheLimit| -> resgen_core::Result<_> {
        let piece = SoundPiece::new(config.listener.clone(), config.samples(), config.around())?;
        Ok(Segments::new(listen(path)?, piece, limit))
    };
    let options = BatchOptions {
        seed: experiment.train.seed,
        batch_size: experiment.train.batch,
        threads: context.threads,
        prefetch: PREFETCHED,
    };
    let training = Arc::new(segments(&experiment.data.train, CacheLimit::default())?);
    let mut source = SignalSource::new(Loader::of(training, options)?, experiment.train.micro_batches);
    let samples = match &experiment.data.heldout {
        Some(heldout) => preview::samples_of(&segments(heldout, CacheLimit(0))?, PREVIEWED),
        None => Vec::new(),
    };
    let learner = VocoderLearner::new(&experiment, samples, &context.device()?);
    let mut learner = arguments.naming_config(learner)?;
    arguments.run.train(&mut learner, &mut source, (&experiment, &experiment.train), context)
}
