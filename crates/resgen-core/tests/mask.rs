//! Hypergeometric masks against their exact distribution: the probabilities sum to one, the steps of the
//! chain are consistent with its marginals, and draws follow the probabilities.

use std::collections::HashMap;

use proptest::prelude::*;
use resgen_core::mask::{
    MaskCounts, log_marginal, log_posterior, sample_marginal, sample_posterior, sample_training,
};
use resgen_core::random::{Purpose, stream};
use resgen_core::schedule::MaskingSchedule;

const DRAWS: u64 = 20_000;

/// Every mask of `positions` × `depth`, by counting in base `depth` + 1.
fn every_mask(positions: usize, depth: usize) -> Vec<MaskCounts> {
    let base = depth + 1;
    (0..base.pow(positions as u32))
        .map(|number| {
            let counts = (0..positions).map(|i| number / base.pow(i as u32) % base).collect();
            MaskCounts::new(counts, depth).unwrap()
        })
        .collect()
}

fn posterior(previous: &MaskCounts, current: &MaskCounts, masked: usize) -> f64 {
    log_posterior(previous, current, masked).unwrap().exp()
}

/// Pearson's statistic Σ (seen − expected)²/expected over its limit: the value exceeded once in 10⁴ trials
/// when `draw` follows `probability` (Wilson and Hilferty's cube-root approximation).
///
/// Infinite where something impossible is drawn.
fn misfit<K: std::hash::Hash + Eq>(
    outcomes: impl IntoIterator<Item = (K, f64)>,
    draw: impl Fn(u64) -> K,
) -> f64 {
    let mut seen: HashMap<K, f64> = HashMap::new();
    for index in 0..DRAWS {
        *seen.entry(draw(index)).or_default() += 1.0;
    }
    let (mut statistic, mut cells) = (0.0, 0.0);
    for (outcome, probability) in outcomes.into_iter().filter(|(_, probability)| *probability > 0.0) {
        let expected = probability * DRAWS as f64;
        assert!(expected > 5.0, "too few draws for this outcome");
        statistic += (seen.remove(&outcome).unwrap_or(0.0) - expected).powi(2) / expected;
        cells += 1.0;
    }
    let spread: f64 = 2.0 / (9.0 * (cells - 1.0));
    let limit = (cells - 1.0) * (1.0 - spread + 3.719 * spread.sqrt()).powi(3);
    if seen.is_empty() { statistic / limit } else { f64::INFINITY }
}

/// Every mask of the shape with its marginal probability.
fn marginals(positions: usize, depth: usize, masked: usize) -> Vec<(MaskCounts, f64)> {
    let weigh = |mask: MaskCounts| {
        let probability = log_marginal(&mask, masked).exp();
        (mask, probability)
    };
    every_mask(positions, depth).into_iter().map(weigh).collect()
}

#[test]
fn marginals_sum_to_one() {
    for (positions, depth) in [(1, 5), (2, 3), (3, 4), (4, 2), (6, 1)] {
        for masked in 0..=positions * depth {
            let sum: f64 =
                marginals(positions, depth, masked).iter().map(|(_, probability)| probability).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{positions} × {depth}, {masked}: {sum}");
        }
    }
}

#[test]
fn posteriors_sum_to_one() {
    for (positions, depth) in [(1, 4), (2, 3), (3, 2), (4, 1)] {
        let masks = every_mask(positions, depth);
        for current in &masks {
            for masked in 0..=current.total() {
                let sum: f64 = masks.iter().map(|previous| posterior(previous, current, masked)).sum();
                assert!((sum - 1.0).abs() < 1e-12, "{current:?}, {masked}: {sum}");
            }
        }
    }
}

#[test]
fn a_marginal_followed_by_a_posterior_is_the_earlier_marginal() {
    for (positions, depth) in [(2, 4), (3, 3), (4, 2)] {
        let masks = every_mask(positions, depth);
        for (now, before) in [(positions * depth, 3), (positions * depth - 1, 4), (5, 2), (5, 5), (3, 0)] {
            for previous in &masks {
                let chained: f64 = masks
                    .iter()
                    .map(|current| log_marginal(current, now).exp() * posterior(previous, current, before))
                    .sum();
                let direct = log_marginal(previous, before).exp();
                assert!((chained - direct).abs() < 1e-12, "{previous:?} {now} {before}: {chained} {direct}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The same from a start where some codes are known.
    #[test]
    fn two_posteriors_make_one_longer_posterior(
        start in prop::collection::vec(0usize..=3, 3), middle in 0.0..=1.0, end in 0.0..=1.0,
    ) {
        let start = MaskCounts::new(start, 3).unwrap();
        let now = (middle * start.total() as f64) as usize;
        let before = (end * now as f64) as usize;
        let masks = every_mask(3, 3);
        for last in &masks {
            let chained: f64 = masks
                .iter()
                .map(|current| posterior(current, &start, now) * posterior(last, current, before))
                .sum();
            prop_assert!((chained - posterior(last, &start, before)).abs() < 1e-12);
        }
    }
}

#[test]
fn marginal_draws_follow_their_probabilities() {
    for (positions, depth, masked) in [(2, 4, 3), (3, 2, 3), (3, 3, 6), (4, 2, 1), (5, 1, 2)] {
        let misfit = misfit(marginals(positions, depth, masked), |index| {
            sample_marginal(&mut stream(1, Purpose::Mask, index, 0), positions, depth, masked).unwrap()
        });
        assert!(misfit < 1.0, "{positions} × {depth}, {masked}: {misfit}");
    }
}

#[test]
fn posterior_draws_follow_their_probabilities() {
    for (counts, masked) in [(vec![3, 1, 2], 3), (vec![4, 0, 1, 1], 2), (vec![2, 4, 3], 7)] {
        let current = MaskCounts::new(counts, 4).unwrap();
        let outcomes = every_mask(current.positions(), 4).into_iter().map(|previous| {
            let probability = posterior(&previous, &current, masked);
            (previous, probability)
        });
        let misfit = misfit(outcomes, |index| {
            sample_posterior(&mut stream(2, Purpose::Mask, index, 0), &current, masked).unwrap()
        });
        assert!(misfit < 1.0, "{current:?}, {masked}: {misfit}");
    }
}

#[test]
fn a_chain_of_draws_ends_in_the_marginal() {
    let steps = MaskingSchedule::Cosine.step_counts(4, 9).unwrap();
    assert_eq!(steps, [9, 8, 7, 4, 0]); // 9·cos(π/8, π/4, 3π/8) = 8.3, 6.4, 3.4; ⌈8.3⌉ = 9 reveals nothing
    let misfit = misfit(marginals(3, 3, 4), |index| {
        let mut mask = MaskCounts::full(3, 3);
        for (step, &masked) in steps[..4].iter().enumerate() {
            mask =
                sample_posterior(&mut stream(3, Purpose::Mask, index, step as u64), &mask, masked).unwrap();
        }
        mask
    });
    assert!(misfit < 1.0, "{misfit}");
}

#[test]
fn training_draws_follow_the_schedule_and_the_marginal() {
    // Under 1 − r every total 1..=6 is equally likely; given the total, the mask follows the marginal.
    let outcomes = (1..=6).flat_map(|masked| {
        marginals(3, 2, masked).into_iter().map(|(mask, probability)| (mask, probability / 6.0))
    });
    let outcomes: Vec<_> = outcomes.filter(|(_, probability)| *probability > 0.0).collect();
    let misfit = misfit(outcomes, |index| {
        sample_training(
            &mut stream(4, Purpose::Mask, index, 0),
            MaskingSchedule::Linear,
            &MaskCounts::full(3, 2),
        )
    });
    assert!(misfit < 1.0, "{misfit}");
}

#[test]
fn training_totals_follow_every_schedule() {
    // P(n ≤ m) = P(γ(r) ≤ m/12) = 1 − γ⁻¹(m/12), and each γ's inverse is written out here.
    let inverse = |schedule, fraction: f64| match schedule {
        MaskingSchedule::Cosine => fraction.acos() / std::f64::consts::FRAC_PI_2,
        MaskingSchedule::Circle => (1.0 - fraction * fraction).sqrt(),
        MaskingSchedule::Linear => 1.0 - fraction,
        MaskingSchedule::Square => (1.0 - fraction).sqrt(),
    };
    for schedule in MaskingSchedule::ALL {
        let outcomes = (1..=12usize).map(|masked| {
            let below = inverse(schedule, (masked - 1) as f64 / 12.0);
            (masked, below - inverse(schedule, masked as f64 / 12.0))
        });
        let misfit = misfit(outcomes, |index| {
            sample_training(&mut stream(5, Purpose::Mask, index, 0), schedule, &MaskCounts::full(4, 3))
                .total()
        });
        assert!(misfit < 1.0, "{schedule:?}: {misfit}");
    }
}

#[test]
fn the_statistic_sees_a_wrong_distribution() {
    // All masks of the right total made equally likely: 7 outcomes of 3 × 2 with 3 masked, of which
    // (1, 1, 1) should have 8/20 and the others 2/20.
    let allowed: Vec<_> = every_mask(3, 2).into_iter().filter(|mask| mask.total() == 3).collect();
    assert_eq!(allowed.len(), 7);
    let misfit = misfit(marginals(3, 2, 3), |index| {
        let draw = resgen_core::random::index_below(&mut stream(6, Purpose::Mask, index, 0), allowed.len());
        allowed[draw].clone()
    });
    assert!(misfit > 10.0, "{misfit}");
}

/// Known codes are never masked again, every other token is revealed exactly once, and every step reveals
/// as many as the schedule says.
#[test]
fn a_chain_with_known_codes_reveals_the_others_once() {
    let start = MaskCounts::new(vec![4, 0, 2, 4, 1], 4).unwrap();
    for schedule in MaskingSchedule::ALL {
        for steps in 1..=start.total() {
            let mut mask = start.clone();
            let mut revealed = HashMap::new();
            for (step, &masked) in schedule.step_counts(steps, start.total()).unwrap()[1..].iter().enumerate()
            {
                let mut rng = stream(7, Purpose::Mask, 0, step as u64);
                let next = sample_posterior(&mut rng, &mask, masked).unwrap();
                for position in 0..mask.positions() {
                    for level in mask.visible(position)..next.visible(position) {
                        *revealed.entry((position, level)).or_insert(0) += 1;
                    }
                }
                assert!(next.total() == masked && masked < mask.total());
                mask = next;
            }
            assert_eq!(mask.total(), 0);
            let expected =
                (0..5).flat_map(|position| (start.visible(position)..4).map(move |level| (position, level)));
            assert_eq!(revealed, expected.map(|token| (token, 1)).collect());
        }
    }
}
