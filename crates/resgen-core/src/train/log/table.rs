//! The rows of a scalar log, read back.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// The name of the first column.
pub(super) const STEP: &str = "step";

/// Named scalars at increasing steps; a cell is empty where a scalar was not logged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScalarTable {
    columns: Vec<String>,
    rows: Vec<Row>,
}

/// What was logged at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The training step.
    pub step: u64,
    /// One cell for each column.
    pub cells: Vec<Option<f64>>,
}

impl ScalarTable {
    /// A table of `rows`, each with a cell for each column.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a row of another length.
    pub fn new(columns: &[&str], rows: Vec<Row>) -> Result<Self> {
        let columns: Vec<_> = columns.iter().map(|name| name.to_string()).collect();
        match rows.iter().find(|row| row.cells.len() != columns.len()) {
            Some(row) => {
                Err(Error::mismatch(format!("cells at step {}", row.step), columns.len(), row.cells.len()))
            }
            None => Ok(Self { columns, rows }),
        }
    }

    /// Reads a log written by [`ScalarLog`](super::ScalarLog); a last line without its end is left out.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::File`] with the line when it is not such a log.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(Error::io(path))?;
        Self::parse(path, whole_lines(path, &bytes)?)
    }

    /// Parses the text of the log at `path`, which only whole lines make up.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let Some(header) = lines.next() else { return Ok(Self::default()) };
        let mut names = header.split(',').map(str::to_owned);
        if names.next().as_deref() != Some(STEP) {
            return Err(Error::file(path, format!("the first column is not `{STEP}`")));
        }
        let columns: Vec<_> = names.collect();
        let rows = lines
            .enumerate()
            // People count from 1, and the header is the first line.
            .map(|(index, line)| {
                parse_row(line, columns.len())
                    .map_err(|reason| Error::file(path, format!("line {}: {reason}", index + 2)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { columns, rows })
    }

    /// The names of the columns, without that of the step.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// All rows, oldest first.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The steps and values of one column where it was logged; none for an unknown column.
    pub fn series(&self, column: &str) -> Vec<(u64, f64)> {
        let Some(index) = self.columns.iter().position(|name| name == column) else { return Vec::new() };
        self.rows.iter().filter_map(|row| Some((row.step, row.cells[index]?))).collect()
    }
}

/// The part of a file that ends with a line end: what follows was cut short by a kill or a power cut.
pub(super) fn whole_lines<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    str::from_utf8(&bytes[..end]).map_err(|error| Error::file(path, error))
}

fn parse_row(line: &str, columns: usize) -> Result<Row, String> {
    let mut fields = line.split(',');
    let step = fields.next().unwrap_or_default();
    let step = step.parse().map_err(|_| format!("expected a step number, found `{step}`"))?;
    let cells = fields.map(parse_cell).collect::<Result<Vec<_>, _>>()?;
    if cells.len() == columns {
        Ok(Row { step, cells })
    } else {
        Err(format!("expected {columns} values, found {}", cells.len()))
    }
}

fn parse_cell(field: &str) -> Result<Option<f64>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    field.parse().map(Some).map_err(|_| format!("expected a number, found `{field}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cells_gaps_and_a_torn_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.csv");
        fs::write(&path, "step,loss,val\n1,0.5,\n2,NaN,1e-7\n3,0.2").unwrap();
        let table = ScalarTable::read(&path).unwrap();
        assert_eq!(table.columns(), ["loss", "val"]);
        assert_eq!(table.rows().len(), 2);
        assert_eq!(table.series("val"), [(2, 1e-7)]);
        assert_eq!(table.series("loss")[0], (1, 0.5));
        assert!(table.series("loss")[1].1.is_nan());
        assert!(table.series("absent").is_empty());
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, expected) in [
            ("time,loss\n", "log.csv: the first column is not `step`"),
            ("step,loss\n1,2\nx,2\n", "log.csv: line 3: expected a step number, found `x`"),
            ("step,loss\n1,two\n", "log.csv: line 2: expected a number, found `two`"),
            ("step,loss\n1,2,3\n", "log.csv: line 2: expected 1 values, found 2"),
        ] {
            let error = ScalarTable::parse(Path::new("log.csv"), text).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn an_empty_text_is_an_empty_table() {
        assert_eq!(ScalarTable::parse(Path::new("log.csv"), "").unwrap(), ScalarTable::default());
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let row = Row { step: 7, cells: vec![None] };
        assert!(ScalarTable::new(&["loss"], vec![row.clone()]).is_ok());
        let error = ScalarTable::new(&["loss", "val"], vec![row]).unwrap_err();
        assert_eq!(error.to_string(), "cells at step 7: expected 2, found 1");
    }
}
