//! The training loop: batches in, updates, logs, previews and checkpoints out.
//!
//! 1. Go back to the newest checkpoint, if there is one.
//! 2. For every step: fetch the micro-batches, run them side by side, update.
//! 3. Where a loss is not finite: go back to the last checkpoint and leave that step out.
//! 4. Log; at intervals draw previews and write a checkpoint; on a stop signal write one and return.
//! 5. Write the model.
//!
//! Every step is a function of the weights, the seed and the step's number. So a run that was killed and
//! resumed ends with the same weights as one that was not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoints, MODEL_FILE, Newest, Record};
use super::learner::{Applied, BatchSource, Learner};
use super::log::RunLog;
use super::rate::RateConfig;
use super::weights::OptimizerConfig;
use crate::atomic::remove_stale_temporaries;
use crate::error::{Error, Result};
use crate::nn::Precision;
use crate::progress::Progress;
use crate::workers::Workers;

/// The folder of a run's preview pictures.
const PREVIEWS: &str = "previews";

/// How often a run may go back before it gives up.
const MOST_ROLLBACKS: usize = 20;

/// Settings of a run: the `[train]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Steps in all.
    pub steps: u64,
    /// Pictures per step.
    pub batch: usize,
    /// Parts a batch is cut into; their gradients are averaged, and as many run at once as there are cores.
    #[serde(default = "RunConfig::default_micro_batches")]
    pub micro_batches: usize,
    /// Seed of everything random.
    #[serde(default)]
    pub seed: u64,
    /// Steps between checkpoints.
    #[serde(default = "RunConfig::default_interval")]
    pub checkpoint_every: u64,
    /// Checkpoints kept.
    #[serde(default = "RunConfig::default_keep")]
    pub keep: usize,
    /// Steps between previews; 0 for none.
    #[serde(default = "RunConfig::default_interval")]
    pub preview_every: u64,
    /// Learning rate.
    #[serde(default)]
    pub rate: RateConfig,
    /// Optimizer.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// Precision of products and convolutions; weights, moments and averages are always f32.
    #[serde(default, skip_serializing_if = "Precision::is_f32")] // runs of before it was a key go on
    pub precision: Precision,
}

impl RunConfig {
    fn default_micro_batches() -> usize {
        2
    }

    fn default_interval() -> u64 {
        1000
    }

    fn default_keep() -> usize {
        2
    }

    /// Pictures per micro-batch.
    pub fn micro_batch(&self) -> usize {
        self.batch / self.micro_batches.max(1)
    }

    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        let at_least_one = [
            ("steps", self.steps),
            ("batch", self.batch as u64),
            ("micro_batches", self.micro_batches as u64),
            ("checkpoint_every", self.checkpoint_every),
            ("keep", self.keep as u64),
        ];
        for (key, value) in at_least_one {
            if value == 0 {
                return Err(Error::config(format!("train.{key}"), "expected at least 1, found 0"));
            }
        }
        if self.batch > 1 << 20 {
            return Err(Error::config(
                "train.batch",
                format!("expected at most {}, found {}", 1 << 20, self.batch),
            ));
        }
        if !self.batch.is_multiple_of(self.micro_batches) {
            let reason =
                format!("{} micro-batches do not divide a batch of {}", self.micro_batches, self.batch);
            return Err(Error::config("train.micro_batches", reason));
        }
        self.rate.validate()?;
        self.optimizer.validate()
    }
}

/// Where a run writes, how it talks, and when it is asked to stop.
pub struct RunContext<'a> {
    /// The run's folder.
    pub folder: &'a Path,
    /// The resolved configuration, kept in every checkpoint.
    pub config: serde_json::Value,
    /// Shows what happens.
    pub progress: &'a mut dyn Progress,
    /// Set by a signal handler: write a checkpoint and return.
    pub stop: &'a AtomicBool,
    /// Micro-batches at once; one where the model is not on the CPU.
    pub workers: usize,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// All steps are done.
    Finished {
        /// The trained model.
        model: PathBuf,
        /// Steps left out after a loss that was not finite.
        skipped: Vec<u64>,
        /// What could not be read and was replaced by something else, each with the reason.
        unreadable: Vec<String>,
    },
    /// Asked to stop; the checkpoint holds everything.
    Stopped {
        /// Steps done.
        step: u64,
    },
}

/// Trains until the last step or a stop signal.
///
/// # Errors
/// Whatever the learner, its batches or the disk report; [`Error::Training`] where losses keep being
/// not finite.
pub fn run<'a, L: Learner>(
    learner: &'a mut L,
    source: &mut dyn BatchSource<Batch = L::Batch>,
    config: &'a RunConfig,
    context: RunContext<'a>,
) -> Result<Outcome> {
    let mut run = Run::start(learner, config, context)?;
    while run.step < config.steps {
        if run.context.stop.load(Ordering::Relaxed) {
            run.checkpoint()?;
            run.note_unreadable(source);
            run.context.progress.end();
            return Ok(Outcome::Stopped { step: run.step });
        }
        if let Some(note) = run.learner.prepare(run.step, source)? {
            run.context.progress.note(&note);
        }
        run.one_step(source)?;
        if run.step.is_multiple_of(config.checkpoint_every) {
            run.note_unreadable(source);
        }
    }
    run.note_unreadable(source);
    run.finish()
}

/// One step: the micro-batches, as many at once as there are workers, merged in their order, and the update.
///
/// # Errors
/// As [`Learner::part`] and [`Learner::apply`]; [`Error::Training`] where there is no batch.
pub fn update<L: Learner>(
    learner: &mut L,
    workers: &Workers,
    step: u64,
    batches: Vec<L::Batch>,
    rate: f64,
) -> Result<Applied> {
    let mut sum = None;
    let mut left = batches.into_iter();
    while left.len() > 0 {
        let now = left.by_ref().take(workers.count()).collect();
        let shared = &*learner;
        for next in workers.run(now, |_, batch| shared.part(step, batch))? {
            sum = Some(match sum {
                Some(sum) => L::merged(sum, next, workers)?,
                None => next,
            });
        }
    }
    let all = sum.ok_or_else(|| Error::Training(format!("step {step} has no batch")))?;
    learner.apply(step, all, rate, workers)
}

/// A run in progress.
struct Run<'a, L: Learner> {
    learner: &'a mut L,
    config: &'a RunConfig,
    context: RunContext<'a>,
    checkpoints: Checkpoints,
    workers: Workers,
    log: RunLog,
    step: u64,
    skipped: BTreeSet<u64>,
    unreadable: BTreeSet<String>,
}

impl<'a, L: Learner> Run<'a, L> {
    fn start(learner: &'a mut L, config: &'a RunConfig, context: RunContext<'a>) -> Result<Self> {
        let previews = context.folder.join(PREVIEWS);
        for folder in [context.folder, &previews] {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
            remove_stale_temporaries(folder)?;
        }
        let checkpoints = Checkpoints::new(context.folder, config.keep);
        let Newest { found, mut broken } = checkpoints.newest()?;
        if found.is_none() && !broken.is_empty() {
            // Starting again would throw the run's log and its days of work away.
            return Err(broken.remove(0));
        }
        for error in &broken {
            context.progress.note(&format!("passed over a broken checkpoint: {error}"));
        }
        let (step, skipped) = match found {
            Some((record, state)) => {
                learner.restore(&state)?;
                checkpoints.remove_after(record.step)?;
                context.progress.note(&format!("going on from step {}", record.step));
                (record.step, record.skipped.into_iter().collect())
            }
            None => (0, BTreeSet::new()),
        };
        let log = RunLog::open(context.folder, L::COLUMNS, L::panels(), Some(step))?;
        let workers = Workers::new(context.workers.min(config.micro_batches))?;
        context.progress.begin("training", step, config.steps);
        let run = Self {
            learner,
            config,
            context,
            checkpoints,
            workers,
            log,
            step,
            skipped,
            unreadable: BTreeSet::new(),
        };
        if step == 0 {
            // A loss that is not finite before the first interval needs something to go back to.
            run.checkpoint()?;
        }
        Ok(run)
    }

    fn one_step(&mut self, source: &mut dyn BatchSource<Batch = L::Batch>) -> Result<()> {
        let step = self.step;
        if self.skipped.contains(&step) {
            self.step += 1;
            return self.step_done();
        }
        let rate = self.config.rate.at(step, self.config.steps);
        match update(self.learner, &self.workers, step, source.batches(step)?, rate)? {
            Applied::NotFinite(what) => self.roll_back(&what),
            Applied::Updated(values) => self.after_update(&values),
        }
    }

    fn after_update(&mut self, values: &[f64]) -> Result<()> {
        let columns = L::COLUMNS.iter().copied().zip(values.iter().copied());
        let scalars: Vec<(&str, f64)> = columns.filter(|(_, value)| !value.is_nan()).collect();
        self.step += 1;
        // By the number of steps done, as checkpoints count: what came after one is dropped when going back.
        self.log.scalars(self.step, &scalars)?;
        let shown: Vec<String> =
            scalars.iter().take(3).map(|(name, value)| format!("{name} {value:.4}")).collect();
        self.context.progress.step(self.step, &shown.join("  "));
        self.step_done()
    }

    /// What is due after a step, updated or left out.
    fn step_done(&mut self) -> Result<()> {
        let is_last = self.step == self.config.steps;
        if self.config.preview_every > 0 && (self.step.is_multiple_of(self.config.preview_every) || is_last) {
            self.preview()?;
        }
        if self.step.is_multiple_of(self.config.checkpoint_every) || is_last {
            self.log.curves()?;
            self.checkpoint()?;
        }
        Ok(())
    }

    fn preview(&mut self) -> Result<()> {
        let folder = self.context.folder.join(PREVIEWS);
        for (name, picture) in self.learner.previews(self.step)? {
            let path = folder.join(format!("{name}-{:09}.png", self.step));
            picture.save_png(&path)?;
            let png = std::fs::read(&path).map_err(Error::io(&path))?;
            self.log.images(name, self.step, &png)?;
        }
        Ok(())
    }

    /// Says what could not be read since it was last said.
    fn note_unreadable(&mut self, source: &dyn BatchSource<Batch = L::Batch>) {
        for found in source.unreadable() {
            if !self.unreadable.contains(&found) {
                self.context.progress.note(&format!("left out: {found}"));
                self.unreadable.insert(found);
            }
        }
    }

    fn checkpoint(&self) -> Result<()> {
        let record = Record {
            version: env!("CARGO_PKG_VERSION").into(),
            step: self.step,
            skipped: self.skipped.iter().copied().collect(),
            config: self.context.config.clone(),
            checksum: 0,
        };
        let export = |path: &Path| self.learner.export(path, self.step);
        self.checkpoints.save(record, self.learner.state(), export).map(|_| ())
    }

    /// Back to the last checkpoint, and from there again without the step that failed.
    fn roll_back(&mut self, what: &str) -> Result<()> {
        let failed = self.step;
        self.skipped.insert(failed);
        if self.skipped.len() > MOST_ROLLBACKS {
            let reason = format!(
                "{what} at step {failed}, and {MOST_ROLLBACKS} times before; try a lower train.rate.peak"
            );
            return Err(Error::Training(reason));
        }
        let Some((record, state)) = self.checkpoints.newest()?.found else {
            return Err(Error::Training(format!(
                "{what} at step {failed}, and there is no checkpoint to go back to"
            )));
        };
        self.learner.restore(&state)?;
        self.checkpoints.remove_after(record.step)?;
        self.step = record.step;
        self.log = RunLog::open(self.context.folder, L::COLUMNS, L::panels(), Some(record.step))?;
        let note =
            format!("{what} at step {failed}: back to step {}, and on without step {failed}", record.step);
        self.context.progress.note(&note);
        Ok(())
    }

    fn finish(self) -> Result<Outcome> {
        let model = self.context.folder.join(MODEL_FILE);
        self.learner.export(&model, self.step)?;
        self.context.progress.end();
        Ok(Outcome::Finished {
            model,
            skipped: self.skipped.into_iter().collect(),
            unreadable: self.unreadable.into_iter().collect(),
        })
    }
}
