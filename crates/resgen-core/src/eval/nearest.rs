//! Whether samples are copies: how far their features are from those of the nearest training picture, beside how far those of
//! held-out pictures are.

use faer::{Mat, MatRef};
use rayon::prelude::*;

use super::distribution::{Estimate, Rows, multiply, squared_lengths};
use super::looking::look_at_all;
use crate::data::PictureSet;
use crate::error::{Error, Result};
use crate::features::Extractor;
use crate::progress::Progress;
use crate::workers::Workers;

/// Rows whose distances are in memory at once.
const BLOCK: usize = 2048;
/// The share of held-out pictures that are nearer to training pictures than what counts as near.
pub const NEAR: f64 = 0.05;

/// Squared distances to the nearest training picture.
pub struct NearestDistances {
    samples: Vec<f64>,
    heldout: Vec<f64>,
}

impl NearestDistances {
    /// Looks at every training picture once.
    ///
    /// # Errors
    /// Those of the set and of the network; [`Error::Mismatch`] for features of different widths.
    pub fn to(
        training: &PictureSet,
        [samples, heldout]: [&Rows; 2],
        extractor: &Extractor,
        workers: &Workers,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        samples.expect_width_of(heldout)?;
        let width = samples.width();
        let mut nearest = [samples, heldout].map(Nearest::new);
        look_at_all(extractor, training, workers, progress, |seen, _| {
            nearest.iter_mut().for_each(|nearest| nearest.meet(&seen.pooled, width));
            Ok(())
        })?;
        let [samples, heldout] = nearest.map(|nearest| nearest.best);
        Ok(Self { samples, heldout })
    }
}

/// The share of samples that are nearer to a training picture than all but [`NEAR`] of the held-out pictures are. Where samples
/// are no copies it is about that share.
///
/// # Errors
/// [`Error::Argument`] for no samples or no held-out pictures.
pub fn near_copies(distances: &NearestDistances) -> Result<Estimate> {
    let mut known = distances.heldout.clone();
    if known.is_empty() || distances.samples.is_empty() {
        return Err(Error::argument("pictures", "expected some, found none"));
    }
    known.sort_by(f64::total_cmp);
    let limit = known[((known.len() as f64 * NEAR) as usize).min(known.len() - 1)];
    let near = distances.samples.iter().filter(|distance| **distance < limit).count();
    let count = distances.samples.len();
    Ok(Estimate::share(near as f64 / count as f64, count))
}

/// Rows, and how near anything has come to each so far.
struct Nearest {
    points: Vec<f64>,  // [N, F]
    squares: Vec<f64>, // [N]
    best: Vec<f64>,    // [N]
}

impl Nearest {
    fn new(rows: &Rows) -> Self {
        let points: Vec<f64> = rows.values().iter().map(|value| f64::from(*value)).collect();
        let squares = squared_lengths(&points, rows.width());
        Self { best: vec![f64::INFINITY; squares.len()], points, squares }
    }

    /// # Shapes
    /// features `[B, F]`
    fn meet(&mut self, features: &[f32], width: usize) {
        let features: Vec<f64> = features.iter().map(|value| f64::from(*value)).collect();
        let lengths = squared_lengths(&features, width);
        let columns = MatRef::from_row_major_slice(&features, lengths.len(), width);
        let blocks = self.best.par_chunks_mut(BLOCK).zip(self.points.par_chunks(BLOCK * width));
        blocks.zip(self.squares.par_chunks(BLOCK)).for_each(|((best, points), squares)| {
            let rows = MatRef::from_row_major_slice(points, squares.len(), width);
            let mut products = Mat::<f64>::zeros(lengths.len(), squares.len());
            multiply(products.as_mut(), columns, rows.transpose());
            for (row, (best, square)) in best.iter_mut().zip(squares).enumerate() {
                for (column, length) in lengths.iter().enumerate() {
                    *best = best.min((square + length - 2.0 * products[(column, row)]).max(0.0));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_all_batches_counts() {
        let rows = Rows::new(vec![0.0, 0.0, 3.0, 4.0], 2).unwrap();
        let mut nearest = Nearest::new(&rows);
        nearest.meet(&[1.0, 0.0, 3.0, 3.0], 2);
        nearest.meet(&[0.0, 0.5], 2);
        assert_eq!(nearest.best, [0.25, 1.0]);
    }

    #[test]
    fn copies_are_nearer_than_nearly_all_held_out_pictures() {
        let heldout: Vec<f64> = (1..=100).map(f64::from).collect();
        let share = |samples: &[f64]| {
            near_copies(&NearestDistances { samples: samples.to_vec(), heldout: heldout.clone() })
                .unwrap()
                .value
        };
        assert_eq!(share(&heldout), 0.05);
        assert_eq!(share(&[0.0, 0.0, 50.0, 80.0]), 0.5);
    }
}
