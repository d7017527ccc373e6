//! Bodies for the CPU: a row is read, weighed and summed while it is in the cache.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::PosteriorOps;
use crate::cpu::{CHUNK, blank};
use crate::isa::{Isa, for_every_isa};
use crate::loops::{exp, largest, sum};

impl PosteriorOps for Flex {
    fn posterior_mass(
        logits: FloatTensor<Self>,
        distances: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [logits, distances, weight] = [logits, distances, weight].map(|tensor| tensor.to_contiguous());
        let (rows, width) = sizes(&logits, &distances);
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

/// See [`super::log_likelihood`].
pub fn log_likelihood(logits: FlexTensor, distances: FlexTensor) -> FlexTensor {
    let [logits, distances] = [logits, distances].map(|tensor| tensor.to_contiguous());
    let (rows, width) = sizes(&logits, &distances);
    let block = block_rows(width);
    let mut out = blank(&Shape::new([rows]));
    let blocks = out.storage_mut::<f32>().par_chunks_mut(block);
    blocks
        .zip(logits.storage::<f32>().par_chunks(block * width.max(1)))
        .zip(distances.storage::<f32>().par_chunks(block * width.max(1)))
        .for_each(|((out, logits), distances)| likelihood_rows(Isa::best(), logits, distances, out));
    out
}

/// The gradients of [`log_likelihood`]'s logits and distances.
pub fn log_likelihood_backward(
    logits: FlexTensor,
    distances: FlexTensor,
    gradient: FlexTensor,
) -> [FlexTensor; 2] {
    let [logits, distances, gradient] = [logits, distances, gradient].map(|tensor| tensor.to_contiguous());
    let (rows, width) = sizes(&logits, &distances);
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
fn sizes(logits: &FlexTensor, distances: &FlexTensor) -> (usize, usize) {
    let [shape, other] = [logits, distances].map(|tensor| tensor.layout().shape().to_vec());
    assert!(shape.len() == 2 && shape == other, "mixture: logits {shape:?}, distances {other:?}");
    (shape[0], shape[1])
}

/// Rows that one task works on.
fn block_rows(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}

for_every_isa! {
    fn likelihood_rows(logits: &[f32], distances: &[f32], out: &mut [f32]) {
        let width = logits.len() / out.len();
        let rows = logits.chunks_exact(width).zip(distances.chunks_exact(width));
        for (out, (logits, distances)) in out.iter_mut().zip(rows) {
            let joint = || logits.iter().zip(distances).map(|(logit, distance)| logit - 0.5 * distance);
            let (top, top_logit) = (largest(joint()), largest(logits.iter().copied()));
            let of_joint = sum(joint().map(|value| exp(value - top)));
            let of_logits = sum(logits.iter().map(|logit| exp(logit - top_logit)));
            *out = top - top_logit + (of_joint / of_logits).ln();
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
            weigh(logits, distances, of_distances);
            let top = largest(logits.iter().copied());
            for (of_logit, logit) in of_logits.iter_mut().zip(logits) {
                *of_logit = exp(logit - top);
            }
            let prior = gradient / sum(of_logits.iter().copied());
            let posterior = gradient / sum(of_distances.iter().copied());
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
            weigh(logits, distances, posterior);
            let share = weight / sum(posterior.iter().copied());
            for (mass, posterior) in mass.iter_mut().zip(posterior.iter()) {
                *mass += posterior * share;
            }
        }
    }
}

/// e^(logit − distance/2), the largest of them 1.
#[inline(always)]
fn weigh(logits: &[f32], distances: &[f32], out: &mut [f32]) {
    let joint = || logits.iter().zip(distances).map(|(logit, distance)| logit - 0.5 * distance);
    let top = largest(joint());
    for (out, value) in out.iter_mut().zip(joint()) {
        *out = exp(value - top);
    }
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
                likelihood_rows(isa, &logits, &distances, &mut out);
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
}
