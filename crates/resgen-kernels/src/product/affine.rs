//! Affine layers on the CPU: sums in f32; where the weights are bf16, what they meet is rounded to bf16 first.

use burn::tensor::{DType, Shape};
use burn_flex::FlexTensor;

use super::matrix::Finish;
use super::packed::{Factor, Product, Weights, as_multiplied};
use super::rows::Rows;
use super::view::View;
use crate::cpu::{blank, in_f32, tensor_of};

/// See [`crate::affine`].
pub fn affine(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, finish: Finish) -> FlexTensor {
    let (x, weight, bias) = (as_multiplied(x, weight.dtype()), weight.to_contiguous(), in_f32(bias));
    let [_, outputs] = sizes(&weight);
    let (precision, weights) = (weight.dtype(), Some(Weights { tensor: &weight, order: 0 }));
    let layer = Product { precision, bias: Some(bias.storage()), finish, weights };
    with_last(&x, outputs, layer.made(&Rows::of(rows(&x)), factor(&weight)))
}

/// The gradient of the input: `gradient·weightᵀ`.
pub fn affine_backward_input(weight: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    let (weight, gradient) = (weight.to_contiguous(), as_multiplied(gradient, weight.dtype()));
    let [inputs, _] = sizes(&weight);
    let product = Product::plain(weight.dtype());
    with_last(&gradient, inputs, product.made(&Rows::of(rows(&gradient)), factor(&weight).transposed()))
}

/// The gradient of the weight, in f32: `xᵀ·gradient`.
pub fn affine_backward_weight(x: FlexTensor, weight: &FlexTensor, gradient: FlexTensor) -> FlexTensor {
    let (x, gradient) = (as_multiplied(x, weight.dtype()), gradient.to_contiguous());
    let product = Product::plain(weight.dtype());
    let values = product.made(&Rows::of(rows(&x).transposed()), Factor::F32(rows(&gradient)));
    tensor_of(values, Shape::new(sizes(weight)))
}

/// The gradient of the bias: the sum over all rows, in their order.
pub fn affine_backward_bias(gradient: FlexTensor) -> FlexTensor {
    let gradient = gradient.to_contiguous();
    let outputs = gradient.layout().shape().to_vec().last().copied().unwrap_or(0);
    let mut out = blank(&Shape::new([outputs]));
    let sums = out.storage_mut::<f32>();
    for row in gradient.storage::<f32>().chunks_exact(outputs.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    out
}

fn factor(weight: &FlexTensor) -> Factor<'_> {
    match weight.dtype() {
        DType::BF16 => {
            let [rows, width] = rows_and_width(weight);
            Factor::Bf16(View::new(weight.storage(), rows, width))
        }
        _ => Factor::F32(rows(weight)),
    }
}

/// Numbers in the shape of `like`, but for the last dimension.
fn with_last(like: &FlexTensor, last: usize, values: Vec<f32>) -> FlexTensor {
    let mut shape = like.layout().shape().to_vec();
    *shape.last_mut().expect("an affine layer takes at least one dimension") = last;
    tensor_of(values, Shape::from(shape))
}

/// # Panics
/// Where the tensor is no matrix.
fn sizes(weight: &FlexTensor) -> [usize; 2] {
    let shape = weight.layout().shape().to_vec();
    shape.try_into().unwrap_or_else(|shape| panic!("affine: expected a weight [K, N], found {shape:?}"))
}

/// All dimensions but the last as rows.
fn rows(tensor: &FlexTensor) -> View<'_> {
    let [count, width] = rows_and_width(tensor);
    View::new(tensor.storage(), count, width)
}

fn rows_and_width(tensor: &FlexTensor) -> [usize; 2] {
    let shape = tensor.layout().shape().to_vec();
    let (last, others) = shape.split_last().expect("at least one dimension");
    [others.iter().product(), *last]
}
