//! Matrices within slices.

use crate::kept::Layout;

/// A matrix within a slice; its transpose is another view of the same numbers.
#[derive(Clone, Copy)]
pub struct View<'a, T = f32> {
    /// From the first number of the matrix on.
    pub values: &'a [T],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// From a number to the one below it.
    pub row_step: usize,
    /// From a number to the one to the right.
    pub column_step: usize,
}

impl<'a, T> View<'a, T> {
    /// `rows` times `columns` numbers, row by row.
    ///
    /// # Panics
    /// Where there are more or fewer.
    pub fn new(values: &'a [T], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix of {rows}×{columns}");
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    /// The sizes of such a matrix, without its numbers.
    pub fn of_size(rows: usize, columns: usize) -> Self {
        Self { values: &[], rows, columns, row_step: columns, column_step: 1 }
    }

    /// `rows` times `columns` numbers, the rows `step` apart.
    ///
    /// # Panics
    /// Where the last row would end beyond the slice, or rows would overlap.
    pub fn within(values: &'a [T], rows: usize, columns: usize, step: usize) -> Self {
        assert!(columns <= step && (rows == 0 || (rows - 1) * step + columns <= values.len()));
        Self { values, rows, columns, row_step: step, column_step: 1 }
    }

    /// Everything but the numbers; `order` tells apart the orders that the same numbers are read in.
    pub fn layout(&self, order: usize) -> Layout {
        [self.rows, self.columns, self.row_step, self.column_step, order]
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }
}
