//! Bidirectional multi-head self-attention.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Tensor, activation::softmax};

use super::Builder;

/// Projections around [`attend`].
#[derive(Module, Debug)]
pub struct SelfAttention {
    qkv: Linear,
    out: Linear,
    heads: usize,
}

impl SelfAttention {
    /// `heads` must divide `width`.
    pub fn new(builder: &mut Builder, width: usize, heads: usize) -> Self {
        Self { qkv: builder.linear(width, 3 * width), out: builder.linear(width, width), heads }
    }

    /// # Shapes
    /// `[B, L, d]` → `[B, L, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.out.forward(attend(self.qkv.forward(x), self.heads))
    }
}

/// Scaled dot-product attention of every position to every position.
///
/// # Shapes
/// queries, keys and values side by side `[B, L, 3·d]` → `[B, L, d]`; `heads` must divide d.
pub fn attend(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, length, width] = qkv.dims();
    let (width, head) = (width / 3, width / 3 / heads);
    let split = |part: usize| {
        qkv.clone()
            .slice([0..batch, 0..length, part * width..(part + 1) * width])
            .reshape([batch, length, heads, head])
            .swap_dims(1, 2) // [B, heads, L, head]
    };
    let queries = split(0).mul_scalar(1.0 / (head as f32).sqrt());
    let scores = softmax(queries.matmul(split(1).swap_dims(2, 3)), 3); // [B, heads, L, L]
    scores.matmul(split(2)).swap_dims(1, 2).reshape([batch, length, width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn equal_keys_average_the_values() {
        // Two positions, one head of width 1: keys are equal, so both outputs are the mean of 2 and 6.
        let qkv = TensorData::new(vec![5f32, 1.0, 2.0, -3.0, 1.0, 6.0], [1, 2, 3]);
        let out: Vec<f32> = attend(Tensor::from_data(qkv, &Device::flex()), 1).try_to_vec_as().unwrap();
        assert_eq!(out, vec![4.0, 4.0]);
    }

    #[test]
    fn heads_do_not_mix() {
        // Head 0 sees equal keys (mean of values 2, 6); head 1's key of position 1 is far ahead.
        let rows = vec![1f32, 1.0, 0.0, 0.0, 2.0, 10.0, 1.0, 1.0, 0.0, 100.0, 6.0, 20.0];
        let out: Vec<f32> = attend(Tensor::from_data(TensorData::new(rows, [1, 2, 6]), &Device::flex()), 2)
            .try_to_vec_as()
            .unwrap();
        assert_eq!(out, vec![4.0, 20.0, 4.0, 20.0]);
    }
}
