//! Encoding a folder of pictures.
//!
//! 1. Name the inputs. A folder that holds a cache of other inputs, finished or not, is refused.
//! 2. Keep the shards that an interrupted build of the same inputs left whole.
//! 3. For every further shard: decode pictures in the background, encode several batches side by side,
//!    write the shard, then note it in `building.json`.
//! 4. Write `cache.json`.
//!
//! A shard is made of a fixed range of pictures in fixed batches, each on one thread, so neither
//! interruptions nor the number of workers change a byte.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Tensor, TensorData};
use sha2::{Digest, Sha256};

use super::header::{
    CacheHeader, CacheInputs, ShardEntry, Unfinished, UnfinishedShard, Unreadable, VERSION, header_path,
    unfinished_path,
};
use super::shard::{self, Signals};
use crate::atomic::{remove_stale_temporaries, write_atomically};
use crate::data::{Pass, PassBatch, PassOptions, PictureFolder, Problem};
use crate::digest;
use crate::error::{Error, Result};
use crate::nn::parameters::fingerprint;
use crate::progress::Progress;
use crate::sealed;
use crate::signal::resize::{Crop, Flip};
use crate::tokenizer::{ImageTokenizer, TokenizerConfig};
use crate::workers::Workers;

/// How a cache is made.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// Which square of a picture is taken; only [`Crop::Center`] can be cached.
    pub crop: Crop,
    /// [`Flip::Half`] stores every picture twice: as it is, then mirrored.
    pub flip: Flip,
    /// Pictures encoded together.
    pub batch_size: usize,
    /// Pictures of a shard. A build that is interrupted loses less than one.
    pub shard_size: usize,
    /// Batches encoded at once; one where the tokenizer is not on the CPU. The cache does not depend on it.
    pub workers: usize,
    /// Threads that decode. The cache does not depend on it.
    pub threads: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            crop: Crop::Center,
            flip: Flip::Never,
            batch_size: 32,
            shard_size: 4096,
            workers: 1,
            threads: 1,
        }
    }
}

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Built {
    /// The cache is complete.
    Finished(CacheHeader),
    /// Asked to stop; the same call goes on from here.
    Stopped {
        /// Pictures done.
        pictures: usize,
    },
}

/// Encodes the pictures of `folder` into a cache in `dir`, or goes on where an earlier call was interrupted.
/// A cache that is complete already is checked and left as it is.
///
/// # Errors
/// [`Error::Argument`] for options that cannot be, [`Error::Mismatch`] where `dir` holds a cache of other
/// inputs, [`Error::File`] where no picture can be read or a finished cache is damaged, [`Error::Io`].
pub fn build(
    folder: &Arc<PictureFolder>,
    tokenizer: &ImageTokenizer,
    options: &CacheOptions,
    dir: impl AsRef<Path>,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<Built> {
    let dir = dir.as_ref();
    let maker = Maker::new(folder, tokenizer, options)?;
    std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    if let Some(header) = finished(dir, &maker.inputs)? {
        return Ok(Built::Finished(header));
    }
    remove_stale_temporaries(dir)?;
    let mut done = unfinished(dir, &maker.inputs)?;
    progress.begin("encoding pictures", maker.range(done.shards.len()).start as u64, maker.pictures() as u64);
    while !maker.range(done.shards.len()).is_empty() {
        let Some(made) = maker.make(done.shards.len(), dir, progress, stop)? else {
            progress.end();
            return Ok(Built::Stopped { pictures: maker.range(done.shards.len()).start });
        };
        done.shards.push(made);
        sealed::write(&unfinished_path(dir), VERSION, &done)?;
    }
    progress.end();
    finish(folder, dir, done).map(Built::Finished)
}

/// The header of a complete cache of `inputs` whose shards are whole.
fn finished(dir: &Path, inputs: &CacheInputs) -> Result<Option<CacheHeader>> {
    if !header_path(dir).try_exists().map_err(Error::io(dir))? {
        return Ok(None);
    }
    let header = CacheHeader::read(dir)?;
    inputs.expect_equal(&taken(dir), &header.inputs)?;
    for (index, entry) in header.shards.iter().enumerate() {
        shard::read(dir, index, inputs, entry)?;
    }
    remove_unfinished(dir)?;
    Ok(Some(header))
}

/// What an interrupted build has done; the inputs are written down before anything else.
fn unfinished(dir: &Path, inputs: &CacheInputs) -> Result<Unfinished> {
    let path = unfinished_path(dir);
    if !path.try_exists().map_err(Error::io(dir))? {
        let fresh = Unfinished { inputs: inputs.clone(), shards: Vec::new() };
        sealed::write(&path, VERSION, &fresh)?;
        return Ok(fresh);
    }
    let mut found: Unfinished = sealed::read(&path, VERSION)?;
    inputs.expect_equal(&taken(dir), &found.inputs)?;
    let whole =
        |(index, made): &(usize, &UnfinishedShard)| shard::read(dir, *index, inputs, &made.entry).is_ok();
    let kept = found.shards.iter().enumerate().take_while(whole).count();
    found.shards.truncate(kept);
    Ok(found)
}

fn taken(dir: &Path) -> String {
    format!("{} holds a token cache of other inputs (remove it to build another)", dir.display())
}

fn remove_unfinished(dir: &Path) -> Result<()> {
    let path = unfinished_path(dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path)(error)),
        _ => Ok(()),
    }
}

fn finish(folder: &PictureFolder, dir: &Path, done: Unfinished) -> Result<CacheHeader> {
    let signals = done.shards.iter().map(|made| made.entry.count).sum();
    let (shards, unreadable): (Vec<_>, Vec<_>) =
        done.shards.into_iter().map(|made| (made.entry, made.unreadable)).unzip();
    let unreadable = unreadable.concat();
    if signals == 0 {
        let example = unreadable.first().map(|first| format!("; {}: {}", first.path, first.reason));
        let reason = format!("none of its pictures can be read{}", example.unwrap_or_default());
        return Err(Error::file(folder.root(), reason));
    }
    let header = CacheHeader { inputs: done.inputs, signals, shards, unreadable };
    sealed::write(&header_path(dir), VERSION, &header)?;
    remove_unfinished(dir)?;
    Ok(header)
}

/// Makes shards.
struct Maker<'a> {
    folder: &'a Arc<PictureFolder>,
    tokenizer: &'a ImageTokenizer,
    inputs: CacheInputs,
    workers: Workers,
    pass: PassOptions,
}

impl<'a> Maker<'a> {
    fn new(
        folder: &'a Arc<PictureFolder>,
        tokenizer: &'a ImageTokenizer,
        options: &CacheOptions,
    ) -> Result<Self> {
        if options.crop != Crop::Center {
            let reason = "a cache holds one crop of each picture, so it must be `center`; found `random`";
            return Err(Error::argument("crop", reason));
        }
        if options.batch_size == 0 || options.shard_size == 0 {
            let reason = format!(
                "batch_size and shard_size must be at least 1, found {} and {}",
                options.batch_size, options.shard_size
            );
            return Err(Error::argument("options", reason));
        }
        let config = tokenizer.config();
        let size = u32::try_from(config.resolution)
            .map_err(|_| Error::argument("resolution", format!("{} is too large", config.resolution)))?;
        let inputs = CacheInputs {
            pictures: listing(folder),
            classes: folder.classes().to_vec(),
            tokenizer: fingerprint(&tokenizer.tensors()),
            resolution: config.resolution,
            crop: options.crop,
            flip: options.flip,
            batch_size: options.batch_size,
            shard_size: options.shard_size,
            positions: config.positions(),
            depth: config.depth,
            vocabulary: config.vocabulary,
        };
        let threads = options.threads.max(1);
        let pass = PassOptions { batch_size: options.batch_size, size, threads, prefetch: threads };
        Ok(Self { folder, tokenizer, inputs, workers: Workers::new(options.workers)?, pass })
    }

    fn pictures(&self) -> usize {
        self.folder.items().len()
    }

    /// The pictures of shard `index`.
    fn range(&self, index: usize) -> Range<usize> {
        let bound = |index: usize| index.saturating_mul(self.inputs.shard_size).min(self.pictures());
        bound(index)..bound(index + 1)
    }

    /// Encodes and writes shard `index`; `None` when asked to stop.
    fn make(
        &self,
        index: usize,
        dir: &Path,
        progress: &mut dyn Progress,
        stop: &AtomicBool,
    ) -> Result<Option<UnfinishedShard>> {
        let mut pass = Pass::over(Arc::clone(self.folder), self.range(index), &self.pass)?;
        let (mut signals, mut unreadable) = (Signals::default(), Vec::new());
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let mut batches = pass.by_ref().take(self.workers.count()).collect::<Result<Vec<_>>>()?;
            let Some(last) = batches.last().map(|batch| batch.range.end) else { break };
            unreadable.extend(batches.iter_mut().flat_map(|batch| batch.problems.drain(..)).map(stated));
            for encoded in self.workers.run(batches, |_, batch| self.encode(batch))? {
                signals.classes.extend(encoded.classes);
                signals.values.extend(encoded.values);
            }
            progress.step(last as u64, "");
        }
        let bytes = shard::to_bytes(&signals, self.inputs.values())?;
        write_atomically(shard::path(dir, index), |writer| writer.write_all(&bytes))?;
        let entry = ShardEntry { count: signals.classes.len(), crc32: crc32fast::hash(&bytes) };
        Ok(Some(UnfinishedShard { entry, unreadable }))
    }

    fn encode(&self, batch: PassBatch) -> Result<Signals> {
        if batch.items.is_empty() {
            return Ok(Signals::default());
        }
        let (side, twice) = (self.inputs.resolution, self.inputs.flip == Flip::Half);
        let (pixels, classes) = match twice {
            true => {
                (with_mirrored(&batch.pixels, side), batch.classes.iter().flat_map(|&c| [c, c]).collect())
            }
            false => (batch.pixels, batch.classes),
        };
        let device = self.tokenizer.books().vectors().device();
        let shape = [classes.len(), 3, side, side];
        let codes = self.tokenizer.encode(Tensor::from_data(TensorData::new(pixels, shape), &device))?;
        Ok(Signals { classes, values: codes.into_values() })
    }
}

/// Every picture of `[B, 3, side, side]` followed by its mirror picture: `[2B, 3, side, side]`.
fn with_mirrored(pixels: &[f32], side: usize) -> Vec<f32> {
    let mut both = Vec::with_capacity(2 * pixels.len());
    for picture in pixels.chunks_exact(3 * side * side) {
        both.extend(picture);
        both.extend(picture.chunks_exact(side).flat_map(|row| row.iter().rev()));
    }
    both
}

fn stated(problem: Problem) -> Unreadable {
    Unreadable { path: problem.path.to_string_lossy().into_owned(), reason: problem.reason }
}

/// A hash of what stands in the folder. It tells other pictures apart without reading them all.
fn listing(folder: &PictureFolder) -> String {
    let mut hasher = Sha256::new();
    for item in folder.items() {
        let name = item.path.as_os_str().as_encoded_bytes();
        // A file that is gone is unreadable, and no length of a file.
        let length = std::fs::metadata(folder.path_of(item)).map_or(u64::MAX, |about| about.len());
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update(item.class.to_le_bytes());
        hasher.update(length.to_le_bytes());
    }
    digest::short(hasher)
}
