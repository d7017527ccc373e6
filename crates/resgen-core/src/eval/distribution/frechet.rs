//! Fréchet distance of two normal distributions (arXiv 1706.08500).
//!
//! d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½. The last trace is the sum of the roots of the eigenvalues of
//! Σ₁^½ Σ₂ Σ₁^½, which is symmetric: no complex numbers, no offset on a singular covariance.

use faer::{Mat, MatRef, Par, Side};
use rayon::prelude::*;

use super::interval::{Estimate, jackknife};
use super::matrix::multiply;
use super::moments::{GroupedMoments, Moments};
use crate::error::{Error, Result};

/// Distances to one distribution, whose covariance's root is taken once.
pub struct Frechet {
    mean: Vec<f64>,
    trace: f64,
    root: Mat<f64>, // Σ^½
}

impl Frechet {
    /// Distances to what these moments describe.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer than two rows, or a covariance whose eigenvalues cannot be found.
    pub fn to(reference: &Moments) -> Result<Self> {
        let width = reference.width();
        let covariance = reference.covariance()?;
        // As in `multiply`: several distances at once keep several cores busy.
        faer::set_global_parallelism(Par::Seq);
        let matrix = MatRef::from_row_major_slice(&covariance, width, width);
        let found = matrix.self_adjoint_eigen(Side::Lower).map_err(not_found)?;
        let (vectors, values) = (found.U(), found.S().column_vector());
        // Rounding leaves eigenvalues of 0 a little below it.
        let scaled =
            Mat::from_fn(width, width, |row, column| vectors[(row, column)] * root_of(values[column]));
        let mut root = Mat::zeros(width, width);
        multiply(root.as_mut(), scaled.as_ref(), vectors.transpose());
        Ok(Self { mean: reference.mean().to_vec(), trace: trace(matrix), root })
    }

    /// The distance d².
    ///
    /// # Errors
    /// [`Error::Mismatch`] for features of another width; otherwise as [`Frechet::to`].
    pub fn of(&self, samples: &Moments) -> Result<f64> {
        let width = self.mean.len();
        if samples.width() != width {
            return Err(Error::mismatch("width of the features", width, samples.width()));
        }
        let covariance = samples.covariance()?;
        let matrix = MatRef::from_row_major_slice(&covariance, width, width);
        let mut half = Mat::zeros(width, width);
        multiply(half.as_mut(), matrix, self.root.as_ref());
        let mut product = Mat::zeros(width, width);
        multiply(product.as_mut(), self.root.as_ref(), half.as_ref());
        let values = product.self_adjoint_eigenvalues(Side::Lower).map_err(not_found)?;
        let overlap: f64 = values.into_iter().map(root_of).sum();
        let shift: f64 = self.mean.iter().zip(samples.mean()).map(|(a, b)| (a - b).powi(2)).sum();
        Ok(shift + self.trace + trace(matrix) - 2.0 * overlap)
    }
}

impl Frechet {
    /// The distance of a set, with a jackknife over its groups where each leaves enough of it.
    ///
    /// # Errors
    /// As [`Frechet::of`].
    pub fn of_groups(&self, samples: &GroupedMoments) -> Result<Estimate> {
        let mut sets = vec![samples.whole()];
        sets.extend(samples.without_each().filter(|others| others.count() > 1));
        let distances = sets.par_iter().map(|set| self.of(set)).collect::<Result<Vec<f64>>>()?;
        Ok(jackknife(distances[0], &distances[1..]))
    }
}

/// The Fréchet distance d² of two sets.
///
/// # Errors
/// As [`Frechet::to`] and [`Frechet::of`].
pub fn frechet_distance(samples: &Moments, reference: &Moments) -> Result<f64> {
    Frechet::to(reference)?.of(samples)
}

fn root_of(eigenvalue: f64) -> f64 {
    eigenvalue.max(0.0).sqrt()
}

fn trace(matrix: MatRef<'_, f64>) -> f64 {
    (0..matrix.nrows()).map(|index| matrix[(index, index)]).sum()
}

fn not_found(error: impl std::fmt::Debug) -> Error {
    Error::argument("covariance", format!("its eigenvalues were not found: {error:?}"))
}
