//! The sampling operations: hand-derived values, and the CPU's bodies against the reference over odd shapes.

mod common;

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::devices;
use resgen_kernels::sampling::{Nucleus, Reveal, choose_components, reference, reveal_counts};

/// Values in [0, 1) that look independent, different for every seed (SplitMix64).
fn uniforms(count: usize, seed: u64) -> Vec<f32> {
    let mixed = |index: u64| {
        let word = (seed << 32 | index).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    };
    (0..count as u64).map(|index| (mixed(index) >> 40) as f32 / (1 << 24) as f32).collect()
}

fn floats<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn integers<const D: usize>(values: Vec<i32>, shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn read<const D: usize>(values: Tensor<D, Int>) -> Vec<i32> {
    values.try_into_vec_as().unwrap()
}

type Choose = Box<dyn Fn(Tensor<2>, Tensor<1>, Nucleus) -> Tensor<1, Int>>;

/// The reference, then the body of every device.
fn choosers() -> Vec<Choose> {
    let on = |device: Device| -> Choose {
        Box::new(move |logits, uniform, nucleus| {
            let chosen = choose_components(logits.to_device(&device), uniform.to_device(&device), nucleus);
            chosen.to_device(&Device::flex())
        })
    };
    std::iter::once(Box::new(reference::choose_components) as Choose)
        .chain(devices().into_iter().map(on))
        .collect()
}

type Count = Box<dyn Fn(Tensor<2>, Tensor<3>, Tensor<2, Int>, Reveal) -> Tensor<2, Int>>;

/// The reference, then the body of every device.
fn counters() -> Vec<Count> {
    let on = |device: Device| -> Count {
        Box::new(move |surety, gumbel, masked, reveal| {
            let (surety, gumbel) = (surety.to_device(&device), gumbel.to_device(&device));
            reveal_counts(surety, gumbel, masked.to_device(&device), reveal).to_device(&Device::flex())
        })
    };
    std::iter::once(Box::new(reference::reveal_counts) as Count)
        .chain(devices().into_iter().map(on))
        .collect()
}

/// The choices in rows of probabilities 0.2, 0.5, 0.3, shifted by a constant that softmax ignores.
fn chosen(choose: &Choose, nucleus: Nucleus, uniform: &[f32]) -> Vec<i32> {
    let row = [0.2f32.ln() + 1.0, 0.5f32.ln() + 1.0, 0.3f32.ln() + 1.0];
    let logits = floats(row.repeat(uniform.len()), [uniform.len(), 3]);
    read(choose(logits, floats(uniform.to_vec(), [uniform.len()]), nucleus))
}

#[test]
fn everything_is_kept_at_top_p_one() {
    let all = Nucleus { temperature: 1.0, top_p: 1.0 };
    for choose in &choosers() {
        // Cumulated in order of index: 0.2, 0.7, 1.
        assert_eq!(chosen(choose, all, &[0.0, 0.19, 0.21, 0.69, 0.71, 0.999]), [0, 0, 1, 1, 2, 2]);
    }
}

#[test]
fn the_tail_is_cut_and_the_rest_rescaled() {
    for choose in &choosers() {
        // 0.5 < 0.7 ≤ 0.8, so 1 and 2 remain with 0.625 and 0.375.
        let most = Nucleus { temperature: 1.0, top_p: 0.7 };
        assert_eq!(chosen(choose, most, &[0.0, 0.62, 0.63, 0.999]), [1, 1, 2, 2]);
        // A mass of almost nothing keeps the most probable one.
        assert_eq!(chosen(choose, Nucleus { top_p: 1e-6, ..most }, &[0.0, 0.999]), [1, 1]);
    }
}

#[test]
fn temperature_sharpens_down_to_the_maximum() {
    for choose in &choosers() {
        // Squares 0.04, 0.25, 0.09 of 0.38: cumulated 0.105, 0.763, 1.
        let sharp = Nucleus { temperature: 0.5, top_p: 1.0 };
        assert_eq!(chosen(choose, sharp, &[0.10, 0.11, 0.76, 0.77]), [0, 1, 1, 2]);
        assert_eq!(chosen(choose, Nucleus { temperature: 0.0, ..sharp }, &[0.0, 0.999]), [1, 1]);
    }
}

#[test]
fn impossible_choices_are_never_made() {
    let logits = || floats([f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY].repeat(2), [2, 3]);
    let uniform = || floats(vec![0.0, 1.0 - f32::EPSILON / 2.0], [2]);
    let all = Nucleus { temperature: 1.0, top_p: 1.0 };
    // The reference may fall off the end by rounding.
    for choose in &choosers()[1..] {
        assert_eq!(read(choose(logits(), uniform(), all)), [1, 1]);
        assert_eq!(read(choose(logits(), uniform(), Nucleus { top_p: 0.5, ..all })), [1, 1]);
    }
}

#[test]
fn choices_agree_with_the_reference() {
    for (rows, choices) in [(1, 1), (3, 2), (7, 13), (200, 128), (5, 1000)] {
        for (temperature, top_p) in [(1.0, 0.95), (1.0, 1.0), (0.3, 0.5), (4.0, 0.1), (0.0, 0.9)] {
            let logits = uniforms(rows * choices, 1).into_iter().map(|value| 8.0 * value).collect();
            let (logits, uniform) = (floats(logits, [rows, choices]), floats(uniforms(rows, 2), [rows]));
            let nucleus = Nucleus { temperature, top_p };
            let found =
                choosers().into_iter().map(|choose| read(choose(logits.clone(), uniform.clone(), nucleus)));
            let found: Vec<Vec<i32>> = found.collect();
            for fast in &found[1..] {
                // Sums in another order may put a number that falls on a border on its other side.
                let differ = found[0].iter().zip(fast).filter(|(a, b)| a != b).count();
                assert!(differ * 100 <= rows, "{differ} of {rows} rows of {choices}, {nucleus:?}");
            }
        }
    }
}

fn counted(count: &Count, surety: &[f32], masked: &[i32], reveal: Reveal) -> Vec<i32> {
    let positions = surety.len();
    let gumbel = floats(uniforms(positions * 3, 5), [1, positions, 3]);
    read(count(
        floats(surety.to_vec(), [1, positions]),
        gumbel,
        integers(masked.to_vec(), [1, positions]),
        reveal,
    ))
}

#[test]
fn without_noise_the_surest_positions_are_revealed_whole() {
    for count in &counters() {
        let of = |surety: &[f32], reveal| {
            counted(count, surety, &[2, 3, 0], Reveal { count: reveal, temperature: 0.0 })
        };
        assert_eq!(of(&[1.0, 2.0, 9.0], 4), [1, 3, 0]);
        // Of equal scores the earlier goes first; what is no number goes last; there may be too few.
        assert_eq!(of(&[1.0, 1.0, 1.0], 3), [2, 1, 0]);
        assert_eq!(of(&[f32::NAN, -5.0, 1.0], 4), [1, 3, 0]);
        assert_eq!(of(&[1.0, 2.0, 9.0], 9), [2, 3, 0]);
        assert_eq!(of(&[1.0, 2.0, 9.0], 0), [0, 0, 0]);
    }
}

#[test]
fn only_the_noise_of_masked_tokens_counts() {
    for count in &counters() {
        // One masked token each: the last, whose noise decides.
        let gumbel = floats(vec![9.0, 9.0, 0.0, 0.0, 0.0, 1.0], [1, 2, 3]);
        let masked = integers(vec![1, 1], [1, 2]);
        let reveal = Reveal { count: 1, temperature: 1.0 };
        assert_eq!(read(count(floats(vec![0.0; 2], [1, 2]), gumbel, masked, reveal)), [0, 1]);
    }
}

#[test]
fn counts_agree_with_the_reference() {
    for [batch, positions, depth] in [[1, 1, 1], [2, 3, 5], [3, 16, 4], [1, 64, 3]] {
        let tokens = batch * positions * depth;
        // Coarse steps, so that there are ties.
        let coarse = |values: Vec<f32>| values.into_iter().map(|value| (value * 4.0).floor()).collect();
        let surety = floats(coarse(uniforms(batch * positions, 1)), [batch, positions]);
        let gumbel = floats(coarse(uniforms(tokens, 2)), [batch, positions, depth]);
        let masked = uniforms(batch * positions, 3);
        let masked = masked.into_iter().map(|value| (value * (depth + 1) as f32) as i32).collect();
        let masked = integers(masked, [batch, positions]);
        for count in [0, 1, positions * depth / 3, positions * depth] {
            for temperature in [0.0, 0.7] {
                let reveal = Reveal { count, temperature };
                let found = counters().into_iter();
                let found = found
                    .map(|counter| read(counter(surety.clone(), gumbel.clone(), masked.clone(), reveal)));
                let found: Vec<Vec<i32>> = found.collect();
                assert!(found.iter().all(|fast| fast == &found[0]), "{batch} {positions} {depth} {reveal:?}");
            }
        }
    }
}

#[test]
fn with_much_noise_every_token_is_as_likely() {
    // Position 0 holds 3 of 4 tokens: it is the one revealed with probability 3/4.
    let draws = 4000;
    let gumbel = uniforms(draws * 6, 7).into_iter().map(|uniform| -(-uniform.max(1e-9).ln()).ln()).collect();
    let counts = read(reveal_counts(
        floats([0.0, 5.0].repeat(draws), [draws, 2]),
        floats(gumbel, [draws, 2, 3]),
        integers([3, 1].repeat(draws), [draws, 2]),
        Reveal { count: 1, temperature: 1e9 },
    ));
    let first = counts.chunks(2).filter(|counts| counts[0] == 1).count();
    // Standard deviation of the share is √(3/16/4000) = 0.0068.
    assert!((first as f64 / draws as f64 - 0.75).abs() < 0.035, "{first}");
}
