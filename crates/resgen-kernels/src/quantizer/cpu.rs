//! The body for CPUs: product, search and residual in one pass, and no table of distances.
//!
//! What is left of the rows is packed into panels of [`LANES`] rows, coordinate by coordinate, so that one vector register
//! holds the same coordinate of several rows. The codes of a codebook, as they lie in memory, meet the panels of a block a few
//! at a time; |e|²/2 − e·r orders them, and each lane keeps the best code that its row has seen.

use std::ops::Range;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, IntDType, TensorData};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::{QuantizerOps, codes_shape, embedding_shape};
use crate::cpu::blank;
use crate::isa::{Isa, for_every_isa};
use crate::kept::Kept;
use crate::loops::dot;
use crate::product::{LANES, Start, multiply_rows};

/// Rows that one task takes through all depths.
const BLOCK: usize = 192;
/// Numbers of the panels that stay in the first-level cache while codes pass by.
const PANELS: usize = 6 * 1024;
/// Numbers of the codes that stay in the second-level cache while panels pass by.
const CODES: usize = 32 * 1024;

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
        with_halves(&vectors, sizes, |halves| {
            let books = Books { vectors: vectors.storage(), halves, sizes };
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

    fn book_of(self, depth: usize) -> usize {
        depth.min(self.books - 1)
    }

    /// # Panics
    /// Where there is no such code.
    fn vector(self, vectors: &[f32], depth: usize, code: usize) -> &[f32] {
        assert!(code < self.vocabulary, "code {code} of {}", self.vocabulary);
        &vectors[(self.book_of(depth) * self.vocabulary + code) * self.width..][..self.width]
    }
}

/// Gives `work` half of every vector's squared length, `[D, V]`; kept, since a sampler reads a few codes of each codebook in
/// every step.
fn with_halves(vectors: &FlexTensor, sizes: Sizes, work: impl FnOnce(&[f32])) {
    static KEPT: Kept<f32> = Kept::after(0);
    let Sizes { books, vocabulary, width, .. } = sizes;
    let fill = |halves: &mut [f32]| {
        let books = vectors.storage::<f32>().par_chunks((vocabulary * width).max(1));
        let books = books.zip(halves.par_chunks_mut(vocabulary));
        books.for_each(|(book, halves)| half_lengths(Isa::best(), book, halves));
    };
    KEPT.with(vectors, [books, vocabulary, width, 0, 0], books * vocabulary, fill, work);
}

for_every_isa! {
    fn half_lengths(vectors: &[f32], halves: &mut [f32]) {
        let width = vectors.len() / halves.len();
        for (code, half) in halves.iter_mut().enumerate() {
            let vector = &vectors[code * width..][..width];
            *half = 0.5 * dot(vector, vector);
        }
    }
}

/// Codebooks, and half of every vector's squared length.
struct Books<'a> {
    vectors: &'a [f32], // [D, V, H]
    halves: &'a [f32],  // [D, V]
    sizes: Sizes,
}

impl Books<'_> {
    /// The vectors `[V, H]` of a depth, and half their squared lengths `[V]`.
    fn book(&self, depth: usize) -> (&[f32], &[f32]) {
        let Sizes { vocabulary, width, .. } = self.sizes;
        let book = self.sizes.book_of(depth);
        let vectors = &self.vectors[book * vocabulary * width..][..vocabulary * width];
        (vectors, &self.halves[book * vocabulary..][..vocabulary])
    }
}

fn quantize_rows(isa: Isa, latents: &[f32], books: &Books, spans: &[Range<usize>], codes: &mut [i64]) {
    let Sizes { width, depth, .. } = books.sizes;
    // Few rows are shared by all threads, too.
    let block = spans.len().div_ceil(rayon::current_num_threads()).next_multiple_of(LANES).clamp(1, BLOCK);
    let blocks = codes.par_chunks_mut((block * depth).max(1)).zip(spans.par_chunks(block)).enumerate();
    blocks.for_each(|(index, (codes, spans))| {
        let start = index * block * width;
        let mut residual = latents[start..start + spans.len() * width].to_vec();
        let mut search = Search::default();
        for depth_index in 0..depth {
            let rows = spans.iter().enumerate().filter(|(_, span)| span.contains(&depth_index));
            let rows: Vec<usize> = rows.map(|(row, _)| row).collect();
            if rows.is_empty() {
                continue;
            }
            search.run(isa, &residual, &rows, books.book(depth_index));
            for (&row, code) in rows.iter().zip(search.nearest()) {
                codes[row * depth + depth_index] = code as i64;
                let vector = books.sizes.vector(books.vectors, depth_index, code);
                residual[row * width..][..width].iter_mut().zip(vector).for_each(|(left, e)| *left -= e);
            }
        }
    });
}

/// For every row, a lane of a panel, the nearest code so far, and how near it is.
#[derive(Default)]
struct Search {
    panels: Vec<[f32; LANES]>, // [panels, H]
    sums: Vec<[f32; LANES]>,   // [panels, codes of a tile]
    least: Vec<[f32; LANES]>,  // [panels]
    code: Vec<[u32; LANES]>,   // [panels]
}

impl Search {
    /// # Shapes
    /// residual `[N, H]`, of which the given rows, book: vectors `[V, H]`, halves `[V]`
    fn run(&mut self, isa: Isa, residual: &[f32], rows: &[usize], book: (&[f32], &[f32])) {
        let (vectors, halves) = book;
        let width = vectors.len() / halves.len();
        let panels = rows.len().div_ceil(LANES);
        self.pack(residual, rows, width);
        self.least.clear();
        self.least.resize(panels, [f32::INFINITY; LANES]);
        self.code.clear();
        self.code.resize(panels, [0; LANES]);
        let together = (PANELS / (width * LANES).max(1)).clamp(1, panels);
        self.sums.resize(together * isa.tile_rows(), [0.0; LANES]);
        let group = (CODES / width.max(1)).next_multiple_of(isa.tile_rows());
        for start in (0..halves.len()).step_by(group) {
            let codes = start..halves.len().min(start + group);
            for first in (0..panels).step_by(together) {
                self.compare(isa, book, codes.clone(), first..panels.min(first + together));
            }
        }
    }

    /// Some codes of a codebook pass by some panels.
    fn compare(
        &mut self,
        isa: Isa,
        (vectors, halves): (&[f32], &[f32]),
        codes: Range<usize>,
        panels: Range<usize>,
    ) {
        let (tile, last) = (isa.tile_rows(), halves.len() - 1);
        let width = vectors.len() / halves.len();
        let rows = &self.panels[panels.start * width..panels.end * width];
        let sums = &mut self.sums[..panels.len() * tile];
        let (least, code) = (&mut self.least[panels.clone()], &mut self.code[panels]);
        for first in codes.step_by(tile) {
            // The last code stands in for those that are not there: it is not nearer than itself.
            let place = |index: usize| (first + index.min(tile - 1)).min(last);
            let vectors: [&[f32]; Isa::MOST_TILE_ROWS] =
                std::array::from_fn(|index| &vectors[place(index) * width..][..width]);
            let halves: [f32; Isa::MOST_TILE_ROWS] = std::array::from_fn(|index| halves[place(index)]);
            multiply_rows(isa, &vectors[..tile], rows, Start::Zero, sums);
            keep_nearer(isa, sums, &halves[..tile], first as u32, least, code);
        }
    }

    fn pack(&mut self, residual: &[f32], rows: &[usize], width: usize) {
        self.panels.clear();
        self.panels.resize(rows.len().div_ceil(LANES) * width, [0.0; LANES]);
        for (place, row) in rows.iter().enumerate() {
            let panel = &mut self.panels[place / LANES * width..][..width];
            for (lanes, value) in panel.iter_mut().zip(&residual[row * width..][..width]) {
                lanes[place % LANES] = *value;
            }
        }
    }

    /// The codes of all lanes: of equally near ones the first.
    fn nearest(&self) -> impl Iterator<Item = usize> {
        self.code.as_flattened().iter().map(|&code| code as usize)
    }
}

for_every_isa! {
    /// Keeps what is nearer than all before it, of the codes from number `first` on. Two at a time and without branches, so that
    /// it stays in vectors.
    fn keep_nearer(
        sums: &[[f32; LANES]], // [panels, codes]
        halves: &[f32], // [codes]
        first: u32,
        least: &mut [[f32; LANES]], // [panels]
        code: &mut [[u32; LANES]], // [panels]
    ) {
        for ((sums, least), code) in sums.chunks_exact(halves.len()).zip(least).zip(code) {
            let pairs = sums.as_chunks::<2>().0.iter().zip(halves.as_chunks::<2>().0);
            for (number, ([one, other], [half, other_half])) in (first..).step_by(2).zip(pairs) {
                for lane in 0..LANES {
                    let (mut nearest, mut kept) = (least[lane], code[lane]);
                    let distance = half - one[lane];
                    kept = if distance < nearest { number } else { kept };
                    nearest = if distance < nearest { distance } else { nearest };
                    let distance = other_half - other[lane];
                    kept = if distance < nearest { number + 1 } else { kept };
                    nearest = if distance < nearest { distance } else { nearest };
                    (least[lane], code[lane]) = (nearest, kept);
                }
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
        let mut codes = vec![0; spans.len() * sizes.depth];
        let mut halves = vec![0.0; sizes.books * sizes.vocabulary];
        half_lengths(isa, vectors, &mut halves);
        quantize_rows(isa, latents, &Books { vectors, halves: &halves, sizes }, spans, &mut codes);
        codes
    }

    #[test]
    fn every_instruction_set_finds_the_codes_of_a_plain_loop() {
        // rows, books, V, H, D: one of everything, primes, more rows than a block, codes that fill no tile.
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
