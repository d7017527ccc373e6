//! The names of the curves, and where they stand.

use plotters::prelude::*;

use super::curves::HEIGHT;
use super::series::Curve;
use crate::signal::chart::{Area, COLORS, Drawn, FAINT_INK, INK, Scale, px, text};

/// Draws a swatch, the name and the last value of each curve below each other.
pub(super) fn draw_legend(columns: &[String], curves: &[Curve], scale: Scale, area: &Area) -> Drawn {
    let pitch = (HEIGHT as i32 - 70) / curves.len().max(1) as i32;
    // Entries that stand close have no room for a second line.
    let pitch = pitch.min(42);
    let has_room = pitch > 36;
    for (index, (column, curve)) in columns.iter().zip(curves).enumerate() {
        let color = COLORS[index % COLORS.len()];
        let y = 62 + pitch * index as i32;
        let swatch = Rectangle::new([(px(8), px(y + 1)), (px(28), px(y + 5))], color.filled());
        area.draw(&swatch)?;
        area.draw(&Text::new(shorten(column), (px(38), px(y)), text(15, INK)))?;
        let last = match curve.smooth.last() {
            Some((step, value)) => format!("{} at step {step}", short_number(value_of(*value, scale))),
            None => "no values".to_owned(),
        };
        if has_room {
            area.draw(&Text::new(last, (px(38), px(y + 19)), text(13, FAINT_INK)))?;
        }
    }
    Ok(())
}

fn value_of(position: f64, scale: Scale) -> f64 {
    match scale {
        Scale::Linear => position,
        Scale::Log => 10_f64.powf(position),
    }
}

/// Four digits are what a glance takes in.
fn short_number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.3e}"),
        size => format!("{value:.*}", (3 - size.log10().floor() as i32).max(0) as usize),
    }
}

/// A column name that the legend has room for: its end tells more than its start.
fn shorten(name: &str) -> String {
    const ROOM: usize = 22;
    let count = name.chars().count();
    if count <= ROOM {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(count - ROOM + 1).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legend_texts_are_short() {
        assert_eq!(short_number(2.34567), "2.346");
        assert_eq!(short_number(-123.456), "-123.5");
        assert_eq!(short_number(0.0123456), "0.01235");
        assert_eq!(short_number(3e-4), "3.000e-4");
        assert_eq!(short_number(0.0), "0");
        assert_eq!(shorten("train/loss"), "train/loss");
        assert_eq!(shorten("validation/reconstruction_error"), "…/reconstruction_error");
    }
}
