//! A right matrix in the precision it is multiplied in.

use std::borrow::Cow;

use burn::tensor::{DType, bf16};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::bf16::{self as halves, Unit};
use super::matrix::{self, Finish, block_rows};
use super::rounding::Rounds;
use super::rows::Rows;
use super::view::View;
use crate::cpu::{made_in_blocks, tensor_of};
use crate::isa::Isa;
use crate::kept::Kept;
use crate::scratch::{Scratch, with_scratch};

/// The right side of a product.
#[derive(Clone, Copy)]
pub enum Factor<'a> {
    F32(View<'a>),
    Bf16(View<'a, bf16>),
    /// A view without numbers, and what makes them where they are not kept packed.
    Made(View<'a>, &'a dyn Fn() -> Vec<f32>),
}

impl Factor<'_> {
    /// The transpose.
    pub fn transposed(self) -> Self {
        match self {
            Self::F32(view) => Self::F32(view.transposed()),
            Self::Bf16(view) => Self::Bf16(view.transposed()),
            Self::Made(view, make) => Self::Made(view.transposed(), make),
        }
    }

    fn columns(&self) -> usize {
        match self {
            Self::F32(view) | Self::Made(view, _) => view.columns,
            Self::Bf16(view) => view.columns,
        }
    }
}

/// A right matrix, packed, and what is done with a product.
pub enum Packed<'a> {
    F32(matrix::Right<'a>),
    Bf16(halves::Right<'a>),
}

/// What a left matrix is made of: numbers in f32, or the bits of those that were rounded to bf16 once and for all.
pub trait LeftNumber: Scratch + Rounds + Send {
    /// As they are, or rounded.
    fn copy_all(values: &[f32], out: &mut [Self]);

    /// See [`Packed::multiply`].
    fn multiply(right: &Packed, a: &Rows<Self>, start: usize, out: &mut [f32]);
}

impl LeftNumber for f32 {
    fn copy_all(values: &[f32], out: &mut [Self]) {
        out.copy_from_slice(values);
    }

    fn multiply(right: &Packed, a: &Rows<Self>, start: usize, out: &mut [f32]) {
        match right {
            Packed::F32(right) => right.multiply(a, start, out),
            Packed::Bf16(right) => right.multiply(a, start, out),
        }
    }
}

impl LeftNumber for u16 {
    fn copy_all(values: &[f32], out: &mut [Self]) {
        f32::round_all(values, out);
    }

    fn multiply(right: &Packed, a: &Rows<Self>, start: usize, out: &mut [f32]) {
        match right {
            Packed::F32(_) => panic!("a rounded left matrix for a product in f32"),
            Packed::Bf16(right) => right.multiply(a, start, out),
        }
    }
}

impl Packed<'_> {
    /// Rows of the result, from `start` on, as many as there is room for in `out`.
    ///
    /// # Panics
    /// Where the left matrix is rounded and the right one is not.
    pub fn multiply<T: LeftNumber>(&self, a: &Rows<T>, start: usize, out: &mut [f32]) {
        T::multiply(self, a, start, out);
    }

    /// Rows of a left matrix that one task takes.
    pub fn block_rows(&self, all: usize) -> usize {
        match self {
            Self::F32(right) => block_rows(all, matrix::BLOCK, right.isa.tile_rows()),
            Self::Bf16(right) => block_rows(all, right.fitting_rows(), right.unit.least_rows()),
        }
    }
}

/// How two matrices are multiplied. In bf16 both are rounded to it; sums are f32 all the same.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    /// F32 or BF16.
    pub precision: DType,
    /// What is added to every row.
    pub bias: Option<&'a [f32]>,
    /// What happens to the sums.
    pub finish: Finish,
    /// What the right matrix is made of, where it is multiplied by again and again.
    pub weights: Option<Weights<'a>>,
}

/// A tensor whose panels are kept.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// In order, over its whole memory.
    pub tensor: &'a FlexTensor,
    /// 0 where its numbers are taken in their order, and another number for every other order of the same sizes.
    pub order: usize,
}

impl Product<'_> {
    /// Nothing but the product.
    pub fn plain(precision: DType) -> Self {
        Self { precision, bias: None, finish: Finish::Plain, weights: None }
    }

    /// `finish(a·b + bias)`, row by row. The left matrix holds what [`as_multiplied`] gives.
    pub fn made(&self, a: &Rows, b: Factor) -> Vec<f32> {
        let columns = b.columns();
        if a.rows() * columns == 0 {
            return Vec::new();
        }
        self.with_packed(b, |right| {
            let rows = right.block_rows(a.rows());
            made_in_blocks(a.rows() * columns, rows * columns, |block, out| {
                right.multiply(a, block * rows, out)
            })
        })
    }

    /// Writes what [`Product::made`] gives to `out`.
    ///
    /// # Panics
    /// Where the shapes do not belong together.
    pub fn write<T: LeftNumber>(&self, a: &Rows<T>, b: Factor, out: &mut [f32]) {
        let columns = b.columns();
        assert_eq!(out.len(), a.rows() * columns, "size of a product");
        if out.is_empty() {
            return;
        }
        self.with_packed(b, |right| {
            let rows = right.block_rows(a.rows());
            let blocks = out.par_chunks_mut(rows * columns).enumerate();
            blocks.for_each(|(block, out)| right.multiply(a, block * rows, out));
        });
    }

    /// Gives `work` the right matrix, packed by all threads; kept where it is made of weights.
    pub fn with_packed<T>(&self, b: Factor, work: impl FnOnce(&Packed) -> T) -> T {
        match (self.precision, b, Unit::best()) {
            (DType::BF16, Factor::F32(b), Some(unit)) => self.in_bf16(unit, b, Cow::Borrowed, work),
            (DType::BF16, Factor::Bf16(b), Some(unit)) => self.in_bf16(unit, b, Cow::Borrowed, work),
            (DType::BF16, Factor::Made(b, make), Some(unit)) => {
                self.in_bf16(unit, b, |_| Cow::Owned(make()), work)
            }
            // A processor without instructions for bf16 multiplies the rounded numbers in f32: as exact, not faster.
            (DType::BF16, Factor::F32(b), None) => self.in_f32(b, |values| Cow::Owned(rounded(values)), work),
            (DType::BF16, Factor::Bf16(b), None) => {
                self.in_f32(b, |values| Cow::Owned(rounded(values)), work)
            }
            (DType::BF16, Factor::Made(b, make), None) => {
                self.in_f32(b, |_| Cow::Owned(rounded(&make())), work)
            }
            (_, Factor::F32(b), _) => self.in_f32(b, Cow::Borrowed, work),
            (_, Factor::Made(b, make), _) => self.in_f32(b, |_| Cow::Owned(make()), work),
            (precision, Factor::Bf16(_), _) => panic!("weights in bf16 for a product in {precision:?}"),
        }
    }

    fn in_f32<'b, B: Rounds, T>(
        &self,
        b: View<'b, B>,
        values: impl FnOnce(&'b [B]) -> Cow<'b, [f32]>,
        work: impl FnOnce(&Packed) -> T,
    ) -> T {
        static KEPT: Kept<f32> = Kept::after(USES);
        let View { rows, columns, row_step, column_step, .. } = b;
        let sized = View { values: &[], rows, columns, row_step, column_step };
        let pack = |panels: &mut [f32]| {
            let values = values(b.values);
            matrix::pack(View { values: &values, ..sized }, panels);
        };
        let work = |panels: &[f32]| {
            let right = matrix::Right::new(Isa::best(), sized, panels);
            work(&Packed::F32(right.followed_by(self.bias, self.finish)))
        };
        self.with_panels(&KEPT, b, matrix::panels_size(sized), pack, work)
    }

    fn in_bf16<'b, B: Rounds, T>(
        &self,
        unit: Unit,
        b: View<'b, B>,
        values: impl FnOnce(&'b [B]) -> Cow<'b, [B]>,
        work: impl FnOnce(&Packed) -> T,
    ) -> T {
        static KEPT: Kept<u16> = Kept::after(USES);
        let pack = |panels: &mut [u16]| halves::pack(View { values: &values(b.values), ..b }, panels);
        let work = |panels: &[u16]| {
            let right = halves::Right::new(unit, b, panels);
            work(&Packed::Bf16(right.followed_by(self.bias, self.finish)))
        };
        self.with_panels(&KEPT, b, halves::panels_size(b), pack, work)
    }

    fn with_panels<P: Scratch, B, T>(
        &self,
        kept: &Kept<P>,
        b: View<B>,
        size: usize,
        pack: impl FnOnce(&mut [P]),
        work: impl FnOnce(&[P]) -> T,
    ) -> T {
        match self.weights {
            Some(Weights { tensor, order }) => kept.with(tensor, b.layout(order), size, pack, work),
            None => with_scratch(size, |panels| {
                pack(panels);
                work(panels)
            }),
        }
    }
}

/// Products with the same weights before their panels are kept. A training step makes one for each micro-batch, then the
/// weights change; a sampler makes one for each step.
const USES: u32 = 2;

/// Numbers that one task rounds.
const ROUNDED: usize = 1 << 14;

/// Numbers rounded to bf16, in f32.
fn rounded<T: Rounds>(values: &[T]) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    out.par_chunks_mut(ROUNDED).zip(values.par_chunks(ROUNDED)).for_each(|(out, values)| {
        with_scratch(values.len(), |bits: &mut [u16]| {
            T::round_all(values, bits);
            out.iter_mut().zip(bits).for_each(|(out, bits)| *out = f32::from_bits(u32::from(*bits) << 16));
        });
    });
    out
}

/// Whether left matrices of products in `precision` may be rounded beforehand.
pub fn multiplies_rounded(precision: DType) -> bool {
    precision == DType::BF16 && Unit::best().is_some()
}

/// A tensor as a left matrix of a product in `precision`.
pub fn as_multiplied(x: FlexTensor, precision: DType) -> FlexTensor {
    let x = x.to_contiguous();
    if precision != DType::BF16 || Unit::best().is_some() {
        return x;
    }
    let shape = x.layout().shape().clone();
    tensor_of(rounded(x.storage::<f32>()), shape)
}
