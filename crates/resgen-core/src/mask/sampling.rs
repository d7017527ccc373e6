//! Exact draws from the forward process, its posterior, and the training distribution.

use rand::Rng;

use super::MaskCounts;
use crate::random::{index_below, uniform};
use crate::schedule::MaskingSchedule;
use crate::{Error, Result};

/// Draws q(k^t | x) = MVH(D, …, D; n): `masked` of `positions` × `depth` tokens without replacement, counted
/// per position.
///
/// # Errors
/// [`Error::Argument`] where `masked` is above `positions` × `depth`.
pub fn sample_marginal<R: Rng + ?Sized>(
    rng: &mut R,
    positions: usize,
    depth: usize,
    masked: usize,
) -> Result<MaskCounts> {
    sample_posterior(rng, &MaskCounts::full(positions, depth), masked)
}

/// Draws q(k^{t−1} | k^t) = MVH(k^t_1, …, k^t_L; n_{t−1}): which `masked` tokens of those masked in `current`
/// stay masked. No position gains masked codes, so codes known from the start stay known.
///
/// # Errors
/// [`Error::Argument`] where `masked` is above the number of masked tokens in `current`.
pub fn sample_posterior<R: Rng + ?Sized>(
    rng: &mut R,
    current: &MaskCounts,
    masked: usize,
) -> Result<MaskCounts> {
    let total = current.total();
    if masked > total {
        let reason = format!("expected at most {total} tokens, those that can be masked, found {masked}");
        return Err(Error::argument("masked", reason));
    }
    Ok(thin(rng, current, masked))
}

/// Draws a training mask of what is masked in `most`: r ~ U[0, 1), n = ⌈γ(r)·Σ most_i⌉, k ~ MVH(most; n). Where nothing is known from the start,
/// `most` is [full](MaskCounts::full).
///
/// At least one token is masked (unless there is none), as r < 1.
pub fn sample_training<R: Rng + ?Sized>(
    rng: &mut R,
    schedule: MaskingSchedule,
    most: &MaskCounts,
) -> MaskCounts {
    let total = most.total();
    // The schedule takes a γ(r)·n next to nothing for rounding noise; here it is a true r close to 1.
    let masked = schedule.masked_count(uniform(rng), total).max(1).min(total);
    thin(rng, most, masked)
}

/// Keeps `masked` of the tokens masked in `current`, which holds at least that many, every subset equally
/// likely.
///
/// Selection sampling: with w tokens still wanted of m not yet seen, the next one is taken with probability
/// w/m. Each token costs one draw, and no subset or order of the tokens is ever stored.
fn thin<R: Rng + ?Sized>(rng: &mut R, current: &MaskCounts, masked: usize) -> MaskCounts {
    let mut wanted = masked;
    let mut unseen = current.total();
    let mut kept = vec![0; current.positions()];
    for (kept, &available) in kept.iter_mut().zip(current.counts()) {
        for _ in 0..available {
            if index_below(rng, unseen) < wanted {
                *kept += 1;
                wanted -= 1;
            }
            unseen -= 1;
        }
    }
    current.thinned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use proptest::prelude::*;

    fn any_mask() -> impl Strategy<Value = MaskCounts> {
        (1usize..9).prop_flat_map(|depth| {
            prop::collection::vec(0..=depth, 0..20)
                .prop_map(move |counts| MaskCounts::new(counts, depth).expect("counts up to the depth"))
        })
    }

    #[test]
    fn more_tokens_than_there_are_is_refused() {
        let mut rng = stream(0, Purpose::Mask, 0, 0);
        let error = sample_marginal(&mut rng, 2, 3, 7).unwrap_err().to_string();
        assert_eq!(error, "masked: expected at most 6 tokens, those that can be masked, found 7");
        let current = MaskCounts::new(vec![1, 2], 3).unwrap();
        assert!(sample_posterior(&mut rng, &current, 4).is_err());
    }

    #[test]
    fn the_same_stream_gives_the_same_mask() {
        let draw = |index| {
            sample_training(
                &mut stream(1, Purpose::Mask, index, 0),
                MaskingSchedule::Cosine,
                &MaskCounts::full(64, 8),
            )
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    proptest! {
        #[test]
        fn a_posterior_draw_has_its_total_and_masks_nothing_new(seed: u64, current in any_mask(), part in 0.0..=1.0) {
            let masked = (part * current.total() as f64) as usize;
            let drawn = sample_posterior(&mut stream(seed, Purpose::Mask, 0, 0), &current, masked).unwrap();
            prop_assert_eq!((drawn.total(), drawn.depth(), drawn.positions()), (masked, current.depth(), current.positions()));
            prop_assert!(drawn.counts().iter().zip(current.counts()).all(|(after, before)| after <= before));
        }

        #[test]
        fn training_masks_at_least_one_token_and_none_that_is_known(seed: u64, most in any_mask()) {
            for schedule in MaskingSchedule::ALL {
                let mask = sample_training(&mut stream(seed, Purpose::Mask, 0, 0), schedule, &most);
                prop_assert_eq!((mask.positions(), mask.depth()), (most.positions(), most.depth()));
                prop_assert_eq!(mask.total() == 0, most.total() == 0);
                prop_assert!(mask.counts().iter().zip(most.counts()).all(|(drawn, most)| drawn <= most));
            }
        }
    }
}
