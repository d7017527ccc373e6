//! Which positions reveal how many of their codes in a step.

use rand::Rng;

use crate::random::gumbel;

/// Reveals the `count` best-scored masked tokens and returns how many that is at each position.
///
/// Every masked token of position i has the score `log_density[i]` plus its own Gumbel noise times
/// `temperature`; with much noise the choice is the exact posterior of the masking process, with none the
/// surest positions go first. Which of a position's tokens are chosen does not matter, only how many:
/// positions reveal their coarsest codes first.
pub(super) fn choose<R: Rng>(
    masked: &[usize],
    log_density: &[f32],
    count: usize,
    temperature: f64,
    rng: &mut R,
) -> Vec<usize> {
    let mut scores = Vec::with_capacity(masked.iter().sum());
    for (position, &tokens) in masked.iter().enumerate() {
        for _ in 0..tokens {
            let noise = f64::from(gumbel(rng));
            // A density that is no number goes last rather than anywhere.
            let surety = Some(f64::from(log_density[position])).filter(|value| !value.is_nan());
            scores.push((surety.unwrap_or(f64::NEG_INFINITY) + temperature * noise, position));
        }
    }
    // Of equal scores the earlier position goes first, so that the choice does not depend on the sort.
    scores.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut revealed = vec![0; masked.len()];
    for (_, position) in scores.into_iter().take(count) {
        revealed[position] += 1;
    }
    revealed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn without_noise_the_surest_positions_are_revealed_whole() {
        let mut rng = stream(0, Purpose::Confidence, 0, 0);
        assert_eq!(choose(&[2, 3, 0], &[1.0, 2.0, 9.0], 4, 0.0, &mut rng), [1, 3, 0]);
    }

    #[test]
    fn with_much_noise_every_token_is_as_likely() {
        // Position 0 holds 3 of 4 tokens: it is the one revealed with probability 3/4.
        let draws = 4000;
        let first: usize = (0..draws)
            .map(|step| choose(&[3, 1], &[0.0, 5.0], 1, 1e9, &mut stream(1, Purpose::Confidence, 0, step))[0])
            .sum();
        // Standard deviation of the share is √(3/16/4000) = 0.0068.
        assert!((first as f64 / draws as f64 - 0.75).abs() < 0.035);
    }
}
