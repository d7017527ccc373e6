//! `tokenizer train` and `tokenizer reconstruct`.

use resgen_core::data::{Loader, LoaderOptions};
use resgen_core::tokenizer::image::Autoencoder;
use resgen_core::train::config::TokenizerExperiment;
use resgen_core::train::pictures::PictureSource;
use resgen_core::train::preview;
use resgen_core::train::tokenizer::TokenizerLearner;

use crate::commands::reconstruct;
use crate::commands::training::{TrainingArguments, scan};
use crate::context::Context;

/// How many held-out pictures the previews show.
const PREVIEWED: usize = 16;

/// The commands about tokenizers.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Train a tokenizer on a folder of pictures.
    #[command(after_help = TRAIN_EXAMPLES)]
    Train(TrainingArguments),
    /// Show pictures beside what a tokenizer makes of them.
    Reconstruct(reconstruct::Arguments),
}

const TRAIN_EXAMPLES: &str = "\
Examples:
  resgen tokenizer train --config tokenizer.toml --out runs/tokenizer
  resgen tokenizer train --config tokenizer.toml --out runs/small --set tokenizer.depth=4 --set train.steps=5000
  resgen tokenizer train --config tokenizer.toml --out runs/tokenizer --resume

Ctrl-C writes a checkpoint and ends the program; a second one ends it at once.
A run goes on only with the config it began with; train.checkpoint_every, train.preview_every, train.keep
and licence may change.";

/// Does what is asked about tokenizers.
///
/// # Errors
/// Whatever the command reports.
pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Train(arguments) => train(&arguments, context),
        Command::Reconstruct(arguments) => reconstruct::run(&arguments, context),
    }
}

fn train(arguments: &TrainingArguments, context: &Context) -> anyhow::Result<()> {
    let experiment: TokenizerExperiment = arguments.load()?;
    let device = context.device()?;
    arguments.prepare_folder(&experiment)?;

    let size = experiment.tokenizer.resolution as u32;
    let folder = scan(&experiment.data.train, experiment.data.layout)?;
    let options = LoaderOptions {
        seed: experiment.train.seed,
        batch_size: experiment.train.batch,
        size,
        crop: experiment.data.crop,
        flip: experiment.data.flip,
        threads: context.threads,
        ..LoaderOptions::default()
    };
    let mut source = PictureSource::new(Loader::new(folder, options)?, experiment.train.micro_batches);
    let samples = match &experiment.data.heldout {
        Some(heldout) => preview::samples(&*scan(heldout, experiment.data.layout)?, size, PREVIEWED),
        None => Vec::new(),
    };
    let learner = TokenizerLearner::<Autoencoder>::new(
        experiment.tokenizer.clone(),
        experiment.losses.clone(),
        &experiment.train,
        experiment.licence.clone(),
        samples,
        &device,
    );
    let mut learner = arguments.naming_config(learner)?;
    arguments.run.train(&mut learner, &mut source, (&experiment, &experiment.train), context)
}
