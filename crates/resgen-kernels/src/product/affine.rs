//! Affine layers on the CPU: sums in f32; where the weights are bf16, what they meet is rounded to bf16 first.

use burn::tensor::{DType, Shape, bf16};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::bf16::{Rounds, Unit};
use super::matrix::Finish;
use super::view::View;
use crate::cpu::blank;
use crate::isa::Isa;

/// See [`crate::affine`].
pub fn affine(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, finish: Finish) -> FlexTensor {
    let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), in_f32(bias));
    let [_, outputs] = sizes(&weight);
    let mut out = blank_with_last(&x, outputs);
    let layer = Product { precision: weight.dtype(), bias: Some(bias.storage()), finish };
    layer.write(rows(&x), Factor::of(&weight), out.storage_mut());
    out
}

/// The gradient of the input: `gradient·weightᵀ`.
pub fn affine_backward_input(weight: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
    let [inputs, _] = sizes(&weight);
    let mut out = blank_with_last(&gradient, inputs);
    let product = Product::plain(weight.dtype());
    product.write(rows(&gradient), Factor::of(&weight).transposed(), out.storage_mut());
    out
}

/// The gradient of the weight, in f32: `xᵀ·gradient`.
pub fn affine_backward_weight(x: FlexTensor, weight: &FlexTensor, gradient: FlexTensor) -> FlexTensor {
    let (x, gradient) = (x.to_contiguous(), gradient.to_contiguous());
    let mut out = blank(&Shape::new(sizes(weight)));
    let product = Product::plain(weight.dtype());
    product.write(rows(&x).transposed(), Factor::F32(rows(&gradient)), out.storage_mut());
    out
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

/// The right side of a product.
#[derive(Clone, Copy)]
enum Factor<'a> {
    F32(View<'a>),
    Bf16(View<'a, bf16>),
}

impl<'a> Factor<'a> {
    fn of(weight: &'a FlexTensor) -> Self {
        match weight.dtype() {
            DType::BF16 => {
                let [rows, width] = rows_and_width(weight);
                Self::Bf16(View::new(weight.storage(), rows, width))
            }
            _ => Self::F32(rows(weight)),
        }
    }

    fn transposed(self) -> Self {
        match self {
            Self::F32(view) => Self::F32(view.transposed()),
            Self::Bf16(view) => Self::Bf16(view.transposed()),
        }
    }
}

/// How two matrices are multiplied.
struct Product<'a> {
    precision: DType,
    bias: Option<&'a [f32]>,
    finish: Finish,
}

impl Product<'_> {
    fn plain(precision: DType) -> Self {
        Self { precision, bias: None, finish: Finish::Plain }
    }

    fn write(&self, a: View, b: Factor, out: &mut [f32]) {
        match (self.precision, b, Unit::best()) {
            (DType::BF16, Factor::F32(b), Some(unit)) => {
                super::bf16::product(unit, a, b, self.bias, self.finish, out);
            }
            (DType::BF16, Factor::Bf16(b), Some(unit)) => {
                super::bf16::product(unit, a, b, self.bias, self.finish, out);
            }
            // A processor without instructions for bf16 multiplies the rounded numbers in f32: as exact, not faster.
            (DType::BF16, Factor::F32(b), None) => self.write_f32(a.rounded(), b.rounded(), out),
            (DType::BF16, Factor::Bf16(b), None) => self.write_f32(a.rounded(), b.rounded(), out),
            (_, Factor::F32(b), _) => {
                super::matrix::product(Isa::for_products(), a, b, self.bias, self.finish, out)
            }
            (precision, Factor::Bf16(_), _) => {
                panic!("affine: weights in bf16 for a product in {precision:?}")
            }
        }
    }

    fn write_f32(&self, a: Rounded, b: Rounded, out: &mut [f32]) {
        super::matrix::product(Isa::for_products(), a.view(), b.view(), self.bias, self.finish, out);
    }
}

/// A matrix of numbers rounded to bf16, in f32, laid out as the one it comes from.
struct Rounded {
    values: Vec<f32>,
    of: View<'static>,
}

impl Rounded {
    fn view(&self) -> View<'_> {
        View { values: &self.values, ..self.of }
    }
}

impl<T: Rounds> View<'_, T> {
    fn rounded(self) -> Rounded {
        let round = |value: &T| f32::from_bits(u32::from(value.bits()) << 16);
        let values = self.values.par_iter().map(round).collect();
        let Self { rows, columns, row_step, column_step, .. } = self;
        Rounded { values, of: View { values: &[], rows, columns, row_step, column_step } }
    }
}

fn blank_with_last(like: &FlexTensor, last: usize) -> FlexTensor {
    let mut shape = like.layout().shape().to_vec();
    *shape.last_mut().expect("an affine layer takes at least one dimension") = last;
    blank(&Shape::from(shape))
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

fn in_f32(tensor: FlexTensor) -> FlexTensor {
    let tensor = tensor.to_contiguous();
    if tensor.dtype() != DType::BF16 {
        return tensor;
    }
    let mut out = blank(tensor.layout().shape());
    let values = out.storage_mut::<f32>().iter_mut().zip(tensor.storage::<bf16>());
    values.for_each(|(out, value)| *out = value.to_f32());
    out
}
