//! The scalar log: one CSV row for each logged step.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::append::Appender;
use super::table::{Row, STEP, ScalarTable, whole_lines};
use crate::atomic::write_atomically;
use crate::error::{Error, Result};

/// Appends rows of named scalars to `log.csv` in the folder of a run.
///
/// Values are written with the fewest digits that read back as the same number.
pub struct ScalarLog {
    columns: Vec<String>,
    last_step: Option<u64>,
    file: Appender,
    path: PathBuf,
}

impl ScalarLog {
    /// The name of the file in the folder of a run.
    pub const FILE: &'static str = "log.csv";

    /// Opens the log of the run in `dir`, or starts one.
    ///
    /// A run that goes on from the checkpoint of step `k` passes `Some(k)`: rows of later steps, which it will
    /// write again, are dropped, and so is a last line cut short. A new run passes `None` and keeps no row.
    ///
    /// # Errors
    /// [`Error::Argument`] for a column name that CSV cannot hold plainly, [`Error::Mismatch`] when the file has
    /// other columns, [`Error::File`] when it is no such log, [`Error::Io`] from the system.
    pub fn open(dir: impl AsRef<Path>, columns: &[&str], resume_step: Option<u64>) -> Result<Self> {
        check_names(columns)?;
        let path = dir.as_ref().join(Self::FILE);
        let header =
            std::iter::once(STEP).chain(columns.iter().copied()).collect::<Vec<_>>().join(",") + "\n";
        let old = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(Error::io(&path))?,
        };
        let text = whole_lines(&path, &old)?;
        check_header(&path, &header, text.split_inclusive('\n').next())?;
        let table = ScalarTable::parse(&path, text)?;
        let is_kept = |row: &Row| resume_step.is_some_and(|resume| row.step <= resume);
        let kept = keep_lines(&header, text, table.rows(), is_kept);
        if kept.as_bytes() != old {
            write_atomically(&path, |writer| writer.write_all(kept.as_bytes()))?;
        }
        Ok(Self {
            columns: columns.iter().map(|name| name.to_string()).collect(),
            last_step: table.rows().iter().filter(|row| is_kept(row)).map(|row| row.step).max(),
            file: Appender::open(&path)?,
            path,
        })
    }

    /// Adds a row; the cell of a column that `scalars` does not name stays empty.
    ///
    /// Several rows of one step are allowed, say one of training and one of validation.
    ///
    /// # Errors
    /// [`Error::Argument`] for a step before the last one, [`Error::Mismatch`] for a name that is no column,
    /// [`Error::Io`] from the system.
    pub fn append(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<()> {
        if let Some(last) = self.last_step.filter(|last| step < *last) {
            return Err(Error::argument("step", format!("expected {last} or later, found {step}")));
        }
        if let Some((name, _)) = scalars.iter().find(|(name, _)| !self.columns.iter().any(|c| c == name)) {
            return Err(Error::mismatch(
                format!("column of {}", self.path.display()),
                format!("one of {}", self.columns.join(", ")),
                name,
            ));
        }
        self.file.append(self.format(step, scalars).as_bytes())?;
        self.last_step = Some(step);
        Ok(())
    }

    /// Waits until all rows are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] from the system.
    pub fn flush(&mut self) -> Result<()> {
        self.file.sync()
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn format(&self, step: u64, scalars: &[(&str, f64)]) -> String {
        let mut line = step.to_string();
        for column in &self.columns {
            line.push(',');
            if let Some((_, value)) = scalars.iter().find(|(name, _)| name == column) {
                // `{:?}` is the shortest form that reads back, with an exponent where that is shorter.
                // Writing to a string cannot fail.
                let _ = write!(line, "{value:?}");
            }
        }
        line.push('\n');
        line
    }
}

fn check_names(columns: &[&str]) -> Result<()> {
    for (index, name) in columns.iter().enumerate() {
        let is_plain = !name.is_empty() && !name.contains([',', '"', '\n', '\r']);
        if !is_plain || *name == STEP || columns[..index].contains(name) {
            return Err(Error::argument(
                "columns",
                format!("expected distinct names without commas, quotes and line ends, found `{name}`"),
            ));
        }
    }
    Ok(())
}

fn check_header(path: &Path, expected: &str, found: Option<&str>) -> Result<()> {
    match found {
        Some(found) if found != expected => Err(Error::mismatch(
            format!("columns of {}", path.display()),
            expected.trim_end(),
            found.trim_end(),
        )),
        _ => Ok(()),
    }
}

/// The header and the lines of the rows that stay, letter for letter.
fn keep_lines(header: &str, text: &str, rows: &[Row], is_kept: impl Fn(&Row) -> bool) -> String {
    let lines = text.split_inclusive('\n').skip(1);
    let kept = lines.zip(rows).filter(|(_, row)| is_kept(row)).map(|(line, _)| line);
    std::iter::once(header).chain(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[&str] = &["loss", "val"];

    fn text(dir: &Path) -> String {
        fs::read_to_string(dir.join(ScalarLog::FILE)).unwrap()
    }

    fn with(content: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(ScalarLog::FILE), content).unwrap();
        dir
    }

    #[test]
    fn rows_follow_the_header_and_gaps_stay_empty() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = ScalarLog::open(dir.path(), COLUMNS, None).unwrap();
        log.append(1, &[("loss", 0.5)]).unwrap();
        log.append(2, &[("val", f64::NAN), ("loss", 1e-7)]).unwrap();
        log.append(2, &[]).unwrap();
        log.flush().unwrap();
        assert_eq!(text(dir.path()), "step,loss,val\n1,0.5,\n2,1e-7,NaN\n2,,\n");
    }

    #[test]
    fn values_read_back_as_the_same_number() {
        let dir = tempfile::tempdir().unwrap();
        let values = [0.1 + 0.2, f64::MIN_POSITIVE, f64::MAX, -0.0, f64::INFINITY, f64::from(0.1_f32), 1e16];
        let mut log = ScalarLog::open(dir.path(), &["x"], None).unwrap();
        for (step, value) in (1..).zip(values) {
            log.append(step, &[("x", value)]).unwrap();
        }
        let read = ScalarTable::read(log.path()).unwrap().series("x");
        let bits = |value: f64| value.to_bits();
        assert_eq!(read.iter().map(|(_, v)| bits(*v)).collect::<Vec<_>>(), values.map(bits));
    }

    #[test]
    fn resuming_drops_later_rows_and_a_torn_line() {
        let dir = with("step,loss,val\n1,0.50,\n2,0.4,\n3,0.3,\n4,0.");
        let mut log = ScalarLog::open(dir.path(), COLUMNS, Some(2)).unwrap();
        assert_eq!(text(dir.path()), "step,loss,val\n1,0.50,\n2,0.4,\n");
        log.append(3, &[("loss", 0.25)]).unwrap();
        assert_eq!(text(dir.path()), "step,loss,val\n1,0.50,\n2,0.4,\n3,0.25,\n");
    }

    #[test]
    fn a_line_that_would_read_but_has_no_end_is_torn_too() {
        // The kill may have taken the last digits: 0.3 could have been 0.35.
        let dir = with("step,loss,val\n1,0.5,1.0\n2,0.4,0.3");
        ScalarLog::open(dir.path(), COLUMNS, Some(9)).unwrap();
        assert_eq!(text(dir.path()), "step,loss,val\n1,0.5,1.0\n");
    }

    #[test]
    fn a_new_run_keeps_no_row() {
        for old in ["", "step,lo", "step,loss,val\n0,1.0,\n1,0.5,\n"] {
            let dir = with(old);
            ScalarLog::open(dir.path(), COLUMNS, None).unwrap();
            assert_eq!(text(dir.path()), "step,loss,val\n");
        }
    }

    #[test]
    fn other_columns_are_a_mismatch_and_the_file_stays() {
        let dir = with("step,loss\n1,0.5\n");
        let error = ScalarLog::open(dir.path(), COLUMNS, None).err().unwrap();
        assert!(matches!(error, Error::Mismatch { expected, found, .. }
            if expected == "step,loss,val" && found == "step,loss"));
        assert_eq!(text(dir.path()), "step,loss\n1,0.5\n");
    }

    #[test]
    fn unknown_names_and_steps_that_go_back_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = ScalarLog::open(dir.path(), COLUMNS, None).unwrap();
        log.append(5, &[]).unwrap();
        assert!(
            matches!(log.append(6, &[("los", 1.0)]), Err(Error::Mismatch { found, .. }) if found == "los")
        );
        assert!(matches!(log.append(4, &[]), Err(Error::Argument { name: "step", .. })));
        assert_eq!(text(dir.path()), "step,loss,val\n5,,\n");
    }

    #[test]
    fn names_that_would_break_the_table_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for columns in [&["a,b"][..], &["a", "a"], &["step"], &[""], &["a\n"], &["\"a"]] {
            let result = ScalarLog::open(dir.path(), columns, None);
            assert!(matches!(result, Err(Error::Argument { name: "columns", .. })));
        }
    }
}
