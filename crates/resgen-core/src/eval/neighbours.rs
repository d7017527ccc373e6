//! Whether a model makes pictures of its own: the training pictures nearest to what it generated.
//!
//! A generated picture that is much nearer to a training picture than held-out pictures are was learnt by
//! heart. The distance is exact: the root mean square over pixels and channels, in levels of 0 to 255, to
//! every training picture of the same class. One pass serves all; only the best so far are kept.

use rayon::prelude::*;
use serde::Serialize;

use crate::data::PassBatch;
use crate::error::{Error, Result};
use crate::signal::Picture;
use crate::signal::draw::Grid;

/// A picture and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The picture.
    pub picture: Picture,
    /// Its class; 0 where there are none.
    pub class: u32,
}

/// A picture and the training picture that is nearest to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbour {
    /// The picture asked about.
    #[serde(skip)]
    pub picture: Picture,
    /// Its class.
    pub class: u32,
    /// The nearest training picture of that class; of equally near ones, the first.
    #[serde(skip)]
    pub nearest: Picture,
    /// Its index in the folder of training pictures.
    pub item: usize,
    /// The root mean square of their differences, in levels of 0 to 255.
    pub distance: f64,
}

/// Nearest training pictures of generated pictures, and of held-out ones for comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeighbourReport {
    /// Of the generated pictures, in the order given.
    pub generated: Vec<Neighbour>,
    /// Of the held-out pictures, in the order given.
    pub heldout: Vec<Neighbour>,
    /// Training pictures looked at, of whatever class.
    pub pictures: usize,
}

impl NeighbourReport {
    /// The median distance of the generated pictures; `None` where there are none.
    pub fn generated_median(&self) -> Option<f64> {
        median(&self.generated)
    }

    /// The median distance of the held-out pictures; `None` where there are none.
    pub fn heldout_median(&self) -> Option<f64> {
        median(&self.heldout)
    }

    /// The `most` nearest pairs of each kind: a picture above, its nearest training picture below.
    ///
    /// # Errors
    /// As [`Grid::draw`].
    pub fn draw(&self, title: &str, most: usize) -> Result<Picture> {
        let kinds = [("generated", &self.generated), ("held out", &self.heldout)];
        let grid = kinds.into_iter().filter(|(_, found)| !found.is_empty());
        grid.fold(Grid::new(title), |grid, (name, found)| {
            let mut sorted: Vec<&Neighbour> = found.iter().collect();
            sorted.sort_by(|a, b| a.distance.total_cmp(&b.distance));
            sorted.truncate(most);
            let [low, high] = [sorted.first(), sorted.last()].map(|end| end.map_or(0.0, |end| end.distance));
            let pictures =
                |of: fn(&Neighbour) -> &Picture| sorted.iter().map(|&pair| of(pair).clone()).collect();
            grid.row(name, pictures(|pair| &pair.picture))
                .row(format!("nearest in training ({low:.1} to {high:.1})"), pictures(|pair| &pair.nearest))
        })
        .draw()
    }
}

/// Finds the nearest of `training` (a [`crate::data::Pass`], say) for every generated and held-out picture.
///
/// # Errors
/// [`Error::Argument`] where there are no generated pictures; [`Error::Mismatch`] for pictures that are no
/// squares of one size, the training pictures' too, or of a class without training pictures; the errors of
/// the pass.
pub fn neighbours(
    generated: Vec<Labelled>,
    heldout: Vec<Labelled>,
    training: impl IntoIterator<Item = Result<PassBatch>>,
) -> Result<NeighbourReport> {
    let Some(side) = generated.first().map(|first| first.picture.width()) else {
        return Err(Error::argument("generated", "expected at least one picture, found none"));
    };
    let count = generated.len();
    let mut queries = (generated.into_iter().chain(heldout))
        .map(|labelled| Query::new(labelled, side))
        .collect::<Result<Vec<_>>>()?;
    let mut pictures = 0;
    for batch in training {
        let batch = Levels::new(batch?, side)?;
        pictures += batch.items.len();
        queries.par_iter_mut().for_each(|query| query.look_at(&batch));
    }
    let mut found = queries.into_iter().map(|query| query.finish(side)).collect::<Result<Vec<_>>>()?;
    let heldout = found.split_off(count);
    Ok(NeighbourReport { generated: found, heldout, pictures })
}

/// A batch of training pictures as bytes.
struct Levels {
    items: Vec<usize>,
    classes: Vec<u32>,
    levels: Vec<u8>, // [B, 3, S, S]
    picture: usize,
}

impl Levels {
    fn new(batch: PassBatch, side: u32) -> Result<Self> {
        let picture = 3 * side as usize * side as usize;
        if batch.pixels.len() != batch.items.len() * picture {
            let expected = format!("{} of {side} × {side} pixels", batch.items.len());
            let found = format!("{} values", batch.pixels.len());
            return Err(Error::mismatch("training pictures", expected, found));
        }
        let levels = to_levels(&batch.pixels);
        Ok(Self { items: batch.items, classes: batch.classes, levels, picture })
    }
}

/// Pixels in [−1, 1] as the bytes they came from.
fn to_levels(pixels: &[f32]) -> Vec<u8> {
    pixels.iter().map(|value| (value * 127.5 + 127.5).round() as u8).collect()
}

/// A picture, and the nearest one so far.
struct Query {
    labelled: Labelled,
    levels: Vec<u8>, // [3, S, S]
    best: Option<Best>,
}

struct Best {
    squares: u64,
    item: usize,
    levels: Vec<u8>, // [3, S, S]
}

impl Query {
    fn new(labelled: Labelled, side: u32) -> Result<Self> {
        let (width, height) = (labelled.picture.width(), labelled.picture.height());
        if (width, height) != (side, side) {
            let expected = format!("{side} × {side} pixels");
            return Err(Error::mismatch("picture to compare", expected, format!("{width} × {height}")));
        }
        let levels = to_levels(&labelled.picture.to_unit());
        Ok(Self { labelled, levels, best: None })
    }

    fn look_at(&mut self, batch: &Levels) {
        let pictures = batch.levels.chunks_exact(batch.picture).zip(&batch.items).zip(&batch.classes);
        for ((levels, &item), _) in pictures.filter(|(_, class)| **class == self.labelled.class) {
            let least = self.best.as_ref().map_or(u64::MAX, |best| best.squares);
            if let Some(squares) = squares_below(&self.levels, levels, least) {
                self.best = Some(Best { squares, item, levels: levels.to_vec() });
            }
        }
    }

    fn finish(self, side: u32) -> Result<Neighbour> {
        let Labelled { picture, class } = self.labelled;
        let best = self.best.ok_or_else(|| {
            Error::mismatch(format!("training pictures of class {class}"), "at least one", "none")
        })?;
        let distance = (best.squares as f64 / best.levels.len() as f64).sqrt();
        let planes = best.levels.len() / 3;
        let rgb =
            (0..planes).flat_map(|pixel| [0, 1, 2].map(|channel| best.levels[channel * planes + pixel]));
        let nearest = Picture::new(side, side, rgb.collect())?;
        Ok(Neighbour { picture, class, nearest, item: best.item, distance })
    }
}

/// The sum of the squared differences, where it is less than `bound`. In whole numbers it is exact, and the
/// order of pictures can hide no tie.
fn squares_below(a: &[u8], b: &[u8], bound: u64) -> Option<u64> {
    // A part's sum fits: 1024 · 255² < 2³². Most pictures are out of the race after a few parts.
    const PART: usize = 1024;
    let mut sum = 0u64;
    for (a, b) in a.chunks(PART).zip(b.chunks(PART)) {
        let part: u32 = a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum();
        sum += u64::from(part);
        if sum >= bound {
            return None;
        }
    }
    Some(sum)
}

/// Of an even number, the greater of the two in the middle.
fn median(found: &[Neighbour]) -> Option<f64> {
    let mut distances: Vec<f64> = found.iter().map(|pair| pair.distance).collect();
    distances.sort_by(f64::total_cmp);
    distances.get(distances.len() / 2).copied()
}

#[cfg(test)]
#[path = "neighbours_tests.rs"]
mod tests;
