//! Logged values made ready to be drawn.

use crate::signal::chart::Scale;

/// Below this many values each one is seen, and none is smoothed.
pub(super) const FEW: usize = 60;

/// More points than this fall on the same pixels.
const MOST: usize = 2000;

/// Weighted sums of values beyond could overflow.
const LIMIT: f64 = 1e290;

/// One column on the axes; on a log scale the values are decimal logarithms.
#[derive(Debug)]
pub(super) struct Curve {
    /// As logged.
    pub(super) raw: Vec<(f64, f64)>,
    /// The trend, at as many of the steps as the screen can show.
    pub(super) smooth: Vec<(f64, f64)>,
    /// The lowest and the highest value but for rare spikes.
    usual: Option<(f64, f64)>,
}

impl Curve {
    /// Takes the values that the scale can show: NaN and infinities have no place.
    pub(super) fn new(series: &[(u64, f64)], scale: Scale) -> Self {
        let raw: Vec<_> = series
            .iter()
            .map(|(step, value)| (*step as f64, place(*value, scale)))
            .filter(|(_, value)| value.abs() < LIMIT)
            .collect();
        let usual = usual_range(&raw);
        let tame = tame(&raw, usual);
        let smooth = trend(&tame, if is_noisy(&tame) { tame.len() / 40 + 1 } else { 0 });
        Self { raw, smooth, usual }
    }

    /// The values that must be seen.
    fn extent(&self) -> Option<(f64, f64)> {
        let usual = self.usual.into_iter().flat_map(|(low, high)| [low, high]);
        bounds(self.smooth.iter().map(|(_, value)| *value).chain(usual))
    }
}

/// The range of the vertical axis, with some air; nothing when there is no value.
pub(super) fn value_range(curves: &[Curve]) -> Option<(f64, f64)> {
    let extents = curves.iter().filter_map(Curve::extent);
    let (low, high) = bounds(extents.flat_map(|(low, high)| [low, high]))?;
    // A constant gets a range too, and rounding must not decide what the axis shows.
    let least = (low.abs().max(high.abs()) * 1e-6).max(1e-12);
    let air = if high - low > least { (high - low) * 0.06 } else { (low.abs() * 0.1).max(1e-6) };
    Some((low - air, high + air))
}

/// The range of the horizontal axis.
pub(super) fn step_range(curves: &[Curve]) -> Option<(f64, f64)> {
    let (low, high) = bounds(curves.iter().flat_map(|curve| &curve.raw).map(|(step, _)| *step))?;
    // A run begins at 0, and the axis says so unless the log begins late.
    let low = if low < high * 0.1 { 0.0 } else { low };
    Some(if low < high { (low, high) } else { ((low - 1.0).max(0.0), high + 1.0) })
}

/// The lowest and the highest of each of at most [`MOST`] groups of neighbours, in their order: what a line through
/// all points would cover on the screen.
pub(super) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST {
        return points.to_vec();
    }
    let group = points.len().div_ceil(MOST / 2);
    points.chunks(group).flat_map(lowest_and_highest).collect()
}

fn lowest_and_highest(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + use<> {
    let mut ends: Vec<_> = (0..points.len()).collect();
    ends.sort_by(|a, b| points[*a].1.total_cmp(&points[*b].1));
    let mut ends = [ends[0], ends[ends.len() - 1]];
    ends.sort_unstable();
    ends.map(|index| points[index]).into_iter()
}

fn place(value: f64, scale: Scale) -> f64 {
    match scale {
        Scale::Linear => value,
        // The logarithm of what is not positive is no number, and is left out as such.
        Scale::Log => value.log10(),
    }
}

fn usual_range(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mut values: Vec<_> = points.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let rare = values.len() / 200;
    bounds(values.get(rare..values.len() - rare)?.iter().copied())
}

/// Cuts spikes to twice the usual range, for one of them alone can be larger than all else together.
fn tame(points: &[(f64, f64)], usual: Option<(f64, f64)>) -> Vec<(f64, f64)> {
    let Some((low, high)) = usual else { return Vec::new() };
    let margin = (high - low) / 2.0;
    points.iter().map(|(step, value)| (*step, value.clamp(low - margin, high + margin))).collect()
}

/// Whether the values go up and down more than a schedule does, such as that of the learning rate.
fn is_noisy(points: &[(f64, f64)]) -> bool {
    let way: f64 = points.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()).sum();
    let range = bounds(points.iter().map(|(_, value)| *value)).map_or(0.0, |(low, high)| high - low);
    points.len() >= FEW && way > 4.0 * range
}

/// The mean of each point and its neighbours on both sides, whose weights fall to nothing beyond `reach`.
fn trend(points: &[(f64, f64)], reach: usize) -> Vec<(f64, f64)> {
    let mean = |center: usize| {
        let window = center.saturating_sub(reach)..(center + reach + 1).min(points.len());
        let (sum, weights) = window.fold((0.0, 0.0), |(sum, weights), index| {
            let weight = (reach + 1 - center.abs_diff(index)) as f64;
            (sum + weight * points[index].1, weights + weight)
        });
        (points[center].0, sum / weights)
    };
    let last = points.len().checked_sub(1);
    let stride = points.len().div_ceil(MOST).max(1);
    (0..points.len()).filter(|index| index % stride == 0 || Some(*index) == last).map(mean).collect()
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, value| {
        let (low, high) = bounds.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_a_place_are_left_out() {
        let series = [(1, 10.0), (2, f64::NAN), (3, f64::INFINITY), (4, 0.0), (5, -1.0), (6, 0.01)];
        assert_eq!(Curve::new(&series, Scale::Log).raw, [(1.0, 1.0), (6.0, -2.0)]);
        assert_eq!(Curve::new(&series, Scale::Linear).raw.len(), 4);
    }

    #[test]
    fn the_trend_weighs_near_neighbours_more() {
        // Weights 1, 2, 1, of which the ends lack one: (0·2 + 3)/3, (0 + 3·2 + 6)/4, (3 + 6·2 + 3)/4, (6 + 3·2)/3.
        let points = [(1.0, 0.0), (2.0, 3.0), (3.0, 6.0), (4.0, 3.0)];
        assert_eq!(trend(&points, 1), [(1.0, 1.0), (2.0, 3.0), (3.0, 4.5), (4.0, 4.0)]);
        assert_eq!(trend(&points, 0), points);
        assert!(trend(&[], 3).is_empty());
        let many: Vec<_> = (0..9999).map(|step| (f64::from(step), 2.0)).collect();
        // Every fifth, and the last.
        assert_eq!(trend(&many, 3).len(), 2001);
        assert_eq!(trend(&many, 3).last(), Some(&(9998.0, 2.0)));
    }

    #[test]
    fn a_schedule_is_not_smoothed() {
        let schedule: Vec<_> =
            (0..1000).map(|step| (f64::from(step), f64::from(step.min(2000 - 2 * step)))).collect();
        assert!(!is_noisy(&schedule));
        let noise: Vec<_> = (0..1000).map(|step| (f64::from(step), f64::from(step % 2))).collect();
        assert!(is_noisy(&noise));
        assert!(!is_noisy(&noise[..FEW - 1]));
    }

    #[test]
    fn rare_spikes_do_not_set_the_range() {
        let mut series: Vec<_> = (0..1000).map(|step| (step, 1.0 + (step % 2) as f64)).collect();
        series[500].1 = 1e6;
        let curve = Curve::new(&series, Scale::Linear);
        // The usual values are 1 and 2; the trend follows no spike further than 2.5, and the air is 6 % of the range.
        let (low, high) = value_range(&[curve]).unwrap();
        assert!((low - 0.94).abs() < 1e-9 && (high - 2.06).abs() < 1e-9);
    }

    #[test]
    fn degenerate_data_still_have_a_range() {
        assert_eq!(value_range(&[]), None);
        assert_eq!(value_range(&[Curve::new(&[], Scale::Linear)]), None);
        let one = [Curve::new(&[(7, 2.0)], Scale::Linear)];
        assert_eq!(value_range(&one), Some((1.8, 2.2)));
        assert_eq!(step_range(&one), Some((6.0, 8.0)));
        let zero = [Curve::new(&[(0, 0.0)], Scale::Linear)];
        assert_eq!(value_range(&zero), Some((-1e-6, 1e-6)));
        assert_eq!(step_range(&zero), Some((0.0, 1.0)));
    }

    #[test]
    fn thinning_keeps_the_extremes_in_order() {
        let mut points: Vec<_> = (0..10_000).map(|step| (f64::from(step), 0.0)).collect();
        points[5003].1 = 9.0;
        points[5007].1 = -9.0;
        let thinned = thin(&points);
        assert_eq!(thinned.len(), MOST);
        let extremes: Vec<_> = thinned.iter().filter(|(_, value)| *value != 0.0).collect();
        assert_eq!(extremes, [&(5003.0, 9.0), &(5007.0, -9.0)]);
        assert!(thinned.is_sorted_by_key(|(step, _)| *step));
        assert_eq!(thin(&points[..5]), points[..5]);
    }
}
