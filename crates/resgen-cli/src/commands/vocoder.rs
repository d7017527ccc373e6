//! `vocoder train`.

use resgen_core::data::speech::SoundPiece;
use resgen_core::train::vocoder::{VocoderExperiment, VocoderLearner};

use crate::commands::training::{TrainingArguments, pieces};
use crate::context::Context;
use crate::model;

/// How many held-out pieces the previews show.
const PREVIEWED: usize = 6;

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
    let device = context.device()?;
    let tokenizer = experiment.tokenizer.as_deref().map(|path| model::speech_tokenizer(path, &device));
    let tokenizer = tokenizer.transpose()?;

    let config = &experiment.vocoder;
    let piece = || SoundPiece::new(config.listener.clone(), config.samples(), config.around());
    let (mut source, samples) = pieces((&experiment.data, &experiment.train), piece, PREVIEWED, context)?;
    let learner = VocoderLearner::new(&experiment, tokenizer, samples, &device);
    let mut learner = arguments.naming_config(learner)?;
    arguments.run.train(&mut learner, &mut source, (&experiment, &experiment.train), context)
}
