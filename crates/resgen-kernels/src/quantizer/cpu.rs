//! The body for CPUs: product, search and residual in one pass, and no table of distances.
//!
//! A codebook is packed into panels of [`LANES`] vectors, coordinate by coordinate, so that one vector register
//! holds the same coordinate of several codes. A block of rows meets one group of panels after another (a group stays
//! in the cache); within it, a few rows at a time add up |e|² − 2·e·r in registers, and each lane keeps the best
//! code it has seen.

use std::ops::Range;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, IntDType, TensorData};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::{QuantizerOps, codes_shape, embedding_shape};
use crate::cpu::blank;
use crate::isa::{Isa, for_every_isa};
use crate::kept::Kept;
use crate::product::{LANES, Start, multiply_rows};

/// Rows that one task takes through all depths.
const BLOCK: usize = 96;
/// Numbers of a group of panels: half of a small second-level cache.
const GROUP: usize = 32 * 1024;

/// Panels whose sums are compared together: kept one by one, the numbers of panels would become masked stores, which take
/// long on some processors.
const TOGETHER: usize = 4;

impl QuantizerOps for Flex {
    fn quantize(
        latents: FloatTensor<Self>,
        vectors: FloatTensor<Self>,
        span: IntTensor<Self>,
        depth: usize,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let sizes = Sizes::of(&vectors, depth);
        let rows = sizes.check_rows(&span, &latents, sizes.width);
        let shape = codes_shape(latents.layout().shape(), depth);
        let (latents, vectors) = (latents.to_contiguous(), vectors.to_contiguous());
        let span = spans(span);
        let mut codes = vec![0; rows * depth];
        with_panels(&vectors, sizes, |panels| {
            let books = Books { vectors: vectors.storage(), panels, sizes };
            quantize_rows(Isa::best(), latents.storage(), &books, &span, &mut codes);
        });
        FlexTensor::from_data(TensorData::new(codes, shape).convert_dtype(DType::from(dtype)))
    }

    fn embed(codes: IntTensor<Self>, vectors: FloatTensor<Self>, span: IntTensor<Self>) -> FloatTensor<Self> {
        let shape = embedding_shape(codes.layout().shape(), vectors.layout().shape());
        let [_, depth] = codes.layout().shape().dims::<2>();
        let sizes = Sizes::of(&vectors, depth);
        sizes.check_rows(&span, &codes, depth);
        let (span, vectors) = (spans(span), vectors.to_contiguous());
        let codes: Vec<i64> = codes.into_data().iter::<i64>().collect();
        let mut out = blank(&shape);
        let rows = out.storage_mut::<f32>().par_chunks_mut(sizes.width.max(1)).zip(&span).enumerate();
        rows.for_each(|(row, (sum, span))| {
            for index in span.clone().filter(|&index| index < depth) {
                let vector = sizes.vector(vectors.storage(), index, codes[row * depth + index] as usize);
                sum.iter_mut().zip(vector).for_each(|(sum, e)| *sum += e);
            }
        });
        out
    }
}

/// The depths of every row.
fn spans(span: FlexTensor) -> Vec<Range<usize>> {
    let ends: Vec<i64> = span.into_data().iter::<i64>().collect();
    ends.as_chunks().0.iter().map(|[from, to]| (*from).max(0) as usize..(*to).max(0) as usize).collect()
}

#[derive(Clone, Copy)]
struct Sizes {
    books: usize,
    vocabulary: usize,
    width: usize,
    depth: usize,
}

impl Sizes {
    /// # Panics
    /// Where the shapes do not belong together: the loops rely on it.
    fn of(vectors: &FlexTensor, depth: usize) -> Self {
        let shape = vectors.layout().shape().to_vec();
        let [books, vocabulary, width] = shape[..] else {
            panic!("quantizer: expected vectors [D, V, H], found {shape:?}")
        };
        assert!(
            (books == 1 || books >= depth) && vocabulary > 0,
            "quantizer: {books} codebooks, {depth} depths"
        );
        Self { books, vocabulary, width, depth }
    }

    /// The number of rows.
    ///
    /// # Panics
    /// Where a span is not two numbers, or the rows have another width.
    fn check_rows(self, span: &FlexTensor, rows: &FlexTensor, width: usize) -> usize {
        let [spans, rows] = [span, rows].map(|tensor| tensor.layout().shape().to_vec());
        assert!(spans.len() == 2 && spans[1] == 2, "quantizer: expected spans [N, 2], found {spans:?}");
        assert_eq!(rows, [spans[0], width], "quantizer: shape of the rows");
        spans[0]
    }

    /// Codebooks that are read.
    fn used(self) -> usize {
        self.books.min(self.depth)
    }

    fn book_of(self, depth: usize) -> usize {
        depth.min(self.books - 1)
    }

    /// # Panics
    /// Where there is no such code.
    fn vector(self, vectors: &[f32], depth: usize, code: usize) -> &[f32] {
        assert!(code < self.vocabulary, "code {code} of {}", self.vocabulary);
        &vectors[(self.book_of(depth) * self.vocabulary + code) * self.width..][..self.width]
    }

    fn panels(self) -> usize {
        self.vocabulary.div_ceil(LANES)
    }

    /// Numbers of a packed codebook.
    fn packed(self) -> usize {
        self.panels() * (self.width + 1) * LANES
    }
}

/// Gives `work` all codebooks packed; kept from the first time on, since a sampler reads a few codes of each in every step.
fn with_panels(vectors: &FlexTensor, sizes: Sizes, work: impl FnOnce(&[f32])) {
    static KEPT: Kept<f32> = Kept::after(0);
    let layout = [sizes.used(), sizes.vocabulary, sizes.width, 0, 0];
    let pack = |panels: &mut [f32]| pack(vectors.storage(), sizes, panels);
    KEPT.with(vectors, layout, sizes.used() * sizes.packed(), pack, work);
}

/// Packs every codebook as `[panels, H + 1, LANES]`: −2·e, coordinate by coordinate, and then |e|², which is infinity where the
/// last panel has no more codes.
fn pack(vectors: &[f32], sizes: Sizes, packed: &mut [f32]) {
    let Sizes { vocabulary, width, .. } = sizes;
    let books = packed.par_chunks_exact_mut(sizes.packed()).zip(vectors.par_chunks(vocabulary * width));
    books.for_each(|(packed, book)| {
        let (panels, norms) = packed.split_at_mut(sizes.panels() * width * LANES);
        panels.fill(0.0);
        norms.fill(f32::INFINITY);
        for (code, norm) in norms.iter_mut().enumerate().take(vocabulary) {
            let vector = &book[code * width..][..width];
            *norm = vector.iter().map(|e| e * e).sum();
            let panel = &mut panels[code / LANES * width * LANES..];
            for (coordinate, e) in vector.iter().enumerate() {
                panel[coordinate * LANES + code % LANES] = -2.0 * e;
            }
        }
    });
}

/// Codebooks as they are and packed.
struct Books<'a> {
    vectors: &'a [f32], // [D, V, H]
    panels: &'a [f32],
    sizes: Sizes,
}

impl Books<'_> {
    /// The panels `[panels, H, LANES]` of a depth, and their norms `[panels, LANES]`.
    fn panels_of(&self, depth: usize) -> (&[[f32; LANES]], &[[f32; LANES]]) {
        let packed = &self.panels[self.sizes.book_of(depth) * self.sizes.packed()..][..self.sizes.packed()];
        packed.as_chunks().0.split_at(self.sizes.panels() * self.sizes.width)
    }
}

fn quantize_rows(isa: Isa, latents: &[f32], books: &Books, spans: &[Range<usize>], codes: &mut [i64]) {
    let Sizes { width, depth, .. } = books.sizes;
    // Few rows are shared by all threads, too.
    let block =
        spans.len().div_ceil(rayon::current_num_threads()).next_multiple_of(isa.tile_rows()).clamp(1, BLOCK);
    let blocks = codes.par_chunks_mut((block * depth).max(1)).zip(spans.par_chunks(block)).enumerate();
    blocks.for_each(|(index, (codes, spans))| {
        let start = index * block * width;
        let mut residual = latents[start..start + spans.len() * width].to_vec();
        let mut search = Search::new(spans.len().next_multiple_of(isa.tile_rows()));
        for depth_index in 0..depth {
            let rows = spans.iter().enumerate().filter(|(_, span)| span.contains(&depth_index));
            let rows: Vec<usize> = rows.map(|(row, _)| row).collect();
            if rows.is_empty() {
                continue;
            }
            let left = |place: usize| &residual[rows[place] * width..][..width];
            search.run(isa, rows.len(), left, books.panels_of(depth_index));
            for (place, &row) in rows.iter().enumerate() {
                let code = search.nearest(place);
                codes[row * depth + depth_index] = code as i64;
                let vector = books.sizes.vector(books.vectors, depth_index, code);
                residual[row * width..][..width].iter_mut().zip(vector).for_each(|(left, e)| *left -= e);
            }
        }
    });
}

/// For every row of a block and every lane, the least distance so far and the panel it was found in.
struct Search {
    least: Vec<[f32; LANES]>,
    panel: Vec<[u32; LANES]>,
}

impl Search {
    fn new(rows: usize) -> Self {
        Self { least: vec![[0.0; LANES]; rows], panel: vec![[0; LANES]; rows] }
    }

    fn run<'a>(
        &mut self,
        isa: Isa,
        count: usize,
        row: impl Fn(usize) -> &'a [f32],
        (vectors, norms): (&[[f32; LANES]], &[[f32; LANES]]),
    ) {
        self.least.fill([f32::INFINITY; LANES]);
        self.panel.fill([0; LANES]);
        let rows = isa.tile_rows();
        let width = vectors.len() / norms.len();
        let group = (GROUP / (width * LANES).max(1)).next_multiple_of(TOGETHER).max(TOGETHER);
        let mut sums = [[0.0; LANES]; TOGETHER * Isa::MOST_TILE_ROWS];
        let sums = &mut sums[..TOGETHER * rows];
        let tiles = count.div_ceil(rows);
        for (index, norms) in norms.chunks(group).enumerate() {
            let found = self.least.chunks_exact_mut(rows).zip(self.panel.chunks_exact_mut(rows));
            for (tile, (least, panel)) in found.take(tiles).enumerate() {
                // The last row stands in for those that are not there.
                let row = |index: usize| row((tile * rows + index.min(rows - 1)).min(count - 1));
                let tile: [&[f32]; Isa::MOST_TILE_ROWS] = std::array::from_fn(row);
                for (part, norms) in norms.chunks(TOGETHER).enumerate() {
                    let first = index * group + part * TOGETHER;
                    let panels = &vectors[first * width..][..norms.len() * width];
                    let (there, none) = sums.split_at_mut(norms.len() * rows);
                    none.fill([f32::INFINITY; LANES]);
                    multiply_rows(isa, &tile[..rows], panels, Start::Rows(norms), there);
                    keep_nearer(isa, sums, first as u32, least, panel);
                }
            }
        }
    }

    /// Of equally near codes the first.
    fn nearest(&self, row: usize) -> usize {
        let (least, panel) = (&self.least[row], &self.panel[row]);
        let code = |lane: usize| panel[lane] as usize * LANES + lane;
        let best = (0..LANES).min_by(|&a, &b| least[a].total_cmp(&least[b]).then(code(a).cmp(&code(b))));
        best.map_or(0, code)
    }
}

for_every_isa! {
    /// Keeps what is nearer than all before it, of panels from number `first` on. Without branches, so that it stays in vectors.
    fn keep_nearer(
        sums: &[[f32; LANES]], // [TOGETHER, rows]
        first: u32,
        least: &mut [[f32; LANES]], // [rows]
        panel: &mut [[u32; LANES]], // [rows]
    ) {
        let rows = least.len();
        for (row, (least, panel)) in least.iter_mut().zip(panel).enumerate() {
            let sums: [&[f32; LANES]; TOGETHER] = [&sums[row], &sums[rows + row], &sums[2 * rows + row], &sums[3 * rows + row]];
            for lane in 0..LANES {
                let (mut nearest, mut kept) = (least[lane], panel[lane]);
                for (sums, number) in sums.iter().zip(first..) {
                    let is_less = sums[lane] < nearest;
                    kept = if is_less { number } else { kept };
                    nearest = if is_less { sums[lane] } else { nearest };
                }
                (least[lane], panel[lane]) = (nearest, kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, so that every distance is exact and ties are real.
    fn whole(count: usize, salt: u64) -> Vec<f32> {
        (0..count as u64)
            .map(|index| ((index * 2_654_435_761 + salt * 97) >> 7) as i64 % 7 - 3)
            .map(|v| v as f32)
            .collect()
    }

    /// One row after another, one code after another.
    fn plain(latents: &[f32], vectors: &[f32], spans: &[Range<usize>], sizes: Sizes) -> Vec<i64> {
        let Sizes { books, vocabulary, width, depth } = sizes;
        let mut codes = Vec::new();
        for (row, span) in spans.iter().enumerate() {
            let mut left = latents[row * width..][..width].to_vec();
            for depth in 0..depth {
                if !span.contains(&depth) {
                    codes.push(0);
                    continue;
                }
                let book = depth.min(books - 1);
                let vector = |code: usize| &vectors[(book * vocabulary + code) * width..][..width];
                let distance =
                    |code: usize| vector(code).iter().zip(&left).map(|(e, r)| (e - r) * (e - r)).sum::<f32>();
                let nearest = (0..vocabulary).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
                left = left.iter().zip(vector(nearest)).map(|(r, e)| r - e).collect();
                codes.push(nearest as i64);
            }
        }
        codes
    }

    fn quantized(
        isa: Isa,
        latents: &[f32],
        vectors: &[f32],
        spans: &[Range<usize>],
        sizes: Sizes,
    ) -> Vec<i64> {
        let mut panels = vec![0.0; sizes.used() * sizes.packed()];
        pack(vectors, sizes, &mut panels);
        let mut codes = vec![0; spans.len() * sizes.depth];
        quantize_rows(isa, latents, &Books { vectors, panels: &panels, sizes }, spans, &mut codes);
        codes
    }

    #[test]
    fn every_instruction_set_finds_the_codes_of_a_plain_loop() {
        // rows, books, V, H, D: one of everything, primes, more rows than a block, more codes than a group of panels.
        for (rows, books, vocabulary, width, depth) in [
            (1, 1, 1, 1, 1),
            (7, 3, 17, 5, 3),
            (193, 2, 31, 64, 2),
            (13, 1, 700, 67, 4),
            (0, 2, 5, 3, 2),
            (96, 2, 16, 8, 2),
        ] {
            let sizes = Sizes { books, vocabulary, width, depth };
            let (latents, vectors) = (whole(rows * width, 1), whole(books * vocabulary * width, 2));
            let spans: Vec<_> = (0..rows).map(|row| row % (depth + 1)..depth - row % 5 / 4).collect();
            let expected = plain(&latents, &vectors, &spans, sizes);
            for isa in Isa::available() {
                let found = quantized(isa, &latents, &vectors, &spans, sizes);
                assert!(found == expected, "{isa:?}: {rows} rows of {width}, {books} books of {vocabulary}");
            }
        }
    }

    #[test]
    fn a_row_that_is_no_number_has_some_code() {
        let sizes = Sizes { books: 1, vocabulary: 3, width: 2, depth: 2 };
        let (latent, vectors, whole) = ([f32::NAN, 1.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0..2);
        let codes = quantized(Isa::best(), &latent, &vectors, std::slice::from_ref(&whole), sizes);
        assert!(codes.iter().all(|&code| code < 3));
    }
}
