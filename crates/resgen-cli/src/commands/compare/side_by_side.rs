//! Samples of all generators beside each other, each at its best point.

use std::path::Path;

use resgen_core::compare::{Report, Scored};
use resgen_core::data::set::RECORD;
use resgen_core::data::spread;
use resgen_core::signal::Picture;
use resgen_core::signal::draw::Grid;
use resgen_core::{Error, Result};
use serde::Deserialize;

use super::samples_folder;

/// Samples of each.
const COLUMNS: usize = 12;
/// Rows of each.
const ROWS: usize = 2;

#[derive(Deserialize)]
struct Record {
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    file: String,
    class: String,
}

/// The picture of the first seed's samples.
///
/// # Errors
/// Where samples cannot be read.
pub fn draw(report: &Report, out: &Path) -> Result<Picture> {
    let mut grid = Grid::new("");
    for (contest, contender) in report.contests.iter().zip(&report.study.generators) {
        let (Some(best), Some(run)) = (contest.best(), contest.runs.first()) else { continue };
        let is_best = |scored: &&Scored| scored.point.name == best;
        let Some(scored) = run.points.iter().find(is_best) else { continue };
        let folder = samples_folder(out, contender, run.seed).join(scored.point.folder());
        let path = folder.join(RECORD);
        let text = std::fs::read(&path).map_err(Error::io(&path))?;
        let Record { samples } = serde_json::from_slice(&text).map_err(|error| Error::file(&path, error))?;
        let rows = rows(&samples);
        grid = grid.columns(rows[0].iter().map(|sample| sample.class.clone()));
        for (index, row) in rows.iter().enumerate() {
            let label = if index == 0 { format!("{}, {best}", contest.name) } else { String::new() };
            let pictures = row.iter().map(|sample| Picture::open(folder.join(&sample.file)));
            grid = grid.row(label, pictures.collect::<Result<_>>()?);
        }
    }
    grid.draw()
}

/// Some classes spread evenly over all, the same in every row. Classes come in turn in the list.
fn rows(samples: &[Sample]) -> Vec<Vec<&Sample>> {
    let classes = samples.iter().skip(1).take_while(|sample| sample.class != samples[0].class).count() + 1;
    let row = |row: usize| {
        let places = spread(classes, COLUMNS).map(|class| row * classes + class);
        places.filter_map(|place| samples.get(place)).collect()
    };
    (0..ROWS).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_a_class() {
        for classes in [1, 5, 9, 12, 62] {
            let sample = |index: usize| Sample { file: String::new(), class: (index % classes).to_string() };
            let samples: Vec<Sample> = (0..3 * classes).map(sample).collect();
            let rows = rows(&samples);
            assert_eq!((rows.len(), rows[0].len()), (ROWS, classes.min(COLUMNS)));
            let names =
                |row: &Vec<&Sample>| row.iter().map(|sample| sample.class.clone()).collect::<Vec<_>>();
            assert_eq!(names(&rows[0]), names(&rows[1]), "{classes} classes");
        }
    }
}
