//! Endless shuffled batches for training, decoded in the background.

use std::sync::Arc;

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

/// One batch of training pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[batch_size, 3, size, size]` in `[-1, 1]`.
    pub pixels: Vec<f32>,
    /// The class of each picture.
    pub classes: Vec<u32>,
    /// The number of this batch, from 0.
    pub step: u64,
}

/// Endless batches of a folder. Batch `n` is a pure function of the folder, the options and `n`: the
/// order of epoch `e` depends on the seed and `e` only, batches run on across the ends of epochs, and
/// neither the threads nor the batches taken before matter. So a run resumes at any step.
///
/// A file that cannot be read is skipped: its place is taken by another picture, chosen by the seed
/// and the place, and the file is listed in [`Self::problems`].
#[derive(Debug)]
pub struct Loader {
    source: Arc<Source>,
    workers: Arc<rayon::ThreadPool>,
    options: LoaderOptions,
    step: u64,
    running: Option<Prefetch<Result<Batch>>>,
}

impl Loader {
    /// A loader that starts at step 0. Nothing is read before the first batch is asked for.
    ///
    /// # Errors
    /// [`Error::Argument`] for a batch size or a picture size of zero, or when threads cannot be started.
    pub fn new(folder: Arc<PictureFolder>, options: LoaderOptions) -> Result<Self> {
        if options.batch_size == 0 {
            return Err(Error::argument("batch_size", "must be at least 1"));
        }
        let source = Source::new(folder, options.size, options.crop, options.flip, options.cache)?;
        let workers = Arc::new(pool(options.threads)?);
        Ok(Self { source: Arc::new(source), workers, options, step: 0, running: None })
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
    /// [`Error::File`] when no picture of the folder can be read.
    pub fn next_batch(&mut self) -> Result<Batch> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        // On an error the workers are let go, so that a later call tries again.
        let batch =
            running.next().unwrap_or_else(|| Err(Error::file(self.root(), "the loader has stopped")))?;
        self.running = Some(running);
        self.step = batch.step + 1;
        Ok(batch)
    }

    /// The unreadable files met so far, also in batches made ahead, in the order of the folder.
    pub fn problems(&self) -> Vec<Problem> {
        self.source.problems()
    }

    fn root(&self) -> &std::path::Path {
        self.source.folder.root()
    }

    fn start(&self) -> Result<Prefetch<Result<Batch>>> {
        let (source, workers) = (Arc::clone(&self.source), Arc::clone(&self.workers));
        let (seed, batch_size) = (self.options.seed, self.options.batch_size);
        let mut order = Order::new(seed, source.folder.items().len());
        let mut step = self.step;
        Prefetch::start(self.options.prefetch, move |stop| {
            let first = step.wrapping_mul(batch_size as u64);
            let places: Vec<(u64, usize)> = (first..first.saturating_add(batch_size as u64))
                .map(|position| (position, order.item_at(position)))
                .collect();
            let batch = workers.install(|| read_batch(&source, seed, step, &places, stop));
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

fn read_batch(source: &Source, seed: u64, step: u64, places: &[(u64, usize)], stop: &Stop) -> Result<Batch> {
    let mut pixels = vec![0.0; places.len() * source.values()];
    let classes = pixels
        .par_chunks_exact_mut(source.values())
        .zip(places)
        .map(|(pixels, &(position, item))| {
            if stop.is_asked() {
                return Err(Error::file(source.folder.root(), "the loader was stopped"));
            }
            let item = read_place(source, seed, position, item, pixels)?;
            Ok(source.folder.items()[item].class)
        })
        .collect::<Result<Vec<u32>>>()?;
    Ok(Batch { pixels, classes, step })
}

/// Reads `item`, or the first of its substitutes that can be read; says which.
fn read_place(source: &Source, seed: u64, position: u64, item: usize, pixels: &mut [f32]) -> Result<usize> {
    let count = source.folder.items().len();
    std::iter::once(item)
        .chain(substitutes(seed, position, count))
        .find(|&item| {
            let mut rng = stream(seed, Purpose::Augment, position, 0);
            source.read(item, &mut rng, pixels).is_some()
        })
        .ok_or_else(|| {
            let first = source.problems().into_iter().next();
            let example = first.map(|p| format!("; {}: {}", p.path.display(), p.reason)).unwrap_or_default();
            Error::file(source.folder.root(), format!("none of its {count} pictures can be read{example}"))
        })
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
