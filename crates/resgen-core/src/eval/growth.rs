//! How cost grows with size: exponents, and a picture of them.

use std::path::Path;

use plotters::prelude::*;

use crate::error::{Error, Result};
use crate::signal::chart::{Area, Axis, COLORS, Drawn, FINE, Scale, Ticks, begin_panel, draw_png, line, px};
use crate::signal::text::FONT;

/// The height of a row of panels in pixels.
const HEIGHT: u32 = 380;
const COLUMNS: usize = 3;

/// What something costs at several sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// What grows, with its symbol.
    pub size: String,
    /// What is counted, with its unit.
    pub cost: String,
    /// Sizes and costs, all positive.
    pub points: Vec<(f64, f64)>,
}

impl Growth {
    /// The p for which some multiple of size^p comes closest to the costs, by least squares of their logarithms; `None` for
    /// fewer than two different sizes.
    pub fn exponent(&self) -> Option<f64> {
        slope(&self.logarithms())
    }

    /// That of the two largest sizes alone: what growth tends to once small sizes no longer have a say.
    pub fn last_exponent(&self) -> Option<f64> {
        let points = self.logarithms();
        slope(&points[points.len().saturating_sub(2)..])
    }

    /// Decimal logarithms, the smallest size first.
    fn logarithms(&self) -> Vec<(f64, f64)> {
        let mut points: Vec<_> =
            self.points.iter().map(|(size, cost)| (size.log10(), cost.log10())).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    }
}

/// The slope of the line of least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (spread > 0.0).then(|| along / spread)
}

/// Draws each growth in a panel of its own, both axes logarithmic, all vertical ones alike, to the PNG file `out`.
///
/// # Errors
/// [`Error::Argument`] where a growth has no points or one that is not positive; [`Error::Io`] when `out` cannot be
/// written.
pub fn draw_growths(growths: &[Growth], out: &Path) -> Result<()> {
    let is_positive = |(size, cost): &(f64, f64)| [size, cost].iter().all(|v| v.is_finite() && **v > 0.0);
    for growth in growths {
        if growth.points.is_empty() || !growth.points.iter().all(is_positive) {
            let reason = format!("expected positive numbers, found {:?}", growth.points);
            return Err(Error::argument("growth", format!("{}: {reason}", growth.size)));
        }
    }
    let costs = growths.iter().flat_map(|growth| growth.points.iter().map(|point| point.1));
    let (low, high) = costs.fold((f64::MAX, f64::MIN), |(low, high), cost| (low.min(cost), high.max(cost)));
    let costs = (low.log10() - 0.1, high.log10() + 0.1);
    let rows = growths.len().div_ceil(COLUMNS).max(1);
    draw_png(out, HEIGHT * rows as u32, FONT, |root| {
        for (growth, area) in growths.iter().zip(root.split_evenly((rows, COLUMNS))) {
            draw_growth(growth, costs, &area)?;
        }
        Ok(())
    })
}

fn draw_growth(growth: &Growth, (low, high): (f64, f64), area: &Area) -> Drawn {
    let points = growth.logarithms();
    let (first, last) = (points[0].0 - 0.05, points[points.len() - 1].0 + 0.05);
    let title = match growth.exponent() {
        Some(exponent) => format!("{}: exponent {exponent:.2}", growth.size),
        None => growth.size.clone(),
    };
    let axis = |low, high| Axis::new(low..high, Ticks::values(low, high, Scale::Log));
    let (x, y) = (axis(first, last), axis(low, high));
    let mut chart = begin_panel(area, &title, (x, &growth.size), (y, &growth.cost))?;
    chart.draw_series(line(&points, COLORS[0].stroke_width(FINE * 2)))?;
    chart.draw_series(points.iter().map(|&point| Circle::new(point, px(4), COLORS[0].filled())))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(points: &[(f64, f64)]) -> Growth {
        Growth { size: "batch B".into(), cost: "seconds".into(), points: points.to_vec() }
    }

    #[test]
    fn exponents_are_those_of_power_laws() {
        let square = growth(&[(4.0, 48.0), (1.0, 3.0), (2.0, 12.0)]);
        assert!((square.exponent().unwrap() - 2.0).abs() < 1e-12);
        // 10 + size/10: a constant cost that a linear one outgrows.
        let late = growth(&[(1.0, 10.1), (10.0, 11.0), (1000.0, 110.0), (10_000.0, 1010.0)]);
        assert!(late.exponent().unwrap() < 0.6 && late.last_exponent().unwrap() > 0.95);
        assert_eq!(growth(&[(3.0, 1.0)]).exponent(), None);
        assert_eq!(growth(&[]).last_exponent(), None);
    }

    #[test]
    fn the_picture_shows_every_growth() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("growth.png");
        let growths: Vec<_> = (1..=4).map(|power| growth(&[(1.0, 1.0), (8.0, 8f64.powi(power))])).collect();
        draw_growths(&growths, &out).unwrap();
        let picture = image::open(out).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (1200, 760));
        let is_blue = |x, y| picture.get_pixel(x, y).0 == [31, 103, 181];
        let panel = |column: u32, row: u32| {
            (400 * column..400 * (column + 1)).any(|x| (380 * row..380 * (row + 1)).any(|y| is_blue(x, y)))
        };
        assert!(panel(0, 0) && panel(1, 0) && panel(2, 0) && panel(0, 1));
        assert!(!panel(1, 1));
    }

    #[test]
    fn what_has_no_logarithm_is_refused() {
        let out = tempfile::tempdir().unwrap().path().join("growth.png");
        for points in [&[][..], &[(0.0, 1.0)], &[(1.0, -1.0)], &[(1.0, f64::NAN)]] {
            let error = draw_growths(&[growth(points)], &out).unwrap_err();
            assert!(error.to_string().contains("batch B"), "{error}");
        }
    }
}
