//! From code points to a bitmap: the character map, the ligatures, the colour bitmaps.

use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb, RgbImage};
use ttf_parser::gsub::SubstitutionSubtable;
use ttf_parser::{Face, GlyphId, RasterImageFormat};

/// Asks for a plain character to be shown as an emoji; fonts leave it out of their ligatures.
const EMOJI_STYLE: char = '\u{FE0F}';

/// The one glyph a sequence is shown by, or `None` when the font has no single picture of it.
pub fn resolve(face: &Face, codes: &[char]) -> Option<GlyphId> {
    let glyphs: Option<Vec<GlyphId>> =
        codes.iter().filter(|&&c| c != EMOJI_STYLE).map(|&c| face.glyph_index(c)).collect();
    let glyphs = glyphs?;
    match glyphs.as_slice() {
        [] => None,
        [one] => Some(*one),
        many => ligature(face, many),
    }
}

/// The ligature of exactly these glyphs. Only ligatures are looked at, whatever the feature they
/// belong to: in an emoji font they all mean "this sequence is one picture".
fn ligature(face: &Face, glyphs: &[GlyphId]) -> Option<GlyphId> {
    let (&first, rest) = glyphs.split_first()?;
    for lookup in face.tables().gsub?.lookups {
        for subtable in lookup.subtables.into_iter::<SubstitutionSubtable>() {
            let SubstitutionSubtable::Ligature(table) = subtable else { continue };
            let set = table.coverage.get(first).and_then(|index| table.ligature_sets.get(index));
            let found = set.and_then(|set| {
                set.into_iter().find(|l| {
                    l.components.len() as usize == rest.len()
                        && l.components.into_iter().eq(rest.iter().copied())
                })
            });
            if let Some(found) = found {
                return Some(found.glyph);
            }
        }
    }
    None
}

/// The largest PNG bitmap of a glyph, still encoded.
pub fn bitmap<'a>(face: &'a Face, glyph: GlyphId) -> Option<&'a [u8]> {
    let image = face.glyph_raster_image(glyph, u16::MAX)?;
    (image.format == RasterImageFormat::PNG && !image.data.is_empty()).then_some(image.data)
}

/// The bitmap on white, padded to a square and scaled to `size`.
pub fn picture(png: &[u8], size: u32) -> image::ImageResult<RgbImage> {
    let square = square_on_white(&image::load_from_memory(png)?);
    Ok(imageops::resize(&square, size, size, FilterType::CatmullRom))
}

// White goes under before scaling, so that the colours of transparent pixels cannot bleed in.
fn square_on_white(picture: &DynamicImage) -> RgbImage {
    let picture = picture.to_rgba8();
    let (width, height) = picture.dimensions();
    let side = width.max(height);
    let (left, top) = ((side - width) / 2, (side - height) / 2);
    let mut square = RgbImage::from_pixel(side, side, Rgb([255; 3]));
    for (x, y, pixel) in picture.enumerate_pixels() {
        let [r, g, b, alpha] = pixel.0;
        let mixed = crate::colour::mix([255; 3], [r, g, b], f32::from(alpha) / 255.0);
        square.put_pixel(left + x, top + y, Rgb(mixed));
    }
    square
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgba, RgbaImage};

    #[test]
    fn transparency_becomes_white_and_the_padding_is_even() {
        let mut wide = RgbaImage::from_pixel(6, 4, Rgba([200, 0, 0, 255]));
        wide.put_pixel(0, 0, Rgba([0, 0, 0, 0]));
        let square = square_on_white(&DynamicImage::ImageRgba8(wide));
        assert_eq!(square.dimensions(), (6, 6));
        assert_eq!(square.get_pixel(3, 0).0, [255; 3]);
        assert_eq!(square.get_pixel(0, 1).0, [255; 3]);
        assert_eq!(square.get_pixel(3, 1).0, [200, 0, 0]);
        assert_eq!(square.get_pixel(3, 5).0, [255; 3]);
    }

    #[test]
    fn a_broken_bitmap_is_an_error() {
        assert!(picture(b"not a png", 64).is_err());
    }
}
