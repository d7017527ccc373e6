//! The specification in plain tensor operations.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// See [`super::attend_next`].
pub fn attend_next(qkv: Tensor<2>, memory: Tensor<3>, place: usize, heads: usize) -> (Tensor<2>, Tensor<3>) {
    let [batch, parts] = qkv.dims();
    let (width, head, seen) = (parts / 3, parts / 3 / heads, place + 1);
    let own = qkv.clone().narrow(1, width, 2 * width).unsqueeze_dim::<3>(1); // [B, 1, 2·d]
    let memory = memory.slice_assign([0..batch, place..seen, 0..2 * width], own);
    let split = |part: usize| {
        let known = memory.clone().slice([0..batch, 0..seen, part * width..(part + 1) * width]);
        known.reshape([batch, seen, heads, head]).swap_dims(1, 2) // [B, heads, seen, head]
    };
    let queries =
        qkv.narrow(1, 0, width).reshape([batch, heads, 1, head]).mul_scalar(1.0 / (head as f32).sqrt());
    let shares = softmax(queries.matmul(split(0).swap_dims(2, 3)), 3); // [B, heads, 1, seen]
    (shares.matmul(split(1)).reshape([batch, width]), memory)
}
