//! Class labels as conditions, with one more label that says nothing.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use crate::nn::Builder;

/// A learned vector per class, and one for "no condition", which classifier-free guidance needs.
#[derive(Module, Debug)]
pub struct ClassCondition {
    table: Param<Tensor<2>>, // [C + 1, d]
}

impl ClassCondition {
    /// Vectors of width `width` for `classes` classes.
    pub fn new(builder: &mut Builder, classes: usize, width: usize) -> Self {
        Self { table: builder.normal([classes + 1, width], 0.5) }
    }

    /// The label of "no condition": the number of classes.
    pub fn nothing(&self) -> usize {
        self.table.dims()[0] - 1
    }

    /// # Shapes
    /// labels `[B]`, 0 to C → `[B, d]`
    pub fn forward(&self, labels: Tensor<1, Int>) -> Tensor<2> {
        self.table.val().select(0, labels)
    }
}
