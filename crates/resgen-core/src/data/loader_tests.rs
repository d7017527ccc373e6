//! The promises of the loader: order, resumption, threads, bad files.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::data::Layout;
use crate::signal::Picture;

/// Two classes of four 8 x 8 pictures, each of one grey level: 10, 20, 30, 40 and 110, 120, 130, 140.
fn pictures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, base) in [("a", 0), ("b", 100)] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for level in [10, 20, 30, 40] {
            let path = folder.path().join(class).join(format!("{level}.png"));
            Picture::filled(8, 8, [base + level; 3]).unwrap().save_png(path).unwrap();
        }
    }
    folder
}

fn loader(root: &Path, threads: usize) -> Loader {
    loader_with(root, threads, CacheLimit::default())
}

fn loader_with(root: &Path, threads: usize, cache: CacheLimit) -> Loader {
    let folder = PictureFolder::scan(root, Layout::Classes).unwrap();
    let options =
        LoaderOptions { seed: 5, batch_size: 3, size: 8, threads, prefetch: 2, cache, ..Default::default() };
    Loader::new(Arc::new(folder), options).unwrap()
}

/// The grey level and class of each picture of a batch.
fn levels(batch: &Batch) -> Vec<(u8, u32)> {
    let level = |pixels: &[f32]| (pixels[0] * 127.5 + 127.5).round() as u8;
    batch.values.chunks_exact(3 * 8 * 8).map(level).zip(batch.classes.iter().copied()).collect()
}

fn take(loader: &mut Loader, count: usize) -> Vec<Batch> {
    loader.take(count).map(Result::unwrap).collect()
}

#[test]
fn an_epoch_holds_every_picture_once_with_its_class() {
    let root = pictures();
    let mut loader = loader(root.path(), 2);
    // 8 batches of 3 are 3 epochs of 8.
    let batches = take(&mut loader, 8);
    let row: Vec<_> = batches.iter().flat_map(levels).collect();
    for epoch in row.chunks_exact(8) {
        let found: BTreeSet<_> = epoch.iter().copied().collect();
        let expected = [10, 20, 30, 40].into_iter().flat_map(|level| [(level, 0), (100 + level, 1)]);
        assert_eq!(found, expected.collect());
    }
    assert_ne!(row[..8], row[8..16]);
    assert_eq!(batches.iter().map(|batch| batch.step).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    assert_eq!(loader.step(), 8);
    assert!(loader.problems().is_empty());
}

#[test]
fn batches_depend_neither_on_the_threads_nor_on_the_start_nor_on_the_cache() {
    let root = pictures();
    let whole = take(&mut loader(root.path(), 1), 10);
    assert_eq!(whole, take(&mut loader(root.path(), 3), 10));
    assert_eq!(whole[4..], take(&mut loader(root.path(), 3).start_at(4), 6));
    let mut back = loader(root.path(), 2);
    take(&mut back, 5);
    assert_eq!(whole[1..3], take(&mut back.start_at(1), 2));
    assert_eq!(whole, take(&mut loader_with(root.path(), 2, CacheLimit(0)), 10));
}

#[test]
fn random_crops_and_flips_are_reproducible_and_differ_from_epoch_to_epoch() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("a")).unwrap();
    let ramp = Picture::new(32, 16, (0..32 * 16 * 3).map(|at| (at / 3 % 32 * 8) as u8).collect()).unwrap();
    ramp.save_png(root.path().join("a/ramp.png")).unwrap();
    let folder = Arc::new(PictureFolder::scan(root.path(), Layout::Classes).unwrap());
    let make = |threads| {
        let options = LoaderOptions {
            seed: 1,
            batch_size: 1,
            size: 8,
            crop: Crop::Random,
            flip: Flip::Half,
            threads,
            ..Default::default()
        };
        take(&mut Loader::new(Arc::clone(&folder), options).unwrap(), 6)
    };
    let batches = make(1);
    assert_eq!(batches, make(3));
    assert!(batches.windows(2).any(|pair| pair[0].values != pair[1].values));
}

#[test]
fn a_bad_file_is_replaced_and_listed_and_the_rest_stays_as_it_was() {
    let root = pictures();
    let before = take(&mut loader(root.path(), 2), 8);
    std::fs::write(root.path().join("a/20.png"), b"no picture").unwrap();
    let mut broken = loader(root.path(), 3);
    let after = take(&mut broken, 8);
    for (old, new) in before.iter().flat_map(levels).zip(after.iter().flat_map(levels)) {
        assert!(if old == (20, 0) { new != old && new.0 != 0 } else { new == old }, "{old:?} became {new:?}");
    }
    let problems = broken.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, Path::new("a/20.png"));
    assert_eq!(problems[0].reason, "not a picture of a known format");
    assert_eq!(after[3..], take(&mut loader(root.path(), 1).start_at(3), 5));
}

#[test]
fn a_folder_of_bad_files_is_an_error_each_time() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("a")).unwrap();
    for name in ["1.png", "2.png"] {
        std::fs::write(root.path().join("a").join(name), b"").unwrap();
    }
    let mut loader = loader(root.path(), 2);
    for _ in 0..2 {
        let message = loader.next_batch().unwrap_err().to_string();
        assert!(message.contains("none of its 2 files can be read; a/1.png: the file is empty"), "{message}");
    }
}

#[test]
fn kept_crops_are_not_read_again() {
    let root = pictures();
    let mut loader = loader(root.path(), 2);
    let first = take(&mut loader, 8);
    std::fs::remove_dir_all(root.path().join("a")).unwrap();
    std::fs::remove_dir_all(root.path().join("b")).unwrap();
    assert_eq!(first, take(&mut loader.start_at(0), 8));
}

#[test]
fn sizes_of_zero_are_refused() {
    let root = pictures();
    let folder = Arc::new(PictureFolder::scan(root.path(), Layout::Classes).unwrap());
    let refused = |options| Loader::new(Arc::clone(&folder), options).is_err();
    assert!(refused(LoaderOptions { batch_size: 0, ..Default::default() }));
    assert!(refused(LoaderOptions { size: 0, ..Default::default() }));
}
