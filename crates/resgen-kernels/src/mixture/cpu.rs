//! Bodies for the CPU: a row is read, weighed and summed while it is in the cache.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::PosteriorOps;
use crate::cpu::{CHUNK, blank};
use crate::isa::{Isa, for_every_isa};
use crate::loops::{dot, exp, largest_of, sum};

impl PosteriorOps for Flex {
    fn posterior_mass(
        logits: FloatTensor<Self>,
        distances: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [logits, distances, weight] = [logits, distances, weight].map(|tensor| tensor.to_contiguous());
        let (rows, width) = rows_and_width(&logits, &distances);
        assert_eq!(weight.layout().shape().to_vec(), [rows], "posterior_mass: shape of the weight");
        let (block, weight) = (block_rows(width), weight.storage::<f32>());
        let blocks = logits.storage::<f32>().par_chunks(block * width.max(1));
        let blocks = blocks.zip(distances.storage::<f32>().par_chunks(block * width.max(1)));
        let parts: Vec<Vec<f32>> = blocks
            .zip(weight.par_chunks(block))
            .map(|((logits, distances), weight)| {
                let (mut mass, mut posterior) = (vec![0.0; width], vec![0.0; width]);
                add_posteriors(Isa::best(), logits, distances, weight, &mut posterior, &mut mass);
                mass
            })
            .collect();
        let mut out = blank(&Shape::new([width]));
        let mass = out.storage_mut::<f32>();
        // In the order of the rows, whoever summed them.
        for part in parts {
            mass.iter_mut().zip(part).for_each(|(mass, part)| *mass += part);
        }
        out
    }
}

/// See [`super::features`].
pub fn features(y: FlexTensor, mixer: FlexTensor) -> FlexTensor {
    let [y, mixer] = [y, mixer].map(|tensor| tensor.to_contiguous());
    let sizes = Sizes::of(&y, &mixer);
    let mut out = blank(&Shape::new([sizes.rows, sizes.features()]));
    let block = block_rows(sizes.features());
    let blocks = out.storage_mut::<f32>().par_chunks_mut((block * sizes.features()).max(1));
    blocks
        .zip(y.storage::<f32>().par_chunks((block * sizes.vector).max(1)))
        .zip(mixer.storage::<f32>().par_chunks((block * sizes.rank).max(1)))
        .for_each(|((out, y), mixer)| feature_rows(Isa::best(), sizes, y, mixer, out));
    out
}

/// The gradients of [`features`]' y and mixer.
pub fn features_backward(y: FlexTensor, mixer: FlexTensor, gradient: FlexTensor) -> [FlexTensor; 2] {
    let [y, mixer, gradient] = [y, mixer, gradient].map(|tensor| tensor.to_contiguous());
    let sizes = Sizes::of(&y, &mixer);
    let shape = gradient.layout().shape().to_vec();
    assert_eq!(shape, [sizes.rows, sizes.features()], "mixture: shape of the features' gradient");
    let (mut of_y, mut of_mixer) = (blank(y.layout().shape()), blank(mixer.layout().shape()));
    let block = block_rows(sizes.features());
    let blocks = of_y.storage_mut::<f32>().par_chunks_mut((block * sizes.vector).max(1));
    blocks
        .zip(of_mixer.storage_mut::<f32>().par_chunks_mut((block * sizes.rank).max(1)))
        .zip(y.storage::<f32>().par_chunks((block * sizes.vector).max(1)))
        .zip(mixer.storage::<f32>().par_chunks((block * sizes.rank).max(1)))
        .zip(gradient.storage::<f32>().par_chunks((block * sizes.features()).max(1)))
        .for_each(|((((of_y, of_mixer), y), mixer), gradient)| {
            feature_rows_backward(Isa::best(), sizes, y, mixer, gradient, of_y, of_mixer);
        });
    [of_y, of_mixer]
}

#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    vector: usize,
    rank: usize,
}

impl Sizes {
    /// # Panics
    /// Where the shapes are not `[N, H]` and `[N, r]`, of at least one number a row: the loops rely on it.
    fn of(y: &FlexTensor, mixer: &FlexTensor) -> Self {
        let [y, mixer] = [y, mixer].map(|tensor| tensor.layout().shape().to_vec());
        let is_sound = y.len() == 2 && mixer.len() == 2 && y[0] == mixer[0] && y[1] > 0 && mixer[1] > 0;
        assert!(is_sound, "mixture: y {y:?}, mixer {mixer:?}");
        Self { rows: y[0], vector: y[1], rank: mixer[1] }
    }

    fn features(self) -> usize {
        self.vector * self.rank + self.vector + self.rank + self.rank * self.rank
    }
}

/// See [`super::log_likelihood`].
pub fn log_likelihood(logits: FlexTensor, distances: FlexTensor) -> FlexTensor {
    let [logits, distances] = [logits, distances].map(|tensor| tensor.to_contiguous());
    let (rows, width) = rows_and_width(&logits, &distances);
    let block = block_rows(width);
    let mut out = blank(&Shape::new([rows]));
    let blocks = out.storage_mut::<f32>().par_chunks_mut(block);
    blocks
        .zip(logits.storage::<f32>().par_chunks(block * width.max(1)))
        .zip(distances.storage::<f32>().par_chunks(block * width.max(1)))
        .for_each(|((out, logits), distances)| {
            likelihood_rows(Isa::best(), logits, distances, &mut vec![0.0; width], out);
        });
    out
}

/// The gradients of [`log_likelihood`]'s logits and distances.
pub fn log_likelihood_backward(
    logits: FlexTensor,
    distances: FlexTensor,
    gradient: FlexTensor,
) -> [FlexTensor; 2] {
    let [logits, distances, gradient] = [logits, distances, gradient].map(|tensor| tensor.to_contiguous());
    let (rows, width) = rows_and_width(&logits, &distances);
    assert_eq!(gradient.layout().shape().to_vec(), [rows], "log_likelihood: shape of the gradient");
    let block = block_rows(width);
    let mut of_logits = blank(logits.layout().shape());
    let mut of_distances = blank(logits.layout().shape());
    let blocks = of_logits.storage_mut::<f32>().par_chunks_mut(block * width.max(1));
    blocks
        .zip(of_distances.storage_mut::<f32>().par_chunks_mut(block * width.max(1)))
        .zip(logits.storage::<f32>().par_chunks(block * width.max(1)))
        .zip(distances.storage::<f32>().par_chunks(block * width.max(1)))
        .zip(gradient.storage::<f32>().par_chunks(block))
        .for_each(|((((of_logits, of_distances), logits), distances), gradient)| {
            likelihood_rows_backward(Isa::best(), logits, distances, gradient, of_logits, of_distances);
        });
    [of_logits, of_distances]
}

/// Rows and components.
///
/// # Panics
/// Where the shapes are not the same `[N, K]`: the loops rely on it.
fn rows_and_width(logits: &FlexTensor, distances: &FlexTensor) -> (usize, usize) {
    let [shape, other] = [logits, distances].map(|tensor| tensor.layout().shape().to_vec());
    assert!(shape.len() == 2 && shape == other, "mixture: logits {shape:?}, distances {other:?}");
    (shape[0], shape[1])
}

/// Rows that one task works on.
fn block_rows(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}

for_every_isa! {
    fn feature_rows(sizes: Sizes, y: &[f32], mixer: &[f32], out: &mut [f32]) {
        let Sizes { vector, rank, .. } = sizes;
        let rows = y.chunks_exact(vector).zip(mixer.chunks_exact(rank));
        for (out, (y, mixer)) in out.chunks_exact_mut(sizes.features()).zip(rows) {
            let (cross, rest) = out.split_at_mut(vector * rank);
            let (plain, square) = rest.split_at_mut(vector + rank);
            for (out, y) in cross.chunks_exact_mut(rank).zip(y) {
                out.iter_mut().zip(mixer).for_each(|(out, u)| *out = y * u);
            }
            plain[..vector].copy_from_slice(y);
            plain[vector..].copy_from_slice(mixer);
            for (out, left) in square.chunks_exact_mut(rank).zip(mixer) {
                out.iter_mut().zip(mixer).for_each(|(out, u)| *out = left * u);
            }
        }
    }
}

for_every_isa! {
    fn feature_rows_backward(
        sizes: Sizes,
        y: &[f32],
        mixer: &[f32],
        gradient: &[f32],
        of_y: &mut [f32],
        of_mixer: &mut [f32],
    ) {
        let Sizes { vector, rank, .. } = sizes;
        let rows = y.chunks_exact(vector).zip(mixer.chunks_exact(rank));
        let rows = rows.zip(gradient.chunks_exact(sizes.features()));
        let outs = of_y.chunks_exact_mut(vector).zip(of_mixer.chunks_exact_mut(rank));
        for (((y, mixer), gradient), (of_y, of_mixer)) in rows.zip(outs) {
            let (cross, rest) = gradient.split_at(vector * rank);
            let (plain, square) = rest.split_at(vector + rank);
            of_mixer.copy_from_slice(&plain[vector..]);
            for ((gradient, y), (of_y, plain)) in cross.chunks_exact(rank).zip(y).zip(of_y.iter_mut().zip(plain)) {
                *of_y = plain + dot(gradient, mixer);
                of_mixer.iter_mut().zip(gradient).for_each(|(of_u, gradient)| *of_u += gradient * y);
            }
            for (index, (gradient, u)) in square.chunks_exact(rank).zip(mixer).enumerate() {
                of_mixer[index] += dot(gradient, mixer);
                of_mixer.iter_mut().zip(gradient).for_each(|(of_u, gradient)| *of_u += gradient * u);
            }
        }
    }
}

for_every_isa! {
    fn likelihood_rows(logits: &[f32], distances: &[f32], weights: &mut [f32], out: &mut [f32]) {
        let width = weights.len();
        let rows = logits.chunks_exact(width).zip(distances.chunks_exact(width));
        for (out, (logits, distances)) in out.iter_mut().zip(rows) {
            let top = weigh([logits, distances], joint, weights);
            let of_joint = sum(weights);
            let top_logit = weigh([logits], |[logit]| logit, weights);
            *out = top - top_logit + (of_joint / sum(weights)).ln();
        }
    }
}

for_every_isa! {
    /// With r the posterior and π = softmax(logits): g·(r − π) and −g·r/2.
    fn likelihood_rows_backward(
        logits: &[f32],
        distances: &[f32],
        gradient: &[f32],
        of_logits: &mut [f32],
        of_distances: &mut [f32],
    ) {
        let width = logits.len() / gradient.len();
        let rows = logits.chunks_exact(width).zip(distances.chunks_exact(width)).zip(gradient);
        let outs = of_logits.chunks_exact_mut(width).zip(of_distances.chunks_exact_mut(width));
        for (((logits, distances), gradient), (of_logits, of_distances)) in rows.zip(outs) {
            weigh([logits, distances], joint, of_distances);
            weigh([logits], |[logit]| logit, of_logits);
            let prior = gradient / sum(of_logits);
            let posterior = gradient / sum(of_distances);
            for (of_logit, of_distance) in of_logits.iter_mut().zip(of_distances) {
                let posterior = *of_distance * posterior;
                *of_logit = posterior - *of_logit * prior;
                *of_distance = -0.5 * posterior;
            }
        }
    }
}

for_every_isa! {
    fn add_posteriors(
        logits: &[f32],
        distances: &[f32],
        weight: &[f32],
        posterior: &mut [f32],
        mass: &mut [f32],
    ) {
        let width = mass.len();
        let rows = logits.chunks_exact(width).zip(distances.chunks_exact(width));
        for ((logits, distances), weight) in rows.zip(weight) {
            weigh([logits, distances], joint, posterior);
            let share = weight / sum(posterior);
            for (mass, posterior) in mass.iter_mut().zip(posterior.iter()) {
                *mass += posterior * share;
            }
        }
    }
}

#[inline(always)]
fn joint([logit, distance]: [f32; 2]) -> f32 {
    logit - 0.5 * distance
}

/// Writes e^(term − the largest term) of what stands at the same place of all rows, and gives the largest.
#[inline(always)]
fn weigh<const N: usize>(rows: [&[f32]; N], term: impl Fn([f32; N]) -> f32, out: &mut [f32]) -> f32 {
    let top = largest_of(rows, &term);
    let rows = rows.map(|row| &row[..out.len()]);
    for (index, out) in out.iter_mut().enumerate() {
        *out = exp(term(rows.map(|row| row[index])) - top);
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_weighs_alike() {
        for (rows, width) in [(1, 1), (3, 7), (5, 64), (2, 1001)] {
            let values = |scale: f32, step: f32| -> Vec<f32> {
                (0..rows * width).map(|index| (index as f32 * step).sin() * scale).collect()
            };
            let (logits, gradient) = (values(3.0, 0.7), vec![0.5; rows]);
            let distances: Vec<f32> = values(9.0, 1.3).iter().map(|value| value.abs()).collect();
            let all = |isa| {
                let mut out = vec![0.0; rows];
                likelihood_rows(isa, &logits, &distances, &mut vec![0.0; width], &mut out);
                let [mut a, mut b] = [vec![0.0; rows * width], vec![0.0; rows * width]];
                likelihood_rows_backward(isa, &logits, &distances, &gradient, &mut a, &mut b);
                let [mut posterior, mut mass] = [vec![0.0; width], vec![0.0; width]];
                add_posteriors(isa, &logits, &distances, &gradient, &mut posterior, &mut mass);
                [out, a, b, mass].concat()
            };
            let expected = all(Isa::Portable);
            for isa in Isa::available() {
                assert_eq!(all(isa), expected, "{isa:?}: {rows} rows of {width}");
            }
        }
    }

    #[test]
    fn components_far_away_have_gradients_that_are_normal_numbers_or_nothing() {
        let distances: Vec<f32> = (0..400).map(|index| index as f32).collect();
        let logits = vec![0.0; distances.len()];
        let [mut of_logits, mut of_distances] = [vec![0.0; distances.len()], vec![0.0; distances.len()]];
        likelihood_rows_backward(
            Isa::best(),
            &logits,
            &distances,
            &[1e-4],
            &mut of_logits,
            &mut of_distances,
        );
        assert!(of_logits.iter().chain(&of_distances).all(|gradient| !gradient.is_subnormal()));
        assert!(of_distances[100] < 0.0 && of_distances[399] == 0.0);
    }

    #[test]
    fn every_instruction_set_makes_the_same_features() {
        for (rows, vector, rank) in [(1, 1, 1), (3, 7, 2), (5, 64, 16)] {
            let sizes = Sizes { rows, vector, rank };
            let values =
                |count: usize| (0..count).map(|index| (index as f32 * 0.7).sin()).collect::<Vec<f32>>();
            let (y, mixer, gradient) =
                (values(rows * vector), values(rows * rank), values(rows * sizes.features()));
            let all = |isa| {
                let mut out = vec![0.0; rows * sizes.features()];
                feature_rows(isa, sizes, &y, &mixer, &mut out);
                let [mut of_y, mut of_mixer] = [vec![0.0; rows * vector], vec![0.0; rows * rank]];
                feature_rows_backward(isa, sizes, &y, &mixer, &gradient, &mut of_y, &mut of_mixer);
                [out, of_y, of_mixer].concat()
            };
            let expected = all(Isa::Portable);
            for isa in Isa::available() {
                assert_eq!(all(isa), expected, "{isa:?}: {rows} rows of {vector} and {rank}");
            }
        }
    }
}
