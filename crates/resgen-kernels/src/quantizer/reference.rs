//! The specification, in plain tensor operations.

use burn::tensor::{Int, Tensor};

/// Distances held at once, 64 MiB of them.
const SLICE: usize = 1 << 24;

/// See [`super::quantize`].
pub fn quantize(
    latents: Tensor<2>,
    vectors: Tensor<3>,
    first: Tensor<1, Int>,
    depth: usize,
) -> Tensor<2, Int> {
    let [books, vocabulary, width] = vectors.dims();
    let [rows, _] = latents.dims();
    if rows == 0 || depth == 0 {
        return Tensor::zeros([rows, depth], &latents.device());
    }
    let first = first.unsqueeze_dim::<2>(1); // [N, 1]
    let mut residual = latents; // [N, H]
    let mut codes = Vec::with_capacity(depth);
    for depth in 0..depth {
        let vectors = vectors.clone().narrow(0, depth.min(books - 1), 1).reshape([vocabulary, width]);
        let quantizes = first.clone().lower_equal_scalar(depth as i64).int(); // [N, 1]
        let code = nearest(residual.clone(), vectors.clone()); // [N, 1]
        let chosen = vectors.select(0, code.clone().flatten(0, 1));
        residual = residual - chosen * quantizes.clone().float();
        codes.push(code * quantizes);
    }
    Tensor::cat(codes, 1)
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
