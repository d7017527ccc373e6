//! Lines of text: how wide they are, where they break, and which pixels they cover.

use ab_glyph::{Font, FontRef, PxScale, PxScaleFont, ScaleFont};

use crate::error::{Error, Result};

/// DejaVu Sans, the font of every drawing (its licence lies beside it in `assets`). Carried along
/// because a server need not have any font.
pub const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");

/// The font at one size.
pub(super) struct Writing {
    font: PxScaleFont<FontRef<'static>>,
}

impl Writing {
    /// The font with lines `size` pixels high.
    ///
    /// # Errors
    /// [`Error::Argument`] when the embedded font is damaged.
    pub fn new(size: f32) -> Result<Self> {
        let font = FontRef::try_from_slice(FONT).map_err(|error| Error::argument("font", error))?;
        Ok(Self { font: font.into_scaled(PxScale::from(size)) })
    }

    /// The height of a line, in pixels.
    pub fn line_height(&self) -> u32 {
        self.font.height().ceil() as u32
    }

    /// The width of `line`, in pixels.
    pub fn width(&self, line: &str) -> u32 {
        line.chars().map(|letter| self.advance(letter)).sum::<f32>().ceil() as u32
    }

    /// Breaks `text` into at most `most` lines no wider than `width` pixels: at line breaks, then
    /// between words, then within words. What does not fit is left out, with an ellipsis.
    pub fn wrap(&self, text: &str, width: u32, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            self.wrap_paragraph(paragraph, width, &mut lines);
        }
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                while !last.is_empty() && self.width(last) + self.width("…") > width {
                    last.pop();
                }
                last.push('…');
            }
        }
        lines
    }

    fn wrap_paragraph(&self, paragraph: &str, width: u32, lines: &mut Vec<String>) {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for letter in word.chars() {
                line.push(letter);
                // A single letter stays, however narrow the place, or there would be no end.
                if self.width(&line) > width && line.chars().nth(1).is_some() {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, letter.to_string()));
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }

    /// Calls `cover(x, y, part)` for each pixel that `line` covers in part (0 to 1), (0, 0) being the
    /// top left of the line. Coordinates can be a little out of the line's box.
    pub fn draw(&self, line: &str, mut cover: impl FnMut(i64, i64, f32)) {
        let mut at = 0.0;
        for letter in line.chars() {
            let mut glyph = self.font.scaled_glyph(letter);
            glyph.position = ab_glyph::point(at, self.font.ascent());
            at += self.advance(letter);
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let (left, top) = (corner.x as i64, corner.y as i64);
            outline.draw(|x, y, part| cover(left + i64::from(x), top + i64::from(y), part));
        }
    }

    fn advance(&self, letter: char) -> f32 {
        self.font.h_advance(self.font.glyph_id(letter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_cut_with_an_ellipsis() {
        let writing = Writing::new(16.0).unwrap();
        let width = writing.width("one two");
        assert_eq!(writing.wrap("one two three", width, 3), ["one two", "three"]);
        assert_eq!(writing.wrap("one\ntwo", 1000, 3), ["one", "two"]);
        assert!(writing.wrap("", width, 3).is_empty());
        let cut = writing.wrap("one two three four", width, 1);
        assert_eq!(cut.len(), 1);
        assert!(cut[0].ends_with('…') && writing.width(&cut[0]) <= width, "{cut:?}");
    }

    #[test]
    fn a_long_word_is_broken_within() {
        let writing = Writing::new(16.0).unwrap();
        let lines = writing.wrap("n02123045n02123045n02123045", 60, 9);
        assert!(lines.len() > 1 && lines.iter().all(|line| writing.width(line) <= 60), "{lines:?}");
        assert_eq!(lines.concat(), "n02123045n02123045n02123045");
    }

    #[test]
    fn letters_cover_pixels_within_their_line() {
        let writing = Writing::new(16.0).unwrap();
        let (mut ink, mut lowest) = (0.0, 0);
        writing.draw("ag", |_, y, part| {
            ink += part;
            lowest = lowest.max(y);
        });
        assert!(ink > 20.0 && lowest < i64::from(writing.line_height()), "{ink} {lowest}");
    }
}
