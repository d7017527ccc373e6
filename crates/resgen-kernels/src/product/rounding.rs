//! Numbers rounded to bf16, many at once.

use burn::tensor::bf16;

use crate::isa::{Isa, for_every_isa};

/// Numbers that become bf16.
pub trait Rounds: Copy + Sync {
    /// The bits of the nearest bf16 of each.
    fn round_all(values: &[Self], out: &mut [u16]);

    /// Those of two rows, number beside number.
    fn round_pairs(even: &[Self], odd: &[Self], out: &mut [[u16; 2]]);
}

impl Rounds for f32 {
    fn round_all(values: &[Self], out: &mut [u16]) {
        round(Isa::best(), values, out);
    }

    fn round_pairs(even: &[Self], odd: &[Self], out: &mut [[u16; 2]]) {
        round_pairs(Isa::best(), even, odd, out);
    }
}

impl Rounds for bf16 {
    fn round_all(values: &[Self], out: &mut [u16]) {
        out.iter_mut().zip(values).for_each(|(out, value)| *out = value.to_bits());
    }

    fn round_pairs(even: &[Self], odd: &[Self], out: &mut [[u16; 2]]) {
        let pairs = even.iter().zip(odd);
        out.iter_mut().zip(pairs).for_each(|(out, (even, odd))| *out = [even.to_bits(), odd.to_bits()]);
    }
}

/// Those that are rounded already, as bits.
impl Rounds for u16 {
    fn round_all(values: &[Self], out: &mut [u16]) {
        out.copy_from_slice(values);
    }

    fn round_pairs(even: &[Self], odd: &[Self], out: &mut [[u16; 2]]) {
        interleave(Isa::best(), even, odd, out);
    }
}

for_every_isa! {
    /// Number beside number.
    fn interleave(even: &[u16], odd: &[u16], out: &mut [[u16; 2]]) {
        for (out, (even, odd)) in out.iter_mut().zip(even.iter().zip(odd)) {
            *out = [*even, *odd];
        }
    }
}

/// To the nearest, to the even one of two; without a branch, so that it becomes vectors.
#[inline(always)]
fn nearest(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16;
    let no_number = bits >> 16 | 0x40; // one that stays one where its lower half is cut off
    (if value.is_nan() { no_number } else { rounded }) as u16
}

for_every_isa! {
    /// The nearest bf16 of every number.
    fn round(values: &[f32], out: &mut [u16]) {
        for (out, value) in out.iter_mut().zip(values) {
            *out = nearest(*value);
        }
    }
}

for_every_isa! {
    /// See [`Rounds::round_pairs`].
    fn round_pairs(even: &[f32], odd: &[f32], out: &mut [[u16; 2]]) {
        for (out, (even, odd)) in out.iter_mut().zip(even.iter().zip(odd)) {
            *out = [nearest(*even), nearest(*odd)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_rounds_as_the_library_does() {
        let special =
            [0.0, -0.0, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE];
        let ties = [0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 1, 0x8000, 0x7F80_0001, 0xFFFF_FFFF];
        let spread = (0..3000u32).map(|index| f32::from_bits(index.wrapping_mul(2_654_435_761)));
        let values: Vec<f32> = special.into_iter().chain(ties.map(f32::from_bits)).chain(spread).collect();
        let expected: Vec<u16> = values.iter().map(|value| bf16::from_f32(*value).to_bits()).collect();
        let others: Vec<f32> = values.iter().rev().copied().collect();
        for isa in Isa::available() {
            let mut found = vec![0; values.len()];
            round(isa, &values, &mut found);
            assert_eq!(found, expected, "{isa:?}");
            let mut found = vec![[0; 2]; values.len()];
            round_pairs(isa, &values, &others, &mut found);
            let pairs: Vec<[u16; 2]> =
                expected.iter().copied().zip(expected.iter().rev().copied()).map(Into::into).collect();
            assert_eq!(found, pairs, "{isa:?}");
        }
    }
}
