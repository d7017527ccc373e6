//! Bodies for the CPU: rows side by side on all threads of the current pool.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, IntDType, TensorData};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::{Nucleus, Reveal, SamplingOps};
use crate::isa::{Isa, for_every_isa};
use crate::loops::{exp, sum_of};

impl SamplingOps for Flex {
    fn choose_components(
        logits: FloatTensor<Self>,
        uniform: FloatTensor<Self>,
        nucleus: Nucleus,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let [rows, choices] = shape_of(&logits, "choose_components: logits");
        assert_eq!(shape_of(&uniform, "choose_components: uniform"), [rows]);
        let (logits, uniform) = (logits.to_contiguous(), uniform.to_contiguous());
        let rows = logits.storage::<f32>().par_chunks(choices.max(1)).zip(uniform.storage::<f32>());
        let chosen = rows.map(|(logits, &uniform)| choose(logits, uniform, nucleus) as i64);
        integers(chosen.collect(), &[uniform.storage::<f32>().len()], dtype.into())
    }

    fn reveal_counts(
        surety: FloatTensor<Self>,
        gumbel: FloatTensor<Self>,
        masked: IntTensor<Self>,
        reveal: Reveal,
    ) -> IntTensor<Self> {
        let [batch, positions, depth] = shape_of(&gumbel, "reveal_counts: gumbel");
        for tensor in [&surety, &masked] {
            assert_eq!(shape_of(tensor, "reveal_counts"), [batch, positions]);
        }
        let dtype = masked.dtype();
        let masked: Vec<i64> = masked.into_data().iter::<i64>().collect();
        let (surety, gumbel) = (surety.to_contiguous(), gumbel.to_contiguous());
        let signals = surety
            .storage::<f32>()
            .par_chunks(positions.max(1))
            .zip(gumbel.storage::<f32>().par_chunks((positions * depth).max(1)))
            .zip(masked.par_chunks(positions.max(1)));
        let counts = signals.flat_map_iter(|((surety, gumbel), masked)| {
            let gumbel = gumbel.chunks(depth.max(1));
            count_revealed(surety.iter().copied().zip(gumbel).zip(masked.iter().copied()), reveal)
        });
        integers(counts.collect(), &[batch, positions], dtype)
    }
}

/// The choice in one row of logits.
fn choose(logits: &[f32], uniform: f32, nucleus: Nucleus) -> usize {
    let (best, top) = largest(logits);
    if nucleus.temperature == 0.0 || logits.len() < 2 {
        return best;
    }
    let mut weights = vec![0.0; logits.len()];
    weigh(Isa::best(), logits, top, 1.0 / nucleus.temperature, &mut weights);
    let floor = if nucleus.top_p >= 1.0 { 0.0 } else { nucleus_floor(&weights, nucleus.top_p) };
    let kept = |weight: f32| if weight >= floor { f64::from(weight) } else { 0.0 };
    let mut left = f64::from(uniform) * weights.iter().map(|&weight| kept(weight)).sum::<f64>();
    let chosen = weights.iter().position(|&weight| {
        left -= kept(weight);
        left < 0.0
    });
    // Rounding may leave a last crumb of mass after the last weight.
    chosen.unwrap_or_else(|| {
        weights.iter().rposition(|&weight| weight >= floor && weight > 0.0).unwrap_or(best)
    })
}

/// The first of the largest, and its value.
fn largest(values: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &value) in values.iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best
}

for_every_isa! {
    fn weigh(logits: &[f32], top: f32, factor: f32, weights: &mut [f32]) {
        for (weight, logit) in weights.iter_mut().zip(logits) {
            *weight = exp((logit - top) * factor);
        }
    }
}

/// The weight of the least probable choice that is kept: the largest number such that all weights of at least
/// that have a share of `top_p` of the whole mass. Positive numbers are in the order of their bits, so it is
/// found by halving their range.
fn nucleus_floor(weights: &[f32], top_p: f32) -> f32 {
    let mut mass = 0.0;
    mass_from(Isa::best(), weights, 0.0, &mut mass);
    let needed = mass * top_p;
    let (mut low, mut high) = (0u32, 1f32.to_bits() + 1); // weights are at most 1
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        mass_from(Isa::best(), weights, f32::from_bits(middle), &mut mass);
        *(if mass >= needed { &mut low } else { &mut high }) = middle;
    }
    f32::from_bits(low)
}

for_every_isa! {
    /// Sums the weights of at least `floor` into `mass`.
    fn mass_from(weights: &[f32], floor: f32, mass: &mut f32) {
        *mass = sum_of([weights], |[weight]| if weight >= floor { weight } else { 0.0 });
    }
}

/// How many tokens each position of a signal reveals; for each position its surety, its tokens' noise, and how
/// many of them are masked.
fn count_revealed<'a>(
    positions: impl ExactSizeIterator<Item = ((f32, &'a [f32]), i64)>,
    reveal: Reveal,
) -> Vec<i64> {
    let mut revealed = vec![0; positions.len()];
    let mut scores = Vec::new();
    for (position, ((surety, gumbel), masked)) in positions.enumerate() {
        let surety = if surety.is_nan() { f32::NEG_INFINITY } else { surety };
        let visible = gumbel.len() - (masked.max(0) as usize).min(gumbel.len());
        scores.extend(gumbel[visible..].iter().map(|noise| (surety + noise * reveal.temperature, position)));
    }
    let goes_before = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if (1..scores.len()).contains(&reveal.count) {
        scores.select_nth_unstable_by(reveal.count - 1, goes_before);
    }
    for (_, position) in scores.into_iter().take(reveal.count) {
        revealed[position] += 1;
    }
    revealed
}

/// # Panics
/// Where the tensor has another number of dimensions: the loops rely on it.
fn shape_of<const D: usize>(tensor: &FlexTensor, what: &str) -> [usize; D] {
    let shape = tensor.layout().shape().to_vec();
    shape.try_into().unwrap_or_else(|shape| panic!("{what}: expected {D} dimensions, found {shape:?}"))
}

fn integers(values: Vec<i64>, shape: &[usize], dtype: DType) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.to_vec()).convert_dtype(dtype))
}
