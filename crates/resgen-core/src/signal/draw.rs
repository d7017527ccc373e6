//! Pictures of pictures, for people: a labelled grid, and a strip.

use crate::error::{Error, Result};
use crate::signal::Picture;
use crate::signal::canvas::Canvas;
use crate::signal::text::Writing;

/// Pictures are enlarged by a whole factor until the largest is at least this wide or high.
const VISIBLE: u32 = 128;
const MARGIN: u32 = 12;
const GAP: u32 = 6;
const TITLE_SIZE: f32 = 22.0;
const LABEL_SIZE: f32 = 16.0;
/// The widest that row labels get before they are broken into lines.
const LABEL_WIDTH: u32 = 220;
/// The narrowest place for a title.
const TITLE_WIDTH: u32 = 420;

/// Rows of pictures with a title, and a label for each row and column.
///
/// ```
/// # use resgen_core::signal::{Picture, draw::Grid};
/// let tile = Picture::filled(64, 64, [0, 128, 255])?;
/// let grid = Grid::new("Samples")
///     .columns(["8 steps", "16 steps"])
///     .row("cat", vec![tile.clone(), tile.clone()])
///     .row("dog", vec![tile.clone(), tile])
///     .draw()?;
/// assert!(grid.width() > 2 * 128);
/// # Ok::<(), resgen_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Grid {
    title: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<Picture>)>,
    visible: Option<u32>,
}

/// Where everything of a grid goes, in pixels.
struct Plan {
    scale: u32,
    /// The size of a cell: of the largest picture as shown.
    cell: (u32, u32),
    /// The first pixel of the first cell.
    origin: (u32, u32),
    size: (u32, u32),
    title: Vec<String>,
    columns: Vec<Vec<String>>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A grid without pictures. An empty title takes no room.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Sets the labels above the columns.
    #[must_use]
    pub fn columns(mut self, labels: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a row of pictures with a label to the left of it. Rows may differ in length, and pictures
    /// in size.
    #[must_use]
    pub fn row(mut self, label: impl Into<String>, pictures: Vec<Picture>) -> Self {
        self.rows.push((label.into(), pictures));
        self
    }

    /// Enlarges pictures until the largest is so many pixels wide or high, in place of 128.
    #[must_use]
    pub fn at_least(mut self, pixels: u32) -> Self {
        self.visible = Some(pixels);
        self
    }

    /// Draws the grid. Small pictures are enlarged, each pixel becoming a square: 64 pixels to 128.
    ///
    /// # Errors
    /// [`Error::Argument`] when there are no pictures, or so many that a side exceeds 32767 pixels.
    pub fn draw(&self) -> Result<Picture> {
        let (heading, label) = (Writing::new(TITLE_SIZE)?, Writing::new(LABEL_SIZE)?);
        let plan = self.plan(&heading, &label)?;
        let mut canvas = Canvas::new(plan.size.0, plan.size.1)?;
        let (left, top) = plan.origin;
        let (step_x, step_y) = (plan.cell.0 + GAP, plan.cell.1 + GAP);
        for (line, y) in plan.title.iter().zip((MARGIN..).step_by(heading.line_height() as usize)) {
            canvas.write(&heading, line, MARGIN, y);
        }
        for (lines, x) in plan.columns.iter().zip((left..).step_by(step_x as usize)) {
            let first = top - GAP - lines.len() as u32 * label.line_height();
            for (line, y) in lines.iter().zip((first..).step_by(label.line_height() as usize)) {
                canvas.write(&label, line, x + (plan.cell.0.saturating_sub(label.width(line))) / 2, y);
            }
        }
        for (((_, pictures), lines), y) in
            self.rows.iter().zip(&plan.rows).zip((top..).step_by(step_y as usize))
        {
            let text_height = lines.len() as u32 * label.line_height();
            let first = y + plan.cell.1.saturating_sub(text_height) / 2;
            for (line, y) in lines.iter().zip((first..).step_by(label.line_height() as usize)) {
                canvas.write(&label, line, MARGIN, y);
            }
            for (picture, x) in pictures.iter().zip((left..).step_by(step_x as usize)) {
                let inset = |cell: u32, side: u32| (cell - side * plan.scale) / 2;
                let x = x + inset(plan.cell.0, picture.width());
                canvas.place(picture, x, y + inset(plan.cell.1, picture.height()), plan.scale);
            }
        }
        canvas.finish()
    }

    fn plan(&self, heading: &Writing, label: &Writing) -> Result<Plan> {
        let pictures = || self.rows.iter().flat_map(|(_, pictures)| pictures);
        let (Some(width), Some(height)) =
            (pictures().map(Picture::width).max(), pictures().map(Picture::height).max())
        else {
            return Err(Error::argument("rows", "a grid without pictures"));
        };
        let scale = self.visible.unwrap_or(VISIBLE).div_ceil(width.max(height)).max(1);
        let cell = (width.saturating_mul(scale), height.saturating_mul(scale));
        let across = self.rows.iter().map(|(_, pictures)| pictures.len()).max().unwrap_or(0) as u32;

        let most = (cell.1 / label.line_height()).max(1) as usize;
        let wrap_row = |(text, _): &(String, Vec<Picture>)| label.wrap(text, LABEL_WIDTH, most);
        let rows: Vec<_> = self.rows.iter().map(wrap_row).collect();
        let labels_width = rows.iter().flatten().map(|line| label.width(line)).max();
        let left = MARGIN + labels_width.map_or(0, |width| width + MARGIN);
        let extent =
            |count: u32, cell: u32| count.saturating_mul(cell.saturating_add(GAP)).saturating_sub(GAP);
        let content = left.saturating_add(extent(across, cell.0)).saturating_add(MARGIN);
        let title_width = heading.width(&self.title).min(TITLE_WIDTH);
        let total_width = content.max(title_width + 2 * MARGIN);

        let title = heading.wrap(&self.title, total_width - 2 * MARGIN, 3);
        let wrap_column = |text: &String| label.wrap(text, cell.0, 3);
        let columns: Vec<_> = self.columns.iter().take(across as usize).map(wrap_column).collect();
        let mut top = MARGIN;
        if !title.is_empty() {
            top += title.len() as u32 * heading.line_height() + MARGIN;
        }
        if let Some(most) = columns.iter().map(Vec::len).max().filter(|most| *most > 0) {
            top += most as u32 * label.line_height() + GAP;
        }
        let total_height = top.saturating_add(extent(rows.len() as u32, cell.1)).saturating_add(MARGIN);
        Ok(Plan { scale, cell, origin: (left, top), size: (total_width, total_height), title, columns, rows })
    }
}

/// One row of pictures, each with its caption above it, under a title (which may be empty).
///
/// # Errors
/// As [`Grid::draw`].
pub fn strip(title: impl Into<String>, pictures: Vec<(String, Picture)>) -> Result<Picture> {
    let (captions, pictures): (Vec<String>, Vec<Picture>) = pictures.into_iter().unzip();
    Grid::new(title).columns(captions).row("", pictures).draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(side: u32, level: u8) -> Picture {
        Picture::filled(side, side, [level, 0, 0]).unwrap()
    }

    fn pixel(picture: &Picture, x: u32, y: u32) -> &[u8] {
        let at = ((y * picture.width() + x) * 3) as usize;
        &picture.rgb()[at..at + 3]
    }

    #[test]
    fn a_bare_grid_is_tiles_gaps_and_margins() {
        let grid =
            Grid::new("").row("", vec![tile(64, 1), tile(64, 2)]).row("", vec![tile(64, 3)]).draw().unwrap();
        // 64 pixels are shown at 128: 12 + 128 + 6 + 128 + 12 either way.
        assert_eq!((grid.width(), grid.height()), (286, 286));
        assert_eq!(pixel(&grid, 12, 12), [1, 0, 0]);
        assert_eq!(pixel(&grid, 139, 139), [1, 0, 0]);
        assert_eq!(pixel(&grid, 140, 12), [255; 3]);
        assert_eq!(pixel(&grid, 146, 12), [2, 0, 0]);
        assert_eq!(pixel(&grid, 12, 146), [3, 0, 0]);
        assert_eq!(pixel(&grid, 146, 146), [255; 3]);
    }

    #[test]
    fn enlarging_repeats_pixels() {
        let two = Picture::new(2, 1, vec![1, 1, 1, 2, 2, 2]).unwrap();
        let grid = Grid::new("").row("", vec![two]).draw().unwrap();
        // A width of 2 is shown at 128, a factor of 64.
        assert_eq!((grid.width(), grid.height()), (152, 64 + 24));
        assert_eq!((pixel(&grid, 75, 75), pixel(&grid, 76, 75)), (&[1; 3][..], &[2; 3][..]));
        let larger = Grid::new("").at_least(129).row("", vec![tile(64, 1)]).draw().unwrap();
        assert_eq!((larger.width(), larger.height()), (3 * 64 + 24, 3 * 64 + 24));
    }

    #[test]
    fn labels_make_room_for_themselves() {
        let bare = Grid::new("").row("", vec![tile(200, 1)]).draw().unwrap();
        let row = Grid::new("").row("cat", vec![tile(200, 1)]).draw().unwrap();
        assert!(row.width() > bare.width() && row.height() == bare.height());
        let column = strip("", vec![("cat".into(), tile(200, 1))]).unwrap();
        assert!(column.height() > bare.height() && column.width() == bare.width());
        let title = Grid::new("A title").row("", vec![tile(200, 1)]).draw().unwrap();
        assert!(title.height() > bare.height() && title.width() == bare.width());
    }

    #[test]
    fn no_pictures_or_too_many_are_an_error() {
        assert!(Grid::new("nothing").row("", vec![]).draw().is_err());
        let rows = (0..300).fold(Grid::new(""), |grid, _| grid.row("", vec![tile(128, 0)]));
        assert!(rows.draw().unwrap_err().to_string().contains("too large"));
    }
}
