//! Quality against time, every point of every generator, and the front that no other point is better than in both.

use std::path::Path;

use plotters::prelude::*;

use super::report::Report;
use crate::error::{Error, Result};
use crate::eval::manifest::Metric;
use crate::signal::chart::{
    Area, Axis, COLORS, Drawn, FAINT_INK, FINE, INK, Scale, Ticks, begin_panel, draw_png, line, px, text,
};
use crate::signal::text::FONT;

const HEIGHT: u32 = 700;
/// How far to the right a name may begin.
const ROOM: i32 = 900;

/// Logarithms of seconds a sample and of the Fréchet distance.
type Place = (f64, f64);

/// Draws the points of a report to the PNG file `out`.
///
/// # Errors
/// [`Error::Argument`] where no point has both a time and a distance, both positive; [`Error::Io`] when `out` cannot be written.
pub fn draw_quality_and_time(report: &Report, out: &Path) -> Result<()> {
    let places: Vec<Vec<Place>> = report.contests.iter().map(places).collect();
    let all = places.concat();
    if all.is_empty() {
        return Err(Error::argument("report", "expected points with a time and a distance, found none"));
    }
    draw_png(out, HEIGHT, FONT, |root| draw(report, &places, &all, root))
}

fn places(contest: &super::Contest) -> Vec<Place> {
    let place = |point: &str| {
        let distance = contest.across(point, Metric::FrechetDistance)?.value;
        let seconds = contest.timing(point)?.median();
        (distance > 0.0 && seconds > 0.0).then(|| (seconds.log10(), distance.log10()))
    };
    contest.points().filter_map(place).collect()
}

/// The points that no other is at least as good as in both, from fast to slow.
fn front(all: &[Place]) -> Vec<Place> {
    let mut sorted = all.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut best = f64::INFINITY;
    sorted.retain(|place| {
        let is_better = place.1 < best;
        best = best.min(place.1);
        is_better
    });
    sorted
}

fn draw(report: &Report, places: &[Vec<Place>], all: &[Place], root: &Area) -> Drawn {
    let range = |of: fn(&Place) -> f64| {
        let values = all.iter().map(of);
        let (low, high) =
            values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        (low - 0.08, high + 0.08)
    };
    let axis = |(low, high): (f64, f64)| Axis::new(low..high, Ticks::values(low, high, Scale::Log));
    let (x, y) = (axis(range(|place| place.0)), axis(range(|place| place.1)));
    let distance = Metric::FrechetDistance.title(report.extractor.is_inception());
    let mut chart = begin_panel(root, "", (x, "seconds a sample"), (y, distance))?;
    chart.draw_series(line(&front(all), FAINT_INK.stroke_width(FINE)))?;
    for (index, places) in places.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        chart.draw_series(places.iter().map(|&place| Circle::new(place, px(5), color.filled())))?;
    }
    let (mut left, mut top) = (90, 18);
    for (index, contest) in report.contests.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        root.draw(&Circle::new((px(left), px(top + 8)), px(5), color.filled()))?;
        root.draw(&Text::new(contest.name.as_str(), (px(left + 12), px(top)), text(15, INK)))?;
        left += 40 + 9 * contest.name.chars().count() as i32;
        if left > ROOM {
            (left, top) = (90, top + 18);
        }
    }
    root.draw(&Text::new("— no point is better in both", (px(left), px(top)), text(15, FAINT_INK)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_what_nothing_is_better_than() {
        let all = [(3.0, 1.0), (1.0, 5.0), (2.0, 6.0), (2.0, 4.0), (4.0, 1.0)];
        assert_eq!(front(&all), [(1.0, 5.0), (2.0, 4.0), (3.0, 1.0)]);
    }

    #[test]
    fn the_picture_has_every_generators_colour() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("plot.png");
        let mut report = super::super::report::tests::report();
        draw_quality_and_time(&report, &out).unwrap();
        let picture = image::open(&out).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (1200, HEIGHT));
        for RGBColor(red, green, blue) in &COLORS[..4] {
            let count = picture.pixels().filter(|pixel| pixel.0 == [*red, *green, *blue]).count();
            assert!(count > 100, "{count} pixels of a colour");
        }
        report.contests.iter_mut().for_each(|contest| contest.timings.clear());
        assert!(draw_quality_and_time(&report, &out).unwrap_err().to_string().contains("found none"));
    }
}
