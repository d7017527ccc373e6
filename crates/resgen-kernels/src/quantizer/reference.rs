//! The specification, in plain tensor operations.

use burn::tensor::{Bool, Int, Tensor};

/// Distances held at once, 64 MiB of them.
const SLICE: usize = 1 << 24;

/// See [`super::quantize`].
pub fn quantize(
    latents: Tensor<2>,
    vectors: Tensor<3>,
    span: Tensor<2, Int>,
    depth: usize,
) -> Tensor<2, Int> {
    let [books, vocabulary, width] = vectors.dims();
    let [rows, _] = latents.dims();
    if rows == 0 || depth == 0 {
        return Tensor::zeros([rows, depth], &latents.device());
    }
    let mut residual = latents; // [N, H]
    let mut codes = Vec::with_capacity(depth);
    for depth in 0..depth {
        let vectors = vectors.clone().narrow(0, depth.min(books - 1), 1).reshape([vocabulary, width]);
        let quantizes = is_within(&span, Tensor::full([1, 1], depth as i64, &span.device())).int(); // [N, 1]
        let code = nearest(residual.clone(), vectors.clone()); // [N, 1]
        let chosen = vectors.select(0, code.clone().flatten(0, 1));
        residual = residual - chosen * quantizes.clone().float();
        codes.push(code * quantizes);
    }
    Tensor::cat(codes, 1)
}

/// See [`super::embed`].
pub fn embed(codes: Tensor<2, Int>, vectors: Tensor<3>, span: Tensor<2, Int>) -> Tensor<2> {
    let [rows, depth] = codes.dims();
    let [books, vocabulary, width] = vectors.dims();
    if rows == 0 || depth == 0 {
        return Tensor::zeros([rows, width], &vectors.device());
    }
    let depths = Tensor::<1, Int>::arange(0..depth as i64, &codes.device()).unsqueeze_dim::<2>(0); // [1, D']
    let offsets = depths.clone().clamp_max(books as i64 - 1) * vocabulary as i64;
    let chosen = vectors.reshape([books * vocabulary, width]).select(0, (codes + offsets).flatten(0, 1));
    let is_summed = is_within(&span, depths).float().unsqueeze_dim::<3>(2); // [N, D', 1]
    (chosen.reshape([rows, depth, width]) * is_summed).sum_dim(1).squeeze_dim(1)
}

/// Whether depths are in the spans of rows.
///
/// # Shapes
/// span `[N, 2]`, depths `[1, D]` → `[N, D]`
fn is_within(span: &Tensor<2, Int>, depths: Tensor<2, Int>) -> Tensor<2, Bool> {
    let (from, to) = (span.clone().narrow(1, 0, 1), span.clone().narrow(1, 1, 1)); // [N, 1]
    depths.clone().greater_equal(from).bool_and(depths.lower(to))
}

/// The index of each row's nearest vector; of two equally near, the first.
///
/// # Shapes
/// rows `[N, H]`, vectors `[V, H]` → `[N, 1]`
fn nearest(rows: Tensor<2>, vectors: Tensor<2>) -> Tensor<2, Int> {
    let norms = vectors.clone().square().sum_dim(1).swap_dims(0, 1); // [1, V]
    let (count, at_once) = (rows.dims()[0], (SLICE / norms.dims()[1]).max(1));
    let vectors = vectors.swap_dims(0, 1); // [H, V]
    let of = |rows: Tensor<2>| (norms.clone() - rows.matmul(vectors.clone()).mul_scalar(2.0)).argmin(1);
    let slices = (0..count).step_by(at_once);
    let slices = slices.map(|start| of(rows.clone().narrow(0, start, at_once.min(count - start))));
    Tensor::cat(slices.collect(), 0)
}
