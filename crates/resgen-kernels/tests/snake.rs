//! The anti-aliased activation: its body beside its reference, and what it does to signals whose outcome is known.

mod common;

use burn::tensor::{Device, Distribution, Tensor};
use resgen_kernels::snake::{anti_aliased_snake, low_pass, reference};

fn normal<const D: usize>(shape: [usize; D], scale: f64, device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, scale), device)
}

#[test]
fn bodies_are_the_reference() {
    for device in common::devices() {
        // Shorter than the filter, longer than a task, channels that fill no vector.
        for [batch, length, channels] in [[1, 1, 1], [2, 3, 7], [1, 100, 24], [3, 70, 300], [1, 1500, 17]] {
            let x = normal([batch, length, channels], 3.0, &device);
            let frequency = normal([channels], 1.0, &device).exp();
            let amplitude = normal([channels], 1.0, &device).exp();
            let expected = reference::anti_aliased_snake(x.clone(), frequency.clone(), amplitude.clone());
            let found = anti_aliased_snake(x, frequency, amplitude.clone());
            // Sines of numbers up to some hundreds, which f32 holds to a few millionths.
            let error = (found - expected).abs().max().into_scalar::<f32>();
            let most = 1e-5 * amplitude.max().into_scalar::<f32>().max(1.0);
            assert!(error < most, "{error} of {most}, {batch}×{length}×{channels}");
        }
        let nothing = Tensor::<3>::zeros([2, 0, 3], &device);
        let ones = Tensor::<1>::ones([3], &device);
        assert_eq!(anti_aliased_snake(nothing, ones.clone(), ones).dims(), [2, 0, 3]);
    }
}

#[test]
fn what_is_slow_passes_as_it_is() {
    let filter = low_pass();
    assert!((filter.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    assert!((0..6).all(|tap| (filter[tap] - filter[11 - tap]).abs() < 1e-7));
    let device = Device::flex();
    let line = |f: fn(f32) -> f32| {
        let values: Vec<f32> = (0..200).map(|at| f(at as f32)).collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape([1, 200, 1])
    };
    let passed = |x: Tensor<3>, amplitude: f32| {
        anti_aliased_snake(x, Tensor::ones([1], &device), Tensor::full([1], amplitude, &device))
    };
    // A constant of 2 becomes 2 + 3·sin²(2) everywhere, also at the ends.
    let constant = passed(line(|_| 2.0), 3.0) - (2.0 + 3.0 * 2f32.sin().powi(2));
    assert!(constant.abs().max().into_scalar::<f32>() < 1e-5);
    // A twentieth of the rate passes there and back within 1 %.
    let slow = line(|at| (0.1 * std::f32::consts::PI * at).sin());
    let change = (passed(slow.clone(), 0.0) - slow).narrow(1, 20, 160);
    assert!(change.abs().max().into_scalar::<f32>() < 0.01);
}
