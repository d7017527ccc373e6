//! What charts share: axes with ticks of their own, colours, and the way into a PNG file.

mod axis;
mod style;
mod ticks;

use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use plotters::prelude::*;
use plotters::style::register_font;

pub use axis::Axis;
pub use style::{Area, COLORS, Drawn, FAINT_INK, FINE, INK, WIDTH, px, text, tint};
use style::{FONT, FRAME, GRID};
pub use ticks::Ticks;

use crate::atomic::write_atomically;
use crate::error::{Error, Result};

/// How values are laid out on an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal distances are equal differences.
    #[default]
    Linear,
    /// Equal distances are equal factors; values that are not positive are left out.
    Log,
}

/// Draws a chart of `height` pixels with `draw` and writes it to the PNG file `out`. `font` is the content of a TrueType
/// file.
///
/// # Errors
/// [`Error::Argument`] for a font that cannot be read, [`Error::Io`] when `out` cannot be written, [`Error::File`] when
/// drawing fails.
pub fn draw_png(
    out: &Path,
    height: u32,
    font: &'static [u8],
    draw: impl FnOnce(&Area) -> Drawn,
) -> Result<()> {
    register_font(FONT, FontStyle::Normal, font)
        .map_err(|_| Error::argument("font", "expected the content of a TrueType or OpenType file"))?;
    let mut fine = RgbImage::new(WIDTH * FINE, height * FINE);
    draw_on(&mut fine, draw).map_err(|error| Error::file(out, format!("it could not be drawn: {error}")))?;
    let picture = image::imageops::thumbnail(&fine, WIDTH, height);
    write_atomically(out, |writer| {
        PngEncoder::new(writer)
            .write_image(&picture, picture.width(), picture.height(), ExtendedColorType::Rgb8)
            .map_err(std::io::Error::other)
    })
}

fn draw_on(picture: &mut RgbImage, draw: impl FnOnce(&Area) -> Drawn) -> Drawn {
    let size = picture.dimensions();
    let root = BitMapBackend::with_buffer(picture, size).into_drawing_area();
    root.fill(&WHITE)?;
    draw(&root)?;
    root.present()?;
    Ok(())
}

/// A panel that can be drawn into.
pub type Panel<'a, 'b> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<Axis, Axis>>;

/// A panel in `area`: its title, a grid, and the horizontal and the vertical axis with what they measure.
pub fn begin_panel<'a, 'b>(
    area: &'a Area<'b>,
    title: &str,
    (x, x_title): (Axis, &str),
    (y, y_title): (Axis, &str),
) -> Drawn<Panel<'a, 'b>> {
    area.draw(&Text::new(title, (px(90), px(18)), text(19, INK)))?;
    let mut panel = ChartBuilder::on(area)
        .margin_top(px(52))
        .margin_right(px(14))
        .margin_bottom(px(6))
        .margin_left(px(20))
        .x_label_area_size(px(48))
        .y_label_area_size(px(68))
        .build_cartesian_2d(x, y)?;
    panel
        .configure_mesh()
        .set_all_tick_mark_size(px(5))
        .bold_line_style(GRID.stroke_width(FINE))
        .axis_style(FRAME.stroke_width(FINE))
        .label_style(text(14, INK))
        .axis_desc_style(text(14, FAINT_INK))
        .x_desc(x_title)
        .y_desc(y_title)
        .draw()?;
    Ok(panel)
}

/// A line as single pieces: plotters would join wide ones by spikes that run far beyond sharp corners.
pub fn line(points: &[(f64, f64)], style: ShapeStyle) -> impl Iterator<Item = PathElement<(f64, f64)>> {
    points.windows(2).map(move |pair| PathElement::new([pair[0], pair[1]], style))
}
