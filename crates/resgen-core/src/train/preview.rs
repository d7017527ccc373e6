//! Pictures that show how a training goes.

use burn::tensor::Tensor;

use crate::data::{Examples, PictureFolder, spread};
use crate::error::Result;
use crate::random::{Purpose, stream};
use crate::signal::Picture;
use crate::signal::draw::Grid;
use crate::signal::resize::center_crop;
use crate::tokenizer::{Autoencode, Tokenizer};

/// Signals and their approximations at depth 1, 2, 4, … and D, a column a signal.
///
/// # Shapes
/// `[B, C, h, w]`
///
/// # Errors
/// Where the signals do not fit the tokenizer.
pub fn reconstructions<A: Autoencode>(tokenizer: &Tokenizer<A>, signals: Tensor<4>) -> Result<Picture> {
    let codes = tokenizer.encode(signals.clone())?;
    let mut grid = Grid::new("").row("original", A::pictures(signals)?);
    for depth in doublings(codes.depth()) {
        let decoded = tokenizer.decode(&codes.truncated(depth)?)?;
        grid = grid.row(format!("depth {depth}"), A::pictures(decoded)?);
    }
    grid.draw()
}

/// The middle squares of `count` pictures spread evenly over a folder, `[N, 3, size, size]` in order. Those
/// that cannot be read are left out.
pub fn samples(folder: &PictureFolder, size: u32, count: usize) -> Vec<f32> {
    let items = folder.items();
    let count = count.min(items.len());
    (0..count)
        // The middle of each of `count` equal parts.
        .map(|part| &items[(2 * part + 1) * items.len() / (2 * count)])
        .filter_map(|item| center_crop(&Picture::open(folder.path_of(item)).ok()?, size).ok())
        .flat_map(|picture| picture.to_unit())
        .collect()
}

/// `count` examples spread evenly over all, one after another. Those that cannot be read are left out.
pub fn samples_of(examples: &dyn Examples, count: usize) -> Vec<f32> {
    let mut rng = stream(0, Purpose::Evaluate, 0, 0);
    let mut example = vec![0.0; examples.values()];
    let mut all = Vec::new();
    for item in spread(examples.count(), count) {
        if examples.read(item, &mut rng, &mut example) {
            all.extend_from_slice(&example);
        }
    }
    all
}

/// 1, 2, 4, … up to `depth`, and `depth` itself.
pub fn doublings(depth: usize) -> Vec<usize> {
    let mut depths: Vec<usize> =
        std::iter::successors(Some(1), |d| Some(2 * d)).take_while(|&d| d < depth).collect();
    depths.push(depth);
    depths
}

#[cfg(test)]
mod tests {
    #[test]
    fn doublings_end_at_the_depth() {
        assert_eq!(super::doublings(1), [1]);
        assert_eq!(super::doublings(8), [1, 2, 4, 8]);
        assert_eq!(super::doublings(12), [1, 2, 4, 8, 12]);
    }
}
