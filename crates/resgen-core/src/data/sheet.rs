//! The contact sheet of a folder: some pictures of some classes.

use std::collections::BTreeMap;

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

/// At most `most` of the numbers below `count`, evenly spread.
fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(most);
    (0..shown).map(move |at| at * count / shown)
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

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_spread_is_even_and_never_more_than_there_is() {
        assert_eq!(spread(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(3, 8).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(0, 8).count() + spread(8, 0).count(), 0);
    }
}
