//! The specification of every operation, in plain tensor operations.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};

use super::{Nucleus, Reveal};

/// See [`super::choose_components`].
pub fn choose_components(logits: Tensor<2>, uniform: Tensor<1>, nucleus: Nucleus) -> Tensor<1, Int> {
    if nucleus.temperature == 0.0 {
        return logits.argmax(1).squeeze_dim(1);
    }
    let [_, choices] = logits.dims();
    let weights = softmax(logits / nucleus.temperature, 1); // [N, K]
    let ranked = weights.clone().sort_descending(1); // [N, K]
    let before = ranked.clone().cumsum(1) - ranked.clone(); // mass of the more probable ones
    let needed = before.lower_elem(nucleus.top_p).int().sum_dim(1); // [N, 1], at least 1 unless top_p is 0
    let least = ranked.gather(1, needed.clamp_min(1) - 1); // [N, 1]
    let kept = weights.clone() * weights.greater_equal(least).float(); // [N, K]
    let cumulated = kept.cumsum(1); // [N, K]
    let aim = cumulated.clone().narrow(1, choices - 1, 1) * uniform.unsqueeze_dim(1); // [N, 1]
    let passed = cumulated.lower_equal(aim).int().sum_dim(1); // [N, 1], those before the choice
    passed.clamp_max(choices as i64 - 1).squeeze_dim(1)
}

/// See [`super::reveal_counts`].
pub fn reveal_counts(
    surety: Tensor<2>,
    gumbel: Tensor<3>,
    masked: Tensor<2, Int>,
    reveal: Reveal,
) -> Tensor<2, Int> {
    let [batch, positions, depth] = gumbel.dims();
    let (tokens, device) = (positions * depth, gumbel.device());
    let is_number = surety.clone().is_nan().bool_not();
    let surety = surety.clone().mask_fill(is_number.bool_not(), f32::NEG_INFINITY);
    let scores = (surety.unsqueeze_dim::<3>(2) + gumbel * reveal.temperature).reshape([batch, tokens]);
    let first = masked.neg() + depth as i64; // [B, L], number of visible codes
    let depths = Tensor::<1, Int>::arange(0..depth as i64, &device).reshape([1, 1, depth]);
    let is_masked = depths.greater_equal(first.unsqueeze_dim::<3>(2)).reshape([batch, tokens]);

    // Rank of token t: the number of masked tokens u that go before it.
    let (own, other) = (scores.clone().unsqueeze_dim::<3>(2), scores.unsqueeze_dim::<3>(1));
    let order = Tensor::<1, Int>::arange(0..tokens as i64, &device);
    let earlier = order.clone().reshape([1, 1, tokens]).lower(order.reshape([1, tokens, 1]));
    let goes_before = other.clone().greater(own.clone()).bool_or(other.equal(own).bool_and(earlier));
    let goes_before = goes_before.bool_and(is_masked.clone().unsqueeze_dim::<3>(1)); // [B, n, n]
    let rank = goes_before.int().sum_dim(2).squeeze_dim::<2>(2); // [B, n]
    let revealed = rank.lower_elem(reveal.count as i64).bool_and(is_masked);
    revealed.int().reshape([batch, positions, depth]).sum_dim(2).squeeze_dim(2)
}
