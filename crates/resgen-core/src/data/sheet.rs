//! The contact sheet of a folder: some pictures of some classes.

use std::collections::BTreeMap;

use super::spread::spread;
use crate::data::PictureFolder;
use crate::error::Result;
use crate::signal::Picture;
use crate::signal::draw::Grid;

/// One row of the sheet: its label, and the items shown in it.
pub(super) struct SheetRow {
    label: String,
    items: Vec<usize>,
}

/// Chooses at most `rows` x `columns` items: of each class a row, of a flat folder as many rows as there
/// are. Where there are more than fit, those shown are evenly spread, so that no corner goes unseen.
pub(super) fn choose(folder: &PictureFolder, rows: usize, columns: usize) -> Vec<SheetRow> {
    let items = folder.items();
    if folder.classes().is_empty() {
        let shown: Vec<usize> = spread(items.len(), rows * columns).collect();
        let row = |items: &[usize]| SheetRow { label: String::new(), items: items.to_vec() };
        return shown.chunks(columns.max(1)).map(row).collect();
    }
    // The items are sorted by class.
    let of_class = |class: usize| {
        let first = items.partition_point(|item| (item.class as usize) < class);
        first..items.partition_point(|item| item.class as usize <= class)
    };
    spread(folder.classes().len(), rows)
        .map(|class| {
            let range = of_class(class);
            let label = format!("{}\n({})", folder.classes()[class], range.len());
            SheetRow { label, items: spread(range.len(), columns).map(|at| range.start + at).collect() }
        })
        .collect()
}

/// The items of all rows.
pub(super) fn items(rows: &[SheetRow]) -> impl Iterator<Item = usize> {
    rows.iter().flat_map(|row| &row.items).copied()
}

/// Draws the sheet of the `tiles` that could be read; `None` when there are none.
///
/// # Errors
/// As [`Grid::draw`].
pub(super) fn draw(
    title: &str,
    rows: &[SheetRow],
    tiles: &BTreeMap<usize, Picture>,
) -> Result<Option<Picture>> {
    if tiles.is_empty() {
        return Ok(None);
    }
    let add = |grid: Grid, row: &SheetRow| {
        let pictures = row.items.iter().filter_map(|item| tiles.get(item).cloned()).collect();
        grid.row(&row.label, pictures)
    };
    rows.iter().fold(Grid::new(title), add).draw().map(Some)
}
