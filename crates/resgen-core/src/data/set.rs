//! A set of pictures to be measured, as levels of 0 to 255: a folder, samples with their record, or a NumPy archive. Nothing is
//! skipped: a measurement over part of a set would pass for one over the whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Deserialize;

use super::archive::{Archive, LABELS};
use super::folder::{Layout, PictureFolder};
use super::prefetch::Prefetch;
use super::spread::spread;
use crate::error::{Error, Result};
use crate::signal::resize::center_crop;
use crate::signal::{Picture, decode};

/// The file beside samples that says what they are.
pub const RECORD: &str = "samples.json";
/// Batches decoded ahead.
const AHEAD: usize = 2;

/// How a set is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetOptions {
    /// How a folder's pictures lie; sub-folders are classes where there are any if this is not said.
    pub layout: Option<Layout>,
    /// The side that all pictures are cropped to, as ADM does; without it they must have one size.
    pub size: Option<u32>,
    /// Whether grey pictures may be taken for coloured ones.
    pub takes_grey: bool,
}

/// A set of pictures.
pub struct PictureSet {
    path: PathBuf,
    source: Source,
    classes: Vec<String>,
    options: SetOptions,
}

enum Source {
    /// Files, each with its class.
    Files(Arc<Vec<(PathBuf, Option<u32>)>>),
    Archive {
        count: usize,
        labels: Option<Vec<i64>>,
    },
}

/// Some consecutive pictures of a set.
pub struct Levels {
    /// `[B, h, w, 3]`
    pub levels: Vec<u8>,
    /// Height and width.
    pub size: [usize; 2],
    /// The number of each picture's class, where it has one: `[B]`.
    pub labels: Vec<Option<u32>>,
}

/// What is read of the record of samples.
#[derive(Deserialize)]
struct Record {
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    file: PathBuf,
    class: String,
}

impl PictureSet {
    /// Finds out what there is; no picture is decoded.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name the file or folder and what is wrong with it.
    pub fn open(path: impl AsRef<Path>, options: SetOptions) -> Result<Self> {
        let path = path.as_ref();
        let about = std::fs::metadata(path).map_err(Error::io(path))?;
        let (source, classes) = match about.is_dir() {
            true => files(path, options.layout)?,
            false => (archive(path)?, Vec::new()),
        };
        Ok(Self { path: path.to_owned(), source, classes, options })
    }

    /// Some of its pictures, spread evenly over it: sets of different sizes are measured alike in that way.
    ///
    /// # Errors
    /// [`Error::Argument`] where it has fewer, or is an archive, which is read from its beginning to its end.
    pub fn spread(mut self, count: usize) -> Result<Self> {
        let total = self.count();
        let Source::Files(files) = &mut self.source else {
            return Err(Error::argument(
                "samples",
                format!("{} is an archive: all or none", self.path.display()),
            ));
        };
        if count == 0 || count > total {
            let reason =
                format!("expected 1 to {total}, the pictures in {}, found {count}", self.path.display());
            return Err(Error::argument("samples", reason));
        }
        *files = Arc::new(spread(total, count).map(|index| files[index].clone()).collect());
        Ok(self)
    }

    /// The folder or file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of pictures, at least one.
    pub fn count(&self) -> usize {
        match &self.source {
            Source::Files(files) => files.len(),
            Source::Archive { count, .. } => *count,
        }
    }

    /// Whether it is an archive.
    pub fn is_archive(&self) -> bool {
        matches!(self.source, Source::Archive { .. })
    }

    /// Names of the classes that labels are numbers of; none where pictures have no classes, or numbers alone.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The number of each picture's class.
    pub fn labels(&self) -> Vec<Option<u32>> {
        match &self.source {
            Source::Files(files) => files.iter().map(|(_, class)| *class).collect(),
            Source::Archive { count, labels } => {
                let label = |index| labels.as_ref().and_then(|labels| u32::try_from(labels[index]).ok());
                (0..*count).map(label).collect()
            }
        }
    }

    /// Height and width of the first picture, as it will be handed out.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name the picture.
    pub fn size(&self) -> Result<[usize; 2]> {
        match (&self.source, self.options.size) {
            (_, Some(size)) => Ok([size as usize; 2]),
            (Source::Files(files), None) => Ok(decoded(&files[..1], self.options, &mut None)?.size),
            (Source::Archive { .. }, None) => Ok(Archive::open(&self.path)?.pictures()?.1),
        }
    }

    /// Hands out all pictures in order, at most `most` at a time; the next ones are decoded meanwhile.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name a picture that does not read, is grey, or has another size than the first; what
    /// `each` returns.
    pub fn for_each(&self, most: usize, mut each: impl FnMut(Levels) -> Result<()>) -> Result<()> {
        match &self.source {
            Source::Files(files) => {
                let (files, options) = (Arc::clone(files), self.options);
                let (mut next, most) = (0, most.max(1));
                let mut first = None;
                let mut batches = Prefetch::start(AHEAD, move |_| {
                    let now = next..files.len().min(next + most);
                    next = now.end;
                    (!now.is_empty()).then(|| decoded(&files[now], options, &mut first))
                })?;
                let mut seen = 0;
                while let Some(batch) = batches.next() {
                    let batch = batch?;
                    seen += batch.labels.len();
                    each(batch)?;
                }
                match seen == self.count() {
                    true => Ok(()),
                    false => Err(Error::file(&self.path, format!("reading broke off at picture {seen}"))),
                }
            }
            Source::Archive { labels, .. } => {
                let mut seen = 0;
                Archive::open(&self.path)?.for_each_pictures(most, |levels, size| {
                    let count = levels.len() / (size[0] * size[1] * 3);
                    let label = |index: usize| labels.as_ref().and_then(|all| u32::try_from(all[index]).ok());
                    let labels = (seen..seen + count).map(label).collect();
                    seen += count;
                    each(cropped(Levels { levels, size, labels }, self.options.size)?)
                })
            }
        }
    }
}

fn files(path: &Path, layout: Option<Layout>) -> Result<(Source, Vec<String>)> {
    let record = path.join(RECORD);
    if record.exists() {
        return recorded(path, &record);
    }
    let folder = match layout {
        Some(layout) => PictureFolder::scan(path, layout)?,
        None => match has_folders(path)? {
            true => PictureFolder::scan(path, Layout::Classes)?,
            false => PictureFolder::scan(path, Layout::Flat)?,
        },
    };
    let class = |class: u32| (!folder.classes().is_empty()).then_some(class);
    let files = folder.items().iter().map(|item| (folder.path_of(item), class(item.class))).collect();
    Ok((Source::Files(Arc::new(files)), folder.classes().to_vec()))
}

/// The samples that a record lists: the folder holds a grid of them too.
fn recorded(folder: &Path, record: &Path) -> Result<(Source, Vec<String>)> {
    let text = std::fs::read(record).map_err(Error::io(record))?;
    let Record { samples } = serde_json::from_slice(&text)
        .map_err(|error| Error::file(record, format!("no record of samples: {error}")))?;
    if samples.is_empty() {
        return Err(Error::file(record, "lists no samples"));
    }
    let mut classes: Vec<String> = samples.iter().map(|sample| sample.class.clone()).collect();
    classes.sort();
    classes.dedup();
    let number = |class: &String| classes.binary_search(class).ok().map(|number| number as u32);
    let files = samples.iter().map(|sample| (folder.join(&sample.file), number(&sample.class))).collect();
    Ok((Source::Files(Arc::new(files)), classes))
}

fn has_folders(path: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(path).map_err(Error::io(path))?;
    let is_folder = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.map_err(Error::io(path))?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        Ok(!is_hidden && entry.path().is_dir())
    };
    entries.map(is_folder).try_fold(false, |any, one: Result<bool>| Ok(any || one?))
}

fn archive(path: &Path) -> Result<Source> {
    let mut archive = Archive::open(path)?;
    let (count, _) = archive.pictures()?;
    let labels = archive.contains(LABELS).then(|| archive.whole_numbers(LABELS)).transpose()?;
    if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != count) {
        return Err(Error::mismatch(format!("labels of {}", path.display()), count, labels.len()));
    }
    Ok(Source::Archive { count, labels })
}

/// Decodes some files. `first` is the first file of the set with its size.
fn decoded(
    files: &[(PathBuf, Option<u32>)],
    options: SetOptions,
    first: &mut Option<(PathBuf, [u32; 2])>,
) -> Result<Levels> {
    let open = |(path, _): &(PathBuf, Option<u32>)| {
        let found = decode::open(path)?;
        if found.pixels.contains("grey") && !options.takes_grey {
            return Err(Error::file(
                path,
                "a grey picture; networks that see colours may judge it otherwise (--grey takes it as it is)",
            ));
        }
        match options.size {
            Some(size) => center_crop(&found.picture, size).map_err(|error| Error::file(path, error)),
            None => Ok(found.picture),
        }
    };
    let pictures = files.par_iter().map(open).collect::<Result<Vec<Picture>>>()?;
    for ((path, _), picture) in files.iter().zip(&pictures) {
        let size = [picture.width(), picture.height()];
        let (other, expected) = first.get_or_insert_with(|| (path.clone(), size));
        if *expected != size {
            let reason = format!(
                "{} × {} pixels, while {} has {} × {}; --size crops all to one size",
                size[0],
                size[1],
                other.display(),
                expected[0],
                expected[1]
            );
            return Err(Error::file(path, reason));
        }
    }
    let size = first.as_ref().map_or([0, 0], |(_, [width, height])| [*height as usize, *width as usize]);
    let levels = pictures.into_iter().flat_map(Picture::into_rgb).collect();
    Ok(Levels { levels, size, labels: files.iter().map(|(_, class)| *class).collect() })
}

fn cropped(levels: Levels, side: Option<u32>) -> Result<Levels> {
    let [height, width] = levels.size;
    let Some(side) = side.filter(|&side| [height, width] != [side as usize; 2]) else { return Ok(levels) };
    let crop = |picture: &[u8]| {
        let picture = Picture::new(width as u32, height as u32, picture.to_vec())?;
        Ok(center_crop(&picture, side)?.into_rgb())
    };
    let pictures =
        levels.levels.par_chunks_exact(height * width * 3).map(crop).collect::<Result<Vec<_>>>()?;
    Ok(Levels { levels: pictures.concat(), size: [side as usize; 2], labels: levels.labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(pictures: &[(&str, u32, u8)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, side, level) in pictures {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            Picture::filled(*side, *side, [*level, 0, 255]).unwrap().save_png(path).unwrap();
        }
        root
    }

    fn read(set: &PictureSet) -> Result<(Vec<u8>, Vec<Option<u32>>)> {
        let (mut firsts, mut labels) = (Vec::new(), Vec::new());
        set.for_each(2, |batch| {
            let picture = batch.size[0] * batch.size[1] * 3;
            firsts.extend(batch.levels.chunks(picture).map(|levels| levels[0]));
            labels.extend(batch.labels);
            Ok(())
        })?;
        Ok((firsts, labels))
    }

    fn open(root: &tempfile::TempDir, options: SetOptions) -> Result<PictureSet> {
        PictureSet::open(root.path(), options)
    }

    #[test]
    fn folders_samples_and_archives_give_the_same() {
        let root = folder(&[("a/1.png", 4, 10), ("a/2.png", 4, 20), ("b/3.png", 4, 30)]);
        let set = open(&root, SetOptions::default()).unwrap();
        assert_eq!((set.count(), set.classes()), (3, &["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(read(&set).unwrap(), (vec![10, 20, 30], vec![Some(0), Some(0), Some(1)]));

        let packed = root.path().join("packed.npz");
        let labels: Vec<i64> = set.labels().into_iter().map(|label| i64::from(label.unwrap())).collect();
        crate::data::archive::write_pictures(&packed, [4, 4], &labels, |take| {
            set.for_each(2, |batch| take(batch.levels))
        })
        .unwrap();
        let archive = PictureSet::open(&packed, SetOptions::default()).unwrap();
        assert_eq!(read(&archive).unwrap(), read(&set).unwrap());

        // A record names its samples; whatever lies beside them does not count.
        let root = folder(&[("0.png", 4, 10), ("1.png", 4, 20), ("grid.png", 9, 0)]);
        let record = r#"{ "seed": 1, "samples": [{ "file": "1.png", "class": "x", "index": 0 }, { "file": "0.png", "class": "w", "index": 1 }] }"#;
        std::fs::write(root.path().join(RECORD), record).unwrap();
        let set = open(&root, SetOptions::default()).unwrap();
        assert_eq!(read(&set).unwrap(), (vec![20, 10], vec![Some(1), Some(0)]));
    }

    #[test]
    fn pictures_have_one_size_or_get_it() {
        let root = folder(&[("1.png", 4, 10), ("2.png", 4, 20), ("3.png", 6, 30)]);
        let text = read(&open(&root, SetOptions::default()).unwrap()).unwrap_err().to_string();
        assert!(text.contains("3.png: 6 × 6 pixels, while") && text.contains("1.png has 4 × 4"), "{text}");
        let options = SetOptions { size: Some(2), ..SetOptions::default() };
        assert_eq!(read(&open(&root, options).unwrap()).unwrap().0, [10, 20, 30]);
    }

    #[test]
    fn what_cannot_be_measured_is_named() {
        let text = |root: &tempfile::TempDir| match open(root, SetOptions::default()) {
            Ok(set) => read(&set).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(text(&folder(&[])).contains("no pictures in it"));
        let root = folder(&[("1.png", 4, 10)]);
        let grey = ::image::GrayImage::from_pixel(4, 4, ::image::Luma([9]));
        grey.save(root.path().join("2.png")).unwrap();
        assert!(text(&root).contains("2.png: a grey picture"));
        let takes_grey = SetOptions { takes_grey: true, ..SetOptions::default() };
        assert_eq!(read(&open(&root, takes_grey).unwrap()).unwrap().0, [10, 9]);
        let root = folder(&[("1.png", 4, 10), ("2.png", 4, 10)]);
        std::fs::write(root.path().join("2.png"), b"\x89PNG\r\n\x1a\n").unwrap();
        assert!(text(&root).contains("2.png: "), "{}", text(&root));
        std::fs::write(root.path().join(RECORD), b"{}").unwrap();
        assert!(text(&root).contains("samples.json: no record of samples: missing field `samples`"));
        let missing = PictureSet::open("no-such-folder", SetOptions::default());
        assert!(missing.err().unwrap().to_string().contains("no-such-folder"));
    }
}
