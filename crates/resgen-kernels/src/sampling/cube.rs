//! Bodies for GPUs, one launch each.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, IntDType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;

use super::{Nucleus, Reveal, SamplingOps};
use crate::cube_launch::{cubes, storage};

/// Units that share a row of logits.
const UNITS: u32 = 128;
/// Halvings of [0, 1] in the search for the least weight that is kept: more than f32 can tell apart.
const HALVINGS: u32 = 48;

impl SamplingOps for CubeBackend {
    fn choose_components(
        logits: FloatTensor<Self>,
        uniform: FloatTensor<Self>,
        nucleus: Nucleus,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let (logits, uniform) = (into_contiguous(logits), into_contiguous(uniform));
        let [rows, choices] = logits.meta.shape().dims::<2>();
        let out = integers(&logits, Shape::new([rows]), dtype.into());
        if rows == 0 {
            return out;
        }
        choose_kernel::launch(
            &logits.client.clone(),
            cubes(rows),
            CubeDim::new_1d(UNITS),
            logits.into_tensor_arg(),
            uniform.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            if nucleus.temperature > 0.0 { 1.0 / nucleus.temperature } else { 0.0 },
            nucleus.top_p,
            choices as u32,
            nucleus.temperature > 0.0,
            storage(out.dtype),
        );
        out
    }

    fn reveal_counts(
        surety: FloatTensor<Self>,
        gumbel: FloatTensor<Self>,
        masked: IntTensor<Self>,
        reveal: Reveal,
    ) -> IntTensor<Self> {
        let (surety, gumbel, masked) =
            (into_contiguous(surety), into_contiguous(gumbel), into_contiguous(masked));
        let [batch, positions, _] = gumbel.meta.shape().dims::<3>();
        let out = integers(&masked, Shape::new([batch, positions]), masked.dtype);
        if batch * positions == 0 {
            return out;
        }
        reveal_kernel::launch(
            &surety.client.clone(),
            cubes((batch * positions).div_ceil(UNITS as usize)),
            CubeDim::new_1d(UNITS),
            surety.into_tensor_arg(),
            gumbel.into_tensor_arg(),
            masked.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            reveal.temperature,
            reveal.count.min(u32::MAX as usize) as u32,
            storage(out.dtype),
        );
        out
    }
}

fn integers(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    empty_device_dtype(like.client.clone(), like.device.clone(), shape, dtype)
}

/// A row a cube: its weights in shared memory, with everything summed over its units.
#[cube(launch)]
fn choose_kernel<I: Numeric>(
    logits: &Tensor<f32>,   // [N, K]
    uniform: &Tensor<f32>,  // [N]
    chosen: &mut Tensor<I>, // [N]
    factor: f32,            // 1 / temperature
    top_p: f32,
    #[comptime] choices: u32,
    #[comptime] draws: bool, // takes the largest otherwise
    #[define(I)] _dtype: ElemType,
) {
    let row = CUBE_POS as usize;
    let choices = comptime!(choices as usize);
    let unit = UNIT_POS_X as usize;
    let units = UNITS as usize;
    if row >= chosen.len() {
        terminate!();
    }
    let start = row * choices;
    let mut weights = Shared::<[f32]>::new_slice(choices);
    let mut partial = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));

    let mut top = f32::new(-3.0e38);
    let mut index = unit;
    while index < choices {
        let logit = logits[start + index];
        weights[index] = logit;
        top = max(top, logit);
        index += units;
    }
    partial[unit] = top;
    sync_cube();
    let mut top = f32::new(-3.0e38);
    for other in 0..units {
        top = max(top, partial[other]);
    }
    sync_cube();

    if comptime!(draws) {
        let mut mass = f32::new(0.0);
        let mut index = unit;
        while index < choices {
            let exponent = (weights[index] - top) * factor;
            let mut weight = f32::new(0.0);
            if exponent > f32::new(-87.0) {
                weight = exponent.exp();
            }
            weights[index] = weight;
            mass += weight;
            index += units;
        }
        let needed = total(&mut partial, mass, unit, units) * top_p;

        // The largest number such that the weights of at least that have the needed mass.
        let mut low = f32::new(0.0);
        let mut high = f32::new(1.0);
        if top_p < f32::new(1.0) {
            for _ in 0..HALVINGS {
                let middle = low + (high - low) * f32::new(0.5);
                let mut mass = f32::new(0.0);
                let mut index = unit;
                while index < choices {
                    if weights[index] >= middle {
                        mass += weights[index];
                    }
                    index += units;
                }
                if total(&mut partial, mass, unit, units) >= needed {
                    low = middle;
                } else {
                    high = middle;
                }
            }
        }

        // Each unit sums a run of neighbours; the first one then walks to the choice.
        let run = comptime!((choices + UNITS as usize - 1) / UNITS as usize);
        let first = unit * run;
        let mut mass = f32::new(0.0);
        for place in 0..run {
            let index = first + place;
            if index < choices {
                if weights[index] >= low {
                    mass += weights[index];
                }
            }
        }
        // Others may still be adding up the last total.
        sync_cube();
        partial[unit] = mass;
        sync_cube();
        if unit == 0 {
            let mut whole = f32::new(0.0);
            for other in 0..units {
                whole += partial[other];
            }
            let mut left = uniform[row] * whole;
            let mut skipped = 0usize;
            while skipped + 1 < units && partial[skipped] <= left {
                left -= partial[skipped];
                skipped += 1;
            }
            let mut found = 0usize;
            let mut open = true;
            let mut index = skipped * run;
            while index < choices && open {
                if weights[index] >= low && weights[index] > f32::new(0.0) {
                    found = index;
                    left -= weights[index];
                    open = left >= f32::new(0.0);
                }
                index += 1;
            }
            chosen[row] = I::cast_from(found as u32);
        }
    } else {
        if unit == 0 {
            let mut found = 0usize;
            let mut open = true;
            for index in 0..choices {
                if open && weights[index] >= top {
                    found = index;
                    open = false;
                }
            }
            chosen[row] = I::cast_from(found as u32);
        }
    }
}

/// The sum of what every unit has, in the order of the units.
#[cube]
fn total(partial: &mut Shared<[f32]>, own: f32, unit: usize, units: usize) -> f32 {
    sync_cube();
    partial[unit] = own;
    sync_cube();
    let mut sum = f32::new(0.0);
    for other in 0..units {
        sum += partial[other];
    }
    sum
}

/// A position a unit: for each of its masked tokens, how many of the signal's go before it.
#[cube(launch)]
fn reveal_kernel<I: Numeric>(
    surety: &Tensor<f32>,   // [B, L]
    gumbel: &Tensor<f32>,   // [B, L, D]
    masked: &Tensor<I>,     // [B, L]
    counts: &mut Tensor<I>, // [B, L]
    temperature: f32,
    count: u32,
    #[define(I)] _dtype: ElemType,
) {
    let own = ABSOLUTE_POS as usize;
    if own >= counts.len() {
        terminate!();
    }
    let positions = surety.shape(1);
    let depth = gumbel.shape(2);
    let signal = own / positions * positions;
    let mut revealed = 0u32;
    let own_first = depth - u32::cast_from(masked[own]) as usize;
    for token in own_first..depth {
        let score = score_of(surety[own], gumbel[own * depth + token], temperature);
        let mut before = 0u32;
        for other in signal..signal + positions {
            let first = depth - u32::cast_from(masked[other]) as usize;
            for rival in first..depth {
                let rivals = score_of(surety[other], gumbel[other * depth + rival], temperature);
                let is_earlier = other < own || (other == own && rival < token);
                if rivals > score || (rivals == score && is_earlier) {
                    before += 1;
                }
            }
        }
        if before < count {
            revealed += 1;
        }
    }
    counts[own] = I::cast_from(revealed);
}

/// A surety that is no number goes last.
#[cube]
fn score_of(surety: f32, noise: f32, temperature: f32) -> f32 {
    let mut score = f32::new(-3.0e38);
    if surety == surety {
        score = max(score, surety + noise * temperature);
    }
    score
}
