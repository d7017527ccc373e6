//! A contact sheet: random pictures of a set side by side.

use crate::cli::SheetOptions;
use crate::{keyed, output};
use anyhow::{Context, Result, bail};
use image::{RgbImage, imageops};
use rand::RngExt;

/// Pixels between neighbouring pictures.
const GAP: u32 = 2;

/// Writes the sheet.
pub fn run(options: &SheetOptions) -> Result<()> {
    let mut paths = output::files_below(&options.pictures, &["png"])?;
    if paths.is_empty() {
        bail!("no PNG files below {}", options.pictures.display());
    }
    let mut rng = keyed::rng(options.seed, keyed::hash("sheet"), 0, 0);
    let count = paths.len().min(options.count as usize);
    for i in 0..count {
        let j = rng.random_range(i..paths.len());
        paths.swap(i, j);
    }
    paths.truncate(count);
    if options.sorted {
        paths.sort();
    }
    let pictures = paths
        .iter()
        .map(|path| {
            Ok(image::open(path).with_context(|| format!("cannot read {}", path.display()))?.to_rgb8())
        })
        .collect::<Result<Vec<_>>>()?;
    let sheet = lay_out(&pictures);
    sheet.save(&options.out).with_context(|| format!("cannot write {}", options.out.display()))
}

/// The pictures in rows of a near-square grid.
fn lay_out(pictures: &[RgbImage]) -> RgbImage {
    let columns = (pictures.len() as f64).sqrt().ceil().max(1.0) as u32;
    let rows = (pictures.len() as u32).div_ceil(columns);
    let cell = pictures.iter().map(|p| p.width().max(p.height())).max().unwrap_or(1) + GAP;
    let mut sheet = RgbImage::from_pixel(columns * cell + GAP, rows * cell + GAP, image::Rgb([128; 3]));
    for (i, picture) in (0u32..).zip(pictures) {
        let (x, y) = (GAP + i % columns * cell, GAP + i / columns * cell);
        imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_pictures_take_three_columns_and_two_rows() {
        let pictures = vec![RgbImage::from_pixel(4, 4, image::Rgb([9; 3])); 5];
        let sheet = lay_out(&pictures);
        assert_eq!(sheet.dimensions(), (3 * 6 + 2, 2 * 6 + 2));
        assert_eq!(sheet.get_pixel(2, 2).0, [9; 3]);
        assert_eq!(sheet.get_pixel(2 + 2 * 6, 2 + 6).0, [128; 3]);
    }
}
