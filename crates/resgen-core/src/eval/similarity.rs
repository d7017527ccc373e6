//! How alike two pictures of the same size are: PSNR, SSIM and MS-SSIM, of levels of 0 to 255.
//!
//! SSIM (Wang et al. 2004) is worked out as the paper did: a Gaussian window of 11 × 11 with σ = 1.5 that stays within the
//! picture, a channel at a time, averaged.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// The range of a level.
const RANGE: f64 = 255.0;
const C1: f64 = (0.01 * RANGE) * (0.01 * RANGE);
const C2: f64 = (0.03 * RANGE) * (0.03 * RANGE);
/// Places of the window along an axis.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// Weights of the scales of MS-SSIM, the finest first (Wang, Simoncelli and Bovik 2003).
const SCALES: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const CHANNELS: usize = 3;

/// The smallest side of a picture whose SSIM can be told.
pub const MIN_SIDE_SSIM: usize = WINDOW;
/// The smallest side of a picture whose MS-SSIM can be told: the window must fit after four halvings.
pub const MIN_SIDE_MS_SSIM: usize = (WINDOW - 1) * 16 + 1;

/// Two pictures of one size, channel by channel.
pub struct Pair {
    size: [usize; 2],
    channels: Vec<[Vec<f64>; 2]>, // of each channel the levels of both, [h·w]
}

impl Pair {
    /// # Shapes
    /// levels `[h, w, 3]` twice
    ///
    /// # Errors
    /// [`Error::Mismatch`] where they have not that many levels.
    pub fn new(first: &[f32], second: &[f32], size: [usize; 2]) -> Result<Self> {
        let expected = size[0] * size[1] * CHANNELS;
        for levels in [first, second] {
            if levels.len() != expected || expected == 0 {
                return Err(Error::mismatch("levels of a picture", expected, levels.len()));
            }
        }
        let channel = |levels: &[f32], channel: usize| {
            levels.iter().skip(channel).step_by(CHANNELS).map(|level| f64::from(*level)).collect()
        };
        let both = |index| [channel(first, index), channel(second, index)];
        Ok(Self { size, channels: (0..CHANNELS).map(both).collect() })
    }

    /// The mean squared error of a level.
    pub fn mean_squared_error(&self) -> f64 {
        let squares = |[first, second]: &[Vec<f64>; 2]| -> f64 {
            first.iter().zip(second).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let count = self.size[0] * self.size[1] * CHANNELS;
        self.channels.iter().map(squares).sum::<f64>() / count as f64
    }

    /// In dB; infinite for equal pictures.
    pub fn psnr(&self) -> f64 {
        10.0 * (RANGE * RANGE / self.mean_squared_error()).log10()
    }

    /// The mean over places and channels.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side below [`MIN_SIDE_SSIM`].
    pub fn ssim(&self) -> Result<f64> {
        self.expect_side("SSIM", MIN_SIDE_SSIM)?;
        let means =
            self.channels.par_iter().map(|[first, second]| similarity(first, second, self.size).whole);
        Ok(means.sum::<f64>() / CHANNELS as f64)
    }

    /// The product over five scales, a channel at a time, averaged over channels.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side below [`MIN_SIDE_MS_SSIM`].
    pub fn ms_ssim(&self) -> Result<f64> {
        self.expect_side("MS-SSIM", MIN_SIDE_MS_SSIM)?;
        let of_channel = |[first, second]: &[Vec<f64>; 2]| {
            let (mut first, mut second, mut size) = (first.clone(), second.clone(), self.size);
            let mut product = 1.0;
            for (scale, weight) in SCALES.iter().enumerate() {
                let found = similarity(&first, &second, size);
                let is_last = scale + 1 == SCALES.len();
                product *= if is_last { found.whole } else { found.structure }.max(0.0).powf(*weight);
                (first, second) = (halved(&first, size), halved(&second, size));
                size = size.map(|side| side.div_ceil(2));
            }
            product
        };
        Ok(self.channels.par_iter().map(of_channel).sum::<f64>() / CHANNELS as f64)
    }

    fn expect_side(&self, what: &str, least: usize) -> Result<()> {
        let [height, width] = self.size;
        if height.min(width) < least {
            let reason = format!("{what} needs sides of at least {least} pixels, found {width} × {height}");
            return Err(Error::argument("pictures", reason));
        }
        Ok(())
    }
}

/// Means over all places of the window.
struct Similarity {
    /// Of luminance, contrast and structure.
    whole: f64,
    /// Of contrast and structure alone.
    structure: f64,
}

fn similarity(first: &[f64], second: &[f64], size: [usize; 2]) -> Similarity {
    let window = window();
    let smoothed = |value: &dyn Fn(f64, f64) -> f64| {
        let values: Vec<f64> = first.iter().zip(second).map(|(a, b)| value(*a, *b)).collect();
        smooth(&values, size, &window)
    };
    let (means, others) = (smoothed(&|a, _| a), smoothed(&|_, b| b));
    let squares = smoothed(&|a, b| a * a + b * b);
    let products = smoothed(&|a, b| a * b);
    let (mut whole, mut structure) = (0.0, 0.0);
    for place in 0..means.len() {
        let (a, b) = (means[place], others[place]);
        let variances = squares[place] - a * a - b * b;
        let covariance = products[place] - a * b;
        let contrast = (2.0 * covariance + C2) / (variances + C2);
        structure += contrast;
        whole += contrast * (2.0 * a * b + C1) / (a * a + b * b + C1);
    }
    let count = means.len() as f64;
    Similarity { whole: whole / count, structure: structure / count }
}

fn window() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let raw: [f64; WINDOW] =
        std::array::from_fn(|place| (-(place as f64 - middle).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = raw.iter().sum();
    raw.map(|weight| weight / sum)
}

/// Weighted means over windows that lie within the picture.
///
/// # Shapes
/// `[h, w]` → `[h − 10, w − 10]`
fn smooth(values: &[f64], [height, width]: [usize; 2], window: &[f64; WINDOW]) -> Vec<f64> {
    let narrow = width - (WINDOW - 1);
    let lines: Vec<f64> = values
        .chunks_exact(width)
        .flat_map(|line| line.windows(WINDOW).map(|part| part.iter().zip(window).map(|(a, b)| a * b).sum()))
        .collect();
    let mut out = vec![0.0; (height - (WINDOW - 1)) * narrow];
    for (row, out) in out.chunks_exact_mut(narrow).enumerate() {
        for (weight, line) in window.iter().zip(lines.chunks_exact(narrow).skip(row)) {
            out.iter_mut().zip(line).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    out
}

/// Means over 2 × 2 places. An odd side has a line of zeros before its first one, as in the usual PyTorch implementation.
///
/// # Shapes
/// `[h, w]` → `[⌈h/2⌉, ⌈w/2⌉]`
fn halved(values: &[f64], [height, width]: [usize; 2]) -> Vec<f64> {
    let at = |row: Option<usize>, column: Option<usize>| match (row, column) {
        (Some(row), Some(column)) => values[row * width + column],
        _ => 0.0,
    };
    let pair = |place: usize, side: usize| [0, 1].map(|offset| (2 * place + offset).checked_sub(side % 2));
    let mut out = Vec::with_capacity(height.div_ceil(2) * width.div_ceil(2));
    for rows in (0..height.div_ceil(2)).map(|place| pair(place, height)) {
        for columns in (0..width.div_ceil(2)).map(|place| pair(place, width)) {
            let sum: f64 = rows.iter().flat_map(|row| columns.map(|column| at(*row, column))).sum();
            out.push(sum / 4.0);
        }
    }
    out
}
