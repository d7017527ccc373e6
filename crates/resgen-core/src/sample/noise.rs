//! The random numbers of a sampling step.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::random::{Purpose, fill_normal, gumbel, stream, uniform};

/// The largest f32 below 1: rounding a number below 1 can give 1, which no inversion of a distribution has an
/// answer for.
const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;

/// Which samples draw, and at which step.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoiseKey {
    pub seed: u64,
    /// Index of the first sample.
    pub first_index: u64,
    pub step: u64,
}

/// How many random numbers a step takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoiseShape {
    pub batch: usize,
    pub positions: usize,
    pub depth: usize,
    /// Uniform numbers of a position.
    pub uniforms: usize,
    /// Normal numbers of a position.
    pub normals: usize,
}

/// What all samples of a batch draw in a step. What one of them draws depends on seed, index and step alone; all
/// that a step could take is drawn, so that nothing has to be known about it beforehand.
pub struct Noise {
    /// Makes choices at each position, `[N, u]`, in [0, 1).
    pub(super) uniform: Tensor<2>,
    /// Standard normal, `[N, n]`.
    pub(super) normal: Tensor<2>,
    /// One for every token, masked or not, `[B, L, D]`.
    pub(super) gumbel: Tensor<3>,
}

/// What all samples of a batch draw at one position.
pub(super) struct PositionNoise {
    /// Chooses a component (the first), or the code of each depth, `[B, D]`, in [0, 1).
    pub uniform: Tensor<2>,
    /// Standard normal, `[B, H]`.
    pub normal: Tensor<2>,
}

impl PositionNoise {
    /// What a sample draws depends on seed, index and position alone.
    pub fn draw(key: NoiseKey, batch: usize, depth: usize, width: usize, device: &Device) -> Self {
        let (mut uniforms, mut normals) = (vec![0.0; batch * depth], vec![0.0; batch * width]);
        let samples = uniforms.chunks_mut(depth).zip(normals.chunks_mut(width)).enumerate();
        for (sample, (uniforms, normals)) in samples {
            let mut rng = stream(key.seed, Purpose::Sample, key.first_index + sample as u64, key.step);
            uniforms.fill_with(|| (uniform(&mut rng) as f32).min(BELOW_ONE));
            fill_normal(normals, &mut rng);
        }
        Self {
            uniform: Tensor::from_data(TensorData::new(uniforms, [batch, depth]), device),
            normal: Tensor::from_data(TensorData::new(normals, [batch, width]), device),
        }
    }
}

impl Noise {
    /// Draws on all threads of the current pool.
    pub(super) fn draw(key: NoiseKey, shape: NoiseShape, device: &Device) -> Self {
        let NoiseShape { batch, positions, depth, uniforms: choices, normals: width } = shape;
        let rows = batch * positions;
        let samples: Vec<[Vec<f32>; 3]> = (0..batch)
            .into_par_iter()
            .map(|sample| {
                let of = |purpose| stream(key.seed, purpose, key.first_index + sample as u64, key.step);
                let (mut drawing, mut choosing) = (of(Purpose::Sample), of(Purpose::Confidence));
                let mut normals = vec![0.0; positions * width];
                let uniforms =
                    (0..positions * choices).map(|_| (uniform(&mut drawing) as f32).min(BELOW_ONE));
                let uniforms = uniforms.collect();
                fill_normal(&mut normals, &mut drawing);
                [uniforms, normals, (0..positions * depth).map(|_| gumbel(&mut choosing)).collect()]
            })
            .collect();
        let all =
            |part: usize| samples.iter().flat_map(|sample| &sample[part]).copied().collect::<Vec<f32>>();
        let [uniforms, normals, gumbels] = [all(0), all(1), all(2)];
        Self {
            uniform: Tensor::from_data(TensorData::new(uniforms, [rows, choices]), device),
            normal: Tensor::from_data(TensorData::new(normals, [rows, width]), device),
            gumbel: Tensor::from_data(TensorData::new(gumbels, [batch, positions, depth]), device),
        }
    }
}
