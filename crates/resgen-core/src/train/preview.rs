//! Pictures that show how a training goes.

use burn::tensor::Tensor;

use crate::data::PictureFolder;
use crate::error::Result;
use crate::signal::Picture;
use crate::signal::draw::Grid;
use crate::signal::resize::center_crop;
use crate::tokenizer::ImageTokenizer;

/// Pictures and their approximations at depth 1, 2, 4, … and D, a column a picture.
///
/// # Shapes
/// pixels `[B, 3, S, S]`
///
/// # Errors
/// Where the pictures do not fit the tokenizer.
pub fn reconstructions(tokenizer: &ImageTokenizer, pixels: Tensor<4>) -> Result<Picture> {
    let codes = tokenizer.encode(pixels.clone())?;
    let mut grid = Grid::new("").row("original", pictures(pixels)?);
    for depth in doublings(codes.depth()) {
        let decoded = tokenizer.decode(&codes.truncated(depth)?)?;
        grid = grid.row(format!("depth {depth}"), pictures(decoded)?);
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

/// 1, 2, 4, … up to `depth`, and `depth` itself.
pub fn doublings(depth: usize) -> Vec<usize> {
    let mut depths: Vec<usize> =
        std::iter::successors(Some(1), |d| Some(2 * d)).take_while(|&d| d < depth).collect();
    depths.push(depth);
    depths
}

/// # Shapes
/// `[B, 3, S, S]` in [−1, 1], values beyond are clamped
///
/// # Errors
/// Where the device cannot be read.
pub fn pictures(pixels: Tensor<4>) -> Result<Vec<Picture>> {
    let [_, channels, height, width] = pixels.dims();
    let values = pixels.try_into_vec_as::<f32>().map_err(crate::Error::device)?;
    values
        .chunks(channels * height * width)
        .map(|values| Picture::from_unit(values, width as u32, height as u32))
        .collect()
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
