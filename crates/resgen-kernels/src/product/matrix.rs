//! A product of two matrices in f32 on the CPU, with what follows it done while the result is still in the cache.
//!
//! 1. The right matrix is packed into panels of [`LANES`] columns, row by row, once and by all threads.
//! 2. Blocks of rows of the left matrix are shared out to the threads. Where its rows lie together they are read in place; where
//!    its columns do, a thread packs its own, in tiles of a few rows, column by column.
//! 3. Some rows meet a panel: their part of the result is added up in registers, from the first column to the last.
//!    So every number of the result is one sum in one order, whatever the sizes, the threads and the vectors.

use std::ops::Range;

use rayon::prelude::*;

use super::rows::Rows;
use super::vector::{LANES, Start, multiply_rows, multiply_tile};
use super::view::View;
use crate::isa::Isa;
use crate::loops::gelu_in_place;
use crate::scratch::with_scratch;

/// Panels that are packed together.
const NEIGHBOURS: usize = 8;
/// Rows of a block: with [`GROUP`] columns, its part of the result stays in the second-level cache.
pub const BLOCK: usize = 96;
/// Columns that a block meets before the next part of its rows has its turn.
const GROUP: usize = 512;

/// What is done to each number of a product before it is written.
#[derive(Clone, Copy)]
pub enum Finish {
    /// Nothing.
    Plain,
    /// [`crate::gelu_tanh`].
    Gelu,
}

/// As many as stay in the cache, and such that every thread has as many as another, in multiples of `least`.
pub fn block_rows(all: usize, fitting: usize, least: usize) -> usize {
    let share = all.div_ceil(rayon::current_num_threads());
    let blocks = share.div_ceil(fitting.max(1)).max(1);
    share.div_ceil(blocks).next_multiple_of(least)
}

/// A small product within a task of many: `a·b`, row by row, on this thread.
///
/// # Shapes
/// a `[M, K]`, b `[K, N]` → `[M, N]`
pub fn small_product(isa: Isa, a: View, b: View) -> Vec<f32> {
    let mut out = vec![0.0; a.rows * b.columns];
    if !out.is_empty() {
        with_packed_here(b, |panels| Right::new(isa, b, panels).multiply(&Rows::of(a), 0, &mut out));
    }
    out
}

/// `change(a·b)·c`, a few rows at a time: the product in the middle, changed in place, is never there as a whole. `change` is told
/// the number of the first of its rows.
///
/// # Shapes
/// a `[M, K]`, b `[K, N]`, c `[N, P]` → `[M, P]`
pub fn row_products(isa: Isa, a: View, b: View, c: View, change: impl Fn(usize, &mut [f32])) -> Vec<f32> {
    let mut out = vec![0.0; a.rows * c.columns];
    let (rows, left) = (2 * Isa::MOST_TILE_ROWS, Rows::of(a));
    with_packed_here(b, |first| {
        with_packed_here(c, |second| {
            let (first, second) = (Right::new(isa, b, first), Right::new(isa, c, second));
            with_scratch(rows * b.columns, |middle| {
                let parts = out.chunks_mut((rows * c.columns).max(1));
                for (start, out) in (0..a.rows).step_by(rows).zip(parts) {
                    let count = rows.min(a.rows - start);
                    let middle = &mut middle[..count * b.columns];
                    first.multiply(&left, start, middle);
                    change(start, middle);
                    second.multiply(&Rows::of(View::new(middle, count, b.columns)), 0, out);
                }
            });
        });
    });
    out
}

/// Packs the panels of a matrix, [`panels_size`] numbers, by all threads.
pub fn pack(b: View, panels: &mut [f32]) {
    let parts = panels.par_chunks_mut((NEIGHBOURS * b.rows * LANES).max(1)).enumerate();
    parts.for_each(|(part, out)| pack_panels(b, part * NEIGHBOURS * LANES, out));
}

/// Gives `work` the panels of a matrix, packed on this thread.
pub fn with_packed_here<T>(b: View, work: impl FnOnce(&[f32]) -> T) -> T {
    with_scratch(panels_size(b), |panels| {
        let parts = panels.chunks_mut((NEIGHBOURS * b.rows * LANES).max(1)).enumerate();
        parts.for_each(|(part, out)| pack_panels(b, part * NEIGHBOURS * LANES, out));
        work(panels)
    })
}

/// Numbers of the panels of a matrix, `[panels, K, LANES]`.
pub fn panels_size(b: View) -> usize {
    b.columns.div_ceil(LANES) * b.rows * LANES
}

/// Columns from `first` on as `[panels, K, LANES]`, with zeros where there are no more.
fn pack_panels(b: View, first: usize, out: &mut [f32]) {
    let panels = out.as_chunks_mut::<LANES>().0;
    let count = (panels.len() / b.rows.max(1) * LANES).min(b.columns - first);
    if !count.is_multiple_of(LANES) {
        panels.fill([0.0; LANES]);
    }
    if b.column_step > 1 {
        for column in 0..count {
            let values = b.values[(first + column) * b.column_step..].iter().step_by(b.row_step);
            let out = panels[column / LANES * b.rows..][..b.rows].iter_mut();
            out.zip(values).for_each(|(out, value)| out[column % LANES] = *value);
        }
        return;
    }
    // Row by row, so that what is read lies together.
    for row in 0..b.rows {
        let (whole, rest) = b.values[row * b.row_step + first..][..count].as_chunks::<LANES>();
        for (panel, values) in whole.iter().enumerate() {
            panels[panel * b.rows + row] = *values;
        }
        if !rest.is_empty() {
            panels[whole.len() * b.rows + row][..rest.len()].copy_from_slice(rest);
        }
    }
}

/// Rows from `first` on as `[tiles, K, ROWS]`, for some of the columns, with zeros where there are no more rows.
fn pack_tiles<const ROWS: usize>(a: &Rows, rows: Range<usize>, columns: Range<usize>, out: &mut [f32]) {
    let (start, terms) = (rows.start, columns.len());
    if !rows.len().is_multiple_of(ROWS) {
        let last = rows.len() / ROWS * ROWS * terms;
        out[last..].fill(0.0);
    }
    for (term, column) in columns.enumerate() {
        a.stretches_of_column(column, rows.clone(), |from, mut values| {
            let mut row = from - start;
            while !values.is_empty() {
                let place = row / ROWS * ROWS * terms + term * ROWS;
                // Whole tiles are copied in one go.
                if let (0, Some((tile, rest))) = (row % ROWS, values.split_first_chunk::<ROWS>()) {
                    out[place..place + ROWS].copy_from_slice(tile);
                    values = rest;
                    row += ROWS;
                } else {
                    out[place + row % ROWS] = values[0];
                    values = &values[1..];
                    row += 1;
                }
            }
        });
    }
}

/// A right matrix, packed, and what is done with a product.
pub struct Right<'a> {
    /// Which instructions multiply.
    pub isa: Isa,
    /// `[panels, K, LANES]`
    panels: &'a [f32],
    inner: usize,
    columns: usize,
    bias: Option<&'a [f32]>,
    finish: Finish,
}

impl<'a> Right<'a> {
    /// Of what [`pack`] made of `b`.
    pub fn new(isa: Isa, b: View, panels: &'a [f32]) -> Self {
        Self { isa, panels, inner: b.rows, columns: b.columns, bias: None, finish: Finish::Plain }
    }

    /// With what is done to every sum: a bias added, then changed.
    pub fn followed_by(self, bias: Option<&'a [f32]>, finish: Finish) -> Self {
        Self { bias, finish, ..self }
    }

    /// Rows of the result, from `start` on, as many as there is room for in `out`.
    ///
    /// # Panics
    /// Where inner sizes differ, or the bias has another size.
    pub fn multiply(&self, a: &Rows, start: usize, out: &mut [f32]) {
        assert_eq!(a.columns(), self.inner, "inner sizes of a product");
        assert!(self.bias.is_none_or(|bias| bias.len() == self.columns), "size of a bias");
        let (rows, tile_rows) = (out.len() / self.columns, self.isa.tile_rows());
        let padded = rows.next_multiple_of(tile_rows);
        let parts = a.parts();
        for first in (0..self.columns).step_by(GROUP) {
            let group = first..self.columns.min(first + GROUP);
            for (index, part) in parts.iter().enumerate() {
                let part = Part { columns: part.clone(), is_last: index + 1 == parts.len() };
                if a.lies_in_rows() {
                    // Where a tile would have rows that are not there, the last one stands in for them.
                    let row = |row: usize| a.part_of_row(start + row.min(rows - 1), index);
                    let left: Vec<&[f32]> = (0..padded).map(row).collect();
                    self.add(&part, group.clone(), out, |row, panel, from, sums| {
                        multiply_rows(self.isa, &left[row..row + tile_rows], panel, from, sums);
                    });
                } else {
                    let terms = part.columns.len();
                    with_scratch(padded * terms, |tiles| {
                        match self.isa {
                            Isa::Portable => pack_tiles::<{ Isa::PORTABLE_ROWS }>(
                                a,
                                start..start + rows,
                                part.columns.clone(),
                                tiles,
                            ),
                            Isa::Avx2 => pack_tiles::<{ Isa::AVX2_ROWS }>(
                                a,
                                start..start + rows,
                                part.columns.clone(),
                                tiles,
                            ),
                            Isa::Avx512 => pack_tiles::<{ Isa::AVX512_ROWS }>(
                                a,
                                start..start + rows,
                                part.columns.clone(),
                                tiles,
                            ),
                        }
                        self.add(&part, group.clone(), out, |row, panel, from, sums| {
                            let tile = &tiles[row * terms..(row + tile_rows) * terms];
                            multiply_tile(self.isa, tile, panel, from, sums);
                        });
                    });
                }
            }
        }
    }

    /// One part of the sums of a group of columns. `multiply` adds the product of the rows from one on and a panel.
    fn add(
        &self,
        part: &Part,
        group: Range<usize>,
        out: &mut [f32],
        multiply: impl Fn(usize, &[[f32; LANES]], Start, &mut [[f32; LANES]]),
    ) {
        let (tile_rows, columns) = (self.isa.tile_rows(), self.columns);
        let panels = self.panels.as_chunks::<LANES>().0;
        let mut sums = [[0.0; LANES]; Isa::MOST_TILE_ROWS];
        let sums = &mut sums[..tile_rows];
        for first in group.step_by(LANES) {
            let count = LANES.min(columns - first);
            let panel = &panels[first / LANES * self.inner..][part.columns.clone()];
            let mut start = [[0.0; LANES]];
            if let Some(bias) = self.bias {
                start[0][..count].copy_from_slice(&bias[first..first + count]);
            }
            for (tile, out) in out.chunks_mut(tile_rows * columns).enumerate() {
                let from = match part.columns.start {
                    0 => Start::Rows(&start),
                    _ => {
                        let rows = out.chunks_exact(columns).map(|row| &row[first..first + count]);
                        sums.iter_mut().zip(rows).for_each(|(sums, row)| fetch(row, sums));
                        Start::Sums
                    }
                };
                multiply(tile * tile_rows, panel, from, sums);
                if let (true, Finish::Gelu) = (part.is_last, self.finish) {
                    gelu_in_place(self.isa, sums.as_flattened_mut());
                }
                let rows = out.chunks_exact_mut(columns).map(|row| &mut row[first..first + count]);
                sums.iter().zip(rows).for_each(|(sums, row)| put(sums, row));
            }
        }
    }
}

/// Copies what a panel gave; a whole panel's width in one go.
fn put(sums: &[f32; LANES], out: &mut [f32]) {
    match <&mut [f32; LANES]>::try_from(&mut *out) {
        Ok(whole) => *whole = *sums,
        Err(_) => out.copy_from_slice(&sums[..out.len()]),
    }
}

/// The inverse of [`put`].
fn fetch(row: &[f32], sums: &mut [f32; LANES]) {
    match row.first_chunk() {
        Some(whole) => *sums = *whole,
        None => sums[..row.len()].copy_from_slice(row),
    }
}

/// Which terms of the sums.
struct Part {
    /// Columns of the left matrix.
    columns: Range<usize>,
    /// Whether no more follow.
    is_last: bool,
}

#[cfg(test)]
mod tests {
    use super::super::rows::Places;
    use super::*;

    /// Small whole numbers: every sum is exact, whatever its order.
    fn whole(count: usize, salt: u64) -> Vec<f32> {
        let value = |index: u64| ((index + 1) * 2_654_435_761 + salt * 97) >> 7;
        (0..count as u64).map(|index| (value(index) % 7) as f32 - 3.0).collect()
    }

    fn plain(a: View, b: View, bias: Option<&[f32]>) -> Vec<f32> {
        let at = |m: View, row: usize, column: usize| m.values[row * m.row_step + column * m.column_step];
        let mut out = Vec::new();
        for row in 0..a.rows {
            for column in 0..b.columns {
                let sum: f32 = (0..a.columns).map(|k| at(a, row, k) * at(b, k, column)).sum();
                out.push(sum + bias.map_or(0.0, |bias| bias[column]));
            }
        }
        out
    }

    fn product(isa: Isa, a: &Rows, b: View, bias: Option<&[f32]>) -> Vec<f32> {
        let mut out = vec![f32::NAN; a.rows() * b.columns];
        if !out.is_empty() {
            with_packed_here(b, |panels| {
                Right::new(isa, b, panels).followed_by(bias, Finish::Plain).multiply(a, 0, &mut out)
            });
        }
        out
    }

    #[test]
    fn every_instruction_set_and_layout_gives_the_product() {
        // One of everything, primes, whole tiles and panels, more rows than a block, none.
        for [m, k, n] in
            [[1, 1, 1], [7, 5, 17], [12, 16, 32], [131, 600, 19], [0, 3, 4], [3, 0, 4], [3, 4, 0]]
        {
            let (a, b, bias) = (whole(m * k, 1), whole(k * n, 2), whole(n, 3));
            let views = [
                (View::new(&a, m, k), View::new(&b, k, n)),
                (View::new(&a, k, m).transposed(), View::new(&b, n, k).transposed()),
            ];
            for (a, b) in views {
                for bias in [None, Some(&bias[..])] {
                    let expected = plain(a, b, bias);
                    for isa in Isa::available() {
                        let found = product(isa, &Rows::of(a), b, bias);
                        assert!(found == expected, "{isa:?}: {m}×{k}×{n}");
                        if bias.is_none() {
                            assert!(small_product(isa, a, b) == expected, "{isa:?}: small {m}×{k}×{n}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn windows_are_rows_and_columns_too() {
        // Windows of 2×3 places at every second of 3×4 places, in two images of 6×9 places of 5 numbers.
        let (taps, size, channels, stride, image) = ([2, 3], [3, 4], 5, 2, [6, 9]);
        let values = whole(2 * image[0] * image[1] * channels, 4);
        let line = image[1] * channels;
        let places = Places {
            count: 2 * size[0] * size[1],
            per_line: size[1],
            lines: size[0],
            step: stride * channels,
            line_step: stride * line,
            image_step: image[0] * line,
        };
        let stretches = || (0..taps[0]).map(|tap| tap * line..tap * line + taps[1] * channels);
        let mut shown = Vec::new();
        for place in 0..places.count {
            let (number, row, column) = (place / 12, place / 4 % 3, place % 4);
            for (tap, along) in (0..taps[0]).flat_map(|tap| (0..taps[1]).map(move |along| (tap, along))) {
                let at = (number * image[0] + row * stride + tap) * image[1] + column * stride + along;
                shown.extend(&values[at * channels..][..channels]);
            }
        }
        let width = taps[0] * taps[1] * channels;
        let (windows, matrix) =
            (Rows::new(&values, places, stretches()), View::new(&shown, places.count, width));
        for (windows, matrix) in [(windows.clone(), matrix), (windows.transposed(), matrix.transposed())] {
            let b = whole(matrix.columns * 21, 5);
            let b = View::new(&b, matrix.columns, 21);
            for isa in Isa::available() {
                assert!(product(isa, &windows, b, None) == plain(matrix, b, None), "{isa:?}");
            }
        }
    }
}
