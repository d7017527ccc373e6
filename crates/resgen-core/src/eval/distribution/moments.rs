//! Mean and covariance of features, batch after batch: memory depends on the width alone.

use faer::{MatMut, MatRef};

use super::matrix::{centred, expect_finite, multiply};
use crate::error::{Error, Result};

/// Mean and scatter of a set of features. Sets are joined by Chan, Golub and LeVeque's formula, which loses no digits where
/// means are far from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,    // [F]
    scatter: Vec<f64>, // [F, F], Σ (x − mean)(x − mean)ᵀ
}

impl Moments {
    /// Of no features of this width.
    pub fn new(width: usize) -> Self {
        Self { count: 0, mean: vec![0.0; width], scatter: vec![0.0; width * width] }
    }

    /// From the mean and covariance of a file, of a set of unknown size: the scatter is taken as that of two rows, so
    /// such moments cannot be joined with others in earnest.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the sizes do not fit each other, [`Error::Argument`] for values that are not finite or a
    /// covariance that is not symmetric.
    pub fn from_statistics(mean: Vec<f64>, covariance: Vec<f64>) -> Result<Self> {
        let width = mean.len();
        if covariance.len() != width * width || width == 0 {
            let found = format!("{} numbers", covariance.len());
            return Err(Error::mismatch("covariance", format!("{width} × {width}"), found));
        }
        if mean.iter().chain(&covariance).any(|value| !value.is_finite()) {
            return Err(Error::argument("statistics", "a value is not finite"));
        }
        let size = covariance.iter().fold(0f64, |size, value| size.max(value.abs()));
        let entry = |row: usize, column: usize| covariance[row * width + column];
        let is_symmetric = (0..width)
            .all(|row| (0..row).all(|column| (entry(row, column) - entry(column, row)).abs() <= 1e-6 * size));
        if !is_symmetric {
            return Err(Error::argument("statistics", "the covariance is not symmetric"));
        }
        Ok(Self { count: 2, mean, scatter: covariance })
    }

    /// Joins a batch.
    ///
    /// # Shapes
    /// `[B, F]`
    ///
    /// # Errors
    /// [`Error::Mismatch`] for rows of another width, [`Error::Argument`] for a value that is not finite.
    pub fn add(&mut self, values: &[f32]) -> Result<()> {
        let width = self.width();
        if !values.len().is_multiple_of(width.max(1)) {
            return Err(Error::mismatch(
                "features",
                format!("rows of {width}"),
                format!("{} numbers", values.len()),
            ));
        }
        expect_finite(values, width)?;
        let count = values.len() / width.max(1);
        if count == 0 {
            return Ok(());
        }
        let mut mean = vec![0.0; width];
        for row in values.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= count as f64);
        let rows = centred(values, width, &mean);
        let rows = MatRef::from_row_major_slice(&rows, count, width);
        let mut scatter = vec![0.0; width * width];
        let out = MatMut::from_row_major_slice_mut(&mut scatter, width, width);
        multiply(out, rows.transpose(), rows);
        self.join(&Self { count: count as u64, mean, scatter });
        Ok(())
    }

    /// Joins another set, of the same width.
    pub fn join(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (own, others) = (self.count as f64, other.count as f64);
        let total = own + others;
        let shift: Vec<f64> = other.mean.iter().zip(&self.mean).map(|(other, own)| other - own).collect();
        let weight = own * others / total;
        let rows = self.scatter.chunks_exact_mut(shift.len()).zip(other.scatter.chunks_exact(shift.len()));
        for ((own, other), row) in rows.zip(&shift) {
            for ((own, other), column) in own.iter_mut().zip(other).zip(&shift) {
                *own += other + weight * row * column;
            }
        }
        self.mean.iter_mut().zip(&shift).for_each(|(mean, shift)| *mean += shift * others / total);
        self.count += other.count;
    }

    /// Rows seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// F.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// `[F]`
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[F, F]`, divided by N − 1 as NumPy's `cov` does.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer than two rows.
    pub fn covariance(&self) -> Result<Vec<f64>> {
        if self.count < 2 {
            let found = format!("expected at least 2 for a covariance, found {}", self.count);
            return Err(Error::argument("pictures", found));
        }
        let free = (self.count - 1) as f64;
        Ok(self.scatter.iter().map(|sum| sum / free).collect())
    }
}

/// Moments of groups of a set: of the whole, and of the whole without each of the groups.
#[derive(Clone, Debug)]
pub struct GroupedMoments {
    groups: Vec<Moments>,
    next: usize,
}

impl GroupedMoments {
    /// `groups` of them, at least one, which rows join in turn.
    pub fn new(width: usize, groups: usize) -> Self {
        Self { groups: vec![Moments::new(width); groups.max(1)], next: 0 }
    }

    /// Joins a batch: its first row to the group after that of the last row before, and so on.
    ///
    /// # Errors
    /// As [`Moments::add`].
    pub fn add(&mut self, values: &[f32]) -> Result<()> {
        let (width, count) = (self.groups[0].width(), self.groups.len());
        for offset in 0..count {
            let own = values.chunks_exact(width).skip(offset).step_by(count).flatten().copied();
            self.groups[(self.next + offset) % count].add(&own.collect::<Vec<f32>>())?;
        }
        self.next = (self.next + values.len() / width) % count;
        Ok(())
    }

    /// Of the whole set.
    pub fn whole(&self) -> Moments {
        self.joined(|_| true)
    }

    /// Of the whole set without each group in turn.
    pub fn without_each(&self) -> impl Iterator<Item = Moments> {
        (0..self.groups.len()).map(|without| self.joined(|group| group != without))
    }

    fn joined(&self, takes: impl Fn(usize) -> bool) -> Moments {
        let mut whole = Moments::new(self.groups[0].width());
        self.groups
            .iter()
            .enumerate()
            .filter(|(group, _)| takes(*group))
            .for_each(|(_, own)| whole.join(own));
        whole
    }
}
