//! Endless shuffled batches for training, decoded in the background.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::data::order::{Order, substitutes};
use crate::data::prefetch::{Prefetch, Stop, pool};
use crate::data::source::{CacheLimit, Source};
use crate::data::{PictureFolder, Problem};
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};
use crate::signal::resize::{Crop, Flip};

/// What a [`Loader`] makes of a folder.
#[derive(Clone, Debug)]
pub struct LoaderOptions {
    /// The key of the order of the pictures, and of random crops and flips.
    pub seed: u64,
    /// Pictures in a batch.
    pub batch_size: usize,
    /// The side of the square crops, in pixels.
    pub size: u32,
    /// Which square of a picture is taken.
    pub crop: Crop,
    /// Whether pictures are mirrored.
    pub flip: Flip,
    /// Threads that decode; 0 means one for each core. The batches do not depend on it.
    pub threads: usize,
    /// Batches that are made ahead.
    pub prefetch: usize,
    /// Memory for decoded crops, used when all of them fit (and are no random crops).
    pub cache: CacheLimit,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            batch_size: 64,
            size: 64,
            crop: Crop::Center,
            flip: Flip::Never,
            threads: 0,
            prefetch: 4,
            cache: CacheLimit::default(),
        }
    }
}

/// How a [`Loader`] makes batches, whatever of.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// The key of the order of the examples, and of what is random about each.
    pub seed: u64,
    /// Examples in a batch.
    pub batch_size: usize,
    /// Threads that read; 0 means one for each core. The batches do not depend on it.
    pub threads: usize,
    /// Batches that are made ahead.
    pub prefetch: usize,
}

/// Examples to learn from, each a number of values and a class.
pub trait Examples: Send + Sync + Debug {
    /// Where they lie.
    fn root(&self) -> &Path;

    /// How many there are; never none.
    fn count(&self) -> usize;

    /// The number of values of each.
    fn values(&self) -> usize;

    /// The class of one.
    fn class(&self, item: usize) -> u32;

    /// Reads one, and says whether that was possible; if not, [`Examples::problems`] has the reason.
    fn read(&self, item: usize, rng: &mut ChaCha8Rng, values: &mut [f32]) -> bool;

    /// The unreadable ones met so far, in their order.
    fn problems(&self) -> Vec<Problem>;
}

/// One batch of training examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// One example after another; of pictures `[batch_size, 3, size, size]` in `[-1, 1]`.
    pub values: Vec<f32>,
    /// The class of each.
    pub classes: Vec<u32>,
    /// The number of this batch, from 0.
    pub step: u64,
}

/// Endless batches of examples. Batch `n` is a pure function of the examples, the options and `n`: the
/// order of epoch `e` depends on the seed and `e` only, batches run on across the ends of epochs, and
/// neither the threads nor the batches taken before matter. So a run resumes at any step.
///
/// A file that cannot be read is skipped: its place is taken by another example, chosen by the seed
/// and the place, and the file is listed in [`Self::problems`].
#[derive(Debug)]
pub struct Loader {
    examples: Arc<dyn Examples>,
    workers: Arc<rayon::ThreadPool>,
    options: BatchOptions,
    step: u64,
    running: Option<Prefetch<Result<Batch>>>,
}

impl Loader {
    /// A loader of pictures that starts at step 0. Nothing is read before the first batch is asked for.
    ///
    /// # Errors
    /// [`Error::Argument`] for a batch size or a picture size of zero, or when threads cannot be started.
    pub fn new(folder: Arc<PictureFolder>, options: LoaderOptions) -> Result<Self> {
        let LoaderOptions { seed, batch_size, size, crop, flip, threads, prefetch, cache } = options;
        let source = Source::new(folder, size, crop, flip, cache)?;
        Self::of(Arc::new(source), BatchOptions { seed, batch_size, threads, prefetch })
    }

    /// A loader of any examples.
    ///
    /// # Errors
    /// [`Error::Argument`] for a batch size of zero, or when threads cannot be started.
    pub fn of(examples: Arc<dyn Examples>, options: BatchOptions) -> Result<Self> {
        if options.batch_size == 0 {
            return Err(Error::argument("batch_size", "must be at least 1"));
        }
        let workers = Arc::new(pool(options.threads)?);
        Ok(Self { examples, workers, options, step: 0, running: None })
    }

    /// The same loader, with batch `step` to come next.
    #[must_use]
    pub fn start_at(mut self, step: u64) -> Self {
        self.step = step;
        self.running = None;
        self
    }

    /// The number of the batch that comes next: what a checkpoint must hold to go on from here.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The next batch.
    ///
    /// # Errors
    /// [`Error::File`] when none of the examples can be read.
    pub fn next_batch(&mut self) -> Result<Batch> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        // On an error the workers are let go, so that a later call tries again.
        let batch = running
            .next()
            .unwrap_or_else(|| Err(Error::file(self.examples.root(), "the loader has stopped")))?;
        self.running = Some(running);
        self.step = batch.step + 1;
        Ok(batch)
    }

    /// The unreadable files met so far, also in batches made ahead, in their order.
    pub fn problems(&self) -> Vec<Problem> {
        self.examples.problems()
    }

    fn start(&self) -> Result<Prefetch<Result<Batch>>> {
        let (examples, workers) = (Arc::clone(&self.examples), Arc::clone(&self.workers));
        let (seed, batch_size) = (self.options.seed, self.options.batch_size);
        let mut order = Order::new(seed, examples.count());
        let mut step = self.step;
        Prefetch::start(self.options.prefetch, move |stop| {
            let first = step.wrapping_mul(batch_size as u64);
            let places: Vec<(u64, usize)> = (first..first.saturating_add(batch_size as u64))
                .map(|position| (position, order.item_at(position)))
                .collect();
            let batch = workers.install(|| read_batch(&*examples, seed, step, &places, stop));
            step = step.wrapping_add(1);
            Some(batch)
        })
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    /// Never `None`.
    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_batch())
    }
}

fn read_batch(
    examples: &dyn Examples,
    seed: u64,
    step: u64,
    places: &[(u64, usize)],
    stop: &Stop,
) -> Result<Batch> {
    let mut values = vec![0.0; places.len() * examples.values()];
    let classes = values
        .par_chunks_exact_mut(examples.values())
        .zip(places)
        .map(|(values, &(position, item))| {
            if stop.is_asked() {
                return Err(Error::file(examples.root(), "the loader was stopped"));
            }
            Ok(examples.class(read_place(examples, seed, position, item, values)?))
        })
        .collect::<Result<Vec<u32>>>()?;
    Ok(Batch { values, classes, step })
}

/// Reads `item`, or the first of its substitutes that can be read; says which.
fn read_place(
    examples: &dyn Examples,
    seed: u64,
    position: u64,
    item: usize,
    values: &mut [f32],
) -> Result<usize> {
    let count = examples.count();
    std::iter::once(item)
        .chain(substitutes(seed, position, count))
        .find(|&item| {
            let mut rng = stream(seed, Purpose::Augment, position, 0);
            examples.read(item, &mut rng, values)
        })
        .ok_or_else(|| {
            let first = examples.problems().into_iter().next();
            let example = first.map(|p| format!("; {}: {}", p.path.display(), p.reason)).unwrap_or_default();
            Error::file(examples.root(), format!("none of its {count} files can be read{example}"))
        })
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
