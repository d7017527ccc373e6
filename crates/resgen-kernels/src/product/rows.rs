//! The left matrix of a product, where it lies.

use std::iter::once;
use std::ops::Range;

use super::view::View;

/// Places in a slice, evenly spaced along a line, lines along an image, images one after the other.
///
/// The rows of a matrix are one line; the windows that a convolution looks through are lines of images.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// How many there are.
    pub count: usize,
    /// Of a line.
    pub per_line: usize,
    /// Of an image.
    pub lines: usize,
    /// From a place to the next.
    pub step: usize,
    /// From a line to the next.
    pub line_step: usize,
    /// From an image to the next.
    pub image_step: usize,
}

impl Places {
    fn in_a_line(count: usize, step: usize) -> Self {
        Self { count, per_line: count, lines: 1, step, line_step: 0, image_step: 0 }
    }

    /// Where the place lies.
    pub fn at(&self, place: usize) -> usize {
        let (line, along) = (place / self.per_line, place % self.per_line);
        line / self.lines * self.image_step + line % self.lines * self.line_step + along * self.step
    }
}

/// A matrix whose rows, or whose columns, are made of stretches of numbers that lie together: the same stretches in each, counted
/// from the place where it starts.
#[derive(Clone, Debug)]
pub struct Rows<'a, T = f32> {
    values: &'a [T],
    places: Places,
    /// None longer than [`STRETCH`].
    stretches: Vec<Range<usize>>,
    /// Whether places are columns.
    across: bool,
}

/// Most numbers of a stretch: that much of a panel, and of the rows that meet it, stays in the first-level cache.
pub const STRETCH: usize = 256;

impl<'a, T> Rows<'a, T> {
    /// Places as rows.
    ///
    /// # Panics
    /// Where a stretch of the last place would end beyond the slice.
    pub fn new(values: &'a [T], places: Places, stretches: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut stretches: Vec<_> = stretches.into_iter().flat_map(short).collect();
        if stretches.is_empty() {
            stretches.push(0..0); // a sum of nothing is still a sum
        }
        let longest = stretches.iter().map(|stretch| stretch.end).max().unwrap_or(0);
        let last = if places.count > 0 { places.at(places.count - 1) } else { 0 };
        assert!(places.count == 0 || last + longest <= values.len(), "rows beyond their slice");
        Self { values, places, stretches, across: false }
    }

    /// Rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { across: !self.across, ..self }
    }

    /// The matrix of a view.
    ///
    /// # Panics
    /// Where neither its rows nor its columns lie together.
    pub fn of(view: View<'a, T>) -> Self {
        if view.column_step == 1 {
            let places = Places::in_a_line(view.rows, view.row_step);
            Self::new(view.values, places, once(0..view.columns))
        } else {
            assert_eq!(view.row_step, 1, "a matrix that lies together in neither direction");
            let places = Places::in_a_line(view.columns, view.column_step);
            Self::new(view.values, places, once(0..view.rows)).transposed()
        }
    }

    fn width(&self) -> usize {
        self.stretches.iter().map(ExactSizeIterator::len).sum()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        if self.across { self.width() } else { self.places.count }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        if self.across { self.places.count } else { self.width() }
    }

    /// Whether rows, not columns, are made of stretches.
    pub fn lies_in_rows(&self) -> bool {
        !self.across
    }

    /// The parts of a row that lie together, in order: which columns they are.
    pub fn parts(&self) -> Vec<Range<usize>> {
        if self.across {
            return short(0..self.places.count).collect();
        }
        let mut from = 0;
        let columns = self.stretches.iter().map(|stretch| {
            let part = from..from + stretch.len();
            from = part.end;
            part
        });
        columns.collect()
    }

    /// One of the [`Rows::parts`] of a row.
    pub fn part_of_row(&self, row: usize, part: usize) -> &'a [T] {
        let stretch = &self.stretches[part];
        &self.values[self.places.at(row)..][stretch.clone()]
    }

    /// Calls `each` with every stretch of `rows` within a column and the number of the row it begins with; for matrices whose
    /// columns are made of stretches.
    pub fn stretches_of_column(
        &self,
        column: usize,
        rows: Range<usize>,
        mut each: impl FnMut(usize, &'a [T]),
    ) {
        let start = self.places.at(column);
        let mut first = 0;
        for stretch in &self.stretches {
            let (from, to) = (rows.start.max(first), rows.end.min(first + stretch.len()));
            if from < to {
                let at = start + stretch.start + from - first;
                each(from, &self.values[at..at + to - from]);
            }
            first += stretch.len();
        }
    }
}

/// The stretch, or its parts where it is too long.
fn short(stretch: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let parts = stretch.len().div_ceil(STRETCH).max(1);
    let part = stretch.len().div_ceil(parts);
    (0..parts)
        .map(move |index| stretch.start + index * part..stretch.end.min(stretch.start + (index + 1) * part))
}
