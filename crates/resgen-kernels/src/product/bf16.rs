//! Products of numbers rounded to bf16, added up in f32, by the processor's own instructions for that.
//!
//! 1. The right matrix is packed into panels of [`COLUMNS`] columns; two numbers that are multiplied with the same column
//!    and added up together lie side by side (`[K/2, COLUMNS, 2]`, in two halves of 16 columns).
//! 2. Blocks of rows of the left matrix are shared out to the threads; each rounds and copies its own.
//! 3. A tile of rows meets a panel: their part of the result is added up in registers.
//!
//! An instruction set is used only after it has given the right product once (see [`Unit::best`]).

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::matrix::Finish;
use super::rounding::Rounds;
use super::rows::Rows;
use super::view::View;
use crate::isa::{Isa, for_every_isa};
use crate::loops::gelu;
use crate::scratch::with_scratch;

/// Columns of a panel.
const COLUMNS: usize = 32;
/// Columns of half a panel: a row of it fills the widest register, 16 pairs.
const HALF: usize = 16;
/// What the number of terms of a sum is filled up to, with zeros: the width of an AMX tile.
const TERMS: usize = 32;
/// Numbers of a block of the left matrix: it stays in the second-level cache.
const BLOCK: usize = 96 * 1024;
/// Panels that are packed together.
const NEIGHBOURS: usize = 4;
/// Columns of a left matrix that are packed together, where those lie together: they fill a line of the cache.
const TOGETHER: usize = 32;

/// Instructions that multiply bf16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// None: numbers one by one. It says what the others have to do, and is never the best.
    Portable,
    /// Vectors of 32, AVX512_BF16.
    Avx512,
    /// Tiles of 16 by 32, AMX-BF16.
    Amx,
}

impl Unit {
    /// Those that this processor and its system have, the slowest first.
    pub fn available() -> Vec<Self> {
        [Self::Portable, Self::Avx512, Self::Amx].into_iter().filter(|unit| unit.is_there()).collect()
    }

    fn is_there(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => super::avx512::is_there(),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => super::amx::is_there(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Amx => false,
        }
    }

    /// The fastest that is there and has just multiplied two small matrices right.
    pub fn best() -> Option<Self> {
        static BEST: OnceLock<Option<Unit>> = OnceLock::new();
        let find = || Self::available().into_iter().skip(1).rev().find(|unit| unit.multiplies_right());
        *BEST.get_or_init(find)
    }

    fn multiplies_right(self) -> bool {
        // Sums of small whole numbers are exact.
        let (m, k, n) = (35, 67, 33);
        let a: Vec<f32> = (0..m * k).map(|index| (index % 7) as f32 - 3.0).collect();
        let b: Vec<f32> = (0..k * n).map(|index| (index % 5) as f32 - 2.0).collect();
        let mut out = vec![f32::NAN; m * n];
        let (a, b) = (View::new(&a, m, k), View::new(&b, k, n));
        let mut panels = vec![0; panels_size(b)];
        pack(b, &mut panels);
        Right::new(self, b, &panels).multiply(&Rows::of(a), 0, &mut out);
        (0..m * n).all(|place| {
            let (row, column) = (place / n, place % n);
            let terms = (0..k).map(|term| a.values[row * k + term] * b.values[term * n + column]);
            terms.sum::<f32>() == out[place]
        })
    }

    /// Rows of a tile.
    pub fn rows(self) -> usize {
        match self {
            Self::Portable | Self::Avx512 => 12,
            Self::Amx => 32,
        }
    }

    /// What the rows of smaller tiles are multiples of.
    pub fn least_rows(self) -> usize {
        match self {
            Self::Portable | Self::Avx512 => 4,
            Self::Amx => 32,
        }
    }

    /// Rows of a tile of which so many are wanted.
    fn rows_for(self, wanted: usize) -> usize {
        wanted.next_multiple_of(self.least_rows()).clamp(self.least_rows(), self.rows())
    }

    /// Adds up the product of a tile and a panel.
    ///
    /// # Shapes
    /// tile `[rows, K]`, panel `[2, K/2, HALF, 2]` → sums `[rows, COLUMNS]`; K is a multiple of [`TERMS`], and rows are
    /// what [`Unit::rows_for`] gives
    fn multiply(self, tile: &[u16], panel: &[u16], sums: &mut [f32]) {
        let (terms, rows) = (panel.len() / COLUMNS, sums.len() / COLUMNS);
        assert!(terms.is_multiple_of(TERMS) && rows == self.rows_for(rows));
        assert!(tile.len() == rows * terms && panel.len() == terms * COLUMNS && sums.len() == rows * COLUMNS);
        match self {
            Self::Portable => multiply_one_by_one(tile, panel, sums, terms),
            // SAFETY: the value exists only where the instructions do, and the sizes were just checked.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { super::avx512::multiply(tile, panel, sums, terms) },
            // SAFETY: as above; tiles are set up by whoever holds an `amx::Tiles`.
            #[cfg(target_arch = "x86_64")]
            Self::Amx => unsafe { super::amx::multiply(tile, panel, sums, terms) },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Amx => unreachable!("instructions of another processor"),
        }
    }
}

/// See [`Unit::multiply`].
fn multiply_one_by_one(tile: &[u16], panel: &[u16], sums: &mut [f32], terms: usize) {
    let value = |bits: u16| f32::from_bits(u32::from(bits) << 16);
    let (halves, pairs) = (panel.as_chunks::<{ 2 * HALF }>().0, terms / 2);
    for (row, sums) in sums.chunks_exact_mut(COLUMNS).enumerate() {
        for (column, sum) in sums.iter_mut().enumerate() {
            let term = |term: usize| {
                let pair = halves[column / HALF * pairs + term / 2];
                value(tile[row * terms + term]) * value(pair[2 * (column % HALF) + term % 2])
            };
            *sum = (0..terms).map(term).sum();
        }
    }
}

/// Numbers of the panels of a matrix, `[panels, 2, K/2, HALF, 2]`.
pub fn panels_size<B>(b: View<B>) -> usize {
    b.columns.div_ceil(COLUMNS) * COLUMNS * b.rows.next_multiple_of(TERMS)
}

/// Packs the panels of a matrix, [`panels_size`] numbers, by all threads.
pub fn pack<B: Rounds>(b: View<B>, panels: &mut [u16]) {
    let terms = b.rows.next_multiple_of(TERMS);
    let parts = panels.par_chunks_mut((NEIGHBOURS * COLUMNS * terms).max(1)).enumerate();
    parts.for_each(|(part, out)| pack_panels(b, part * NEIGHBOURS * COLUMNS, terms, out));
}

/// Columns from `first` on as `[panels, 2, K/2, HALF, 2]`, with zeros where there are no more rows or columns.
fn pack_panels<B: Rounds>(b: View<B>, first: usize, terms: usize, out: &mut [u16]) {
    out.fill(0);
    let halves = out.as_chunks_mut::<2>().0.as_chunks_mut::<HALF>().0; // [panels · 2 · K/2] of [HALF, 2]
    let pairs = terms / 2;
    let count = (halves.len() / pairs.max(1) * HALF).min(b.columns - first);
    if b.column_step == 1 {
        let row = |row: usize| &b.values[row * b.row_step + first..][..count];
        for pair in 0..b.rows / 2 {
            let rows = row(2 * pair).chunks(HALF).zip(row(2 * pair + 1).chunks(HALF));
            for (half, (even, odd)) in rows.enumerate() {
                B::round_pairs(even, odd, &mut halves[half * pairs + pair][..even.len()]);
            }
        }
    } else {
        assert_eq!(b.row_step, 1, "a matrix that lies together in neither direction");
        with_scratch(b.rows, |rounded: &mut [u16]| {
            for column in 0..count {
                B::round_all(&b.values[(first + column) * b.column_step..][..b.rows], rounded);
                let out = halves[column / HALF * pairs..].iter_mut();
                let rounded = rounded.as_chunks::<2>().0;
                out.zip(rounded).for_each(|(out, pair)| out[column % HALF] = *pair);
            }
        });
    }
    if !b.rows.is_multiple_of(2) {
        let last =
            b.values[(b.rows - 1) * b.row_step + first * b.column_step..].iter().step_by(b.column_step);
        for (column, value) in last.take(count).enumerate() {
            let out = &mut halves[column / HALF * pairs + b.rows / 2][column % HALF];
            B::round_all(&[*value], &mut out[..1]);
        }
    }
}

/// `count` rows from `first` on as `[rows, K]`, with zeros where there are no more rows or columns.
fn pack_rows<T: Rounds>(a: &Rows<T>, first: usize, count: usize, terms: usize, out: &mut [u16]) {
    let columns = a.columns();
    out[count * terms..].fill(0);
    for out in out.chunks_exact_mut(terms.max(1)) {
        out[columns..].fill(0);
    }
    if a.lies_in_rows() {
        let parts = a.parts();
        for (row, out) in out.chunks_exact_mut(terms.max(1)).enumerate().take(count) {
            for (index, part) in parts.iter().cloned().enumerate() {
                T::round_all(a.part_of_row(first + row, index), &mut out[part]);
            }
        }
        return;
    }
    // A few columns at a time, so that what is written to a row lies together; and two of them as one, as half as many moves.
    with_scratch((TOGETHER + 2) * count, |scratch: &mut [u16]| {
        let (pairs, two) = scratch.split_at_mut(TOGETHER * count);
        let (pairs, (even, odd)) = (pairs.as_chunks_mut::<2>().0, two.split_at_mut(count));
        let round = |column: usize, rounded: &mut [u16]| {
            if column >= columns {
                return rounded.fill(0);
            }
            a.stretches_of_column(column, first..first + count, |from, values| {
                T::round_all(values, &mut rounded[from - first..][..values.len()]);
            });
        };
        for from in (0..columns).step_by(TOGETHER) {
            let some = TOGETHER.min((columns - from).next_multiple_of(2));
            for (pair, pairs) in pairs.chunks_exact_mut(count.max(1)).enumerate().take(some / 2) {
                round(from + 2 * pair, even);
                round(from + 2 * pair + 1, odd);
                u16::round_pairs(even, odd, pairs);
            }
            for (row, out) in out.chunks_exact_mut(terms).enumerate().take(count) {
                let out = out[from..from + some].as_chunks_mut::<2>().0;
                out.iter_mut().enumerate().for_each(|(pair, out)| *out = pairs[pair * count + row]);
            }
        }
    });
}

/// A right matrix, packed, and what is done with a product.
pub struct Right<'a> {
    /// Which instructions multiply.
    pub unit: Unit,
    panels: &'a [u16],
    inner: usize,
    terms: usize,
    columns: usize,
    bias: Option<&'a [f32]>,
    finish: Finish,
}

impl<'a> Right<'a> {
    /// Of what [`pack`] made of `b`.
    pub fn new<B>(unit: Unit, b: View<B>, panels: &'a [u16]) -> Self {
        let (inner, columns) = (b.rows, b.columns);
        let terms = inner.next_multiple_of(TERMS);
        Self { unit, panels, inner, terms, columns, bias: None, finish: Finish::Plain }
    }

    /// With what is done to every sum: a bias added, then changed.
    pub fn followed_by(self, bias: Option<&'a [f32]>, finish: Finish) -> Self {
        Self { bias, finish, ..self }
    }

    /// Rows that stay in the second-level cache.
    pub fn fitting_rows(&self) -> usize {
        BLOCK / self.terms.max(1)
    }

    /// Rows of the result, from `start` on, as many as there is room for in `out`.
    ///
    /// # Panics
    /// Where inner sizes differ, or the bias has another size.
    pub fn multiply<T: Rounds>(&self, a: &Rows<T>, start: usize, out: &mut [f32]) {
        assert_eq!(a.columns(), self.inner, "inner sizes of a product");
        assert!(self.bias.is_none_or(|bias| bias.len() == self.columns), "size of a bias");
        let (rows, tile_rows, terms) = (out.len() / self.columns, self.unit.rows(), self.terms);
        #[cfg(target_arch = "x86_64")]
        let _tiles = (self.unit == Unit::Amx).then(super::amx::Tiles::set_up);
        with_scratch(rows.next_multiple_of(tile_rows) * terms, |block: &mut [u16]| {
            pack_rows(a, start, rows, terms, block);
            let mut sums = [0.0; 32 * COLUMNS];
            let mut bias = [0.0; COLUMNS];
            for first in (0..self.columns).step_by(COLUMNS) {
                let panel = &self.panels[first * terms..][..COLUMNS * terms];
                let columns = first..self.columns.min(first + COLUMNS);
                if let Some(all) = self.bias {
                    bias[..columns.len()].copy_from_slice(&all[columns.clone()]);
                }
                for row in (0..rows).step_by(tile_rows) {
                    let count = self.unit.rows_for(rows - row);
                    let sums = &mut sums[..count * COLUMNS];
                    self.unit.multiply(&block[row * terms..][..count * terms], panel, sums);
                    let out = &mut out[row * self.columns..];
                    put(Isa::best(), sums, &bias, self.finish, columns.clone(), self.columns, out);
                }
            }
        });
    }
}

for_every_isa! {
    /// Finishes the sums of a tile and a panel and copies those that belong to the result, rows of `width` numbers, to its `columns`.
    fn put(
        sums: &mut [f32],
        bias: &[f32; COLUMNS],
        finish: Finish,
        columns: Range<usize>,
        width: usize,
        out: &mut [f32],
    ) {
        for (sums, out) in sums.as_chunks_mut::<COLUMNS>().0.iter_mut().zip(out.chunks_mut(width)) {
            sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
            if let Finish::Gelu = finish {
                sums.iter_mut().for_each(|sum| *sum = gelu(*sum));
            }
            let out = &mut out[columns.clone()];
            match <&mut [f32; COLUMNS]>::try_from(&mut *out) {
                Ok(whole) => *whole = *sums,
                Err(_) => out.copy_from_slice(&sums[..out.len()]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_this_processor_gives_the_product() {
        let whole = |count: usize, salt: u64| -> Vec<f32> {
            let value = |index: u64| ((index + 1) * 2_654_435_761 + salt * 97) >> 7;
            (0..count as u64).map(|index| (value(index) % 7) as f32 - 3.0).collect()
        };
        for [m, k, n] in [
            [1, 1, 1],
            [4, 3, 5],
            [7, 5, 17],
            [12, 32, 32],
            [131, 600, 45],
            [64, 384, 100],
            [0, 3, 4],
            [3, 0, 4],
        ] {
            let (a, b, bias) = (whole(m * k, 1), whole(k * n, 2), whole(n, 3));
            let views = [
                (View::new(&a, m, k), View::new(&b, k, n)),
                (View::new(&a, k, m).transposed(), View::new(&b, n, k).transposed()),
            ];
            for (a, b) in views {
                let at =
                    |m: View, row: usize, column: usize| m.values[row * m.row_step + column * m.column_step];
                let expected =
                    |row, column| (0..k).map(|term| at(a, row, term) * at(b, term, column)).sum::<f32>();
                for unit in Unit::available() {
                    let mut out = vec![f32::NAN; m * n];
                    let mut panels = vec![0; panels_size(b)];
                    pack(b, &mut panels);
                    let right = Right::new(unit, b, &panels).followed_by(Some(&bias), Finish::Plain);
                    right.multiply(&Rows::of(a), 0, &mut out);
                    for (place, found) in out.into_iter().enumerate() {
                        let (row, column) = (place / n, place % n);
                        assert_eq!(
                            found,
                            expected(row, column) + bias[column],
                            "{unit:?} {m}×{k}×{n} at {row}, {column}"
                        );
                    }
                }
            }
        }
    }
}
