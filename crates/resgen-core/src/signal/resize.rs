//! Crops of a fixed size: the ones of ADM (guided-diffusion), on which ImageNet results are compared.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::signal::Picture;

/// The longest side of a picture on its way to a crop, in pixels: a line of one pixel by thousands
/// would otherwise be enlarged to gigabytes.
const MAX_SIDE: u32 = 65_535;
/// The least part of the shorter side that a random crop shows.
const MIN_CROP: f64 = 0.8;

/// Which square of a picture is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// The middle: the shorter side becomes the square's side.
    #[default]
    Center,
    /// A random square of 0.8 to 1 of the shorter side, anywhere in the picture.
    Random,
}

/// Whether left and right are exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flip {
    /// Never.
    #[default]
    Never,
    /// For one picture in two, at random.
    Half,
}

impl Crop {
    /// A `size` x `size` picture of the chosen part, drawn from `rng` where the choice is random.
    ///
    /// # Errors
    /// [`Error::Argument`] for a size of zero, or a picture so thin that it would become a giant.
    pub fn apply(self, picture: &Picture, size: u32, rng: &mut impl Rng) -> Result<Picture> {
        match self {
            Self::Center => center_crop(picture, size),
            Self::Random => random_crop(picture, size, rng),
        }
    }
}

impl Flip {
    /// The picture or its mirror picture. Draws from `rng` only where the choice is random.
    pub fn apply(self, picture: Picture, rng: &mut impl Rng) -> Picture {
        match self {
            Self::Half if rng.random_bool(0.5) => picture.mirrored(),
            Self::Half | Self::Never => picture,
        }
    }
}

/// The middle square of `picture` at `size` x `size`, as ADM makes it: halved by averaging while the
/// shorter side is at least twice the size, then resized (bicubic) until it is the size, then cut.
///
/// # Errors
/// [`Error::Argument`] for a size of zero, or a picture so thin that it would become a giant.
pub fn center_crop(picture: &Picture, size: u32) -> Result<Picture> {
    let shrunk = shorter_side_to(picture, size)?;
    let (left, top) = ((shrunk.width() - size) / 2, (shrunk.height() - size) / 2);
    cut(&shrunk, left, top, size)
}

/// A random square of `picture` at `size` x `size`, as ADM makes it: of 0.8 to 1 of the shorter side.
///
/// # Errors
/// [`Error::Argument`] for a size of zero, or a picture so thin that it would become a giant.
pub fn random_crop(picture: &Picture, size: u32, rng: &mut impl Rng) -> Result<Picture> {
    let largest = (f64::from(size) / MIN_CROP).ceil() as u32;
    let shrunk = shorter_side_to(picture, rng.random_range(size..=largest))?;
    let top = rng.random_range(0..=shrunk.height() - size);
    let left = rng.random_range(0..=shrunk.width() - size);
    cut(&shrunk, left, top, size)
}

/// `picture` resized in proportion so that its shorter side is `side`.
fn shorter_side_to(picture: &Picture, side: u32) -> Result<Picture> {
    if side == 0 {
        return Err(Error::argument("size", "a picture of 0 pixels is empty"));
    }
    let mut halved = std::borrow::Cow::Borrowed(picture);
    while u64::from(halved.width().min(halved.height())) >= 2 * u64::from(side) {
        let (width, height) = (halved.width() / 2, halved.height() / 2);
        halved = std::borrow::Cow::Owned(resize(&halved, width, height, FilterType::Box)?);
    }
    let scale = f64::from(side) / f64::from(halved.width().min(halved.height()));
    // Python's `round`, which ADM uses, rounds halves to even. A side must not come out too short.
    let scaled = |length: u32| (f64::from(length) * scale).round_ties_even().max(f64::from(side)) as u32;
    let (width, height) = (scaled(halved.width()), scaled(halved.height()));
    if width.max(height) > MAX_SIDE {
        let (from_width, from_height) = (picture.width(), picture.height());
        let reason =
            format!("a picture of {from_width} x {from_height} pixels is too thin for crops of {side}");
        return Err(Error::argument("size", reason));
    }
    resize(&halved, width, height, FilterType::CatmullRom)
}

/// `picture` at `width` x `height`, by Pillow's method (the filter widens as the picture shrinks).
///
/// # Errors
/// [`Error::Argument`] for a side of zero.
pub(crate) fn resize(picture: &Picture, width: u32, height: u32, filter: FilterType) -> Result<Picture> {
    if (width, height) == (picture.width(), picture.height()) {
        return Ok(picture.clone());
    }
    let refused = |reason: String| Error::argument("size", reason);
    let from = ImageRef::new(picture.width(), picture.height(), picture.rgb(), PixelType::U8x3)
        .map_err(|error| refused(error.to_string()))?;
    let mut to = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize(&from, &mut to, &options).map_err(|error| refused(error.to_string()))?;
    Picture::new(width, height, to.into_vec())
}

/// The square of `size` pixels whose first pixel is at (`left`, `top`). It must lie in the picture.
fn cut(picture: &Picture, left: u32, top: u32, size: u32) -> Result<Picture> {
    if (picture.width(), picture.height()) == (size, size) {
        return Ok(picture.clone());
    }
    let (left, top, size_bytes) = (left as usize * 3, top as usize, size as usize * 3);
    let rows = picture.rgb().chunks_exact(picture.width() as usize * 3);
    let rgb = rows.skip(top).take(size as usize).flat_map(|row| &row[left..left + size_bytes]);
    Picture::new(size, size, rgb.copied().collect())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The pattern of the reference values below: 37 x 23 pixels.
    fn pattern() -> Picture {
        let pixel = |x: u32, y: u32| [x * 7 + y * 3, x * x + y * 5, x * y * 11].map(|value| value as u8);
        let rgb = (0..23).flat_map(|y| (0..37).flat_map(move |x| pixel(x, y))).collect();
        Picture::new(37, 23, rgb).unwrap()
    }

    fn at(picture: &Picture, x: u32, y: u32) -> &[u8] {
        let first = ((y * picture.width() + x) * 3) as usize;
        &picture.rgb()[first..first + 3]
    }

    /// `center_crop_arr` of guided-diffusion on the pattern, run with Pillow 13.0.0.
    #[test]
    fn the_center_crop_is_that_of_adm() {
        let close = |found: &[u8], expected: &[u8]| {
            assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1), "{found:?} {expected:?}");
        };
        let small = center_crop(&pattern(), 4).unwrap();
        let expected: [u8; 48] = [
            57, 64, 100, 93, 170, 100, 131, 96, 110, 172, 135, 113, 74, 94, 119, 110, 167, 116, 148, 111,
            125, 190, 126, 143, 95, 134, 128, 131, 146, 122, 169, 126, 129, 219, 106, 123, 112, 164, 126,
            148, 132, 124, 187, 144, 119, 227, 98, 147,
        ];
        close(small.rgb(), &expected);
        let middle = center_crop(&pattern(), 9).unwrap();
        close(at(&middle, 0, 0), &[59, 68, 58]);
        close(at(&middle, 3, 4), &[139, 75, 104]);
        close(at(&middle, 8, 8), &[94, 139, 88]);
        let enlarged = center_crop(&pattern(), 30).unwrap();
        close(at(&enlarged, 0, 0), &[48, 47, 0]);
        close(at(&enlarged, 10, 15), &[136, 83, 101]);
        close(at(&enlarged, 29, 29), &[14, 197, 107]);
    }

    #[test]
    fn a_picture_of_the_right_size_is_left_alone() {
        let square = center_crop(&pattern(), 23).unwrap();
        // 37 columns leave 14: 7 on either side.
        assert_eq!(at(&square, 0, 0), at(&pattern(), 7, 0));
        assert_eq!(center_crop(&square, 23).unwrap(), square);
        assert!(center_crop(&square, 0).is_err());
    }

    #[test]
    fn a_thin_picture_is_cropped_too() {
        let thin = Picture::filled(400, 1, [9, 8, 7]).unwrap();
        let crop = center_crop(&thin, 16).unwrap();
        assert_eq!(crop, Picture::filled(16, 16, [9, 8, 7]).unwrap());
        // 400 to 1 at a height of 256 would be 102400 pixels wide.
        assert!(center_crop(&thin, 256).unwrap_err().to_string().contains("too thin"));
    }

    #[test]
    fn a_random_crop_follows_its_rng() {
        let crop = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            Crop::Random.apply(&pattern(), 8, &mut rng).unwrap()
        };
        assert_eq!(crop(1), crop(1));
        assert!((2..12).any(|seed| crop(seed) != crop(1)));
        assert_eq!((crop(3).width(), crop(3).height()), (8, 8));
    }

    #[test]
    fn half_of_the_pictures_are_flipped() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let flips = (0..400).filter(|_| Flip::Half.apply(pattern(), &mut rng) != pattern()).count();
        // Four standard deviations (of 10) about 200.
        assert!((160..=240).contains(&flips), "{flips}");
        assert_eq!(Flip::Never.apply(pattern(), &mut rng), pattern());
    }

    #[test]
    fn the_names_in_a_config_are_lower_case() {
        assert_eq!(serde_json::to_string(&[Crop::Center, Crop::Random]).unwrap(), r#"["center","random"]"#);
        assert_eq!(
            serde_json::from_str::<Vec<Flip>>(r#"["never","half"]"#).unwrap(),
            [Flip::Never, Flip::Half]
        );
    }
}
