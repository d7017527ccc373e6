//! `--keep-from`: a picture of which a part, or the coarse codes, stay.

use std::path::PathBuf;
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::sample::Known;
use resgen_core::signal::Picture;
use resgen_core::signal::resize::center_crop;
use resgen_core::tokenizer::{ImageTokenizer, ImageTokenizerConfig, TokenizerConfig};
use resgen_core::{Error, Result};

/// From this level on a pixel of a mask is white.
const WHITE: u8 = 128;

/// What is kept of a picture.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Starting from a picture")]
pub struct KeepArguments {
    /// A picture to keep a part of.
    #[arg(long, value_name = "PICTURE", requires = "redraw")]
    keep_from: Option<PathBuf>,
    /// What is drawn again: box:x,y,w,h in pixels of the model's resolution, or a picture whose white
    /// pixels say so.
    #[arg(long, value_name = "box:x,y,w,h|FILE", group = "redraw", requires = "keep_from")]
    mask: Option<Mask>,
    /// Keep the M coarsest codes of every position and draw the finer ones again.
    #[arg(long, value_name = "M", group = "redraw", requires = "keep_from")]
    vary_depth: Option<usize>,
}

/// Where a picture is drawn again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mask {
    Box { x: usize, y: usize, width: usize, height: usize },
    File(PathBuf),
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(numbers) = text.strip_prefix("box:") else { return Ok(Self::File(text.into())) };
        let numbers: Result<Vec<usize>, _> = numbers.split(',').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([_, _, 0, _] | [_, _, _, 0]) => Err("the box is empty".into()),
            Ok(&[x, y, width, height]) => Ok(Self::Box { x, y, width, height }),
            _ => Err("expected box:x,y,w,h with four whole numbers".into()),
        }
    }
}

impl KeepArguments {
    /// The codes of the picture and how many are drawn again; nothing where no picture was named.
    ///
    /// # Errors
    /// [`Error::Argument`] for a depth or box out of range, [`Error::Io`] and [`Error::File`] for pictures.
    pub fn known(&self, tokenizer: &ImageTokenizer, device: &Device) -> Result<Option<Known>> {
        let Some(path) = &self.keep_from else { return Ok(None) };
        let config = tokenizer.config();
        let masked = match (&self.mask, self.vary_depth) {
            (Some(mask), _) => mask.masked(config)?,
            (None, Some(depth)) if depth > config.depth => {
                let reason = format!("expected at most {}, the model's depth, found {depth}", config.depth);
                return Err(Error::argument("--vary-depth", reason));
            }
            (None, kept) => vec![config.depth - kept.unwrap_or(config.depth); config.positions()],
        };
        let side = config.resolution;
        let pixels = cropped(path.clone(), side)?.to_unit();
        let pixels = Tensor::from_data(TensorData::new(pixels, [1, 3, side, side]), device);
        Ok(Some(Known { codes: tokenizer.encode(pixels)?, masked }))
    }
}

impl Mask {
    /// How many codes of each position are drawn again: all where any of its pixels is masked, else none.
    fn masked(&self, config: &ImageTokenizerConfig) -> Result<Vec<usize>> {
        let side = config.resolution;
        match self {
            &Self::Box { x, y, width, height } => {
                if x.saturating_add(width) > side || y.saturating_add(height) > side {
                    let reason = format!(
                        "the box {x},{y},{width},{height} leaves the picture of {side} × {side} pixels"
                    );
                    return Err(Error::argument("--mask", reason));
                }
                Ok(positions(config, |px, py| (x..x + width).contains(&px) && (y..y + height).contains(&py)))
            }
            Self::File(path) => {
                let mask = cropped(path.clone(), side)?;
                Ok(positions(config, |px, py| mask.rgb()[(py * side + px) * 3] >= WHITE))
            }
        }
    }
}

/// Positions are cells of the picture, row by row.
fn positions(config: &ImageTokenizerConfig, masked: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let (grid, cell) = (config.grid(), config.downsampling());
    let any_masked = |position: usize| {
        let (left, top) = (position % grid * cell, position / grid * cell);
        (top..top + cell).any(|y| (left..left + cell).any(|x| masked(x, y)))
    };
    (0..grid * grid).map(|position| if any_masked(position) { config.depth } else { 0 }).collect()
}

fn cropped(path: PathBuf, side: usize) -> Result<Picture> {
    center_crop(&Picture::open(&path)?, side as u32).map_err(|error| Error::file(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ImageTokenizerConfig {
        let config = serde_json::json!({
            "resolution": 16, "stem": 4, "channels": [8], "latent": 4, "vocabulary": 8, "depth": 3
        });
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn a_box_masks_every_position_that_it_touches() {
        let mask: Mask = "box:3,4,2,4".parse().unwrap();
        // Columns 3 and 4 are in the first two cells, rows 4 to 7 in the second row of four.
        let mut expected = vec![0; 16];
        expected[4..6].fill(3);
        assert_eq!(mask.masked(&config()).unwrap(), expected);
        let outside: Mask = "box:10,0,7,1".parse().unwrap();
        assert!(outside.masked(&config()).unwrap_err().to_string().contains("leaves the picture"));
    }

    #[test]
    fn white_pixels_of_a_file_mask_their_positions() {
        let folder = tempfile::tempdir().unwrap();
        let mut rgb = vec![0; 16 * 16 * 3];
        rgb[(15 * 16 + 8) * 3..][..3].fill(255);
        let path = folder.path().join("mask.png");
        Picture::new(16, 16, rgb).unwrap().save_png(&path).unwrap();
        let masked = Mask::File(path).masked(&config()).unwrap();
        assert_eq!(masked.iter().position(|&masked| masked == 3), Some(14));
        assert_eq!(masked.iter().sum::<usize>(), 3);
    }

    #[test]
    fn a_box_that_does_not_read_says_what_is_expected() {
        assert!("box:1,2,3".parse::<Mask>().unwrap_err().contains("four whole numbers"));
        assert!("box:1,2,0,3".parse::<Mask>().unwrap_err().contains("empty"));
        assert_eq!("a.png".parse::<Mask>(), Ok(Mask::File("a.png".into())));
    }
}
