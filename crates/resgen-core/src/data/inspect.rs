//! What is in a folder of pictures, before anything is trained on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::data::folder::{Layout, PictureFolder, Problem};
use crate::data::prefetch::pool;
use crate::data::sheet;
use crate::data::unreadable::reason_of;
use crate::error::{Error, Result};
use crate::signal::resize::center_crop;
use crate::signal::{Picture, decode};

/// How a folder is inspected.
#[derive(Clone, Debug)]
pub struct InspectOptions {
    /// How the pictures are laid out.
    pub layout: Layout,
    /// The side that the pictures shall be cropped to, in pixels; smaller ones are counted.
    pub size: u32,
    /// Threads that decode; 0 means one for each core.
    pub threads: usize,
    /// Rows (classes) of the contact sheet.
    pub sheet_rows: usize,
    /// Pictures in a row of the contact sheet.
    pub sheet_columns: usize,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self { layout: Layout::Classes, size: 64, threads: 0, sheet_rows: 12, sheet_columns: 8 }
    }
}

/// What was found in a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The files taken for pictures.
    pub files: usize,
    /// Those of them that can be read. All that follows is about these, but for the problems.
    pub readable: usize,
    /// The classes by index; none for a flat folder.
    pub classes: Vec<ClassCount>,
    /// The widths, in pixels; absent when no picture can be read.
    pub width: Option<Spread>,
    /// The heights, in pixels; absent when no picture can be read.
    pub height: Option<Spread>,
    /// The side that pictures shall be cropped to, in pixels.
    pub size: u32,
    /// How many pictures have a side shorter than that, and would be enlarged.
    pub smaller: usize,
    /// How many pictures there are of each file format.
    pub formats: BTreeMap<&'static str, usize>,
    /// How many pictures there are of each kind of pixels: `rgb`, `grey`, `rgb+alpha`, ...
    pub pixels: BTreeMap<&'static str, usize>,
    /// How many pictures are not eight-bit RGB, and are converted.
    pub non_rgb: usize,
    /// Files with the same content in different classes: at most one of the labels is right.
    pub contradictions: Vec<Vec<PathBuf>>,
    /// How many files have the same content as an earlier one of the same class.
    pub repeats: usize,
    /// Unreadable files, empty classes, and whatever else cannot be used.
    pub problems: Vec<Problem>,
    /// Some pictures of some classes, cropped; absent when no picture can be read.
    #[serde(skip)]
    pub sheet: Option<Picture>,
}

/// A class and how many pictures of it can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The name of its folder.
    pub name: String,
    /// Its readable pictures.
    pub pictures: usize,
}

/// The least, middle and greatest of some lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The least.
    pub min: u32,
    /// The one in the middle (of an even number, the greater of the two).
    pub median: u32,
    /// The greatest.
    pub max: u32,
}

/// What is kept of one picture.
struct Facts {
    width: u32,
    height: u32,
    format: &'static str,
    pixels: &'static str,
    content: [u8; 32],
    /// Its crop, for those on the contact sheet.
    tile: Option<Picture>,
}

/// Reads every picture of `root` and tells what there is. `progress(done, files)` is called after each
/// picture, from several threads.
///
/// # Errors
/// As [`PictureFolder::scan`]; [`Error::Argument`] for a size of zero, a sheet that would be too large,
/// or when threads cannot be started. A picture that cannot be read is no error but a problem.
pub fn inspect(
    root: impl AsRef<Path>,
    options: &InspectOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Inspection> {
    if options.size == 0 {
        return Err(Error::argument("size", "a picture of 0 pixels is empty"));
    }
    let folder = PictureFolder::scan(root, options.layout)?;
    let rows = sheet::choose(&folder, options.sheet_rows, options.sheet_columns);
    let shown: BTreeSet<usize> = sheet::items(&rows).collect();
    let (done, files) = (AtomicUsize::new(0), folder.items().len());
    let look_at = |item: usize| {
        let tile = shown.contains(&item).then_some(options.size);
        let facts = facts_of(&folder.path_of(&folder.items()[item]), tile);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, files);
        facts
    };
    let looked: Vec<Result<Facts>> =
        pool(options.threads)?.install(|| (0..files).into_par_iter().map(look_at).collect());

    let mut problems = folder.problems().to_vec();
    let mut facts = BTreeMap::new();
    let mut tiles = BTreeMap::new();
    for (index, result) in looked.into_iter().enumerate() {
        match result {
            Ok(mut found) => {
                tiles.extend(found.tile.take().map(|tile| (index, tile)));
                facts.insert(index, found);
            }
            Err(error) => {
                let path = folder.items()[index].path.clone();
                problems.push(Problem { path, reason: reason_of(error) });
            }
        }
    }
    problems.sort();
    let name = folder.root().file_name().unwrap_or(folder.root().as_os_str()).to_string_lossy();
    let sheet = sheet::draw(&name, &rows, &tiles)?;
    Ok(summary(&folder, &facts, options.size, problems, sheet))
}

fn facts_of(path: &Path, tile: Option<u32>) -> Result<Facts> {
    let bytes = decode::read(path)?;
    let decode::Decoded { picture, format, pixels } = decode::decode(&bytes, path)?;
    Ok(Facts {
        width: picture.width(),
        height: picture.height(),
        format,
        pixels,
        content: Sha256::digest(&bytes).into(),
        tile: tile.map(|size| center_crop(&picture, size)).transpose()?,
    })
}

fn summary(
    folder: &PictureFolder,
    facts: &BTreeMap<usize, Facts>,
    size: u32,
    problems: Vec<Problem>,
    sheet: Option<Picture>,
) -> Inspection {
    let mut classes: Vec<ClassCount> =
        folder.classes().iter().map(|name| ClassCount { name: name.clone(), pictures: 0 }).collect();
    let (mut formats, mut pixels) = (BTreeMap::new(), BTreeMap::new());
    for (item, found) in facts {
        if let Some(class) = classes.get_mut(folder.items()[*item].class as usize) {
            class.pictures += 1;
        }
        *formats.entry(found.format).or_default() += 1;
        *pixels.entry(found.pixels).or_default() += 1;
    }
    let (contradictions, repeats) = duplicates(folder, facts);
    Inspection {
        files: folder.items().len(),
        readable: facts.len(),
        classes,
        width: spread(facts.values().map(|found| found.width)),
        height: spread(facts.values().map(|found| found.height)),
        size,
        smaller: facts.values().filter(|found| found.width.min(found.height) < size).count(),
        formats,
        non_rgb: facts.values().filter(|found| found.pixels != "rgb").count(),
        pixels,
        contradictions,
        repeats,
        problems,
        sheet,
    }
}

fn spread(lengths: impl Iterator<Item = u32>) -> Option<Spread> {
    let mut lengths: Vec<u32> = lengths.collect();
    lengths.sort_unstable();
    Some(Spread { min: *lengths.first()?, median: lengths[lengths.len() / 2], max: *lengths.last()? })
}

/// The groups of equal files that span classes, and the number of superfluous files within classes.
fn duplicates(folder: &PictureFolder, facts: &BTreeMap<usize, Facts>) -> (Vec<Vec<PathBuf>>, usize) {
    let mut groups: BTreeMap<&[u8; 32], Vec<usize>> = BTreeMap::new();
    for (item, found) in facts {
        groups.entry(&found.content).or_default().push(*item);
    }
    let (mut contradictions, mut repeats) = (Vec::new(), 0);
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let classes: BTreeSet<u32> = group.iter().map(|item| folder.items()[*item].class).collect();
        repeats += group.len() - classes.len();
        if classes.len() > 1 {
            contradictions.push(group.iter().map(|item| folder.items()[*item].path.clone()).collect());
        }
    }
    contradictions.sort();
    (contradictions, repeats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspection_tells_what_there_is() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for class in ["a", "b", "c"] {
            std::fs::create_dir(path(class)).unwrap();
        }
        let save = |name: &str, width, height, level| {
            Picture::filled(width, height, [level; 3]).unwrap().save_png(path(name)).unwrap();
        };
        save("a/1.png", 80, 70, 1);
        save("a/2.png", 80, 70, 1);
        save("b/3.png", 80, 70, 1);
        save("b/4.png", 40, 200, 2);
        ::image::GrayImage::new(64, 64).save(path("b/5.jpg")).unwrap();
        std::fs::write(path("b/6.png"), b"").unwrap();

        let calls = AtomicUsize::new(0);
        let count = |_, files| {
            assert_eq!(files, 6);
            calls.fetch_add(1, Ordering::Relaxed);
        };
        let options = InspectOptions { threads: 2, ..InspectOptions::default() };
        let found = inspect(root.path(), &options, &count).unwrap();

        assert_eq!((calls.into_inner(), found.files, found.readable), (6, 6, 5));
        let counts: Vec<_> = found.classes.iter().map(|class| (&*class.name, class.pictures)).collect();
        assert_eq!(counts, [("a", 2), ("b", 3), ("c", 0)]);
        // Widths 40 64 80 80 80 and heights 64 70 70 70 200.
        assert_eq!(found.width, Some(Spread { min: 40, median: 80, max: 80 }));
        assert_eq!(found.height, Some(Spread { min: 64, median: 70, max: 200 }));
        assert_eq!((found.smaller, found.non_rgb, found.repeats), (1, 1, 1));
        assert_eq!(found.formats, BTreeMap::from([("jpeg", 1), ("png", 4)]));
        assert_eq!(found.pixels, BTreeMap::from([("grey", 1), ("rgb", 4)]));
        assert_eq!(found.contradictions, [["a/1.png", "a/2.png", "b/3.png"].map(PathBuf::from)]);
        let problems: Vec<_> =
            found.problems.iter().map(|p| (p.path.to_str().unwrap(), &*p.reason)).collect();
        assert_eq!(problems, [("b/6.png", "the file is empty"), ("c", "a class without pictures")]);
        assert!(found.sheet.is_some());
        assert!(serde_json::to_string(&found).unwrap().contains(r#""smaller":1"#));
    }

    #[test]
    fn a_flat_folder_is_inspected_too() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.png"), b"x").unwrap();
        let options = InspectOptions { layout: Layout::Flat, ..InspectOptions::default() };
        let found = inspect(root.path(), &options, &|_, _| {}).unwrap();
        assert_eq!((found.files, found.readable, found.width), (1, 0, None));
        assert!(found.sheet.is_none() && found.classes.is_empty() && found.problems.len() == 1);
    }
}
