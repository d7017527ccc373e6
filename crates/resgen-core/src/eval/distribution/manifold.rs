//! Improved precision and recall (arXiv 1904.06991): how many samples lie where the reference lies, and how much of the
//! reference lies where samples do. A set lies within the balls around its points, each as wide as its k-th nearest
//! neighbour of the same set is far.

use faer::{Mat, MatRef};
use rayon::prelude::*;

use super::interval::Estimate;
use super::matrix::{Rows, centred, multiply, squared_lengths};
use crate::error::{Error, Result};

/// Rows whose distances to all others are in memory at once.
const BLOCK: usize = 256;

/// Where a set lies.
pub struct Manifold {
    points: Vec<f64>,  // [N, F], less the centre
    squares: Vec<f64>, // [N], squared lengths
    radii: Vec<f64>,   // [N], squared distances to the k-th nearest
    centre: Vec<f64>,  // [F]
}

impl Manifold {
    /// # Errors
    /// [`Error::Argument`] for no neighbours, or not more rows than neighbours.
    pub fn of(rows: &Rows, neighbours: usize) -> Result<Self> {
        if neighbours == 0 || rows.count() <= neighbours {
            let reason =
                format!("expected more than {neighbours} for that many neighbours, found {}", rows.count());
            return Err(Error::argument("pictures", reason));
        }
        // Distances do not change, and lose fewer digits near the origin.
        let centre = mean(rows);
        let points = centred(rows.values(), rows.width(), &centre);
        let squares = squared_lengths(&points, rows.width());
        let mut manifold = Self { points, squares, radii: Vec::new(), centre };
        // A point is the nearest to itself.
        let nearest = |row: &mut [f64]| *row.select_nth_unstable_by(neighbours, f64::total_cmp).1;
        manifold.radii = manifold.of_each(&manifold.points, nearest);
        Ok(manifold)
    }

    /// The share of rows that lie within any of its balls.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for features of another width, [`Error::Argument`] for none.
    pub fn share_of(&self, rows: &Rows) -> Result<Estimate> {
        if rows.width() != self.centre.len() {
            return Err(Error::mismatch("width of the features", self.centre.len(), rows.width()));
        }
        if rows.count() == 0 {
            return Err(Error::argument("pictures", "expected some, found none"));
        }
        let points = centred(rows.values(), rows.width(), &self.centre);
        let is_within =
            |row: &mut [f64]| row.iter().zip(&self.radii).any(|(distance, radius)| distance <= radius);
        let within = self.of_each(&points, is_within).into_iter().filter(|is_within| *is_within).count();
        Ok(Estimate::share(within as f64 / rows.count() as f64, rows.count()))
    }

    /// Something of the squared distances of every point to all of its own, `[N]` each; block by block, side by side.
    fn of_each<R: Send>(&self, points: &[f64], make: impl Fn(&mut [f64]) -> R + Sync) -> Vec<R> {
        let width = self.centre.len();
        let own = MatRef::from_row_major_slice(&self.points, self.squares.len(), width);
        let of_block = |block: &[f64]| {
            let rows = MatRef::from_row_major_slice(block, block.len() / width, width);
            let mut products = Mat::zeros(self.squares.len(), rows.nrows());
            multiply(products.as_mut(), own, rows.transpose());
            let mut distances = vec![0.0; self.squares.len()];
            let of_row = |(row, length): (usize, f64)| {
                for ((index, out), square) in distances.iter_mut().enumerate().zip(&self.squares) {
                    *out = (square + length - 2.0 * products[(index, row)]).max(0.0);
                }
                make(&mut distances)
            };
            squared_lengths(block, width).into_iter().enumerate().map(of_row).collect::<Vec<R>>()
        };
        points.par_chunks(BLOCK * width).flat_map_iter(of_block).collect()
    }
}

/// Precision of the samples and recall of the reference.
///
/// # Errors
/// As [`Manifold::of`] and [`Manifold::share_of`].
pub fn precision_and_recall(samples: &Rows, reference: &Rows, neighbours: usize) -> Result<[Estimate; 2]> {
    samples.expect_width_of(reference)?;
    let precision = Manifold::of(reference, neighbours)?.share_of(samples)?;
    Ok([precision, Manifold::of(samples, neighbours)?.share_of(reference)?])
}

fn mean(rows: &Rows) -> Vec<f64> {
    let mut sums = vec![0.0; rows.width()];
    for row in rows.values().chunks_exact(rows.width()) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.into_iter().map(|sum| sum / rows.count() as f64).collect()
}
