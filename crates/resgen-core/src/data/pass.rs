//! Every picture of a folder once, in order: to code a set, or to measure on a held-out one.

use std::ops::Range;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::data::loader::Examples;
use crate::data::prefetch::{Prefetch, pool};
use crate::data::source::{CacheLimit, Source};
use crate::data::{PictureFolder, Problem};
use crate::error::{Error, Result};
use crate::signal::resize::{Crop, Flip};

/// How a [`Pass`] reads a folder.
#[derive(Clone, Debug)]
pub struct PassOptions {
    /// Pictures in a batch; the last batch may have fewer.
    pub batch_size: usize,
    /// The side of the (centre) crops, in pixels.
    pub size: u32,
    /// Threads that decode; 0 means one for each core.
    pub threads: usize,
    /// Batches that are made ahead.
    pub prefetch: usize,
}

impl Default for PassOptions {
    fn default() -> Self {
        Self { batch_size: 64, size: 64, threads: 0, prefetch: 2 }
    }
}

/// Some consecutive pictures of a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct PassBatch {
    /// Which items of the folder were tried.
    pub range: Range<usize>,
    /// Which of them could be read: B items.
    pub items: Vec<usize>,
    /// Their pixels: `[B, 3, size, size]` in `[-1, 1]`.
    pub pixels: Vec<f32>,
    /// Their classes: `[B]`.
    pub classes: Vec<u32>,
    /// The others of the range, with the reasons.
    pub problems: Vec<Problem>,
}

/// The batches of one pass over a folder, decoded in the background. Unreadable pictures are left
/// out and listed; nothing takes their place.
#[derive(Debug)]
pub struct Pass {
    running: Prefetch<PassBatch>,
    folder: Arc<PictureFolder>,
    /// The items that are still to come.
    left: Range<usize>,
}

impl Pass {
    /// Starts reading the whole folder.
    ///
    /// # Errors
    /// [`Error::Argument`] for a batch size or a picture size of zero, or when threads cannot be started.
    pub fn new(folder: Arc<PictureFolder>, options: &PassOptions) -> Result<Self> {
        let all = 0..folder.items().len();
        Self::over(folder, all, options)
    }

    /// Starts reading the pictures with the indices in `range`.
    ///
    /// # Errors
    /// As [`Pass::new`], and [`Error::Argument`] for a range beyond the folder.
    pub fn over(folder: Arc<PictureFolder>, range: Range<usize>, options: &PassOptions) -> Result<Self> {
        let batch_size = options.batch_size;
        if batch_size == 0 {
            return Err(Error::argument("batch_size", "must be at least 1"));
        }
        let count = folder.items().len();
        if range.start > range.end || range.end > count {
            return Err(Error::argument("range", format!("{range:?} of {count} pictures")));
        }
        let source =
            Source::new(Arc::clone(&folder), options.size, Crop::Center, Flip::Never, CacheLimit(0))?;
        let workers = pool(options.threads)?;
        let Range { start: mut first, end } = range.clone();
        let running = Prefetch::start(options.prefetch, move |_| {
            let range = first..end.min(first.saturating_add(batch_size));
            first = range.end;
            (!range.is_empty()).then(|| workers.install(|| read_range(&source, range)))
        })?;
        Ok(Self { running, folder, left: range })
    }
}

impl Iterator for Pass {
    type Item = Result<PassBatch>;

    /// An error means that the background work broke off: without it, a set cut short would pass for
    /// a whole one.
    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let batch = self.running.next().ok_or_else(|| {
            let reason =
                format!("reading broke off at picture {} of {}", self.left.start, self.folder.items().len());
            Error::file(self.folder.root(), reason)
        });
        self.left.start = batch.as_ref().map_or(self.left.end, |batch| batch.range.end);
        Some(batch)
    }
}

fn read_range(source: &Source, range: Range<usize>) -> PassBatch {
    let values = source.values();
    let mut pixels = vec![0.0; range.len() * values];
    let read: Vec<bool> = pixels
        .par_chunks_exact_mut(values)
        .zip(range.clone())
        // A centre crop draws nothing from it.
        .map(|(pixels, item)| source.read(item, &mut ChaCha8Rng::seed_from_u64(0), pixels))
        .collect();
    let (mut items, mut problems) = (Vec::with_capacity(range.len()), Vec::new());
    for (place, (item, read)) in range.clone().zip(read).enumerate() {
        if read {
            pixels.copy_within(place * values..(place + 1) * values, items.len() * values);
            items.push(item);
        } else {
            problems.extend(source.problem(item));
        }
    }
    pixels.truncate(items.len() * values);
    let classes = items.iter().map(|item| source.folder.items()[*item].class).collect();
    PassBatch { range, items, pixels, classes, problems }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Layout;
    use crate::signal::Picture;

    #[test]
    fn a_pass_meets_every_picture_once_in_order_and_lists_the_bad_ones() {
        let root = tempfile::tempdir().unwrap();
        for (class, name, level) in
            [("a", "1", 0), ("a", "2", 51), ("b", "3", 102), ("b", "4", 153), ("b", "5", 255)]
        {
            std::fs::create_dir_all(root.path().join(class)).unwrap();
            let path = root.path().join(class).join(name).with_extension("png");
            Picture::filled(4, 4, [level; 3]).unwrap().save_png(path).unwrap();
        }
        std::fs::write(root.path().join("b/3.png"), b"").unwrap();
        let folder = Arc::new(PictureFolder::scan(root.path(), Layout::Classes).unwrap());
        let options = PassOptions { batch_size: 3, size: 2, threads: 2, prefetch: 1 };
        let batches: Vec<_> = Pass::new(folder, &options).unwrap().map(Result::unwrap).collect();

        assert_eq!(batches.len(), 2);
        assert_eq!((batches[0].range.clone(), batches[1].range.clone()), (0..3, 3..5));
        assert_eq!((&*batches[0].items, &*batches[0].classes), (&[0, 1][..], &[0, 0][..]));
        assert_eq!((&*batches[1].items, &*batches[1].classes), (&[3, 4][..], &[1, 1][..]));
        assert_eq!(batches[0].pixels.len(), 2 * 3 * 2 * 2);
        // 51 / 127.5 - 1 = -0.6 and 153 / 127.5 - 1 = 0.2
        let firsts: Vec<f32> =
            batches.iter().flat_map(|batch| batch.pixels.chunks_exact(12).map(|pixels| pixels[0])).collect();
        for (found, expected) in firsts.iter().zip([-1.0, -0.6, 0.2, 1.0]) {
            assert!((found - expected).abs() < 1e-6, "{firsts:?}");
        }
        assert_eq!(batches[0].problems.len(), 1);
        assert_eq!(batches[0].problems[0].path, std::path::Path::new("b/3.png"));
        assert!(batches[1].problems.is_empty());
    }
}
