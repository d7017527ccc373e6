//! A plotters axis with ticks of its own.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::ticks::Ticks;

/// The range of an axis and its ticks.
pub struct Axis {
    range: Range<f64>,
    ticks: Ticks,
}

impl Axis {
    /// The axis over `range`, which must not be empty.
    pub fn new(range: Range<f64>, ticks: Ticks) -> Self {
        Self { range, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let part = (value - self.range.start) / (self.range.end - self.range.start);
        first + (f64::from(last - first) * part).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light points are those between the ticks: there are none.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.positions() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.label(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;

    #[test]
    fn the_range_spans_the_pixels_upwards_or_downwards() {
        let axis = Axis::new(1.0..3.0, Ticks::values(1.0, 3.0, Scale::Linear));
        assert_eq!([1.0, 1.5, 3.0].map(|value| axis.map(&value, (10, 110))), [10, 35, 110]);
        assert_eq!([1.0, 1.5, 3.0].map(|value| axis.map(&value, (110, 10))), [110, 85, 10]);
        assert_eq!(axis.format_ext(&1.5), "1.5");
    }
}
