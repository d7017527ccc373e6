//! Residual quantization: hand-derived codes, and the fast bodies against the reference over odd shapes.

mod common;

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::devices;
use resgen_kernels::quantizer::{embed, quantize, reference};

fn floats<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn spans(spans: &[Range<i32>], device: &Device) -> Tensor<2, Int> {
    let ends: Vec<i32> = spans.iter().flat_map(|span| [span.start, span.end]).collect();
    Tensor::from_data(TensorData::new(ends, [spans.len(), 2]), device)
}

fn read(codes: Tensor<2, Int>) -> Vec<i32> {
    codes.try_into_vec_as().unwrap()
}

/// Whole numbers from −4 to 4: distances are exact in f32 whatever the order of their sums, and ties are common.
fn whole(count: usize, seed: u64) -> Vec<f32> {
    let mixed = |index: u64| (seed << 32 | index).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    (0..count as u64).map(|index| (mixed(index) % 9) as f32 - 4.0).collect()
}

/// Spans of all kinds: whole, cut at either end, empty.
fn spread(rows: usize, depth: usize) -> Vec<Range<i32>> {
    let depth = depth as i32;
    (0..rows as i32).map(|row| row * 7 % (depth + 1)..depth - row % 5 / 3).collect()
}

type Quantize = fn(Tensor<2>, Tensor<3>, Tensor<2, Int>, usize) -> Tensor<2, Int>;
const BODIES: [Quantize; 2] = [quantize, reference::quantize];

#[test]
fn every_depth_encodes_what_is_left() {
    for device in devices() {
        for body in BODIES {
            // Coarse {0, 10}, fine {−1, +1}: 9.2 → 10 − 1, 0.4 → 0 + 1, 11 → 10 + 1.
            let vectors = floats(vec![0.0, 10.0, -1.0, 1.0], [2, 2, 1], &device);
            let latents = floats(vec![9.2, 0.4, 11.0], [3, 1], &device);
            let all = body(latents.clone(), vectors.clone(), spans(&[0..2, 0..2, 0..2], &device), 2);
            assert_eq!(read(all), [1, 0, 0, 1, 1, 1]);
            // From the second depth on: only the sign counts. From the third: nothing is quantized.
            let some = body(latents.clone(), vectors.clone(), spans(&[0..2, 1..2, 2..2], &device), 2);
            assert_eq!(read(some), [1, 0, 0, 1, 0, 0]);
            // Up to the second: the coarse code alone.
            let some = body(latents, vectors, spans(&[0..1, 0..0, 1..1], &device), 2);
            assert_eq!(read(some), [1, 0, 0, 0, 0, 0]);
        }
    }
}

#[test]
fn of_equally_near_codes_the_first_is_taken() {
    for device in devices() {
        // The reference takes what the backend's argmin does; the fast bodies promise the first.
        let vectors = floats(vec![3.0, 1.0, -1.0, 1.0, -1.0], [1, 5, 1], &device);
        let codes = quantize(
            floats(vec![0.0], [1, 1], &device),
            vectors,
            spans(std::slice::from_ref(&(0..3)), &device),
            3,
        );
        // 0 is as near to 1 as to −1; what is left of it, −1, is a code, and then 0 is left again.
        assert_eq!(read(codes), [1, 2, 1]);
    }
}

#[test]
fn bodies_agree_over_odd_shapes() {
    // rows, books, V, H, D
    let shapes = [
        (1, 1, 1, 1, 1),
        (3, 2, 5, 3, 2),
        (0, 2, 4, 3, 2),
        (97, 1, 33, 7, 5),
        (50, 3, 257, 64, 3),
        (11, 9, 130, 31, 9),
        (8, 1, 1024, 256, 2),
    ];
    for (rows, books, vocabulary, width, depth) in shapes {
        let span = spread(rows, depth);
        let on = |device: &Device, body: Quantize| {
            let latents = floats(whole(rows * width, 1), [rows, width], device);
            let vectors = floats(whole(books * vocabulary * width, 2), [books, vocabulary, width], device);
            read(body(latents, vectors, spans(&span, device), depth))
        };
        let expected = on(&Device::flex(), reference::quantize);
        for device in devices() {
            let found = on(&device, quantize);
            assert!(found == expected, "{rows} rows, {books} books of {vocabulary}×{width}, {depth} depths");
        }
    }
}

#[test]
fn more_distances_than_a_slice_holds_make_no_difference() {
    // The reference works in slices of 2²⁴ distances.
    let (rows, vocabulary) = ((1 << 12) + 3, 1 << 12);
    let line = |count: usize| (0..count).map(|value| value as f32).collect::<Vec<_>>();
    let device = Device::flex();
    let latents = floats(line(rows), [rows, 1], &device);
    let vectors = floats(line(vocabulary), [1, vocabulary, 1], &device);
    let expected: Vec<i32> = (0..rows as i32).map(|row| row.min(vocabulary as i32 - 1)).collect();
    for body in BODIES {
        assert!(
            read(body(latents.clone(), vectors.clone(), spans(&vec![0..1; rows], &device), 1)) == expected
        );
    }
}

#[test]
fn codes_become_the_sum_of_their_vectors() {
    for device in devices() {
        for body in [embed, reference::embed] {
            let codes = || Tensor::from_data(TensorData::new(vec![1, 0, 1, 1, 0, 0], [3, 2]), &device);
            let vectors = floats(vec![0.0, 10.0, -1.0, 1.0], [2, 2, 1], &device);
            let sums = |span: &[Range<i32>]| {
                body(codes(), vectors.clone(), spans(span, &device)).try_into_vec_as::<f32>().unwrap()
            };
            assert_eq!(sums(&[0..2, 0..2, 0..2]), [9.0, 11.0, -1.0]);
            assert_eq!(sums(&[0..1, 1..2, 2..2]), [10.0, 1.0, 0.0]);
        }
    }
}

#[test]
fn sums_agree_over_odd_shapes() {
    // rows, books, V, H, D'
    for (rows, books, vocabulary, width, depth) in
        [(1, 1, 1, 1, 1), (0, 2, 4, 3, 2), (3, 2, 5, 3, 0), (97, 1, 33, 7, 5), (50, 9, 130, 31, 8)]
    {
        let span = spread(rows, depth);
        type Embed = fn(Tensor<2, Int>, Tensor<3>, Tensor<2, Int>) -> Tensor<2>;
        let on = |device: &Device, body: Embed| {
            let codes = (0..rows * depth).map(|index| (index * 31 % vocabulary) as i32).collect();
            let codes = Tensor::from_data(TensorData::new::<i32, _>(codes, [rows, depth]), device);
            let vectors = floats(whole(books * vocabulary * width, 2), [books, vocabulary, width], device);
            body(codes, vectors, spans(&span, device)).try_into_vec_as::<f32>().unwrap()
        };
        let expected = on(&Device::flex(), reference::embed);
        for device in devices() {
            assert_eq!(on(&device, embed), expected, "{rows} rows, {books} books of {vocabulary}×{width}");
        }
    }
}

#[test]
fn other_vectors_are_searched_once_they_change() {
    // Codebooks are kept packed as long as they are there: new ones often come to lie where old ones were.
    let device = Device::flex();
    for seed in 0..20 {
        let latents = floats(whole(9 * 5, 99), [9, 5], &device);
        let vectors = floats(whole(2 * 21 * 5, seed), [2, 21, 5], &device);
        let codes =
            |body: Quantize| read(body(latents.clone(), vectors.clone(), spans(&spread(9, 2), &device), 2));
        assert_eq!(codes(quantize), codes(reference::quantize), "seed {seed}");
        assert_eq!(codes(quantize), codes(quantize));
    }
}
