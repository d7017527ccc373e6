//! The ways in which pictures are brought to the 299 × 299 pixels that Inception sees. Published distances differ by which
//! was used, so each has a name.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The side of what Inception sees.
pub const SIDE: usize = 299;

/// How pictures are resized and scaled for Inception.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InceptionResize {
    /// As TensorFlow 1 did within the network of 2015, and with it ADM's evaluation and torch-fidelity: bilinear, of corners
    /// and not of pixels' middles, without smoothing; then (x − 128)/128.
    #[default]
    Tf1Bilinear,
    /// As pytorch-fid does: bilinear between pixels' middles, without smoothing; then x/127.5 − 1.
    PytorchBilinear,
    /// As clean-fid does: Pillow's bicubic on floats, which smooths where it shrinks, cut off at 0 and 255; then
    /// (x − 128)/128.
    PilBicubic,
}

impl InceptionResize {
    /// Resizes a picture, in levels of 0 to 255 before and after.
    ///
    /// # Shapes
    /// `[h, w, 3]` → `[299, 299, 3]`
    pub fn resized(self, pixels: &[u8], [height, width]: [usize; 2]) -> Vec<f32> {
        let (rows, columns) = (self.taps(height), self.taps(width));
        // Pillow resizes lines first, columns second; the order only matters to the last bits.
        let lines: Vec<f32> =
            pixels.chunks_exact(3 * width).flat_map(|line| along_line(line, &columns)).collect();
        let mut out = Vec::with_capacity(SIDE * SIDE * 3);
        for taps in &rows {
            let mut line = vec![0f32; SIDE * 3];
            for (weight, source) in taps.weights.iter().zip(lines.chunks_exact(SIDE * 3).skip(taps.first)) {
                line.iter_mut().zip(source).for_each(|(sum, value)| *sum += weight * value);
            }
            out.extend(line);
        }
        if self == Self::PilBicubic {
            out.iter_mut().for_each(|level| *level = level.clamp(0.0, 255.0));
        }
        out
    }

    /// Resizes and scales a batch of pictures.
    ///
    /// # Shapes
    /// `[B, h, w, 3]` → `[B, 299, 299, 3]`
    pub fn prepared(self, pixels: &[u8], size: [usize; 2]) -> Vec<f32> {
        let pictures = pixels.par_chunks_exact(size[0] * size[1] * 3);
        pictures
            .flat_map_iter(|picture| self.resized(picture, size).into_iter().map(|level| self.scaled(level)))
            .collect()
    }

    fn scaled(self, level: f32) -> f32 {
        match self {
            Self::Tf1Bilinear | Self::PilBicubic => (level - 128.0) / 128.0,
            Self::PytorchBilinear => level / 127.5 - 1.0,
        }
    }

    /// What each of the 299 places takes of `size` places.
    fn taps(self, size: usize) -> Vec<Taps> {
        let scale = size as f64 / SIDE as f64;
        let taps = |place: usize| match self {
            // TensorFlow's scale is a number of 32 bits.
            Self::Tf1Bilinear => bilinear(place as f64 * f64::from(scale as f32), size),
            Self::PytorchBilinear => bilinear(((place as f64 + 0.5) * scale - 0.5).max(0.0), size),
            Self::PilBicubic => bicubic((place as f64 + 0.5) * scale, scale.max(1.0), size),
        };
        (0..SIDE).map(taps).collect()
    }
}

/// Weights of consecutive places.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn along_line(line: &[u8], columns: &[Taps]) -> Vec<f32> {
    let mut out = Vec::with_capacity(columns.len() * 3);
    for taps in columns {
        let mut sums = [0f32; 3];
        for (weight, pixel) in taps.weights.iter().zip(line.chunks_exact(3).skip(taps.first)) {
            sums.iter_mut().zip(pixel).for_each(|(sum, level)| *sum += weight * f32::from(*level));
        }
        out.extend(sums);
    }
    out
}

/// Between the two places next to `at`, the last one repeated.
fn bilinear(at: f64, size: usize) -> Taps {
    let first = (at.floor() as usize).min(size - 1);
    let part = (at - first as f64) as f32;
    match first + 1 < size {
        true => Taps { first, weights: vec![1.0 - part, part] },
        false => Taps { first, weights: vec![1.0] },
    }
}

/// Keys's cubic with a = −½, `stretch` times as wide, around `centre`, cut off at the borders and made to sum to 1.
fn bicubic(centre: f64, stretch: f64, size: usize) -> Taps {
    let support = 2.0 * stretch;
    let first = ((centre - support + 0.5).max(0.0)) as usize;
    let end = ((centre + support + 0.5) as usize).min(size);
    let raw: Vec<f64> = (first..end).map(|place| keys((place as f64 + 0.5 - centre) / stretch)).collect();
    let sum: f64 = raw.iter().sum();
    Taps { first, weights: raw.into_iter().map(|weight| (weight / sum) as f32).collect() }
}

fn keys(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}
