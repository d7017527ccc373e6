//! What a number is worth: its standard error, and the interval it gives.

use serde::{Deserialize, Serialize};

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMethod {
    /// Delete-a-group jackknife over groups of the samples.
    Jackknife,
    /// The spread of the values of parts of the samples.
    Splits,
    /// A share of samples that are drawn independently.
    Binomial,
    /// The spread of single values around their mean.
    Mean,
    /// How far parts are from their share of a ratio of sums.
    Ratio,
}

/// A number and, where it can be told, how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub standard_error: Option<f64>,
    /// 95 % of such intervals hold what many samples would give.
    pub interval: Option<[f64; 2]>,
    /// How the interval was found.
    pub method: Option<IntervalMethod>,
}

impl Estimate {
    /// A number alone.
    pub fn plain(value: f64) -> Self {
        Self { value, standard_error: None, interval: None, method: None }
    }

    /// In words, with so many digits after the point.
    pub fn shown(&self, digits: usize) -> String {
        match self.interval {
            Some([low, high]) => format!("{:.digits$} ({low:.digits$}–{high:.digits$})", self.value),
            None => format!("{:.digits$}", self.value),
        }
    }

    /// With an interval that does not go below what the number can be.
    #[must_use]
    pub fn at_least(self, least: f64) -> Self {
        Self { interval: self.interval.map(|ends| ends.map(|end| end.max(least))), ..self }
    }

    /// With an interval that does not go above what the number can be.
    #[must_use]
    pub fn at_most(self, most: f64) -> Self {
        Self { interval: self.interval.map(|ends| ends.map(|end| end.min(most))), ..self }
    }

    /// With a standard error known from `parts` parts.
    pub fn with_error(value: f64, error: f64, parts: usize, method: IntervalMethod) -> Self {
        let reach = error * quantile_of_student(parts.saturating_sub(1));
        let interval = Some([value - reach, value + reach]);
        Self { value, standard_error: Some(error), interval, method: Some(method) }
    }

    /// A share of `count` samples, each in or out, with Wilson's interval.
    pub fn share(value: f64, count: usize) -> Self {
        let (n, z) = (count as f64, NORMAL_QUANTILE);
        let scale = 1.0 + z * z / n;
        let middle = (value + z * z / (2.0 * n)) / scale;
        let reach = z / scale * (value * (1.0 - value) / n + z * z / (4.0 * n * n)).sqrt();
        Self {
            value,
            standard_error: Some((value * (1.0 - value) / n).sqrt()),
            interval: Some([(middle - reach).max(0.0), (middle + reach).min(1.0)]),
            method: Some(IntervalMethod::Binomial),
        }
    }
}

/// A mean, as values come.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunningMean {
    count: usize,
    mean: f64,
    squares: f64, // Σ (x − mean)²
}

impl RunningMean {
    /// Takes a value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// The mean with its interval; none without values.
    pub fn estimate(&self) -> Option<Estimate> {
        match self.count {
            0 => None,
            1 => Some(Estimate::plain(self.mean)),
            count => {
                let error = (self.squares / (count - 1) as f64 / count as f64).sqrt();
                Some(Estimate::with_error(self.mean, error, count, IntervalMethod::Mean))
            }
        }
    }
}

/// From the value of all samples and those without each group in turn: the standard error is
/// √((G − 1)/G · Σ (vᵍ − mean)²).
pub fn jackknife(value: f64, without_each: &[f64]) -> Estimate {
    let groups = without_each.len() as f64;
    if without_each.len() < 2 {
        return Estimate::plain(value);
    }
    let mean = without_each.iter().sum::<f64>() / groups;
    let squares: f64 = without_each.iter().map(|other| (other - mean).powi(2)).sum();
    let error = ((groups - 1.0) / groups * squares).sqrt();
    Estimate::with_error(value, error, without_each.len(), IntervalMethod::Jackknife)
}

/// Σ a / Σ b over independent parts (a, b), with the usual standard error of such a ratio: the spread of what a part adds
/// beyond its share.
pub fn ratio(parts: &[(f64, f64)]) -> Estimate {
    let count = parts.len() as f64;
    let (above, below) = parts.iter().fold((0.0, 0.0), |(a, b), part| (a + part.0, b + part.1));
    let value = above / below;
    if parts.len() < 2 {
        return Estimate::plain(value);
    }
    let squares: f64 = parts.iter().map(|(a, b)| (a - value * b).powi(2)).sum();
    let error = (squares * count / (count - 1.0)).sqrt() / below;
    Estimate::with_error(value, error, parts.len(), IntervalMethod::Ratio)
}

const NORMAL_QUANTILE: f64 = 1.959_964;

/// The 97.5 % quantile of Student's distribution: exactly for one and two degrees of freedom, and by Cornish and Fisher's expansion
/// from the normal one, right to 1 %, beyond.
fn quantile_of_student(freedom: usize) -> f64 {
    let (z, n) = (NORMAL_QUANTILE, freedom as f64);
    let (z3, z5) = (z.powi(3), z.powi(5));
    let third = (3.0 * z.powi(7) + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / 384.0;
    match freedom {
        0 | 1 => 12.706_205,
        2 => 4.302_653,
        _ => z + (z3 + z) / (4.0 * n) + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * n * n) + third / n.powi(3),
    }
}
