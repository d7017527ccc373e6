//! A product of two matrices on the CPU, with what follows it done while the result is still in the cache.
//!
//! 1. The right matrix is packed into panels of [`LANES`] columns, row by row, once and by all threads.
//! 2. Blocks of rows of the left matrix are shared out to the threads; each packs its own, in tiles of a few rows,
//!    column by column.
//! 3. A tile meets a panel: their part of the result is added up in registers, from the first column to the last.
//!    So every number of the result is one sum in one order, whatever the sizes, the threads and the vectors.

use rayon::prelude::*;

use super::view::View;
use crate::isa::{Isa, for_every_isa, multiply_add};
use crate::loops::gelu_in_place;
use crate::scratch::with_scratch;

/// Columns of a panel.
const LANES: usize = 16;
/// Panels that are packed together.
const NEIGHBOURS: usize = 8;
/// Most terms of a sum before the next panel's turn.
const DEEPEST: usize = 256;
/// Numbers of a block of the left matrix: it stays in the second-level cache.
const BLOCK: usize = 48 * 1024;

/// What is done to each number of a product before it is written.
#[derive(Clone, Copy)]
pub enum Finish {
    /// Nothing.
    Plain,
    /// [`crate::gelu_tanh`].
    Gelu,
}

/// Writes `finish(a·b + bias)` to `out`, row by row.
///
/// # Shapes
/// a `[M, K]`, b `[K, N]`, bias `[N]`, out `[M, N]`
///
/// # Panics
/// Where the shapes do not belong together.
pub fn product(isa: Isa, a: View, b: View, bias: Option<&[f32]>, finish: Finish, out: &mut [f32]) {
    assert!(bias.is_none_or(|bias| bias.len() == b.columns), "size of a bias");
    assert_eq!(out.len(), a.rows * b.columns, "size of a product");
    if out.is_empty() {
        return;
    }
    let rows = rows_of_a_block(isa, a);
    with_scratch(panels_size(b), |panels| {
        let parts = panels.par_chunks_mut((NEIGHBOURS * b.rows * LANES).max(1)).enumerate();
        parts.for_each(|(part, out)| pack_panels(b, part * NEIGHBOURS * LANES, out));
        let work = Work { bias, finish, ..Work::new(isa, a, b, panels) };
        out.par_chunks_mut(rows * b.columns).enumerate().for_each(|(block, out)| {
            work.fill(a, block * rows, out);
        });
    });
}

/// A small product within a task of many: `a·b`, row by row, on this thread.
///
/// # Shapes
/// as in [`product`]
pub fn small_product(isa: Isa, a: View, b: View) -> Vec<f32> {
    let mut out = vec![0.0; a.rows * b.columns];
    if !out.is_empty() {
        with_panels(b, |panels| Work::new(isa, a, b, panels).fill(a, 0, &mut out));
    }
    out
}

/// `change(a·b)·c`, a few rows at a time: the product in the middle, changed in place, is never there as a whole.
///
/// # Shapes
/// a `[M, K]`, b `[K, N]`, c `[N, P]` → `[M, P]`
pub fn row_products(isa: Isa, a: View, b: View, c: View, change: impl Fn(&mut [f32])) -> Vec<f32> {
    let mut out = vec![0.0; a.rows * c.columns];
    let rows = isa.tile_rows();
    with_panels(b, |first| {
        with_panels(c, |second| {
            with_scratch(rows * b.columns, |middle| {
                let parts = out.chunks_mut((rows * c.columns).max(1));
                for (start, out) in (0..a.rows).step_by(rows).zip(parts) {
                    let count = rows.min(a.rows - start);
                    let middle = &mut middle[..count * b.columns];
                    Work::new(isa, a, b, first).fill(a, start, middle);
                    change(middle);
                    let middle = View::new(middle, count, b.columns);
                    Work::new(isa, middle, c, second).fill(middle, 0, out);
                }
            });
        });
    });
    out
}

/// As many as stay in the cache, but no thread should be without any.
fn rows_of_a_block(isa: Isa, a: View) -> usize {
    let fitting = BLOCK / a.columns.max(1);
    let fair = a.rows.div_ceil(rayon::current_num_threads());
    fitting.min(fair).next_multiple_of(isa.tile_rows())
}

/// Gives `work` the panels of a matrix, packed on this thread.
fn with_panels<T>(b: View, work: impl FnOnce(&[f32]) -> T) -> T {
    with_scratch(panels_size(b), |panels| {
        let parts = panels.chunks_mut((NEIGHBOURS * b.rows * LANES).max(1)).enumerate();
        parts.for_each(|(part, out)| pack_panels(b, part * NEIGHBOURS * LANES, out));
        work(panels)
    })
}

/// Of `[panels, K, LANES]`.
fn panels_size(b: View) -> usize {
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

/// `count` rows from `first` on as `[tiles, K, rows of a tile]`, with zeros where there are no more.
fn pack_tiles(isa: Isa, a: View, first: usize, count: usize, out: &mut [f32]) {
    let rows = isa.tile_rows();
    for (tile, out) in out.chunks_exact_mut((a.columns * rows).max(1)).enumerate() {
        let count = rows.min(count - tile * rows);
        if count < rows {
            out.fill(0.0);
        }
        let starts = (0..count).map(|row| &a.values[(first + tile * rows + row) * a.row_step..]);
        if a.column_step == 1 && count == rows {
            let mut tile_rows = [&[][..]; Isa::MOST_TILE_ROWS];
            tile_rows.iter_mut().zip(starts).for_each(|(row, start)| *row = &start[..a.columns]);
            interleave(isa, &tile_rows[..rows], out);
        } else {
            for (row, start) in starts.enumerate() {
                let values = start.iter().step_by(a.column_step).take(a.columns);
                out.iter_mut().skip(row).step_by(rows).zip(values).for_each(|(out, value)| *out = *value);
            }
        }
    }
}

for_every_isa! {
    /// `[ROWS, K]` → `[K, ROWS]`
    fn interleave(rows: &[&[f32]], out: &mut [f32]) {
        let Some(rows) = rows.first_chunk::<ROWS>() else { return };
        let out = out.as_chunks_mut::<ROWS>().0;
        let rows = rows.map(|row| &row[..out.len()]);
        for (column, out) in out.iter_mut().enumerate() {
            for row in 0..ROWS {
                out[row] = rows[row][column];
            }
        }
    }
}

/// What all blocks have in common.
struct Work<'a> {
    isa: Isa,
    panels: &'a [f32],
    inner: usize,
    columns: usize,
    bias: Option<&'a [f32]>,
    finish: Finish,
}

impl<'a> Work<'a> {
    /// # Panics
    /// Where the inner sizes differ.
    fn new(isa: Isa, a: View, b: View, panels: &'a [f32]) -> Self {
        assert_eq!(a.columns, b.rows, "inner sizes of a product");
        Self { isa, panels, inner: a.columns, columns: b.columns, bias: None, finish: Finish::Plain }
    }

    /// Rows of the result, from `start` on.
    fn fill(&self, a: View, start: usize, out: &mut [f32]) {
        let rows = out.len() / self.columns;
        let tile_rows = self.isa.tile_rows();
        with_scratch(rows.next_multiple_of(tile_rows) * self.inner, |tiles| {
            pack_tiles(self.isa, a, start, rows, tiles);
            for first in (0..self.columns).step_by(LANES) {
                // Parts of the sums, each of a length of which panel and tile stay in the first-level cache.
                let parts = self.inner.div_ceil(DEEPEST).max(1);
                let part = self.inner.div_ceil(parts);
                for from in (0..parts).map(|index| index * part) {
                    let part = Part { first, from, to: self.inner.min(from + part) };
                    self.add(part, tiles, out);
                }
            }
        });
    }

    /// One part of the sums of a panel's columns.
    fn add(&self, part: Part, tiles: &[f32], out: &mut [f32]) {
        let (tile_rows, columns) = (self.isa.tile_rows(), self.columns);
        let (count, rows) = (LANES.min(columns - part.first), out.len() / columns);
        let panel = &self.panels[part.first * self.inner..][part.from * LANES..part.to * LANES];
        let is_last = part.to == self.inner;
        let mut start = [0.0; LANES];
        if let Some(bias) = self.bias {
            start[..count].copy_from_slice(&bias[part.first..part.first + count]);
        }
        let mut sums = [[0.0; LANES]; Isa::MOST_TILE_ROWS];
        let sums = &mut sums[..tile_rows];
        for (tile, row) in (0..rows).step_by(tile_rows).enumerate() {
            let tile = &tiles[tile * self.inner * tile_rows..][part.from * tile_rows..part.to * tile_rows];
            let out = &mut out[row * columns..];
            let place = |row: usize| row * columns + part.first..row * columns + part.first + count;
            let present = tile_rows.min(rows - row);
            sums.fill(start);
            if part.from > 0 {
                (0..present).for_each(|row| sums[row][..count].copy_from_slice(&out[place(row)]));
            }
            multiply(self.isa, tile, panel, sums);
            if let (true, Finish::Gelu) = (is_last, self.finish) {
                gelu_in_place(self.isa, sums.as_flattened_mut());
            }
            (0..present).for_each(|row| out[place(row)].copy_from_slice(&sums[row][..count]));
        }
    }
}

/// Which part of a product.
#[derive(Clone, Copy)]
struct Part {
    /// First column of the panel.
    first: usize,
    /// From this column of the left matrix on …
    from: usize,
    /// … up to this one.
    to: usize,
}

for_every_isa! {
    /// Adds the product of a tile `[K, ROWS]` and a panel `[K, LANES]` to `sums`.
    fn multiply(tile: &[f32], panel: &[f32], sums: &mut [[f32; LANES]]) {
        let (tile, panel) = (tile.as_chunks::<ROWS>().0, panel.as_chunks::<LANES>().0);
        let Some(sums) = sums.first_chunk_mut::<ROWS>() else { return };
        let mut own = *sums;
        for (values, lanes) in tile.iter().zip(panel) {
            for row in 0..ROWS {
                for lane in 0..LANES {
                    own[row][lane] = multiply_add::<FMA>(values[row], lanes[lane], own[row][lane]);
                }
            }
        }
        *sums = own;
    }
}

#[cfg(test)]
mod tests {
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
                        let mut found = vec![f32::NAN; m * n];
                        product(isa, a, b, bias, Finish::Plain, &mut found);
                        assert!(found == expected, "{isa:?}: {m}×{k}×{n}");
                        if bias.is_none() {
                            assert!(small_product(isa, a, b) == expected, "{isa:?}: small {m}×{k}×{n}");
                        }
                    }
                }
            }
        }
    }
}
