//! Where the ticks of an axis stand, and what they say.

use super::Scale;

/// About how many ticks an axis gets.
const COUNT: f64 = 6.0;

/// Where labels switch to an exponent: no axis has room for seven digits.
const LARGE: f64 = 1e6;
const SMALL: f64 = 1e-4;

/// Positions on an axis, lowest first, with a label each.
#[derive(Debug, Default, PartialEq)]
pub struct Ticks {
    positions: Vec<f64>,
    labels: Vec<String>,
}

impl Ticks {
    /// Ticks for training steps, in thousands or millions where these are shorter.
    pub fn steps(low: f64, high: f64) -> Self {
        let (unit, suffix) = match high {
            high if high >= 2e6 => (1e6, "M"),
            high if high >= 1e4 => (1e3, "k"),
            _ => (1.0, ""),
        };
        // There is no half step.
        let gap = gap(low, high).max(1.0);
        multiples(low, high, gap)
            .map(|step| match step {
                0.0 => (0.0, "0".to_owned()),
                _ => (step, label(step / unit, gap / unit) + suffix),
            })
            .collect()
    }

    /// Ticks for values; on a log scale `low`, `high` and the positions are decimal logarithms.
    pub fn values(low: f64, high: f64, scale: Scale) -> Self {
        match scale {
            Scale::Linear => linear(low, high).collect(),
            Scale::Log => logarithmic(low, high),
        }
    }

    /// All positions.
    pub fn positions(&self) -> Vec<f64> {
        self.positions.clone()
    }

    /// What the tick at `position` says.
    pub fn label(&self, position: f64) -> String {
        let index = self.positions.iter().position(|tick| *tick == position);
        index.map(|index| self.labels[index].clone()).unwrap_or_default()
    }
}

impl FromIterator<(f64, String)> for Ticks {
    fn from_iter<I: IntoIterator<Item = (f64, String)>>(ticks: I) -> Self {
        let (positions, labels) = ticks.into_iter().unzip();
        Self { positions, labels }
    }
}

fn linear(low: f64, high: f64) -> impl Iterator<Item = (f64, String)> {
    let gap = gap(low, high);
    multiples(low, high, gap).map(move |value| (value, label(value, gap)))
}

fn logarithmic(low: f64, high: f64) -> Ticks {
    let decades = high - low;
    if decades < 0.6 {
        // Less than a factor of four holds too few of 1, 2, 5.
        let (low, high) = (10_f64.powf(low), 10_f64.powf(high));
        return linear(low, high).map(|(value, label)| (value.log10(), label)).collect();
    }
    let digits: &[f64] = if decades <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let stride = (decades / COUNT).ceil().max(1.0) as usize;
    ((low.floor() as i32)..=(high.ceil() as i32))
        .filter(|decade| decade.rem_euclid(stride as i32) == 0)
        .flat_map(|decade| digits.iter().map(move |digit| (digit * 10_f64.powi(decade), 10_f64.powi(decade))))
        .map(|(value, unit)| (value.log10(), label(value, unit)))
        .filter(|(position, _)| (low..=high).contains(position))
        .collect()
}

/// The distance of ticks: 1, 2 or 5 times a power of ten.
fn gap(low: f64, high: f64) -> f64 {
    let least = (high - low) / COUNT;
    let unit = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * unit >= least).unwrap_or(10.0);
    factor * unit
}

fn multiples(low: f64, high: f64, gap: f64) -> impl Iterator<Item = f64> {
    let first = (low / gap).ceil();
    // At most a few; the bound holds even where rounding makes the gap too fine to count.
    let count = ((high / gap).floor() - first).clamp(-1.0, 4.0 * COUNT) + 1.0;
    (0..count as u32).map(move |index| (first + f64::from(index)) * gap)
}

/// `value` with as many digits as tell it from its neighbours at the distance `gap`.
fn label(value: f64, gap: f64) -> String {
    let order = |value: f64| (value.abs().log10() + 1e-9).floor();
    if value == 0.0 {
        "0".to_owned()
    } else if value.abs() >= LARGE || gap < SMALL {
        let digits = (order(value) - order(gap)).clamp(0.0, 9.0);
        format!("{value:.*e}", digits as usize)
    } else {
        format!("{value:.*}", (-order(gap)).max(0.0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &Ticks) -> Vec<&str> {
        ticks.labels.iter().map(String::as_str).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        // 8.7 / 6 = 1.45, so the gap is 2.
        let ticks = Ticks::values(1.3, 10.0, Scale::Linear);
        assert_eq!(ticks.positions, [2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(labels(&ticks), ["2", "4", "6", "8", "10"]);
        // 0.03 / 6 = 0.005: two zeros and a digit.
        let ticks = Ticks::values(-0.011, 0.019, Scale::Linear);
        assert_eq!(labels(&ticks), ["-0.010", "-0.005", "0", "0.005", "0.010", "0.015"]);
        assert_eq!(ticks.label(ticks.positions[3]), "0.005");
        assert_eq!(ticks.label(0.1234), "");
    }

    #[test]
    fn extreme_values_get_exponents() {
        assert_eq!(
            labels(&Ticks::values(0.0, 5e-6, Scale::Linear)),
            ["0", "1e-6", "2e-6", "3e-6", "4e-6", "5e-6"]
        );
        assert_eq!(labels(&Ticks::values(0.9e7, 1.25e7, Scale::Linear))[..2], ["9e6", "1.0e7"]);
    }

    #[test]
    fn log_ticks_fit_the_span() {
        // Five decades: one tick each. Two decades: 1, 2, 5. A factor of two: linear ticks at their logarithms.
        let wide = Ticks::values(-4.1, 1.0, Scale::Log);
        assert_eq!(wide.positions, [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0]);
        assert_eq!(labels(&wide)[3..], ["0.1", "1", "10"]);
        let middle = Ticks::values(-1.1, 0.8, Scale::Log);
        assert_eq!(labels(&middle), ["0.1", "0.2", "0.5", "1", "2", "5"]);
        let narrow = Ticks::values(0.0, 2_f64.log10(), Scale::Log);
        assert_eq!(labels(&narrow), ["1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]);
        assert!((narrow.positions[1] - 1.2_f64.log10()).abs() < 1e-12);
        assert_eq!(Ticks::values(-100.0, 100.0, Scale::Log).positions.len(), 5);
    }

    #[test]
    fn steps_are_whole_and_short() {
        assert_eq!(labels(&Ticks::steps(0.0, 30_000.0)), ["0", "5k", "10k", "15k", "20k", "25k", "30k"]);
        assert_eq!(labels(&Ticks::steps(0.0, 3e6)), ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M", "3.0M"]);
        assert_eq!(labels(&Ticks::steps(1.0, 3.0)), ["1", "2", "3"]);
    }
}
