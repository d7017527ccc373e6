//! The optimizer's operations: hand-derived values, and every device's body against the reference.

mod common;

use burn::tensor::{Device, Tensor, TensorData, Tolerance};
use common::devices;
use resgen_kernels::optimizer::{AdamW, Trained, adamw, reference, square_sum};

const STEP: AdamW = AdamW {
    update: 1,
    rate: 0.1,
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
    weight_decay: 0.5,
    gradient_scale: 2.0,
    average_decay: 0.75,
};

fn row(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// `count` numbers between −1 and 1 that look independent, different for every `seed`.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * 7919 + seed * 104_729 + 1) as f32 * 0.618_034).fract() * 2.0 - 1.0)
        .collect()
}

fn trained(count: usize, device: &Device) -> Trained {
    Trained {
        weight: row(numbers(count, 1), device),
        mean: row(numbers(count, 2), device),
        square: row(numbers(count, 3), device).square(),
        average: row(numbers(count, 4), device),
    }
}

#[test]
fn the_first_step_goes_as_far_as_the_rate_says() {
    for device in devices() {
        let of = |value: f32| row(vec![value], &device);
        let start = Trained { weight: of(2.0), mean: of(0.0), square: of(0.0), average: of(1.0) };
        let after = adamw(start, of(-3.0), STEP);
        let read = |values: Tensor<1>| values.try_into_vec_as::<f32>().unwrap()[0];
        // g = −6; m̂/√v̂ = −1 at the first step; w = 2·(1 − 0.1·0.5) + 0.1 = 2; a = 0.75·1 + 0.25·2 = 1.25.
        let found = [after.weight, after.mean, after.square, after.average].map(read);
        for (found, expected) in found.into_iter().zip([2.0, -0.6, 0.36, 1.25]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected} on {device:?}");
        }
        assert_eq!(read(square_sum(row(vec![1.0, -2.0, 3.0], &device))), 14.0);
    }
}

#[test]
fn every_device_takes_the_steps_of_the_reference() {
    for device in devices() {
        // Within a chunk, its end, and beyond it.
        for count in [0, 1, 7, 1000, 16 * 1024, 40_001] {
            let (mut expected, mut found) = (trained(count, &Device::flex()), trained(count, &device));
            for update in 1..4 {
                let gradient = |device: &Device| row(numbers(count, 10 + update as usize), device);
                let step = AdamW { update, ..STEP };
                expected = reference::adamw(expected, gradient(&Device::flex()), step);
                found = adamw(found, gradient(&device), step);
            }
            let pairs = [
                (found.weight, expected.weight),
                (found.mean, expected.mean),
                (found.square, expected.square),
                (found.average, expected.average),
            ];
            for (found, expected) in pairs {
                // The same operations in the same order; a graphics card's division and root may differ in the last digit.
                let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
                found.into_data().assert_approx_eq::<f32>(&expected.into_data(), tolerance);
            }
        }
    }
}

#[test]
fn what_others_hold_is_not_changed() {
    let device = Device::flex();
    let start = trained(100, &device);
    let gradient = row(numbers(100, 5), &device);
    let _ = adamw(start.clone(), gradient.clone(), STEP);
    assert_eq!(start.mean.into_data(), row(numbers(100, 2), &device).into_data());
    assert_eq!(gradient.into_data(), row(numbers(100, 5), &device).into_data());
}

#[test]
fn the_sum_of_squares_does_not_lose_small_numbers_among_many() {
    for device in devices() {
        let count = 1 << 22;
        // Added one by one in f32, a number of 1 stops counting once the sum has passed 2²⁴.
        let sum = square_sum(Tensor::full([count], 2.5, &device)).try_into_vec_as::<f32>().unwrap()[0];
        assert!((f64::from(sum) / (6.25 * count as f64) - 1.0).abs() < 1e-5, "{sum} on {device:?}");
    }
}
