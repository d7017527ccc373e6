//! Where a difference between four generators comes from: they are two ways along the sequence times two ways along the depth.

use serde::{Deserialize, Serialize};

use crate::eval::distribution::{Estimate, IntervalMethod};
use crate::model::NetworkKind;

/// What each choice does to a number, and what both do together; negative is lower.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effects {
    /// Masked in place of position by position, the mean over both ways along the depth.
    pub masked: Estimate,
    /// Collective embeddings in place of code by code, the mean over both ways along the sequence.
    pub collective: Estimate,
    /// How much more collective embeddings do where masked than where position by position.
    pub interaction: Estimate,
}

/// Of the numbers of runs of each of the four kinds, from which alone their noise is known: `None` where a kind has fewer than two.
pub fn effects(values: impl Fn(NetworkKind) -> Vec<f64>) -> Option<Effects> {
    use NetworkKind::{ArResgen, Maskgit, Resgen, RqTransformer};
    let means = [Resgen, Maskgit, ArResgen, RqTransformer].map(|kind| Mean::of(&values(kind)));
    let [resgen, maskgit, ar_resgen, rq] = means;
    let (resgen, maskgit, ar_resgen, rq) = (resgen?, maskgit?, ar_resgen?, rq?);
    let contrast = |signs: [f64; 4], scale: f64| {
        let all = [resgen, maskgit, ar_resgen, rq];
        let value: f64 = all.iter().zip(signs).map(|(mean, sign)| sign * mean.value).sum();
        let variance: f64 = all.iter().map(|mean| mean.variance / mean.count as f64).sum();
        let parts = all.iter().map(|mean| mean.count - 1).sum::<usize>() + 1;
        Estimate::with_error(scale * value, scale * variance.sqrt(), parts, IntervalMethod::Mean)
    };
    Some(Effects {
        masked: contrast([1.0, 1.0, -1.0, -1.0], 0.5),
        collective: contrast([1.0, -1.0, 1.0, -1.0], 0.5),
        interaction: contrast([1.0, -1.0, -1.0, 1.0], 1.0),
    })
}

#[derive(Clone, Copy)]
struct Mean {
    value: f64,
    variance: f64,
    count: usize,
}

impl Mean {
    fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let value = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|other| (other - value).powi(2)).sum();
        (count > 1).then(|| Self { value, variance: squares / (count - 1) as f64, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_has_its_own_effect() {
        // 10, less 3 where masked, less 1 where collective, less 2 more where both.
        let value = |kind| match kind {
            NetworkKind::RqTransformer => 10.0,
            NetworkKind::Maskgit => 7.0,
            NetworkKind::ArResgen => 9.0,
            NetworkKind::Resgen => 4.0,
        };
        let found = effects(|kind| vec![value(kind) - 0.5, value(kind), value(kind) + 0.5]).unwrap();
        assert_eq!(found.masked.value, -4.0);
        assert_eq!(found.collective.value, -2.0);
        assert_eq!(found.interaction.value, -2.0);
        // Four means of three values of variance 1/4.
        assert!((found.masked.standard_error.unwrap() - 0.5 * (4.0_f64 * 0.25 / 3.0).sqrt()).abs() < 1e-12);
        assert!((found.interaction.standard_error.unwrap() - (1.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        // Eight degrees of freedom: 2.306 standard errors.
        let [low, high] = found.masked.interval.unwrap();
        assert!(((high - low) / 2.0 / found.masked.standard_error.unwrap() - 2.306).abs() < 0.01);
    }

    #[test]
    fn a_kind_that_was_not_run_leaves_none() {
        assert_eq!(effects(|kind| vec![1.0; usize::from(kind != NetworkKind::Maskgit) * 3]), None);
        assert_eq!(effects(|_| vec![1.0]), None);
    }
}
