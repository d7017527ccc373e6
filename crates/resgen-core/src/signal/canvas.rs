//! White paper to put pictures and text on.

use crate::error::{Error, Result};
use crate::signal::Picture;
use crate::signal::text::Writing;

/// The longest side of a drawing, in pixels.
const MAX_SIDE: u32 = 32_767;
const WHITE: u8 = 255;
/// The grey of the letters.
const INK: f32 = 34.0;

/// A picture being drawn.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Canvas {
    /// # Errors
    /// [`Error::Argument`] for a canvas of no pixels or too many.
    pub fn new(width: u32, height: u32) -> Result<Self> {
        if width > MAX_SIDE || height > MAX_SIDE {
            let reason = format!("a drawing of {width} x {height} pixels is too large; draw fewer pictures");
            return Err(Error::argument("size", reason));
        }
        let paper = Picture::filled(width, height, [WHITE; 3])?;
        Ok(Self { width, height, rgb: paper.into_rgb() })
    }

    /// Puts `picture`, each pixel `scale` x `scale` large, with its first pixel at (`left`, `top`).
    /// What would lie outside is left out.
    pub fn place(&mut self, picture: &Picture, left: u32, top: u32, scale: u32) {
        for y in 0..(picture.height() * scale).min(self.height.saturating_sub(top)) {
            for x in 0..(picture.width() * scale).min(self.width.saturating_sub(left)) {
                let from = ((y / scale * picture.width() + x / scale) * 3) as usize;
                let to = self.index(left + x, top + y);
                self.rgb[to..to + 3].copy_from_slice(&picture.rgb()[from..from + 3]);
            }
        }
    }

    /// Writes `line` with its top left at (`left`, `top`).
    pub fn write(&mut self, writing: &Writing, line: &str, left: u32, top: u32) {
        writing.draw(line, |x, y, part| {
            let place = |at: i64, first: u32, end: u32| {
                u32::try_from(at + i64::from(first)).ok().filter(|at| *at < end)
            };
            let (Some(x), Some(y)) = (place(x, left, self.width), place(y, top, self.height)) else { return };
            let at = self.index(x, y);
            for value in &mut self.rgb[at..at + 3] {
                *value = (f32::from(*value) * (1.0 - part) + INK * part).round() as u8;
            }
        });
    }

    /// # Errors
    /// None in practice: the canvas has all its bytes.
    pub fn finish(self) -> Result<Picture> {
        Picture::new(self.width, self.height, self.rgb)
    }

    fn index(&self, x: u32, y: u32) -> usize {
        (y as usize * self.width as usize + x as usize) * 3
    }
}
