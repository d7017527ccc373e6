//! The picture every other part works on: eight bits a channel, red-green-blue, row by row.

use std::path::Path;

use ::image::ImageEncoder;
use ::image::codecs::png::PngEncoder;

use crate::atomic::write_atomically;
use crate::error::{Error, Result};
use crate::signal::decode;

/// An RGB picture: `height` rows of `width` pixels of three bytes. Never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    // The pixels would drown every other field of whatever holds a picture.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}

impl Picture {
    /// Wraps `rgb`, the `height * width * 3` bytes of a picture in row order.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side of zero, [`Error::Mismatch`] for a wrong number of bytes.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        check_length("bytes of a picture", width, height, rgb.len())?;
        Ok(Self { width, height, rgb })
    }

    /// A picture of one colour.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side of zero or a picture too large to address.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Result<Self> {
        let length = channel_count(width, height)?;
        Ok(Self { width, height, rgb: colour.iter().copied().cycle().take(length).collect() })
    }

    /// Reads a picture file of any common format (see [`decode::open`]).
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::File`] when it holds no whole picture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        decode::open(path).map(|decoded| decoded.picture)
    }

    /// Columns of pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows of pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels: `[height, width, 3]`, row-major.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixels, handed over: `[height, width, 3]`, row-major.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// The pixels as a network sees them: `[3, height, width]`, 0 becoming -1 and 255 becoming 1.
    pub fn to_unit(&self) -> Vec<f32> {
        let area = self.rgb.len() / 3;
        let mut unit = vec![0.0; self.rgb.len()];
        for (channel, plane) in unit.chunks_exact_mut(area).enumerate() {
            for (value, pixel) in plane.iter_mut().zip(self.rgb.chunks_exact(3)) {
                *value = f32::from(pixel[channel]) / 127.5 - 1.0;
            }
        }
        unit
    }

    /// The picture of `unit`, shaped `[3, height, width]` in `[-1, 1]`: clamped and rounded to the
    /// nearest of the 256 levels. A NaN becomes 0.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side of zero, [`Error::Mismatch`] for a wrong number of values.
    pub fn from_unit(unit: &[f32], width: u32, height: u32) -> Result<Self> {
        check_length("values of a picture", width, height, unit.len())?;
        let area = unit.len() / 3;
        let mut rgb = vec![0; unit.len()];
        for (channel, plane) in unit.chunks_exact(area).enumerate() {
            for (pixel, value) in rgb.chunks_exact_mut(3).zip(plane) {
                // The cast saturates, so it is the clamp; it also turns NaN into 0.
                pixel[channel] = (value * 127.5 + 127.5).round() as u8;
            }
        }
        Ok(Self { width, height, rgb })
    }

    /// The same picture, left and right exchanged.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let row_bytes = self.width as usize * 3;
        let rows = self.rgb.chunks_exact(row_bytes);
        let rgb = rows.flat_map(|row| row.chunks_exact(3).rev().flatten()).copied().collect();
        Self { width: self.width, height: self.height, rgb }
    }

    /// Writes the picture as a PNG file. The file appears whole or not at all: it is written beside
    /// its place and then renamed, so that a reader never meets half a picture.
    ///
    /// # Errors
    /// [`Error::Io`] naming `path` when the folder or the file cannot be written.
    pub fn save_png(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(&self.rgb, self.width, self.height, ::image::ExtendedColorType::Rgb8)
            .map_err(|error| Error::file(path, error))?;
        write_atomically(path, |writer| writer.write_all(&png))
    }
}

/// The number of bytes (or values) of a picture of this size.
fn channel_count(width: u32, height: u32) -> Result<usize> {
    if width == 0 || height == 0 {
        return Err(Error::argument("size", format!("a picture of {width} x {height} pixels is empty")));
    }
    usize::try_from(u128::from(width) * u128::from(height) * 3)
        .map_err(|_| Error::argument("size", format!("{width} x {height} pixels are too many")))
}

fn check_length(what: &str, width: u32, height: u32, found: usize) -> Result<()> {
    let expected = channel_count(width, height)?;
    if found != expected {
        let expected = format!("{expected} ({height} x {width} x 3)");
        return Err(Error::mismatch(what, expected, found));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of two pixels with every byte different.
    fn two_by_two() -> Picture {
        Picture::new(2, 2, (0..12).collect()).unwrap()
    }

    #[test]
    fn a_picture_must_have_all_its_bytes() {
        assert!(matches!(Picture::new(2, 2, vec![0; 11]), Err(Error::Mismatch { .. })));
        assert!(matches!(Picture::new(0, 2, vec![]), Err(Error::Argument { .. })));
        assert!(matches!(Picture::filled(u32::MAX, 0, [0; 3]), Err(Error::Argument { .. })));
        assert_eq!(Picture::filled(1, 2, [1, 2, 3]).unwrap().rgb(), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn unit_values_are_planes_from_minus_one_to_one() {
        let picture = Picture::new(2, 1, vec![0, 255, 51, 255, 0, 204]).unwrap();
        let unit = picture.to_unit();
        // 51 / 127.5 - 1 = -0.6 and 204 / 127.5 - 1 = 0.6
        for (value, expected) in unit.iter().zip([-1.0, 1.0, 1.0, -1.0, -0.6, 0.6]) {
            assert!((value - expected).abs() < 1e-6, "{unit:?}");
        }
        assert_eq!(Picture::from_unit(&unit, 2, 1).unwrap(), picture);
    }

    #[test]
    fn every_level_survives_the_way_to_unit_values_and_back() {
        let picture = Picture::new(256, 1, (0..=255).flat_map(|level| [level; 3]).collect()).unwrap();
        assert_eq!(Picture::from_unit(&picture.to_unit(), 256, 1).unwrap(), picture);
    }

    #[test]
    fn values_out_of_range_are_clamped() {
        let picture = Picture::from_unit(&[-7.0, 7.0, f32::NAN], 1, 1).unwrap();
        assert_eq!(picture.rgb(), [0, 255, 0]);
        assert!(matches!(Picture::from_unit(&[0.0; 4], 1, 1), Err(Error::Mismatch { .. })));
    }

    #[test]
    fn mirroring_reverses_each_row() {
        assert_eq!(two_by_two().mirrored().rgb(), [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]);
        assert_eq!(two_by_two().mirrored().mirrored(), two_by_two());
    }

    #[test]
    fn a_saved_png_reads_back_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        two_by_two().save_png(&path).unwrap();
        two_by_two().mirrored().save_png(&path).unwrap();
        assert_eq!(Picture::open(&path).unwrap(), two_by_two().mirrored());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn saving_where_nothing_can_be_written_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("a.png");
        let error = two_by_two().save_png(&path).unwrap_err();
        assert!(matches!(&error, Error::Io { path: named, .. } if *named == path), "{error}");
        let error = two_by_two().save_png(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
