//! The specification of every operation, in plain tensor operations.

use burn::tensor::activation::softmax;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bool, DType, FloatDType, Tensor, module};

use crate::Sight;

/// Added to the variance before the root.
pub const NORM_EPSILON: f32 = 1e-6;

/// See [`crate::gelu_tanh`].
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let inner = (x.clone() + x.clone().powi_scalar(3) * 0.044715) * (2.0 / std::f64::consts::PI).sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}

/// See [`crate::modulated_norm`].
pub fn modulated_norm(x: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    centred / (variance + NORM_EPSILON).sqrt() * (scale + 1.0) + shift
}

/// See [`crate::affine`]. Here a result in bf16 is rounded to it before it becomes f32.
pub fn affine<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    match weight.dtype() {
        DType::BF16 => module::linear(x.cast(FloatDType::BF16), weight, Some(bias)).cast(FloatDType::F32),
        _ => module::linear(x, weight, Some(bias)),
    }
}

/// See [`crate::attend`].
pub fn attend(qkv: Tensor<3>, heads: usize, sight: Sight) -> Tensor<3> {
    let [batch, length, width] = qkv.dims();
    let (width, head) = (width / 3, width / 3 / heads);
    let split = |part: usize| {
        qkv.clone()
            .slice([0..batch, 0..length, part * width..(part + 1) * width])
            .reshape([batch, length, heads, head])
            .swap_dims(1, 2) // [B, heads, L, head]
    };
    let queries = split(0).mul_scalar(1.0 / (head as f32).sqrt());
    let scores = queries.matmul(split(1).swap_dims(2, 3)); // [B, heads, L, L]
    let scores = match sight {
        Sight::All => scores,
        Sight::Past => {
            let hidden = Tensor::<2, Bool>::tril_mask([length, length], 0, &scores.device());
            scores.mask_fill(hidden.unsqueeze::<4>(), f32::NEG_INFINITY)
        }
    };
    softmax(scores, 3).matmul(split(2)).swap_dims(1, 2).reshape([batch, length, width])
}

/// See [`crate::cross_attend`].
pub fn cross_attend(
    queries: Tensor<3>,
    said: Tensor<3>,
    along: Tensor<2>,
    places: Tensor<2>,
    nothing: Tensor<2>,
    sharpness: Tensor<1>,
) -> Tensor<3> {
    let [batch, length, width] = queries.dims();
    let [heads] = sharpness.dims();
    let head = width / heads;
    let by_heads = |x: Tensor<3>| {
        let [batch, length, _] = x.dims();
        x.reshape([batch, length, heads, head]).swap_dims(1, 2) // [B, heads, n, head]
    };
    let part = |part: usize| by_heads(said.clone().narrow(2, part * width, width));
    let apart = along.unsqueeze_dims::<4>(&[1, 3]) - places.unsqueeze_dims::<4>(&[1, 2]); // [B, 1, L, S]
    let near = apart.square() * sharpness.reshape([1, heads, 1, 1]);
    let scores = by_heads(queries).matmul(part(0).swap_dims(2, 3)) * (head as f64).sqrt().recip();
    let shares = softmax(scores + nothing.unsqueeze_dims::<4>(&[1, 2]) - near, 3); // [B, heads, L, S]
    shares.matmul(part(1)).swap_dims(1, 2).reshape([batch, length, width])
}

/// See [`crate::convolve`]; in bf16 as [`affine`].
pub fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    padding: [usize; 2],
) -> Tensor<4> {
    let options = || ConvOptions::new([stride; 2], padding, [1; 2], 1);
    let x = x.permute([0, 3, 1, 2]);
    let out = match weight.dtype() {
        DType::BF16 => {
            module::conv2d(x.cast(FloatDType::BF16), weight, Some(bias), options()).cast(FloatDType::F32)
        }
        _ => module::conv2d(x, weight, Some(bias), options()),
    };
    out.permute([0, 2, 3, 1])
}

/// See [`crate::group_norm`].
pub fn group_norm(x: Tensor<4>, gain: Tensor<1>, bias: Tensor<1>, groups: usize) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let x = x.reshape([batch, height * width, groups, channels / groups]);
    let centred = x.clone() - x.mean_dims(&[1, 3]);
    let variance = centred.clone().square().mean_dims(&[1, 3]);
    let normal = centred / (variance + NORM_EPSILON).sqrt();
    let per_channel = |values: Tensor<1>| values.reshape([1, 1, 1, channels]);
    normal.reshape([batch, height, width, channels]) * per_channel(gain) + per_channel(bias)
}
