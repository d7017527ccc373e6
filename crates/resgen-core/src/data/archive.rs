//! NumPy archives of pictures and statistics, in the form that ADM's evaluation reads and writes: `arr_0` holds pictures
//! `[N, h, w, 3]` as bytes, `arr_1` labels `[N]`; statistics are `mu`, `sigma`, `mu_s`, `sigma_s`.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use npyz::{DType, NpyFile, Order, TypeChar, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::atomic::write_atomically;
use crate::error::{Error, Result};

/// The array that holds pictures.
pub const PICTURES: &str = "arr_0";
/// The array that holds their labels.
pub const LABELS: &str = "arr_1";

/// An archive that is being read.
pub struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
}

impl Archive {
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is no archive or is cut short.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io(path))?;
        let zip = ZipArchive::new(BufReader::new(file))
            .map_err(|error| Error::file(path, format!("damaged, cut short, or no .npz archive: {error}")))?;
        Ok(Self { path: path.to_owned(), zip })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is such an array.
    pub fn contains(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{name}.npy")).is_some()
    }

    /// All numbers of an array of floats.
    ///
    /// # Errors
    /// [`Error::File`] where there is none, it holds something else, or is cut short.
    pub fn doubles(&mut self, name: &str) -> Result<Vec<f64>> {
        let path = self.path.clone();
        let wrong = |reason: String| Error::file(&path, format!("array `{name}`: {reason}"));
        let bytes = self.whole(name)?;
        let array = NpyFile::new(&bytes[..]).map_err(|error| wrong(error.to_string()))?;
        floats(array).map_err(wrong)
    }

    /// All numbers of an array of whole numbers.
    ///
    /// # Errors
    /// As [`Archive::doubles`].
    pub fn whole_numbers(&mut self, name: &str) -> Result<Vec<i64>> {
        let path = self.path.clone();
        let wrong = |reason: String| Error::file(&path, format!("array `{name}`: {reason}"));
        let bytes = self.whole(name)?;
        let array = NpyFile::new(&bytes[..]).map_err(|error| wrong(error.to_string()))?;
        let text = array.dtype().descr();
        let size = match array.dtype() {
            DType::Plain(kind) => kind.size_field(),
            _ => 0,
        };
        let values = match size {
            8 => array.into_vec::<i64>(),
            4 => array.into_vec::<i32>().map(|values| values.into_iter().map(i64::from).collect()),
            _ => array.into_vec::<u8>().map(|values| values.into_iter().map(i64::from).collect()),
        };
        values.map_err(|error| wrong(format!("expected whole numbers, found {text}: {error}")))
    }

    /// Hands out the pictures in order, at most `most` at a time.
    ///
    /// # Shapes
    /// `[n, h, w, 3]`
    ///
    /// # Errors
    /// [`Error::File`] where there are none, they are no bytes of three channels, or the file is cut short; what `each` returns.
    pub fn for_each_pictures(
        &mut self,
        most: usize,
        mut each: impl FnMut(Vec<u8>, [usize; 2]) -> Result<()>,
    ) -> Result<()> {
        let path = self.path.clone();
        let wrong = |reason: String| Error::file(&path, format!("array `{PICTURES}`: {reason}"));
        let array = self.array(PICTURES)?;
        let (count, size) = pictures_of(array.shape()).map_err(&wrong)?;
        expect_rows_first(&array).map_err(&wrong)?;
        let text = array.dtype().descr();
        if !matches!(array.dtype(), DType::Plain(kind) if kind.type_char() == TypeChar::Uint && kind.size_field() == 1)
        {
            return Err(wrong(format!("expected bytes ('|u1'), found {text}")));
        }
        let [height, width] = size;
        let mut numbers = array.into_inner();
        let mut left = count;
        while left > 0 {
            let now = left.min(most.max(1));
            let mut levels = vec![0; now * height * width * 3];
            numbers.read_exact(&mut levels).map_err(|error| {
                wrong(format!("cut short or damaged at picture {} of {}: {error}", count - left, count))
            })?;
            each(levels, size)?;
            left -= now;
        }
        // Its checksum is looked at where an array ends.
        match numbers.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(wrong("goes on behind its last picture".into())),
            Err(error) => Err(wrong(format!("damaged: {error}"))),
        }
    }

    /// Number and size of the pictures.
    ///
    /// # Errors
    /// [`Error::File`] where there are none or they have not three channels.
    pub fn pictures(&mut self) -> Result<(usize, [usize; 2])> {
        let path = self.path.clone();
        let array = self.array(PICTURES)?;
        let found = pictures_of(array.shape());
        found.map_err(|reason| Error::file(path, format!("array `{PICTURES}`: {reason}")))
    }

    fn array(&mut self, name: &str) -> Result<NpyFile<impl Read + '_>> {
        let path = self.path.clone();
        let wrong = |error| Error::file(&path, format!("array `{name}` does not read: {error}"));
        NpyFile::new(self.entry(name)?).map_err(wrong)
    }

    /// The bytes of an array and its header.
    fn whole(&mut self, name: &str) -> Result<Vec<u8>> {
        let path = self.path.clone();
        let mut bytes = Vec::new();
        let read = self.entry(name)?.read_to_end(&mut bytes);
        read.map_err(|error| Error::file(path, format!("array `{name}` does not read: {error}")))?;
        Ok(bytes)
    }

    fn entry(&mut self, name: &str) -> Result<impl Read + '_> {
        let path = self.path.clone();
        if !self.contains(name) {
            return Err(Error::file(path, format!("holds no array `{name}`")));
        }
        let wrong = |error| Error::file(path, format!("array `{name}` does not read: {error}"));
        self.zip.by_name(&format!("{name}.npy")).map_err(wrong)
    }
}

/// A file of one array (`.npy`), of two dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows and columns.
    pub shape: [usize; 2],
    values: Vec<f64>,
}

impl Matrix {
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it holds something else or is cut short.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let wrong = |reason: String| Error::file(path, reason);
        let array =
            NpyFile::new(BufReader::new(file)).map_err(|error| wrong(format!("no .npy file: {error}")))?;
        let shape = match *array.shape() {
            [rows, columns] => [rows as usize, columns as usize],
            ref shape => return Err(wrong(format!("expected two dimensions, found {shape:?}"))),
        };
        Ok(Self { shape, values: floats(array).map_err(wrong)? })
    }

    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.shape[1].max(1))
    }
}

/// Number and size of pictures of a shape.
fn pictures_of(shape: &[u64]) -> std::result::Result<(usize, [usize; 2]), String> {
    match *shape {
        [count, height, width, 3] if count > 0 && height > 0 && width > 0 => {
            let [count, height, width] = [count, height, width].map(|side| side as usize);
            Ok((count, [height, width]))
        }
        _ => Err(format!("expected pictures [N, h, w, 3], found {shape:?}")),
    }
}

fn floats(array: NpyFile<impl Read>) -> std::result::Result<Vec<f64>, String> {
    expect_rows_first(&array)?;
    let text = array.dtype().descr();
    let values = if let DType::Plain(kind) = array.dtype()
        && kind.type_char() == TypeChar::Float
        && kind.size_field() == 4
    {
        array.into_vec::<f32>().map(|values| values.into_iter().map(f64::from).collect())
    } else {
        array.into_vec::<f64>()
    };
    values.map_err(|error| format!("expected floats, found {text}: {error}"))
}

fn expect_rows_first(array: &NpyFile<impl Read>) -> std::result::Result<(), String> {
    match array.order() {
        Order::C => Ok(()),
        Order::Fortran => Err("stored column by column; store it as np.ascontiguousarray".into()),
    }
}

/// Writes pictures, and labels beside them, as ADM's evaluation reads them. `fill` is given what takes the levels, piece by
/// piece in order. The file appears whole or not at all.
///
/// # Shapes
/// levels `[N, h, w, 3]`, labels `[N]`
///
/// # Errors
/// [`Error::Io`] names the path; [`Error::Mismatch`] where the pieces are not N pictures; what `fill` returns.
pub fn write_pictures(
    path: &Path,
    size: [usize; 2],
    labels: &[i64],
    fill: impl FnOnce(&mut dyn FnMut(Vec<u8>) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let expected = labels.len() * size[0] * size[1] * 3;
    let mut failure = None;
    let written = write_atomically(path, |writer| {
        let mut zip = ZipWriter::new_stream(writer);
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        zip.start_file(format!("{LABELS}.npy"), options)?;
        let shape = [labels.len() as u64];
        let mut array =
            npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut zip).begin_nd()?;
        array.extend(labels.iter().copied())?;
        array.finish()?;
        zip.start_file(format!("{PICTURES}.npy"), options)?;
        let shape = [labels.len(), size[0], size[1], 3].map(|side| side as u64);
        let header = npyz::WriteOptions::<u8>::new().default_dtype().shape(&shape);
        header.writer(&mut zip).begin_nd()?; // the numbers follow as they are
        let mut found = 0;
        let filled = fill(&mut |levels| {
            found += levels.len();
            zip.write_all(&levels).map_err(Error::io(path))
        });
        let whole = filled.and_then(|()| match found == expected {
            true => Ok(()),
            false => Err(Error::mismatch("levels of the pictures", expected, found)),
        });
        if let Err(error) = whole {
            failure = Some(error);
            return Err(std::io::Error::other("not filled"));
        }
        zip.finish()?;
        Ok(())
    });
    match failure {
        Some(error) => Err(error),
        None => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(labels: &[i64], pieces: &[Vec<u8>]) -> (tempfile::TempDir, PathBuf, Result<()>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pictures.npz");
        let result = write_pictures(&path, [2, 3], labels, |take| {
            pieces.iter().try_for_each(|piece| take(piece.clone()))
        });
        (folder, path, result)
    }

    fn read(path: &Path) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        Archive::open(path)?.for_each_pictures(2, |levels, _| {
            all.extend(levels);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn pictures_come_back() {
        let levels: Vec<u8> = (0..3 * 18).collect();
        let (_folder, path, result) = written(&[5, 0, 7], &[levels[..18].to_vec(), levels[18..].to_vec()]);
        result.unwrap();
        let mut archive = Archive::open(&path).unwrap();
        assert_eq!(archive.pictures().unwrap(), (3, [2, 3]));
        assert_eq!(archive.whole_numbers(LABELS).unwrap(), [5, 0, 7]);
        assert_eq!(read(&path).unwrap(), levels);
        assert!(!archive.contains("mu"));
        assert!(archive.doubles("mu").unwrap_err().to_string().contains("holds no array `mu`"));
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_said() {
        let (_folder, path, result) = written(&[1, 2], &[vec![0; 18]]);
        assert!(result.unwrap_err().to_string().contains("levels of the pictures: expected 36, found 18"));
        assert!(!path.exists());
        let (_folder, path, result) = written(&[1, 2], &[vec![7; 36]]);
        result.unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for end in [0, 1, 40, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let text = read(&path).unwrap_err().to_string();
            assert!(text.contains("pictures.npz: damaged, cut short, or no .npz archive"), "{text}");
        }
        // One level changed: the archive's own checksum notices.
        let mut changed = bytes.clone();
        let first = changed.windows(36).position(|window| window == [7; 36]).unwrap();
        changed[first + 20] = 8;
        std::fs::write(&path, &changed).unwrap();
        assert!(read(&path).is_err());
    }
}
