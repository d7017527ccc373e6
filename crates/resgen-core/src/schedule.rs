//! Schedules: how many tokens stay masked as a function of time, and scalars that move over sampling steps.

use std::f64::consts::{FRAC_PI_2, PI};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The masking schedule: the fraction of tokens masked at time r, γ(r), of MaskGIT (arXiv 2202.04200) and
/// ResGen (arXiv 2412.10208).
///
/// r runs from 0 (everything masked) to 1 (nothing masked). Every γ decreases, is concave, and is exactly 1
/// at 0 and 0 at 1. In training r is drawn uniformly; in sampling it walks from 0 to 1 in equal steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskingSchedule {
    /// cos(πr/2).
    Cosine,
    /// √(1 − r²).
    Circle,
    /// 1 − r.
    Linear,
    /// 1 − r².
    Square,
}

impl MaskingSchedule {
    /// Every schedule.
    pub const ALL: [Self; 4] = [Self::Cosine, Self::Circle, Self::Linear, Self::Square];

    /// The fraction of tokens that is masked at time `r`; times outside [0, 1] count as the nearer end.
    pub fn gamma(self, r: f64) -> f64 {
        let r = r.clamp(0.0, 1.0);
        match self {
            // cos(π/2) is 6e-17 in floating point, and would mask a token that should be visible.
            Self::Cosine if r == 1.0 => 0.0,
            Self::Cosine => (FRAC_PI_2 * r).cos(),
            Self::Circle => ((1.0 - r) * (1.0 + r)).sqrt(),
            Self::Linear => 1.0 - r,
            Self::Square => (1.0 - r) * (1.0 + r),
        }
    }

    /// How many of `total` tokens are masked at time `r`: ⌈γ(r)·total⌉.
    ///
    /// A product within 10⁻⁹ (relative, and absolute below 1) of a whole number is that number: rounding
    /// noise masks no further token.
    pub fn masked_count(self, r: f64, total: usize) -> usize {
        let exact = self.gamma(r) * total as f64;
        let whole = exact.round();
        let is_whole = (exact - whole).abs() <= 1e-9 * exact.max(1.0);
        let count = if is_whole { whole } else { exact.ceil() };
        (count as usize).min(total)
    }

    /// How many of `total` tokens are still masked before the first and after each of `steps` sampling
    /// steps: n_T = `total`, n_{T−1}, …, n_0 = 0, strictly decreasing; `steps` + 1 numbers.
    ///
    /// `total` is the number of tokens masked at the start: positions × depth, less the codes known from
    /// the start. With T = `steps`, n_t = ⌈γ(1 − t/T)·total⌉ where that is below n_{t+1}. Where it is not
    /// (a flat stretch of γ with many steps), the step would reveal nothing, and n_t = n_{t+1} − 1 instead:
    /// one token is revealed early. As γ is concave, ⌈γ(1 − t/T)·total⌉ ≥ t for all t, so n_t ≥ t and the
    /// tokens never run out. The result is the largest strictly decreasing sequence below the schedule.
    ///
    /// # Errors
    /// [`Error::Argument`] where `steps` is 0 or above `total`: every step must reveal a token.
    pub fn step_counts(self, steps: usize, total: usize) -> Result<Vec<usize>> {
        if steps == 0 {
            return Err(Error::argument("steps", "expected at least 1 sampling step, found 0"));
        }
        if steps > total {
            let reason = format!(
                "expected at most {total} sampling steps, one for each masked token, found {steps}; \
                 every step must reveal a token"
            );
            return Err(Error::argument("steps", reason));
        }
        let mut counts = Vec::with_capacity(steps + 1);
        counts.push(total);
        let mut masked = total;
        for step in 1..=steps {
            // step / steps is 1 − t/T without its rounding, and exactly 1 at the end.
            let scheduled = self.masked_count(step as f64 / steps as f64, total);
            masked = scheduled.min(masked.saturating_sub(1));
            counts.push(masked);
        }
        Ok(counts)
    }
}

/// How a scalar moves over the sampling steps: a guidance scale, or a temperature that is annealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ramp {
    /// Stays at its first value.
    Constant,
    /// Straight from the first value to the last.
    Linear,
    /// Along half a cosine, level at both ends.
    Cosine,
}

impl Ramp {
    /// The scalar at `progress`, which runs from 0 (`from`) to 1 (`to`); outside [0, 1] it counts as the
    /// nearer end. [`Ramp::Constant`] gives `from` throughout.
    pub fn value(self, from: f64, to: f64, progress: f64) -> f64 {
        let progress = progress.clamp(0.0, 1.0);
        let weight = match self {
            Self::Constant => 0.0,
            Self::Linear => progress,
            Self::Cosine => (1.0 - (PI * progress).cos()) / 2.0,
        };
        // This form, unlike from + weight·(to − from), gives both ends exactly.
        from * (1.0 - weight) + to * weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gamma_has_hand_derived_values() {
        let at = |r: f64| MaskingSchedule::ALL.map(|schedule| schedule.gamma(r));
        assert_eq!(at(0.0), [1.0; 4]);
        assert_eq!(at(1.0), [0.0; 4]);
        assert_eq!(at(-3.0), [1.0; 4]);
        assert_eq!(at(7.0), [0.0; 4]);
        for (value, expected) in at(0.6).into_iter().zip([0.587_785_252_292_473, 0.8, 0.4, 0.64]) {
            assert!((value - expected).abs() < 1e-14, "{value} {expected}");
        }
    }

    #[test]
    fn whole_products_are_not_rounded_up() {
        // cos(π/3) = 1/2, √(1 − 0.36) = 0.8 and 1 − 0.9 = 0.1 all miss their value by rounding.
        assert_eq!(MaskingSchedule::Cosine.masked_count(2.0 / 3.0, 1024), 512);
        assert_eq!(MaskingSchedule::Circle.masked_count(0.6, 10), 8);
        assert_eq!(MaskingSchedule::Linear.masked_count(0.9, 10), 1);
        assert_eq!(MaskingSchedule::Linear.masked_count(0.9, 11), 2);
        assert_eq!(MaskingSchedule::Square.masked_count(0.5, 4), 3);
        for schedule in MaskingSchedule::ALL {
            assert_eq!(schedule.masked_count(0.0, 1024), 1024);
            assert_eq!(schedule.masked_count(1.0, 1024), 0);
            assert_eq!(schedule.masked_count(0.5, 0), 0);
        }
    }

    #[test]
    fn step_counts_have_hand_derived_values() {
        use MaskingSchedule::*;
        let counts = |schedule: MaskingSchedule, steps, total| schedule.step_counts(steps, total).unwrap();
        assert_eq!(counts(Linear, 4, 8), [8, 6, 4, 2, 0]);
        assert_eq!(counts(Square, 2, 4), [4, 3, 0]);
        assert_eq!(counts(Cosine, 1, 1024), [1024, 0]);
        // 16·cos(π/8, π/4, 3π/8) = 14.8, 11.3, 6.1.
        assert_eq!(counts(Cosine, 4, 16), [16, 15, 12, 7, 0]);
        // 4·√(3/4) = 3.46 would be rounded up to 4, and reveal nothing.
        assert_eq!(counts(Circle, 2, 4), [4, 3, 0]);
        // 3·cos(π/6) = 2.6 → 3, lowered to 2; 3·cos(π/3) = 1.5 → 2, lowered to 1.
        assert_eq!(counts(Cosine, 3, 3), [3, 2, 1, 0]);
    }

    #[test]
    fn steps_outside_their_range_are_refused() {
        for schedule in MaskingSchedule::ALL {
            let none = schedule.step_counts(0, 8).unwrap_err().to_string();
            assert_eq!(none, "steps: expected at least 1 sampling step, found 0");
            let many = schedule.step_counts(9, 8).unwrap_err().to_string();
            assert!(many.contains("at most 8") && many.contains("found 9"), "{many}");
        }
    }

    #[test]
    fn every_step_reveals_a_token_on_the_whole_grid() {
        for schedule in MaskingSchedule::ALL {
            for total in [1, 2, 3, 7, 64, 1024] {
                for steps in 1..=total {
                    let counts = schedule.step_counts(steps, total).unwrap();
                    assert_eq!((counts.len(), counts[0], counts[steps]), (steps + 1, total, 0));
                    assert!(counts.windows(2).all(|pair| pair[0] > pair[1]), "{schedule:?} {counts:?}");
                }
            }
        }
    }

    #[test]
    fn ramps_meet_both_ends() {
        for ramp in [Ramp::Linear, Ramp::Cosine] {
            assert_eq!(ramp.value(0.1, 0.7, 0.0), 0.1);
            assert_eq!(ramp.value(0.1, 0.7, 1.0), 0.7);
            assert_eq!(ramp.value(0.1, 0.7, 2.0), 0.7);
        }
        assert_eq!(Ramp::Constant.value(4.5, 0.0, 0.9), 4.5);
        assert_eq!(Ramp::Linear.value(4.0, 0.0, 0.25), 3.0);
        // (1 − cos(π/3)) / 2 = 1/4.
        assert!((Ramp::Cosine.value(4.0, 0.0, 1.0 / 3.0) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn names_in_files_are_lower_case() {
        let name = |schedule: &MaskingSchedule| serde_json::to_string(schedule).unwrap();
        assert_eq!(
            MaskingSchedule::ALL.each_ref().map(name),
            ["\"cosine\"", "\"circle\"", "\"linear\"", "\"square\""]
        );
        assert_eq!(serde_json::from_str::<Ramp>("\"constant\"").unwrap(), Ramp::Constant);
    }

    fn any_schedule() -> impl Strategy<Value = MaskingSchedule> {
        prop::sample::select(&MaskingSchedule::ALL[..])
    }

    proptest! {
        #[test]
        fn gamma_decreases(schedule in any_schedule(), a in 0.0..=1.0, b in 0.0..=1.0) {
            let (early, late) = (f64::min(a, b), f64::max(a, b));
            prop_assert!(schedule.gamma(early) >= schedule.gamma(late));
            prop_assert!((0.0..=1.0).contains(&schedule.gamma(a)));
        }

        #[test]
        fn a_count_is_the_product_rounded_up(schedule in any_schedule(), r in 0.0..=1.0, total in 0usize..5000) {
            let (count, exact) = (schedule.masked_count(r, total) as f64, schedule.gamma(r) * total as f64);
            prop_assert!(count > exact - 1e-5 && count < exact + 1.0, "{} {}", count, exact);
        }

        #[test]
        fn a_step_follows_the_schedule_or_reveals_one_token(
            schedule in any_schedule(), total in 1usize..2000, part in 0.0..1.0,
        ) {
            let steps = 1 + (part * total as f64) as usize;
            let counts = schedule.step_counts(steps, total).unwrap();
            for step in 1..=steps {
                let scheduled = schedule.masked_count(step as f64 / steps as f64, total);
                prop_assert!(counts[step] <= scheduled);
                prop_assert!(counts[step] == scheduled || counts[step] + 1 == counts[step - 1]);
            }
        }
    }
}
