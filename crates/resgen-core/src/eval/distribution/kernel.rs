//! Kernel distance (KID, arXiv 1801.01401): the unbiased squared maximum mean discrepancy with the kernel
//! (x·y/F + 1)³.

use faer::{Mat, MatRef};
use rayon::prelude::*;

use super::interval::{Estimate, jackknife};
use super::matrix::{Rows, multiply};
use crate::error::{Error, Result};

/// Rows whose kernels with others are in memory at once.
const BLOCK: usize = 512;

/// The distance of all samples to all of the reference, with the standard error of a jackknife over `groups` groups of the
/// samples. Its expectation is that of the usual mean over random subsets; it varies less. Time grows with the square of the
/// number of rows.
///
/// # Errors
/// [`Error::Mismatch`] for features of different widths, [`Error::Argument`] for fewer than two rows.
pub fn kernel_distance(samples: &Rows, reference: &Rows, groups: usize) -> Result<Estimate> {
    samples.expect_width_of(reference)?;
    for (name, rows) in [("samples", samples), ("reference", reference)] {
        if rows.count() < 2 {
            return Err(Error::argument(name, format!("expected at least 2, found {}", rows.count())));
        }
    }
    // Every group must leave at least two samples.
    let groups = groups.clamp(1, samples.count() / 2);
    let (own, across) = (sums(samples, samples, groups), sums(samples, reference, groups));
    let reference_count = reference.count() as f64;
    let of_reference = sums(reference, reference, 1)[0][0] / (reference_count * (reference_count - 1.0));
    let distance = |takes: &dyn Fn(usize) -> bool| {
        let taken = || (0..groups).filter(|group| takes(*group));
        let count: f64 = taken().map(|group| size_of(group, groups, samples.count()) as f64).sum();
        let within: f64 = taken()
            .flat_map(|row| taken().map(move |column| (row, column)))
            .map(|(row, column)| own[row][column])
            .sum();
        let between: f64 = taken().map(|row| across[row].iter().sum::<f64>()).sum();
        within / (count * (count - 1.0)) + of_reference - 2.0 * between / (count * reference_count)
    };
    let value = distance(&|_| true);
    let without: Vec<f64> = match groups {
        1 => Vec::new(),
        _ => (0..groups).map(|without| distance(&|group| group != without)).collect(),
    };
    Ok(jackknife(value, &without))
}

/// Rows that are in a group: those whose index leaves it as the remainder.
fn size_of(group: usize, groups: usize, count: usize) -> usize {
    (count + groups - 1 - group) / groups
}

/// Sums of kernels between groups of rows; a row with itself does not count.
///
/// # Shapes
/// `[groups, groups]`
fn sums(left: &Rows, right: &Rows, groups: usize) -> Vec<Vec<f64>> {
    let is_same = std::ptr::eq(left, right);
    let width = left.width();
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<f64>>();
    let of_block = |(left_block, left_values): (usize, &[f32])| {
        let mut sums = vec![vec![0.0; groups]; groups];
        let left_values = wide(left_values);
        let rows = MatRef::from_row_major_slice(&left_values, left_values.len() / width, width);
        for (right_block, right_values) in right.values().chunks(BLOCK * width).enumerate() {
            let right_values = wide(right_values);
            let columns = MatRef::from_row_major_slice(&right_values, right_values.len() / width, width);
            let mut products = Mat::zeros(rows.nrows(), columns.nrows());
            multiply(products.as_mut(), rows, columns.transpose());
            for column in 0..columns.nrows() {
                for row in 0..rows.nrows() {
                    let (row_index, column_index) = (left_block * BLOCK + row, right_block * BLOCK + column);
                    if is_same && row_index == column_index {
                        continue;
                    }
                    let kernel = (products[(row, column)] / width as f64 + 1.0).powi(3);
                    sums[row_index % groups][column_index % groups] += kernel;
                }
            }
        }
        sums
    };
    let blocks: Vec<_> = left.values().par_chunks(BLOCK * width).enumerate().map(of_block).collect();
    let mut sums = vec![vec![0.0; groups]; groups];
    // In the blocks' order, whoever worked on them.
    for block in blocks {
        for (sums, block) in sums.iter_mut().flatten().zip(block.into_iter().flatten()) {
            *sums += block;
        }
    }
    sums
}
