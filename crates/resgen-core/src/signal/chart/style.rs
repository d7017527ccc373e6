//! How charts look.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontTransform;

/// The picture's width in pixels.
pub const WIDTH: u32 = 1200;
/// Drawn so many times larger and averaged down: thick lines have no smooth edges otherwise.
pub const FINE: u32 = 3;

pub const FONT: &str = "sans-serif";
pub const INK: RGBColor = RGBColor(38, 43, 51);
pub const FAINT_INK: RGBColor = RGBColor(105, 112, 122);
pub const FRAME: RGBColor = RGBColor(176, 182, 190);
pub const GRID: RGBColor = RGBColor(230, 233, 237);
/// Told apart by most colour-blind readers, and dark enough for a thin line on white.
pub const COLORS: [RGBColor; 8] = [
    RGBColor(31, 103, 181),
    RGBColor(214, 94, 0),
    RGBColor(0, 140, 105),
    RGBColor(190, 70, 140),
    RGBColor(120, 95, 200),
    RGBColor(190, 145, 0),
    RGBColor(50, 160, 210),
    RGBColor(90, 90, 90),
];

pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
pub type Drawn<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Pixels of the finished picture as pixels of the larger one.
pub fn px(pixels: i32) -> i32 {
    pixels * FINE as i32
}

pub fn text(size: i32, color: RGBColor) -> TextStyle<'static> {
    (FONT, px(size)).into_font().transform(FontTransform::None).color(&color)
}

/// A light shade that covers: the pieces of a transparent line would show where they overlap.
pub fn tint(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let lighten = |channel: u8| 255 - (255 - channel) / 3;
    RGBColor(lighten(red), lighten(green), lighten(blue))
}
