//! The curves of a run as a picture.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::legend::draw_legend;
use super::series::{Curve, FEW, step_range, thin, value_range};
use super::table::ScalarTable;
use crate::error::{Error, Result};
use crate::signal::chart::{
    Area, Axis, COLORS, Drawn, FAINT_INK, FINE, Scale, Ticks, WIDTH, begin_panel, draw_png, line, px, text,
    tint,
};

/// The height of a panel in pixels.
pub(super) const HEIGHT: u32 = 400;
/// The width of the column at the right that holds the legend.
pub(super) const LEGEND: i32 = 230;

/// Some columns of the log that share axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// What stands above.
    pub title: String,
    /// What the vertical axis measures, with its unit.
    pub axis: String,
    /// The columns, one curve each.
    pub columns: Vec<String>,
    /// The layout of the vertical axis.
    pub scale: Scale,
}

impl Panel {
    /// A panel of these columns.
    pub fn of(title: &str, axis: &str, columns: &[&str], scale: Scale) -> Self {
        let columns = columns.iter().map(|&column| column.into()).collect();
        Self { title: title.into(), axis: axis.into(), columns, scale }
    }
}

/// Draws the columns of `table` to the PNG file `out`: a panel for each group, a thin line for the values and a
/// thick one for their trend. `font` is the content of a TrueType file.
///
/// # Errors
/// [`Error::Argument`] without panels or for a font that cannot be read, [`Error::Io`] when `out` cannot be written,
/// [`Error::File`] when drawing fails.
pub fn draw_curves(
    table: &ScalarTable,
    panels: &[Panel],
    out: impl AsRef<Path>,
    font: &'static [u8],
) -> Result<()> {
    let out = out.as_ref();
    let Some(count) = u32::try_from(panels.len()).ok().filter(|count| (1..=100).contains(count)) else {
        return Err(Error::argument("panels", format!("expected 1 to 100, found {}", panels.len())));
    };
    draw_png(out, HEIGHT * count, font, |root| {
        for (panel, area) in panels.iter().zip(root.split_evenly((panels.len(), 1))) {
            draw_panel(table, panel, &area)?;
        }
        Ok(())
    })
}

fn draw_panel(table: &ScalarTable, panel: &Panel, area: &Area) -> Drawn {
    let curves: Vec<_> =
        panel.columns.iter().map(|column| Curve::new(&table.series(column), panel.scale)).collect();
    let (left, right) = area.split_horizontally(px(WIDTH as i32 - LEGEND));
    draw_values(panel, &curves, &left)?;
    draw_legend(&panel.columns, &curves, panel.scale, &right)
}

fn draw_values(panel: &Panel, curves: &[Curve], area: &Area) -> Drawn {
    let values = value_range(curves);
    let (bottom, top) = values.unwrap_or((0.0, 1.0));
    let (first, last) = step_range(curves).unwrap_or((0.0, 1.0));
    let (step_ticks, value_ticks) = match values {
        Some(_) => (Ticks::steps(first, last), Ticks::values(bottom, top, panel.scale)),
        None => Default::default(),
    };
    let (x, y) = (Axis::new(first..last, step_ticks), Axis::new(bottom..top, value_ticks));
    let mut chart = begin_panel(area, &panel.title, (x, "step"), (y, &panel.axis))?;
    // A spike beyond the range would run over the title.
    let inside = |points: &[(f64, f64)]| -> Vec<_> {
        thin(points).into_iter().map(|(step, value)| (step, value.clamp(bottom, top))).collect()
    };
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        if curve.raw.len() < FEW {
            let dots = inside(&curve.raw).into_iter();
            chart.draw_series(dots.map(|dot| Circle::new(dot, px(3), color.filled())))?;
        } else {
            chart.draw_series(line(&inside(&curve.raw), tint(*color).stroke_width(FINE)))?;
        }
    }
    // All trends lie above all raw lines.
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        chart.draw_series(line(&inside(&curve.smooth), color.stroke_width(FINE * 2)))?;
    }
    if values.is_none() {
        let style = text(16, FAINT_INK).pos(Pos::new(HPos::Center, VPos::Center));
        chart.plotting_area().draw(&Text::new("nothing logged yet", (0.5, 0.5), style))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::super::table::Row;
    use super::*;

    const DEJAVU: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");

    fn panel(columns: &[&str], scale: Scale) -> Panel {
        let columns = columns.iter().map(|name| name.to_string()).collect();
        Panel { title: "Loss".into(), axis: "nats".into(), columns, scale }
    }

    fn table(values: &[f64]) -> ScalarTable {
        let rows = values.iter().zip(1..).map(|(value, step)| Row { step, cells: vec![Some(*value)] });
        ScalarTable::new(&["loss"], rows.collect()).unwrap()
    }

    fn draw(table: &ScalarTable, panels: &[Panel]) -> RgbImage {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("curves.png");
        draw_curves(table, panels, &out, DEJAVU).unwrap();
        image::open(out).unwrap().into_rgb8()
    }

    #[test]
    fn the_picture_has_a_panel_for_each_group_and_the_curves_colour() {
        let picture = draw(
            &table(&[3.0, 2.0, 1.5, 1.0]),
            &[panel(&["loss"], Scale::Linear), panel(&["absent"], Scale::Log)],
        );
        assert_eq!(picture.dimensions(), (1200, 800));
        let colored =
            |from, to| (from..to).any(|y| (100..900).any(|x| picture.get_pixel(x, y).0 == [31, 103, 181]));
        assert!(colored(0, 400));
        assert!(!colored(400, 800));
    }

    #[test]
    fn odd_data_are_drawn_without_a_panic() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let many: Vec<_> = (0..5000).map(|step| f64::from(step).sin() * 1e300).collect();
        let series: [&[f64]; 10] = [
            &[],
            &[1.0],
            &[0.0],
            &[nan],
            &[nan, inf, -inf],
            &[2.0, nan, 2.0],
            &[f64::MAX, f64::MIN, f64::MIN_POSITIVE],
            &[-1.0, -2.0],
            &[1e17, 1e17 + 16.0],
            &many,
        ];
        for values in series {
            draw(&table(values), &[panel(&["loss"], Scale::Linear), panel(&["loss"], Scale::Log)]);
        }
        draw(&ScalarTable::default(), &[panel(&[], Scale::Linear)]);
        let late = [(u64::MAX - 1, 1.0), (u64::MAX, 2.0)];
        let rows = late.map(|(step, value)| Row { step, cells: vec![Some(value)] }).to_vec();
        draw(&ScalarTable::new(&["loss"], rows).unwrap(), &[panel(&["loss"], Scale::Linear)]);
    }

    #[test]
    fn wrong_arguments_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("curves.png");
        let table = table(&[1.0]);
        let result = draw_curves(&table, &[], &out, DEJAVU);
        assert!(matches!(result, Err(Error::Argument { name: "panels", .. })));
        let panels = [panel(&["loss"], Scale::Linear)];
        let result = draw_curves(&table, &panels, &out, b"no font");
        assert!(matches!(result, Err(Error::Argument { name: "font", .. })));
        let result = draw_curves(&table, &panels, out.join("x.png"), DEJAVU);
        assert!(matches!(result, Err(Error::Io { .. })));
    }
}
