//! Drawing one character: outline to coverage, coverage to a coloured picture.

use crate::colour;
use ab_glyph::{Font, FontRef, GlyphId, OutlinedGlyph, PxScale, PxScaleFactor, point};
use image::{Rgb, RgbImage};
use rand::RngExt;

/// The larger side of the glyph, as a part of the picture's side.
const FILL: std::ops::RangeInclusive<f32> = 0.55..=0.85;
/// How far the glyph's centre may lie from the picture's, as a part of the side. Small enough that
/// the largest glyph stays inside.
const JITTER: f32 = 0.05;

/// Coverage of a `side` × `side` square by the glyph: its box's larger side is `extent` pixels and
/// its box's centre is at `centre`. `None` when there is no outline or it has no area.
pub fn coverage(
    font: &FontRef,
    character: char,
    side: usize,
    extent: f32,
    centre: (f32, f32),
) -> Option<Vec<f32>> {
    let id: GlyphId = font.glyph_id(character);
    let outline = font.outline(id)?;
    let (min, max) = (outline.bounds.min, outline.bounds.max);
    let larger = (max.x - min.x).abs().max((max.y - min.y).abs());
    if !larger.is_finite() || larger <= 0.0 {
        return None;
    }
    let scale = extent / larger;
    // Fonts count y upwards and pictures downwards, hence the sign of the second coordinate.
    let position = point(centre.0 - scale * (min.x + max.x) / 2.0, centre.1 + scale * (min.y + max.y) / 2.0);
    let glyph = id.with_scale_and_position(PxScale::from(extent), position);
    let outlined = OutlinedGlyph::new(glyph, outline, PxScaleFactor { horizontal: scale, vertical: scale });
    let corner = outlined.px_bounds().min;
    let mut square = vec![0.0f32; side * side];
    outlined.draw(|x, y, c| {
        let (px, py) = (corner.x as i64 + i64::from(x), corner.y as i64 + i64::from(y));
        if let (Ok(px), Ok(py)) = (usize::try_from(px), usize::try_from(py))
            && px < side
            && py < side
        {
            square[py * side + px] = c.clamp(0.0, 1.0);
        }
    });
    Some(square)
}

/// The character in random colours, size and position.
pub fn picture(font: &FontRef, character: char, size: u32, rng: &mut impl RngExt) -> Option<RgbImage> {
    let side = size as f32;
    let extent = side * rng.random_range(FILL);
    let room = (JITTER * side).min((side - extent) / 2.0 - 1.0).max(0.0);
    let mut at = || side / 2.0 + rng.random_range(-room..=room);
    let centre = (at(), at());
    let (ink, paper) = colour::ink_and_paper(rng);
    let square = coverage(font, character, size as usize, extent, centre)?;
    Some(RgbImage::from_fn(size, size, |x, y| {
        Rgb(colour::mix(paper, ink, square[y as usize * size as usize + x as usize]))
    }))
}
