//! What all trainings have in common: their arguments, their folder, and how they end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use resgen_core::Error;
use resgen_core::data::speech::{Piece, Segments};
use resgen_core::data::{BatchOptions, CacheLimit, Layout, Loader, PictureFolder, SpeechSet};
use resgen_core::progress::Progress;
use resgen_core::train::checkpoint::Checkpoints;
use resgen_core::train::config::{self, Experiment, SignalKind, SpeechDataConfig};
use resgen_core::train::learner::{BatchSource, Learner};
use resgen_core::train::preview;
use resgen_core::train::resume::{self, Start};
use resgen_core::train::run::{self, Outcome, RunConfig, RunContext};
use resgen_core::train::signals::SignalSource;
use serde::Serialize;

use crate::commands::data;
use crate::context::Context;
use crate::named::PrecisionArgument;
use crate::progress::TerminalProgress;
use crate::signals;

/// Batches of speech that are made ahead.
const PREFETCHED: usize = 4;

/// Arguments of every training.
#[derive(Debug, clap::Args)]
pub struct TrainingArguments {
    /// The experiment, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Replace a value of the config, by its dotted key. Can be given more than once.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the run is.
    #[command(flatten)]
    pub run: RunArguments,
    #[command(flatten)]
    precision: PrecisionArgument,
}

/// The folder of a run.
#[derive(Debug, clap::Args)]
pub struct RunArguments {
    /// The folder of the run: checkpoints, logs, previews and the model.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Go on where the run in the folder stopped. Starts a run where there is none.
    #[arg(long)]
    resume: bool,
}

impl TrainingArguments {
    /// What the config says that it is about.
    ///
    /// # Errors
    /// As [`SignalKind::of`].
    pub fn signal(&self) -> anyhow::Result<SignalKind> {
        self.naming_config(SignalKind::of(&self.config, &self.set))
    }

    /// The config with its replacements.
    ///
    /// # Errors
    /// As [`config::load`], and where a value is out of range.
    pub fn load<C: Experiment>(&self) -> anyhow::Result<C> {
        let mut set = self.set.clone();
        if let Some(precision) = self.precision.precision {
            set.push(format!("train.precision={}", serde_json::to_string(&precision)?));
        }
        let loaded = config::load(&self.config, &set);
        self.naming_config(loaded.and_then(|experiment: C| experiment.validate().map(|()| experiment)))
    }

    /// An error about a key of the config says whose.
    ///
    /// # Errors
    /// That of `result`.
    pub fn naming_config<T>(&self, result: Result<T, impl Into<anyhow::Error>>) -> anyhow::Result<T> {
        naming_config(&self.config, result)
    }

    /// As [`RunArguments::prepare_folder`].
    ///
    /// # Errors
    /// As there; an error about a key of the config names its file.
    pub fn prepare_folder<C: Serialize>(&self, experiment: &C) -> anyhow::Result<()> {
        self.naming_config(self.run.prepare_folder(experiment))
    }
}

impl RunArguments {
    /// The run in a folder, from where it stopped or from its beginning.
    pub fn going_on(out: PathBuf) -> Self {
        Self { out, resume: true }
    }

    /// Makes the run's folder, or makes sure that the run in it is this one.
    ///
    /// # Errors
    /// As [`resume::check`]; [`Error::Io`] where the folder cannot be made.
    pub fn prepare_folder<C: Serialize>(&self, experiment: &C) -> resgen_core::Result<()> {
        let start = if self.resume { Start::Resume } else { Start::Fresh };
        let config = serde_json::to_value(experiment).map_err(|error| Error::file(&self.out, error))?;
        resume::check(&self.out, &config, start)?;
        std::fs::create_dir_all(&self.out).map_err(Error::io(&self.out))
    }

    /// Whether the folder holds a run that will go on.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn has_begun(&self) -> resgen_core::Result<bool> {
        Ok(Checkpoints::new(&self.out, 1).newest_step()?.is_some())
    }

    /// Trains, and tells how it ended.
    ///
    /// # Errors
    /// As [`run::run`].
    pub fn train<L: Learner, C: Serialize>(
        &self,
        learner: &mut L,
        source: &mut dyn BatchSource<Batch = L::Batch>,
        (experiment, settings): (&C, &RunConfig),
        context: &Context,
    ) -> anyhow::Result<()> {
        let outcome = self.outcome(learner, source, (experiment, settings), context)?;
        context.output.print(&outcome, |outcome| self.text(outcome))
    }

    /// Trains.
    ///
    /// # Errors
    /// As [`run::run`].
    pub fn outcome<L: Learner, C: Serialize>(
        &self,
        learner: &mut L,
        source: &mut dyn BatchSource<Batch = L::Batch>,
        (experiment, settings): (&C, &RunConfig),
        context: &Context,
    ) -> anyhow::Result<Outcome> {
        let stop = signals::stop_flag()?;
        let mut progress = TerminalProgress::default();
        let run_context = RunContext {
            folder: &self.out,
            config: serde_json::to_value(experiment)?,
            progress: &mut progress,
            stop: &stop,
            workers: context.at_once(),
        };
        Ok(run::run(learner, source, settings, run_context)?)
    }

    /// How a run ended, in words.
    pub fn text(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Finished { model, skipped, unreadable } => {
                let counts = [
                    (skipped.len(), "steps left out after losses that were not finite"),
                    (unreadable.len(), "files that could not be used replaced by others"),
                ];
                let counts = counts.iter().filter(|(count, _)| *count > 0);
                let counts: String = counts.map(|(count, what)| format!("\n  {count} {what}")).collect();
                format!("{}{counts}", model.display())
            }
            Outcome::Stopped { step } => format!(
                "stopped after step {step} with a checkpoint in {}; the same command with --resume goes on",
                self.out.display()
            ),
        }
    }
}

/// An error about a key of a config says in which file it is.
///
/// # Errors
/// That of `result`.
pub fn naming_config<T>(config: &Path, result: Result<T, impl Into<anyhow::Error>>) -> anyhow::Result<T> {
    result.map_err(|error| {
        let error = error.into();
        match error.downcast_ref() {
            Some(Error::Config { .. }) => error.context(config.display().to_string()),
            _ => error,
        }
    })
}

/// Batches of pieces of a set's recordings, and of the held-out ones as many as are `previewed`, one after another.
///
/// # Errors
/// As [`listen`] and [`Loader::of`]; where `piece` cannot be.
pub fn pieces<P: Piece + 'static>(
    (data, run): (&SpeechDataConfig, &RunConfig),
    piece: impl Fn() -> resgen_core::Result<P>,
    previewed: usize,
    context: &Context,
) -> resgen_core::Result<(SignalSource, Vec<f32>)> {
    let source = source(listen(&data.train)?, piece()?, run, context)?;
    let samples = match &data.heldout {
        Some(heldout) => {
            let segments = Segments::new(listen(heldout)?, piece()?, CacheLimit(0));
            preview::samples_of(&segments, previewed)
        }
        None => Vec::new(),
    };
    Ok((source, samples))
}

/// Batches of pieces of a set's recordings.
///
/// # Errors
/// As [`Loader::of`].
pub fn source<P: Piece + 'static>(
    set: Arc<SpeechSet>,
    piece: P,
    run: &RunConfig,
    context: &Context,
) -> resgen_core::Result<SignalSource> {
    let segments = Segments::new(set, piece, CacheLimit::default());
    let options = BatchOptions {
        seed: run.seed,
        batch_size: run.batch,
        threads: context.threads,
        prefetch: PREFETCHED,
    };
    Ok(SignalSource::new(Loader::of(Arc::new(segments), options)?, run.micro_batches))
}

/// Lists recordings and notes on stderr what of them cannot be used.
///
/// # Errors
/// As [`SpeechSet::open`].
pub fn listen(path: &Path) -> resgen_core::Result<Arc<SpeechSet>> {
    let found = SpeechSet::open(path)?;
    let mut progress = TerminalProgress::default();
    for problem in found.problems() {
        progress.note(&format!("{}: {}", path.display(), data::problem(problem)));
    }
    Ok(Arc::new(found))
}

/// Lists a folder's pictures and notes on stderr what in it cannot be used.
///
/// # Errors
/// As [`PictureFolder::scan`].
pub fn scan(folder: &Path, layout: Layout) -> resgen_core::Result<Arc<PictureFolder>> {
    let found = PictureFolder::scan(folder, layout)?;
    let mut progress = TerminalProgress::default();
    for problem in found.problems() {
        progress.note(&format!("{}: {}", folder.display(), data::problem(problem)));
    }
    Ok(Arc::new(found))
}
