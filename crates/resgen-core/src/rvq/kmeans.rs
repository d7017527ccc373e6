//! Where codebooks start: k-means on residuals, depth by depth.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use super::Codebooks;
use crate::error::{Error, Result};
use crate::random::{Purpose, permutation, stream};

/// Codebooks as many and as large as `blank`, with vectors where k-means on the residuals of `latents` puts them.
///
/// # Shapes
/// `[N, H]`
///
/// # Errors
/// [`Error::Training`] where there are fewer rows than codes.
pub fn placed(blank: &Codebooks, latents: Tensor<2>, iterations: usize, seed: u64) -> Result<Codebooks> {
    let rows = latents.dims()[0];
    let (depths, vocabulary) = (blank.depth(), blank.vocabulary());
    if rows < vocabulary {
        let reason = format!("expected at least {vocabulary} latents to place the codes by, found {rows}");
        return Err(Error::Training(reason));
    }
    let mut residual = latents;
    let mut residuals = Vec::with_capacity(depths);
    let mut books = Vec::with_capacity(depths);
    for depth in 0..depths {
        let vectors = kmeans(residual.clone(), &distinct(rows, vocabulary, seed, depth), iterations);
        let code = nearest(residual.clone(), vectors.clone());
        residuals.push(residual.clone());
        residual = residual - vectors.clone().select(0, code);
        books.push(vectors);
    }
    if blank.books() == 1 && depths > 1 {
        // One codebook for all depths: from the residuals of all of them.
        let pool = Tensor::cat(residuals, 0);
        let some = indices(&distinct(rows * depths, rows, seed, depths), &pool.device());
        let start = distinct(rows, vocabulary, seed, depths + 1);
        books = vec![kmeans(pool.select(0, some), &start, iterations)];
    }
    Codebooks::new(Tensor::stack(books, 0), depths) // [books, V, H]
}

/// The index of each row's nearest vector; of two equally near, the first.
///
/// # Shapes
/// rows `[N, H]`, vectors `[V, H]` → `[N]`
fn nearest(rows: Tensor<2>, vectors: Tensor<2>) -> Tensor<1, Int> {
    let span = Tensor::<1, Int>::from_data([0, 1], &rows.device()).expand([rows.dims()[0], 2]);
    resgen_kernels::quantizer::quantize(rows, vectors.unsqueeze(), span, 1).squeeze_dim(1)
}

/// `count` different rows of `rows`, in random order.
fn distinct(rows: usize, count: usize, seed: u64, draw: usize) -> Vec<usize> {
    let mut order = permutation(&mut stream(seed, Purpose::CodebookInit, draw as u64, 0), rows);
    order.truncate(count);
    order
}

/// Numbers of rows, on a device.
pub fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    Tensor::from_data(values.as_slice(), device)
}

/// Lloyd's k-means from the given rows, `[N, H]` → centres `[V, H]`. Centres without rows stay where they are.
fn kmeans(rows: Tensor<2>, start: &[usize], iterations: usize) -> Tensor<2> {
    let device = rows.device();
    let mut centres = rows.clone().select(0, indices(start, &device)); // [V, H]
    for _ in 0..iterations {
        let code = nearest(rows.clone(), centres.clone()); // [N]
        let ones = Tensor::<1>::ones([rows.dims()[0]], &device);
        let counts = Tensor::<1>::zeros([start.len()], &device);
        let counts = counts.select_assign(0, code.clone(), ones, IndexingUpdateOp::Add);
        let sums = centres.zeros_like().select_assign(0, code, rows.clone(), IndexingUpdateOp::Add);
        let weight = counts.unsqueeze_dim::<2>(1); // [V, 1]
        let is_empty = weight.clone().equal_scalar(0.0).float();
        centres = (sums + centres * is_empty.clone()) / (weight + is_empty);
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::super::quantize::tests::{books, column};
    use super::*;

    #[test]
    fn a_shared_codebook_is_placed_on_the_residuals_of_all_depths() {
        let rows: Vec<f32> =
            (0..400).map(|row| 5.0 + (row % 4) as f32 * 10.0 + (row / 4 % 2) as f32).collect();
        let blank = Codebooks::zeros(2, crate::rvq::Sharing::Shared, 8, 1, &Device::flex()).unwrap();
        let books = placed(&blank, column(&rows), 20, 3).unwrap();
        let vectors: Vec<f32> = books.vectors().try_to_vec_as().unwrap();
        assert!(vectors.iter().any(|value| value.abs() < 1.0), "none for the second depth: {vectors:?}");
    }

    #[test]
    fn kmeans_finds_separate_groups_at_both_depths() {
        let mut rows = Vec::new();
        for coarse in [-10f32, 10.0] {
            for fine in [-1f32, 1.0] {
                rows.extend((0..8).map(|i| coarse + fine + 0.01 * i as f32));
            }
        }
        let blank = Codebooks::new(books().vectors().zeros_like(), 2).unwrap();
        let found = placed(&blank, column(&rows), 20, 3).unwrap();
        let codes = found.encode(column(&rows));
        let decoded: Vec<f32> = found.decode(codes).try_to_vec_as().unwrap();
        let worst = rows.iter().zip(&decoded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.1, "{worst}");
        assert!(placed(&blank, column(&[1.0]), 1, 0).is_err());
    }
}
