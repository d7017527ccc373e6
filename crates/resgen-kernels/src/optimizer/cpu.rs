//! Bodies for the CPU: one pass over memory, in place.

use burn::backend::tensor::FloatTensor;
use burn::tensor::TensorData;
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::{AdamW, OptimizerOps};
use crate::cpu::{CHUNK, writable};
use crate::isa::{Isa, for_every_isa};
use crate::loops::dot;

impl OptimizerOps for Flex {
    fn square_sum(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let sums: Vec<f32> = x.storage::<f32>().par_chunks(CHUNK).map(squares).collect();
        // In f64: there may be as many chunks as f32 tells numbers apart.
        let sum = sums.into_iter().map(f64::from).sum::<f64>() as f32;
        FlexTensor::from_data(TensorData::new(vec![sum], [1]))
    }

    fn adamw(
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        square: FloatTensor<Self>,
        average: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: AdamW,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let weight = weight.to_contiguous();
        // The network holds its weights while they are updated, so the new ones come to lie where the gradient was.
        let [mut mean, mut square, mut average, mut gradient] =
            [mean, square, average, gradient].map(writable);
        let old = weight.storage::<f32>();
        let means = mean.storage_mut::<f32>();
        let squares = square.storage_mut::<f32>();
        let averages = average.storage_mut::<f32>();
        let new = gradient.storage_mut::<f32>();
        for found in [means.len(), squares.len(), averages.len(), new.len()] {
            assert_eq!(found, old.len(), "adamw: expected as many values as the weight has");
        }
        new.par_chunks_mut(CHUNK)
            .zip(old.par_chunks(CHUNK))
            .zip(means.par_chunks_mut(CHUNK))
            .zip(squares.par_chunks_mut(CHUNK))
            .zip(averages.par_chunks_mut(CHUNK))
            .for_each(|((((new, old), means), squares), averages)| {
                step_chunk(Isa::best(), old, new, means, squares, averages, step);
            });
        (gradient, mean, square, average)
    }
}

fn squares(values: &[f32]) -> f32 {
    let mut total = 0.0;
    add_squares(Isa::best(), values, &mut total);
    total
}

for_every_isa! {
    fn add_squares(values: &[f32], total: &mut f32) {
        *total += dot(values, values);
    }
}

for_every_isa! {
    /// `new` holds the gradient, and then the new weights.
    fn step_chunk(
        old: &[f32],
        new: &mut [f32],
        means: &mut [f32],
        squares: &mut [f32],
        averages: &mut [f32],
        step: AdamW,
    ) {
        let [mean_missing, square_missing] = step.corrections();
        let kept = 1.0 - step.rate * step.weight_decay;
        let values = new.iter_mut().zip(old).zip(means).zip(squares).zip(averages);
        for ((((new, old), mean), square), average) in values {
            let gradient = *new * step.gradient_scale;
            *mean = *mean * step.beta1 + gradient * (1.0 - step.beta1);
            *square = *square * step.beta2 + gradient * gradient * (1.0 - step.beta2);
            let direction = *mean / mean_missing / ((*square / square_missing).sqrt() + step.epsilon);
            *new = old * kept - direction * step.rate;
            *average = *average * step.average_decay + *new * (1.0 - step.average_decay);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_takes_the_same_step() {
        let step = AdamW {
            update: 3,
            rate: 0.01,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.1,
            gradient_scale: 0.5,
            average_decay: 0.9,
        };
        let values = |factor: f32| (0..37).map(|index| (index as f32 * factor).sin()).collect::<Vec<_>>();
        let after = |isa| {
            let (old, mut new, mut means, mut averages) =
                (values(0.3), values(0.7), values(1.1), values(1.3));
            let mut squares: Vec<_> = values(1.7).iter().map(|x| x * x).collect();
            step_chunk(isa, &old, &mut new, &mut means, &mut squares, &mut averages, step);
            let mut total = 1.0;
            add_squares(isa, &new, &mut total);
            [new, means, squares, averages, vec![total]].concat()
        };
        let expected = after(Isa::Portable);
        for isa in Isa::available() {
            assert_eq!(after(isa), expected, "{isa:?}");
        }
    }
}
