//! Fast bodies against the reference bodies, forward and backward, over odd shapes.

use burn::tensor::{Device, Tensor, TensorData};
use resgen_kernels::{gelu_tanh, modulated_norm, reference};

/// Deterministic values in about ±4, different for every seed.
fn values(count: usize, seed: u32) -> Vec<f32> {
    (0..count as u32)
        .map(|index| {
            let mixed = index.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) >> 8;
            mixed as f32 / (1 << 21) as f32 - 4.0
        })
        .collect()
}

fn tensor<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
    let data = TensorData::new(values(shape.iter().product(), seed), shape);
    Tensor::from_data(data, &Device::flex().autodiff()).require_grad()
}

/// Largest difference, relative to the largest value of `b` or 0.1.
fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let (a, b): (Vec<f32>, Vec<f32>) = (a.try_into_vec_as().unwrap(), b.try_into_vec_as().unwrap());
    let size = b.iter().fold(0.1f32, |size, value| size.max(value.abs()));
    a.iter().zip(&b).fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / size
}

// Both bodies round in f32 and sum in different orders; 2e-5 is some hundred roundings.
const TOLERANCE: f32 = 2e-5;

#[test]
fn gelu_agrees_with_its_reference() {
    for count in [0, 1, 7, 64, 1001, 70_000] {
        let (x, weight) = (tensor([count], 1), tensor([count], 2).detach());
        let (fast, slow) = (gelu_tanh(x.clone()), reference::gelu_tanh(x.clone()));
        let worst = difference(fast.clone(), slow.clone());
        assert!(worst < TOLERANCE, "{worst} at {count}");
        if count > 0 {
            let gradient = |y: Tensor<1>| x.grad(&(y * weight.clone()).sum().backward()).unwrap();
            assert!(difference(gradient(fast), gradient(slow)) < TOLERANCE, "gradient at {count}");
        }
    }
}

#[test]
fn gelu_is_right_far_out() {
    let x = Tensor::<1>::from_floats([-1e4, -30.0, -5.0, 0.0, 5.0, 30.0, 1e4], &Device::flex());
    let y: Vec<f32> = gelu_tanh(x).try_into_vec_as().unwrap();
    // gelu(-5) = -5·(1 − tanh(…))/2 is −2.2917e-7 in double precision.
    let expected = [0.0, 0.0, -2.291_7e-7, 0.0, 5.0, 30.0, 1e4];
    for (y, expected) in y.iter().zip(expected) {
        assert!((y - expected).abs() <= 1e-6 * expected.abs().max(1e-3), "{y} for {expected}");
    }
}

#[test]
fn modulated_norm_agrees_with_its_reference() {
    for [batch, rows, width] in [[1, 1, 3], [2, 3, 5], [3, 7, 64], [2, 64, 192], [1, 13, 1000]] {
        let x = tensor([batch, rows, width], 3);
        let (shift, scale) = (tensor([batch, 1, width], 4), tensor([batch, 1, width], 5));
        let weight = tensor([batch, rows, width], 6).detach();
        let fast = modulated_norm(x.clone(), shift.clone(), scale.clone());
        let slow = reference::modulated_norm(x.clone(), shift.clone(), scale.clone());
        assert!(difference(fast.clone(), slow.clone()) < TOLERANCE);
        let (fast, slow) = ((fast * weight.clone()).sum().backward(), (slow * weight).sum().backward());
        for leaf in [&x, &shift, &scale] {
            let (fast, slow) = (leaf.grad(&fast).unwrap(), leaf.grad(&slow).unwrap());
            assert!(difference(fast, slow) < TOLERANCE, "gradient of {:?} at {width}", leaf.dims());
        }
    }
}
