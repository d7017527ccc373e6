//! The body for CPUs: product, search and residual in one pass, and no table of distances.
//!
//! A codebook is packed into panels of [`LANES`] vectors, coordinate by coordinate, so that one vector register
//! holds the same coordinate of several codes. A block of rows meets one group of panels after another (a group stays
//! in the cache); within it, a few rows at a time add up |e|² − 2·e·r in registers, and each lane keeps the best
//! code it has seen.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, IntDType, TensorData};
use burn_flex::{Flex, FlexTensor};
use rayon::prelude::*;

use super::{QuantizerOps, codes_shape};
use crate::isa::{Isa, for_every_isa};
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
        first: IntTensor<Self>,
        depth: usize,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let sizes = Sizes::of(&latents, &vectors, &first, depth);
        let shape = codes_shape(latents.layout().shape(), depth);
        let (latents, vectors) = (latents.to_contiguous(), vectors.to_contiguous());
        let first: Vec<i64> = first.into_data().iter::<i64>().collect();
        let (latents, vectors) = (latents.storage::<f32>(), vectors.storage::<f32>());
        let codes = quantize_rows(Isa::best(), latents, vectors, &first, sizes);
        FlexTensor::from_data(TensorData::new(codes, shape).convert_dtype(DType::from(dtype)))
    }
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
    fn of(latents: &FlexTensor, vectors: &FlexTensor, first: &FlexTensor, depth: usize) -> Self {
        let shape = |tensor: &FlexTensor| tensor.layout().shape().to_vec();
        let [books, vocabulary, width] = shape(vectors)[..] else {
            panic!("quantize: expected vectors [D, V, H], found {:?}", shape(vectors))
        };
        let rows = shape(first);
        assert!(rows.len() == 1 && shape(latents) == [rows[0], width], "quantize: shape of the latents");
        assert!(
            (books == 1 || books >= depth) && vocabulary > 0,
            "quantize: {books} codebooks, {depth} depths"
        );
        Self { books, vocabulary, width, depth }
    }
}

fn quantize_rows(isa: Isa, latents: &[f32], vectors: &[f32], first: &[i64], sizes: Sizes) -> Vec<i64> {
    let Sizes { books, vocabulary, width, depth } = sizes;
    let book_size = vocabulary * width;
    let used = books.min(depth);
    let packed: Vec<Panels> = (0..used)
        .into_par_iter()
        .map(|book| Panels::pack(&vectors[book * book_size..(book + 1) * book_size], vocabulary, width))
        .collect();
    let mut codes = vec![0; first.len() * depth];
    let blocks = codes.par_chunks_mut(BLOCK * depth).zip(first.par_chunks(BLOCK)).enumerate();
    blocks.for_each(|(block, (codes, first))| {
        let start = block * BLOCK * width;
        let mut residual = latents[start..start + first.len() * width].to_vec();
        let mut search = Search::new(first.len().next_multiple_of(isa.tile_rows()));
        for depth_index in 0..depth {
            let book = depth_index.min(books - 1);
            search.run(isa, &residual, first.len(), &packed[book]);
            for (row, _) in first.iter().enumerate().filter(|(_, first)| **first <= depth_index as i64) {
                let code = search.nearest(row);
                codes[row * depth + depth_index] = code as i64;
                let vector = &vectors[book * book_size + code * width..][..width];
                residual[row * width..][..width].iter_mut().zip(vector).for_each(|(left, e)| *left -= e);
            }
        }
    });
    codes
}

/// A codebook, ready to be searched.
struct Panels {
    /// −2·e, as `[panels, H, LANES]`.
    vectors: Vec<f32>,
    /// |e|², and infinity where the last panel has no more codes.
    norms: Vec<f32>,
    width: usize,
}

impl Panels {
    fn pack(book: &[f32], vocabulary: usize, width: usize) -> Self {
        let panels = vocabulary.div_ceil(LANES);
        let mut vectors = vec![0.0; panels * width * LANES];
        let mut norms = vec![f32::INFINITY; panels * LANES];
        for (code, norm) in norms.iter_mut().enumerate().take(vocabulary) {
            let vector = &book[code * width..][..width];
            *norm = vector.iter().map(|e| e * e).sum();
            let panel = &mut vectors[code / LANES * width * LANES..];
            for (coordinate, e) in vector.iter().enumerate() {
                panel[coordinate * LANES + code % LANES] = -2.0 * e;
            }
        }
        Self { vectors, norms, width }
    }
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

    fn run(&mut self, isa: Isa, residual: &[f32], count: usize, book: &Panels) {
        self.least.fill([f32::INFINITY; LANES]);
        self.panel.fill([0; LANES]);
        let (width, rows) = (book.width, isa.tile_rows());
        let group = (GROUP / (width * LANES).max(1)).next_multiple_of(TOGETHER).max(TOGETHER);
        let vectors = book.vectors.as_chunks::<LANES>().0; // [panels · H]
        let mut sums = [[0.0; LANES]; TOGETHER * Isa::MOST_TILE_ROWS];
        let sums = &mut sums[..TOGETHER * rows];
        for (index, norms) in book.norms.as_chunks::<LANES>().0.chunks(group).enumerate() {
            let found = self.least.chunks_exact_mut(rows).zip(self.panel.chunks_exact_mut(rows));
            for (tile, (least, panel)) in found.enumerate() {
                // The last row stands in for those that are not there.
                let row = |row: usize| &residual[(tile * rows + row).min(count - 1) * width..][..width];
                let tile: [&[f32]; Isa::MOST_TILE_ROWS] =
                    std::array::from_fn(|index| row(index.min(rows - 1)));
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
    fn plain(latents: &[f32], vectors: &[f32], first: &[i64], sizes: Sizes) -> Vec<i64> {
        let Sizes { books, vocabulary, width, depth } = sizes;
        let mut codes = Vec::new();
        for (row, &first) in first.iter().enumerate() {
            let mut left = latents[row * width..][..width].to_vec();
            for depth in 0..depth as i64 {
                if depth < first {
                    codes.push(0);
                    continue;
                }
                let book = (depth as usize).min(books - 1);
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
            let first: Vec<i64> = (0..rows as i64).map(|row| row % (depth as i64 + 1)).collect();
            let expected = plain(&latents, &vectors, &first, sizes);
            for isa in Isa::available() {
                let found = quantize_rows(isa, &latents, &vectors, &first, sizes);
                assert!(found == expected, "{isa:?}: {rows} rows of {width}, {books} books of {vocabulary}");
            }
        }
    }

    #[test]
    fn a_row_that_is_no_number_has_some_code() {
        let sizes = Sizes { books: 1, vocabulary: 3, width: 2, depth: 2 };
        let codes =
            quantize_rows(Isa::best(), &[f32::NAN, 1.0], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[0], sizes);
        assert!(codes.iter().all(|&code| code < 3));
    }
}
