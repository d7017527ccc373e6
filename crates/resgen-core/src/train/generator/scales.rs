//! How large embeddings are.

use burn::tensor::Tensor;

use crate::error::Result;
use crate::rvq::{Codebooks, Codes};
use crate::train::scalar;
use crate::workers::Workers;

/// The root mean square, per coordinate, of the collective embeddings of the k deepest of `codes`, for k = 0
/// (given as 1) to D.
///
/// # Errors
/// Where the device cannot be read.
pub fn embedding_scales(books: &Codebooks, codes: &Codes) -> Result<Vec<f32>> {
    // On one thread, so that the scales are the same on any number of cores.
    Workers::new(1)?.alone(|| scales_of(books, codes))
}

fn scales_of(books: &Codebooks, codes: &Codes) -> Result<Vec<f32>> {
    let device = books.vectors().device();
    let (rows, depth) = (codes.batch() * codes.positions(), codes.depth());
    let codes = codes.to_tensor(&device).reshape([rows, depth]);
    let mut scales = vec![1.0];
    for masked in 1..=depth {
        let visible = Tensor::full([rows, 1], (depth - masked) as i64, &device);
        let embeddings = books.masked_embedding(codes.clone(), visible);
        // Codebooks of zeros say nothing about scale.
        let scale = scalar(&embeddings.square().mean())?.sqrt() as f32;
        scales.push(if scale > 1e-6 { scale } else { 1.0 });
    }
    Ok(scales)
}
