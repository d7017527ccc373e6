//! The promises of the cache: what goes in comes out, interruptions change nothing, misfits are named.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor, TensorData};

use super::header::{CacheInputs, unfinished_path};
use super::shard::{self, Signals};
use super::*;
use crate::data::{Layout, PictureFolder};
use crate::error::{Error, Result};
use crate::nn::parameters::fingerprint;
use crate::progress::{Progress, Silent};
use crate::random::{Purpose, index_below, stream};
use crate::rvq::Codes;
use crate::signal::Picture;
use crate::signal::resize::{Crop, Flip};
use crate::tokenizer::ImageTokenizer;
use crate::tokenizer::image::testing::tiny;

/// Two classes of five 8 × 8 pictures of noise; `a/2.png` cannot be read.
pub(super) fn pictures() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (at, class) in (0..).zip(["a", "b"]) {
        std::fs::create_dir(root.path().join(class)).unwrap();
        for name in 0..5 {
            let mut rng = stream(7, Purpose::Synthetic, name, at);
            let rgb = (0..8 * 8 * 3).map(|_| index_below(&mut rng, 256) as u8).collect();
            let path = root.path().join(class).join(format!("{name}.png"));
            Picture::new(8, 8, rgb).unwrap().save_png(path).unwrap();
        }
    }
    std::fs::write(root.path().join("a/2.png"), b"no picture").unwrap();
    root
}

pub(super) fn folder(root: &Path) -> Arc<PictureFolder> {
    Arc::new(PictureFolder::scan(root, Layout::Classes).unwrap())
}

/// Shards of four pictures: three shards of 3, 4 and 2 readable ones.
pub(super) fn options() -> CacheOptions {
    CacheOptions { flip: Flip::Half, batch_size: 2, shard_size: 4, ..CacheOptions::default() }
}

pub(super) fn build_in(dir: &Path, root: &Path, options: &CacheOptions) -> Result<Built> {
    build(&folder(root), &tiny(1), options, dir, &mut Silent, &AtomicBool::new(false))
}

/// The names and contents of all files in `dir`.
pub(super) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let named = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    entries.map(named).collect()
}

fn encoded(tokenizer: &ImageTokenizer, picture: &Picture) -> Codes {
    let pixels = TensorData::new(picture.to_unit(), [1, 3, 8, 8]);
    tokenizer.encode(Tensor::from_data(pixels, &Device::flex())).unwrap()
}

#[test]
fn every_readable_picture_comes_back_as_its_codes() {
    let (root, dir) = (pictures(), tempfile::tempdir().unwrap());
    let Built::Finished(header) = build_in(dir.path(), root.path(), &options()).unwrap() else {
        panic!("nobody asked it to stop")
    };
    let cache = TokenCache::open(dir.path()).unwrap();
    assert_eq!(*cache.header(), header);
    // Four pictures of a and five of b, each twice.
    assert_eq!((cache.len(), cache.class_counts()), (18, vec![8, 10]));
    assert_eq!(cache.classes(), ["a", "b"]);
    assert_eq!(header.shards.iter().map(|shard| shard.count).collect::<Vec<_>>(), [6, 8, 4]);
    assert_eq!((header.unreadable.len(), &*header.unreadable[0].path), (1, "a/2.png"));
    let names = [("a", 0), ("a", 1), ("a", 3), ("a", 4), ("b", 0), ("b", 1), ("b", 2), ("b", 3), ("b", 4)];
    for (at, (class, name)) in names.into_iter().enumerate() {
        let picture = Picture::open(root.path().join(format!("{class}/{name}.png"))).unwrap();
        for (signal, picture) in [(2 * at, picture.clone()), (2 * at + 1, picture.mirrored())] {
            assert_eq!(cache.codes(&[signal]).unwrap(), encoded(&tiny(1), &picture), "signal {signal}");
            assert_eq!(cache.class_of(signal).unwrap(), u32::from(class == "b"));
        }
    }
    let two = cache.codes(&[17, 0]).unwrap();
    assert_eq!(
        (two.signal(0), two.signal(1)),
        (cache.codes(&[17]).unwrap().values(), cache.codes(&[0]).unwrap().values())
    );
    assert!(matches!(cache.codes(&[0, 18]), Err(Error::Argument { .. })));
    assert!(matches!(cache.class_of(18), Err(Error::Argument { .. })));
}

#[test]
fn a_shard_is_the_bytes_its_format_says() {
    let signals = Signals { classes: vec![1, 0], values: vec![2, 3, 4, 258] };
    let mut expected = b"RESGENRQ".to_vec();
    expected.extend([1, 0, 0, 0, 2, 0, 0, 0]);
    expected.extend([1, 0, 0, 0, 2, 0, 3, 0]);
    expected.extend([0, 0, 0, 0, 4, 0, 2, 1]);
    assert_eq!(shard::to_bytes(&signals, 2).unwrap(), expected);
    assert!(shard::to_bytes(&signals, 3).is_err());
}

/// Asks for a stop once `after` pictures are done.
struct StopAfter<'a> {
    after: u64,
    stop: &'a AtomicBool,
}

impl Progress for StopAfter<'_> {
    fn begin(&mut self, _what: &str, _start: u64, _total: u64) {}
    fn step(&mut self, done: u64, _message: &str) {
        self.stop.fetch_or(done >= self.after, Ordering::Relaxed);
    }
    fn note(&mut self, _message: &str) {}
    fn end(&mut self) {}
}

/// Builds until `after` pictures are done and returns how many of them are kept.
fn build_until(after: u64, dir: &Path, root: &Path) -> usize {
    let stop = AtomicBool::new(false);
    let mut progress = StopAfter { after, stop: &stop };
    match build(&folder(root), &tiny(1), &options(), dir, &mut progress, &stop).unwrap() {
        Built::Stopped { pictures } => pictures,
        Built::Finished(_) => panic!("it was asked to stop"),
    }
}

#[test]
fn an_interrupted_build_ends_with_the_same_bytes() {
    let (root, whole) = (pictures(), tempfile::tempdir().unwrap());
    build_in(whole.path(), root.path(), &options()).unwrap();
    for (after, kept) in [(0, 0), (2, 0), (4, 0), (6, 4), (8, 4), (9, 8)] {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(build_until(after, dir.path(), root.path()), kept, "after {after}");
        assert!(TokenCache::open(dir.path()).is_err());
        // What a killed process may leave: half a temporary, a shard that was not noted any more.
        std::fs::write(dir.path().join(".shard-00001.codes.1.0.resgen-tmp"), b"half").unwrap();
        std::fs::write(dir.path().join("shard-00002.codes"), b"not noted").unwrap();
        build_in(dir.path(), root.path(), &CacheOptions { workers: 3, ..options() }).unwrap();
        assert_eq!(files(dir.path()), files(whole.path()), "after {after}");
    }
}

#[test]
fn a_shard_damaged_during_a_build_is_made_again() {
    let (root, whole, dir) = (pictures(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build_in(whole.path(), root.path(), &options()).unwrap();
    build_until(9, dir.path(), root.path());
    std::fs::write(dir.path().join("shard-00000.codes"), b"damaged").unwrap();
    build_in(dir.path(), root.path(), &options()).unwrap();
    assert_eq!(files(dir.path()), files(whole.path()));
}

#[test]
fn a_finished_cache_is_checked_and_left_alone() {
    let (root, dir) = (pictures(), tempfile::tempdir().unwrap());
    let first = build_in(dir.path(), root.path(), &options()).unwrap();
    let before = files(dir.path());
    assert_eq!(build_in(dir.path(), root.path(), &options()).unwrap(), first);
    assert_eq!(files(dir.path()), before);
    std::fs::write(dir.path().join("shard-00001.codes"), b"damaged").unwrap();
    let error = build_in(dir.path(), root.path(), &options()).unwrap_err().to_string();
    assert!(error.contains("shard-00001.codes") && error.contains("found 7"), "{error}");
}

#[test]
fn other_inputs_are_refused_by_name() {
    let (root, finished, begun) = (pictures(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build_in(finished.path(), root.path(), &options()).unwrap();
    build_until(4, begun.path(), root.path());
    for dir in [finished.path(), begun.path()] {
        let before = files(dir);
        let refused = |options: &CacheOptions, tokenizer: &ImageTokenizer, root: &Path| {
            let stop = AtomicBool::new(false);
            build(&folder(root), tokenizer, options, dir, &mut Silent, &stop).unwrap_err().to_string()
        };
        let error = refused(&CacheOptions { flip: Flip::Never, ..options() }, &tiny(1), root.path());
        assert!(error.ends_with("flip: expected \"never\", found \"half\""), "{error}");
        let error = refused(&CacheOptions { shard_size: 5, ..options() }, &tiny(1), root.path());
        assert!(error.ends_with("shard_size: expected 5, found 4"), "{error}");
        assert!(refused(&options(), &tiny(2), root.path()).contains(": tokenizer: expected \""));
        let others = pictures();
        std::fs::write(others.path().join("a/2.png"), b"another length").unwrap();
        assert!(refused(&options(), &tiny(1), others.path()).contains(": pictures: expected \""));
        assert_eq!(files(dir), before);
    }
}

#[test]
fn every_field_of_the_inputs_is_compared() {
    let inputs = inputs();
    type Change = fn(&mut CacheInputs);
    let changes: [(&str, Change); 11] = [
        ("pictures", |inputs| inputs.pictures.push('x')),
        ("classes", |inputs| inputs.classes.push("c".into())),
        ("tokenizer", |inputs| inputs.tokenizer.push('x')),
        ("resolution", |inputs| inputs.resolution += 1),
        ("crop", |inputs| inputs.crop = Crop::Random),
        ("flip", |inputs| inputs.flip = Flip::Half),
        ("batch_size", |inputs| inputs.batch_size += 1),
        ("shard_size", |inputs| inputs.shard_size += 1),
        ("positions", |inputs| inputs.positions += 1),
        ("depth", |inputs| inputs.depth += 1),
        ("vocabulary", |inputs| inputs.vocabulary += 1),
    ];
    for (name, change) in changes {
        let mut other = inputs.clone();
        change(&mut other);
        let error = inputs.expect_equal("here", &other).unwrap_err().to_string();
        assert!(error.starts_with(&format!("here: {name}: expected ")), "{error}");
    }
    inputs.expect_equal("here", &inputs.clone()).unwrap();
}

/// The inputs of a cache that need not exist.
pub(super) fn inputs() -> CacheInputs {
    CacheInputs {
        pictures: "p".into(),
        classes: vec!["a".into(), "b".into()],
        tokenizer: "t".into(),
        resolution: 8,
        crop: Crop::Center,
        flip: Flip::Never,
        batch_size: 2,
        shard_size: 4,
        positions: 4,
        depth: 2,
        vocabulary: 5,
    }
}

#[test]
fn a_tokenizer_that_does_not_fit_is_told_why() {
    let (root, dir) = (pictures(), tempfile::tempdir().unwrap());
    build_in(dir.path(), root.path(), &options()).unwrap();
    let cache = TokenCache::open(dir.path()).unwrap();
    let tokenizer = tiny(1);
    let (print, config) = (fingerprint(&tokenizer.tensors()), tokenizer.config().clone());
    cache.expect_tokenizer(&print, &config).unwrap();
    let refused = |print: &str, config| cache.expect_tokenizer(print, &config).unwrap_err().to_string();
    let mut other = config.clone();
    other.resolution = 16;
    assert!(refused(&print, other).ends_with("resolution of its tokenizer: expected 16, found 8"));
    let mut other = config.clone();
    other.stem = 2;
    assert!(refused(&print, other).ends_with("positions of its tokenizer: expected 16, found 4"));
    let mut other = config.clone();
    other.depth = 3;
    assert!(refused(&print, other).ends_with("depth of its tokenizer: expected 3, found 2"));
    let mut other = config.clone();
    other.vocabulary = 6;
    assert!(refused(&print, other).ends_with("vocabulary of its tokenizer: expected 6, found 5"));
    assert!(refused("x", config).contains("fingerprint of its tokenizer: expected x, found "));
}

#[test]
fn options_and_folders_that_cannot_serve_are_refused() {
    let (root, dir) = (pictures(), tempfile::tempdir().unwrap());
    let refused =
        |options: &CacheOptions| build_in(dir.path(), root.path(), options).unwrap_err().to_string();
    assert!(refused(&CacheOptions { crop: Crop::Random, ..options() }).contains("must be `center`"));
    assert!(refused(&CacheOptions { batch_size: 0, ..options() }).contains("at least 1, found 0 and 4"));
    assert!(refused(&CacheOptions { shard_size: 0, ..options() }).contains("at least 1, found 2 and 0"));
    assert!(files(dir.path()).is_empty());

    let broken = tempfile::tempdir().unwrap();
    std::fs::create_dir(broken.path().join("a")).unwrap();
    std::fs::write(broken.path().join("a/1.png"), b"no picture").unwrap();
    let error = build_in(dir.path(), broken.path(), &options()).unwrap_err().to_string();
    assert!(error.contains("none of its pictures can be read; a/1.png: "), "{error}");
    assert!(unfinished_path(dir.path()).exists() && TokenCache::open(dir.path()).is_err());
}
