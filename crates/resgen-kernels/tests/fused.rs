//! Fast bodies against the reference bodies, forward and backward, over odd shapes.

use burn::tensor::activation::silu;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use resgen_kernels::{
    Sight, affine, affine_gelu, attend, convolve, cross_attend, gelu_tanh, group_norm, group_norm_silu,
    mixture, modulated_norm, reference,
};

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
// Where thousands of numbers of both signs cancel, what is left is smaller than they are.
const CANCELLED: f32 = 1e-4;

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

#[test]
fn affine_layers_agree_with_their_reference() {
    type Layer = fn(Tensor<3>, Tensor<2>, Tensor<1>) -> Tensor<3>;
    let plain = |x, weight, bias| reference::affine::<3>(x, weight, bias);
    let gelu = |x, weight, bias| reference::gelu_tanh(reference::affine::<3>(x, weight, bias));
    let pairs: [(Layer, Layer); 2] = [(affine, plain), (affine_gelu, gelu)];
    for [batch, length, input, output] in [[1, 1, 1, 1], [2, 3, 5, 7], [3, 43, 67, 33], [1, 200, 130, 16]] {
        for (fast, slow) in pairs {
            let (x, weight, bias) =
                (tensor([batch, length, input], 1), tensor([input, output], 2), tensor([output], 3));
            let results = [fast, slow].map(|layer| layer(x.clone(), weight.clone(), bias.clone()));
            let worst = difference(results[0].clone(), results[1].clone());
            assert!(worst < TOLERANCE, "{worst} at {batch}×{length}×{input}×{output}");
            let pull = tensor([batch, length, output], 4).detach();
            let gradients = results.map(|out| {
                let gradients = (out * pull.clone()).sum().backward();
                (
                    x.grad(&gradients).unwrap(),
                    weight.grad(&gradients).unwrap(),
                    bias.grad(&gradients).unwrap(),
                )
            });
            let [(fast_x, fast_weight, fast_bias), (x, weight, bias)] = gradients;
            let worst = [difference(fast_x, x), difference(fast_weight, weight), difference(fast_bias, bias)];
            assert!(
                worst.iter().all(|worst| *worst < TOLERANCE),
                "{worst:?} at {batch}×{length}×{input}×{output}"
            );
        }
    }
}

#[test]
fn nothing_gives_nothing() {
    // The reference is no judge here: Flex's product of matrices reads beyond empty ones.
    let none = affine(tensor([0, 2, 3], 1), tensor([3, 4], 2), tensor([4], 3));
    assert_eq!(none.dims(), [0, 2, 4]);
    assert_eq!(attend(tensor([0, 2, 12], 1), 1, Sight::All).dims(), [0, 2, 4]);
    let nothing = convolve(tensor([0, 4, 4, 3], 1), tensor([5, 3, 3, 3], 2), tensor([5], 3), 2, [1, 1]);
    assert_eq!(nothing.dims(), [0, 2, 2, 5]);
    assert_eq!(group_norm(tensor([0, 2, 2, 4], 1), tensor([4], 2), tensor([4], 3), 2).dims(), [0, 2, 2, 4]);
}

#[test]
fn weights_in_bf16_round_what_they_meet_and_nothing_else() {
    let device = Device::flex();
    let of =
        |values: Vec<f32>, shape: [usize; 2]| Tensor::<2>::from_data(TensorData::new(values, shape), &device);
    // 1 + 2⁻⁹ is no bf16: it rounds to 1. The sum of products, 2¹² + 1, has more digits than a bf16 and keeps them.
    let x = of(vec![1.0 + 1.0 / 512.0, 4096.0], [1, 2]);
    let weight = of(vec![1.0, 1.0], [2, 1]).cast(FloatDType::BF16);
    let bias = Tensor::<1>::from_floats([0.5], &device).cast(FloatDType::BF16);
    assert_eq!(affine(x, weight, bias).try_into_vec_as::<f32>().unwrap(), [4097.5]);
}

#[test]
fn bf16_layers_and_their_gradients_stay_near_f32() {
    let (x, weight, bias) = (tensor([4, 9, 40], 1), tensor([40, 24], 2), tensor([24], 3));
    let pull = tensor([4, 9, 24], 4).detach();
    let run = |weight: Tensor<2>, bias: Tensor<1>, leaf: &Tensor<2>| {
        let out = affine(x.clone(), weight, bias);
        let gradients = (out.clone() * pull.clone()).sum().backward();
        (out, x.grad(&gradients).unwrap(), leaf.grad(&gradients).unwrap())
    };
    let exact = run(weight.clone(), bias.clone(), &weight);
    let rounded = run(weight.clone().cast(FloatDType::BF16), bias.cast(FloatDType::BF16), &weight);
    // Relative to the largest: roundings of 2⁻⁹ each, which partly cancel in a sum.
    let worst =
        [difference(rounded.0, exact.0), difference(rounded.1, exact.1), difference(rounded.2, exact.2)];
    assert!(worst.iter().all(|worst| (1e-5..5e-3).contains(worst)), "{worst:?}");
}

#[test]
fn attention_agrees_with_its_reference() {
    let sizes = [[1, 1, 1, 1], [2, 3, 2, 5], [1, 37, 3, 16], [3, 64, 2, 64], [1, 130, 1, 8]];
    for ([batch, length, heads, head], sight) in
        sizes.into_iter().flat_map(|sizes| [(sizes, Sight::All), (sizes, Sight::Past)])
    {
        let qkv = tensor([batch, length, 3 * heads * head], 1);
        let fast = attend(qkv.clone(), heads, sight);
        let slow = reference::attend(qkv.clone(), heads, sight);
        let worst = difference(fast.clone(), slow.clone());
        assert!(
            worst < TOLERANCE,
            "{worst} at {batch} signals of {length}, {heads} heads of {head}, {sight:?}"
        );
        if batch > 0 {
            let pull = tensor([batch, length, heads * head], 2).detach();
            let gradient = |out: Tensor<3>| qkv.grad(&(out * pull.clone()).sum().backward()).unwrap();
            let worst = difference(gradient(fast), gradient(slow));
            assert!(
                worst < TOLERANCE,
                "gradient {worst} at {batch} of {length}, {heads} heads of {head}, {sight:?}"
            );
        }
    }
}

#[test]
fn attention_to_what_is_said_agrees_with_its_reference() {
    // Signals, positions, what is said, heads, width of a head.
    for [batch, length, said, heads, head] in
        [[1, 1, 1, 1, 1], [2, 3, 7, 2, 5], [1, 37, 16, 3, 16], [3, 64, 112, 2, 64], [1, 5, 130, 1, 8]]
    {
        let width = heads * head;
        let (queries, states) = (tensor([batch, length, width], 1), tensor([batch, said, 2 * width], 2));
        let device = Device::flex().autodiff();
        let row = |values: Vec<f32>, of: usize| {
            Tensor::<2>::from_data(TensorData::new(values, [batch, of]), &device).require_grad()
        };
        // Within the signal and a little beyond it, and nowhere.
        let near =
            |of: usize, seed| values(batch * of, seed).iter().map(|value| value * 0.125 + 0.5).collect();
        let (along, places) = (row(near(length, 3), length), row(near(said, 4), said));
        let is_there = |at: usize| at % said < 5 || !at.is_multiple_of(3);
        let nothing = row((0..batch * said).map(|at| if is_there(at) { 0.0 } else { -1e9 }).collect(), said);
        let sharpness: Vec<f32> = values(heads, 5).iter().map(|value| value + 5.0).collect();
        let sharpness = Tensor::<1>::from_data(sharpness.as_slice(), &device).require_grad();
        let run =
            |body: fn(Tensor<3>, Tensor<3>, Tensor<2>, Tensor<2>, Tensor<2>, Tensor<1>) -> Tensor<3>| {
                body(
                    queries.clone(),
                    states.clone(),
                    along.clone(),
                    places.clone(),
                    nothing.clone(),
                    sharpness.clone(),
                )
            };
        let (fast, slow) = (run(cross_attend), run(reference::cross_attend));
        let at = format!("{batch} signals of {length}, {said} said, {heads} heads of {head}");
        let worst = difference(fast.clone(), slow.clone());
        assert!(worst < TOLERANCE, "{worst} at {at}");
        let pull = tensor([batch, length, width], 6).detach();
        let (fast, slow) = ((fast * pull.clone()).sum().backward(), (slow * pull).sum().backward());
        for leaf in [&queries, &states] {
            let worst = difference(leaf.grad(&fast).unwrap(), leaf.grad(&slow).unwrap());
            assert!(worst < CANCELLED, "gradient {worst} of {:?} at {at}", leaf.dims());
        }
        for leaf in [&along, &places, &nothing] {
            let worst = difference(leaf.grad(&fast).unwrap(), leaf.grad(&slow).unwrap());
            assert!(worst < CANCELLED, "gradient {worst} of {:?} at {at}", leaf.dims());
        }
        let worst = difference(sharpness.grad(&fast).unwrap(), sharpness.grad(&slow).unwrap());
        assert!(worst < CANCELLED, "gradient {worst} of the sharpness at {at}");
    }
}

#[test]
fn equal_keys_average_the_values() {
    // Two positions, one head of width 1: keys are equal, so both outputs are the mean of 2 and 6.
    let qkv = TensorData::new(vec![5f32, 1.0, 2.0, -3.0, 1.0, 6.0], [1, 2, 3]);
    let out =
        attend(Tensor::from_data(qkv, &Device::flex()), 1, Sight::All).try_into_vec_as::<f32>().unwrap();
    assert_eq!(out, [4.0, 4.0]);
}

#[test]
fn the_past_is_all_that_is_seen() {
    // The same two positions: the first sees itself alone.
    let qkv = TensorData::new(vec![5f32, 1.0, 2.0, -3.0, 1.0, 6.0], [1, 2, 3]);
    let out =
        attend(Tensor::from_data(qkv, &Device::flex()), 1, Sight::Past).try_into_vec_as::<f32>().unwrap();
    assert_eq!(out, [2.0, 4.0]);
}

#[test]
fn heads_do_not_mix() {
    // Head 0 sees equal keys (mean of values 2, 6); head 1's key of position 1 is far ahead.
    let qkv = vec![1f32, 1.0, 0.0, 0.0, 2.0, 10.0, 1.0, 1.0, 0.0, 100.0, 6.0, 20.0];
    let qkv = Tensor::from_data(TensorData::new(qkv, [1, 2, 6]), &Device::flex());
    assert_eq!(attend(qkv, 2, Sight::All).try_into_vec_as::<f32>().unwrap(), [4.0, 20.0, 4.0, 20.0]);
}

#[test]
fn convolutions_agree_with_their_reference() {
    // Pictures [B, h, w, C], outputs, kernel, stride, padding.
    for (pictures, outputs, kernel, stride, padding) in [
        ([1, 1, 1, 1], 1, [1, 1], 1, [0, 0]),
        ([1, 1, 1, 3], 2, [3, 3], 1, [1, 1]),
        ([2, 5, 7, 3], 5, [3, 3], 1, [1, 1]),
        ([3, 6, 5, 17], 33, [1, 1], 1, [0, 0]),
        ([2, 8, 6, 3], 19, [4, 4], 2, [1, 1]),
        ([1, 9, 7, 5], 3, [3, 3], 2, [1, 1]),
        ([2, 7, 7, 4], 6, [4, 4], 1, [1, 1]),
        ([1, 5, 4, 2], 2, [3, 3], 2, [0, 0]),
        ([1, 11, 13, 2], 3, [3, 3], 3, [2, 2]),
        ([1, 40, 130, 3], 7, [3, 3], 1, [1, 1]),
        ([5, 32, 32, 8], 16, [3, 3], 1, [1, 1]),
        ([2, 9, 8, 5], 7, [1, 7], 1, [0, 3]),
        ([2, 9, 8, 5], 7, [7, 1], 1, [3, 0]),
        ([1, 7, 10, 3], 4, [2, 5], 2, [0, 2]),
    ] {
        let case =
            format!("{pictures:?} → {outputs}, kernel {kernel:?}, stride {stride}, padding {padding:?}");
        let x = tensor(pictures, 1);
        let weight = tensor([outputs, pictures[3], kernel[0], kernel[1]], 2);
        let bias = tensor([outputs], 3);
        let fast = convolve(x.clone(), weight.clone(), bias.clone(), stride, padding);
        let slow = reference::convolve(x.clone(), weight.clone(), bias.clone(), stride, padding);
        let worst = difference(fast.clone(), slow.clone());
        assert!(worst < TOLERANCE, "{worst} at {case}");
        let pull = tensor(slow.dims(), 4).detach();
        let (fast, slow) = ((fast * pull.clone()).sum().backward(), (slow * pull).sum().backward());
        let worst = difference(x.grad(&fast).unwrap(), x.grad(&slow).unwrap());
        assert!(worst < TOLERANCE, "gradient of the input {worst} at {case}");
        let worst = difference(weight.grad(&fast).unwrap(), weight.grad(&slow).unwrap());
        assert!(worst < TOLERANCE, "gradient of the weight {worst} at {case}");
        let worst = difference(bias.grad(&fast).unwrap(), bias.grad(&slow).unwrap());
        assert!(worst < CANCELLED, "gradient of the bias {worst} at {case}");
    }
}

#[test]
fn layers_do_not_change_while_their_weights_stay() {
    // Panels of weights are kept from the third use on; the first two pack them anew. Without gradients, as in sampling.
    let plain = |tensor: Tensor<4>| tensor.without_autodiff();
    let x = plain(tensor([2, 7, 5, 6], 1));
    for (taps, seed) in [(3, 2), (1, 3), (3, 4)] {
        let (weight, bias) =
            (plain(tensor([10, 6, taps, taps], seed)), tensor::<1>([10], 5).without_autodiff());
        for dtype in [FloatDType::F32, FloatDType::BF16] {
            let (weight, bias) = (weight.clone().cast(dtype), bias.clone().cast(dtype));
            let again = || convolve(x.clone(), weight.clone(), bias.clone(), 1, [taps / 2; 2]).into_data();
            let first = again();
            assert!((0..4).all(|_| again() == first), "kernel of {taps}×{taps} in {dtype:?}");
            let (rows, flat) = (x.clone().reshape([14, 5 * 6]), weight.clone().flatten::<3>(2, 3));
            let flat: Tensor<2> = flat.reshape([10, 6 * taps * taps]).narrow(1, 0, 6).transpose();
            let layer = || affine(rows.clone().narrow(1, 0, 6), flat.clone(), bias.clone()).into_data();
            let first = layer();
            assert!((0..4).all(|_| layer() == first), "layer in {dtype:?}");
        }
    }
}

#[test]
fn a_convolution_sees_what_lies_around_a_pixel() {
    // A 2×3 picture; the kernel takes what lies to the right of a pixel and ten times what lies below it.
    let of = |values: Vec<f32>, shape: [usize; 4]| {
        Tensor::<4>::from_data(TensorData::new(values, shape), &Device::flex())
    };
    let x = of(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 2, 3, 1]);
    let weight = of(vec![0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 10.0, 0.0], [1, 1, 3, 3]);
    let out = convolve(x, weight, Tensor::from_floats([100.0], &Device::flex()), 1, [1, 1]);
    assert_eq!(out.try_into_vec_as::<f32>().unwrap(), [142.0, 153.0, 160.0, 105.0, 106.0, 100.0]);
}

#[test]
fn convolutions_in_bf16_and_their_gradients_stay_near_f32() {
    let (x, weight, bias) = (tensor([2, 9, 10, 12], 1), tensor([24, 12, 3, 3], 2), tensor([24], 3));
    let pull = tensor([2, 9, 10, 24], 4).detach();
    let run = |used: Tensor<4>, bias: Tensor<1>| {
        let out = convolve(x.clone(), used, bias, 1, [1, 1]);
        let gradients = (out.clone() * pull.clone()).sum().backward();
        (out, x.grad(&gradients).unwrap(), weight.grad(&gradients).unwrap())
    };
    let exact = run(weight.clone(), bias.clone());
    let rounded = run(weight.clone().cast(FloatDType::BF16), bias.cast(FloatDType::BF16));
    // As for layers: roundings of 2⁻⁹ each, which partly cancel in a sum.
    let worst =
        [difference(rounded.0, exact.0), difference(rounded.1, exact.1), difference(rounded.2, exact.2)];
    assert!(worst.iter().all(|worst| (1e-5..5e-3).contains(worst)), "{worst:?}");
}

#[test]
fn group_norm_agrees_with_its_reference() {
    type Norm = fn(Tensor<4>, Tensor<1>, Tensor<1>, usize) -> Tensor<4>;
    let gated: Norm = |x, gain, bias, groups| silu(reference::group_norm(x, gain, bias, groups));
    let pairs: [(Norm, Norm); 2] = [(group_norm, reference::group_norm), (group_norm_silu, gated)];
    for [batch, height, width, channels, groups] in
        [[1, 1, 1, 2, 1], [2, 3, 5, 6, 3], [3, 7, 4, 32, 32], [2, 40, 70, 48, 8], [1, 2, 2, 100, 4]]
    {
        for (fast, slow) in pairs {
            let x = tensor([batch, height, width, channels], 1);
            let (gain, bias) = (tensor([channels], 2), tensor([channels], 3));
            let [fast, slow] = [fast, slow].map(|norm| norm(x.clone(), gain.clone(), bias.clone(), groups));
            let case = format!("{batch}×{height}×{width}×{channels}, {groups} groups");
            let worst = difference(fast.clone(), slow.clone());
            assert!(worst < TOLERANCE, "{worst} at {case}");
            let pull = tensor([batch, height, width, channels], 4).detach();
            let (fast, slow) = ((fast * pull.clone()).sum().backward(), (slow * pull).sum().backward());
            let worst = difference(x.grad(&fast).unwrap(), x.grad(&slow).unwrap());
            assert!(worst < CANCELLED, "gradient of the input {worst} at {case}");
            for leaf in [&gain, &bias] {
                let worst = difference(leaf.grad(&fast).unwrap(), leaf.grad(&slow).unwrap());
                assert!(worst < CANCELLED, "gradient of gain or bias {worst} at {case}");
            }
        }
    }
}

#[test]
fn a_mixtures_likelihood_agrees_with_its_reference() {
    // Within a block of rows, at its end, beyond it; more components than numbers of a block.
    for (rows, components) in [(1, 1), (3, 7), (17, 1000), (64, 256), (65, 256), (2, 20_000)] {
        let logits = tensor([rows, components], 1);
        let distances = (tensor::<2>([rows, components], 2) + 4.0) * 3.0;
        let weight = tensor([rows], 3).detach();
        let fast = mixture::log_likelihood(logits.clone(), distances.clone());
        let slow = mixture::reference::log_likelihood(logits.clone(), distances.clone());
        let case = format!("{rows} rows of {components}");
        let worst = difference(fast.clone(), slow.clone());
        assert!(worst < TOLERANCE, "{worst} at {case}");
        let mass = mixture::posterior_mass(logits.clone(), distances.clone(), weight.clone());
        let expected = mixture::reference::posterior_mass(logits.clone(), distances, weight.clone());
        let worst = difference(mass, expected.without_autodiff());
        assert!(worst < TOLERANCE, "mass {worst} at {case}");

        let leaf = tensor::<2>([rows, components], 2);
        let gradients = |body: fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
            let gradients = (body(logits.clone(), leaf.clone()) * weight.clone()).sum().backward();
            (logits.grad(&gradients).unwrap(), leaf.grad(&gradients).unwrap())
        };
        let (fast, slow) =
            (gradients(mixture::log_likelihood), gradients(mixture::reference::log_likelihood));
        let worst = [difference(fast.0, slow.0), difference(fast.1, slow.1)];
        assert!(worst.iter().all(|worst| *worst < TOLERANCE), "gradients {worst:?} at {case}");
    }
    assert_eq!(mixture::log_likelihood(tensor([0, 5], 1), tensor([0, 5], 2)).dims(), [0]);
    assert_eq!(mixture::posterior_mass(tensor([0, 5], 1), tensor([0, 5], 2), tensor([0], 3)).dims(), [5]);
}

#[test]
fn a_mixtures_features_agree_with_their_reference() {
    for (rows, vector, rank) in [(1, 1, 1), (3, 7, 2), (17, 64, 16), (40, 31, 5)] {
        let (y, mixer) = (tensor::<2>([rows, vector], 1), tensor::<2>([rows, rank], 2));
        let weight = tensor([rows, vector * rank + vector + rank + rank * rank], 3).detach();
        let values_and_gradients = |body: fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
            let features = body(y.clone(), mixer.clone());
            let gradients = (features.clone() * weight.clone()).sum().backward();
            [features, y.grad(&gradients).unwrap(), mixer.grad(&gradients).unwrap()]
        };
        let fast = values_and_gradients(mixture::features);
        let slow = values_and_gradients(mixture::reference::features);
        for (what, (fast, slow)) in ["features", "y", "mixer"].iter().zip(fast.into_iter().zip(slow)) {
            let worst = difference(fast, slow);
            assert!(worst < TOLERANCE, "{what}: {worst} at {rows} rows of {vector} and {rank}");
        }
    }
    // The reference is no judge here: Flex reads beyond empty tensors.
    let nothing = mixture::features(tensor([0, 3], 1), tensor([0, 2], 2));
    assert_eq!(nothing.dims(), [0, 15]);
}

#[test]
fn a_likelihood_of_something_that_is_no_number_is_none() {
    let of = |values: [f32; 4]| Tensor::<2>::from_floats([values], &Device::flex());
    let (logits, distances) = (of([1.0, 2.0, 3.0, 4.0]), of([1.0, f32::NAN, 1.0, 1.0]));
    assert!(mixture::log_likelihood(logits.clone(), distances.clone()).into_scalar::<f32>().is_nan());
    assert!(mixture::log_likelihood(distances, logits).into_scalar::<f32>().is_nan());
}
