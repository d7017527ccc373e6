//! What a run writes down: a table, TensorBoard events, curves.

mod append;
mod curves;
mod legend;
mod protobuf;
mod scalars;
mod series;
mod table;
mod tensorboard;

use std::path::{Path, PathBuf};

pub use curves::{Panel, draw_curves};
pub use scalars::ScalarLog;
pub use table::{Row, ScalarTable};
pub use tensorboard::EventWriter;

use crate::error::Result;
pub use crate::signal::chart::Scale;
use crate::signal::text::FONT;

/// All that a run logs, in its folder: `log.csv`, TensorBoard events, `curves.png`.
pub struct RunLog {
    scalars: ScalarLog,
    events: EventWriter,
    panels: Vec<Panel>,
    curves: PathBuf,
}

impl RunLog {
    /// The name of the picture in the folder of a run.
    pub const CURVES: &'static str = "curves.png";

    /// Opens the log of the run in `dir`: `columns` names all scalars, `panels` groups them for the curves.
    ///
    /// A run that goes on from the checkpoint of step `k` passes `Some(k)`, and a new one `None`: what was logged
    /// of later steps is dropped.
    ///
    /// # Errors
    /// As [`ScalarLog::open`] and [`EventWriter::create`].
    pub fn open(
        dir: impl AsRef<Path>,
        columns: &[&str],
        panels: Vec<Panel>,
        resume_step: Option<u64>,
    ) -> Result<Self> {
        let dir = dir.as_ref();
        Ok(Self {
            scalars: ScalarLog::open(dir, columns, resume_step)?,
            events: EventWriter::create(dir, resume_step)?,
            panels,
            curves: dir.join(Self::CURVES),
        })
    }

    /// Logs named numbers of a step.
    ///
    /// # Errors
    /// As [`ScalarLog::append`] and [`EventWriter::scalars`].
    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<()> {
        self.scalars.append(step, scalars)?;
        self.events.scalars(step, scalars)
    }

    /// Logs a picture, given as the bytes of a PNG file, to TensorBoard.
    ///
    /// # Errors
    /// As [`EventWriter::image`].
    pub fn images(&mut self, tag: &str, step: u64, png: &[u8]) -> Result<()> {
        self.events.image(tag, step, png)
    }

    /// Waits until all is on the disk; without it a power cut, though not a kill, can take the last rows.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) from the system.
    pub fn flush(&mut self) -> Result<()> {
        self.scalars.flush()?;
        self.events.flush()
    }

    /// Draws the curves of all rows so far, of earlier starts of the run too.
    ///
    /// # Errors
    /// As [`ScalarTable::read`] and [`draw_curves`].
    pub fn curves(&self) -> Result<()> {
        draw_curves(&ScalarTable::read(self.scalars.path())?, &self.panels, &self.curves, FONT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panels() -> Vec<Panel> {
        vec![Panel { title: "Loss".into(), columns: vec!["loss".into()], ..Panel::default() }]
    }

    #[test]
    fn a_resumed_run_goes_on_in_all_three_places() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = RunLog::open(dir.path(), &["loss"], panels(), None).unwrap();
        for step in 1..=3 {
            log.scalars(step, &[("loss", step as f64)]).unwrap();
        }
        let mut log = RunLog::open(dir.path(), &["loss"], panels(), Some(2)).unwrap();
        log.scalars(3, &[("loss", 30.0)]).unwrap();
        log.flush().unwrap();
        log.curves().unwrap();

        let table = ScalarTable::read(dir.path().join(ScalarLog::FILE)).unwrap();
        assert_eq!(table.series("loss"), [(1, 1.0), (2, 2.0), (3, 30.0)]);
        let names: Vec<_> = dir
            .path()
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names.iter().filter(|name| name.starts_with("events.out.tfevents.")).count(), 2);
        assert!(names.iter().any(|name| name == RunLog::CURVES));
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn a_picture_goes_to_tensorboard() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = RunLog::open(dir.path(), &["loss"], panels(), None).unwrap();
        log.curves().unwrap();
        let png = std::fs::read(dir.path().join(RunLog::CURVES)).unwrap();
        log.images("curves", 1, &png).unwrap();
        assert!(log.images("curves", 1, b"no picture").is_err());
    }
}
