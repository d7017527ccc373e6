//! Matrices of features, and their products.

use faer::{Accum, MatMut, MatRef, Par};

use crate::error::{Error, Result};

/// Features of a set of pictures, a row each.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    values: Vec<f32>, // [N, F]
    width: usize,
}

impl Rows {
    /// # Shapes
    /// `values`: `[N, F]` with F = `width`
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the values are no whole rows, or rows have no width; [`Error::Argument`] for a value that is
    /// not finite.
    pub fn new(values: Vec<f32>, width: usize) -> Result<Self> {
        if width == 0 || !values.len().is_multiple_of(width) {
            let expected = format!("rows of {width}");
            return Err(Error::mismatch("features", expected, format!("{} numbers", values.len())));
        }
        expect_finite(&values, width)?;
        Ok(Self { values, width })
    }

    /// F.
    pub fn width(&self) -> usize {
        self.width
    }

    /// N.
    pub fn count(&self) -> usize {
        self.values.len() / self.width
    }

    /// `[N, F]`
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// # Errors
    /// [`Error::Mismatch`] where the widths differ.
    pub fn expect_width_of(&self, other: &Self) -> Result<()> {
        if self.width != other.width {
            return Err(Error::mismatch("width of the features", self.width, other.width));
        }
        Ok(())
    }
}

/// # Errors
/// [`Error::Argument`] names the first row with a value that is not finite.
pub(super) fn expect_finite(values: &[f32], width: usize) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(place) => {
            let (row, column) = (place / width, place % width);
            let reason = format!("row {row}, column {column} is {}", values[place]);
            Err(Error::argument("features", reason))
        }
        None => Ok(()),
    }
}

/// Rows minus a row, in f64.
pub(super) fn centred(values: &[f32], width: usize, centre: &[f64]) -> Vec<f64> {
    let rows = values.chunks_exact(width);
    rows.flat_map(|row| row.iter().zip(centre).map(|(value, centre)| f64::from(*value) - centre)).collect()
}

/// `out = a·b` on one thread, so that the order of every sum is the same on any number of cores.
pub(in crate::eval) fn multiply(out: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>) {
    faer::linalg::matmul::matmul(out, Accum::Replace, a, b, 1.0, Par::Seq);
}

/// # Shapes
/// points `[N, F]` → `[N]`
pub(in crate::eval) fn squared_lengths(points: &[f64], width: usize) -> Vec<f64> {
    points.chunks_exact(width).map(|row| row.iter().map(|value| value * value).sum()).collect()
}
