//! What a tokenizer keeps of a picture, and how it uses its codes.
//!
//! 1. Encode every picture of a pass once.
//! 2. For every depth m asked for: decode the first m codes of each position, clamp to [−1, 1], and take
//!    the mean squared error of the picture.
//! 3. PSNR = 10 log₁₀(2² / MSE), where 2 is the range of a pixel.

use std::fmt::Write;

use burn::tensor::{Tensor, TensorData};
use serde::Serialize;

use crate::data::{Pass, PassBatch, Problem};
use crate::error::{Error, Result};
use crate::rvq::{Codes, DepthUsage, Usage};
use crate::tokenizer::ImageTokenizer;
use crate::workers::Workers;

/// Errors below this count as this: a perfect picture has a PSNR of 100 dB, not an infinite one.
const LEAST_MSE: f64 = 4e-10;

/// How well pictures come back from their codes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReconstructionReport {
    /// Pictures measured.
    pub pictures: usize,
    /// One entry per depth asked for, in that order.
    pub depths: Vec<DepthQuality>,
    /// How the codes of each depth are used, coarsest first; all D of them.
    pub usage: Vec<DepthUsage>,
    /// Pictures that could not be read.
    pub problems: Vec<Problem>,
}

/// The quality of pictures decoded from the first `depth` codes of each position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DepthQuality {
    /// Number of codes of a position that are decoded.
    pub depth: usize,
    /// Mean squared error over all pictures, for pixels in [−1, 1].
    pub mse: f64,
    /// PSNR of that mean error, in dB: bad pictures weigh most.
    pub psnr_of_mean: f64,
    /// Mean over pictures of each one's PSNR, in dB: the number papers usually give. At most 100.
    pub mean_psnr: f64,
}

impl ReconstructionReport {
    /// Two tables in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("{} pictures, {} unreadable\n\n", self.pictures, self.problems.len());
        text +=
            "| depths decoded | mean PSNR, dB | PSNR of the mean error, dB | MSE |\n|---:|---:|---:|---:|\n";
        for quality in &self.depths {
            let DepthQuality { depth, mse, psnr_of_mean, mean_psnr } = quality;
            // Writing to a text cannot fail.
            let _ = writeln!(text, "| {depth} | {mean_psnr:.2} | {psnr_of_mean:.2} | {mse:.6} |");
        }
        text += "\n| depth | codes used | perplexity |\n|---:|---:|---:|\n";
        for (depth, usage) in self.usage.iter().enumerate() {
            let _ =
                writeln!(text, "| {} | {:.1} % | {:.1} |", depth + 1, 100.0 * usage.used, usage.perplexity);
        }
        text
    }
}

/// Measures `tokenizer` on the pictures of `pass`, several batches at a time. Every batch is worked on by one
/// thread, so the result does not depend on the number of workers.
///
/// # Errors
/// [`Error::Argument`] for depths other than 1 to D or none, or a pass without readable pictures;
/// [`Error::Mismatch`] for a pass of another picture size.
pub fn measure(
    tokenizer: &ImageTokenizer,
    mut pass: Pass,
    depths: &[usize],
    workers: &Workers,
) -> Result<ReconstructionReport> {
    let config = tokenizer.config();
    if depths.is_empty() || depths.iter().any(|depth| !(1..=config.depth).contains(depth)) {
        let reason = format!("expected some of 1 to {}, found {depths:?}", config.depth);
        return Err(Error::argument("depths", reason));
    }
    let mut sums = vec![Sums::default(); depths.len()];
    let mut usage = Usage::new(config.depth, config.vocabulary);
    let mut problems = Vec::new();
    loop {
        let mut batches = pass.by_ref().take(workers.count()).collect::<Result<Vec<_>>>()?;
        if batches.is_empty() {
            break;
        }
        problems.extend(batches.iter_mut().flat_map(|batch| batch.problems.drain(..)));
        batches.retain(|batch| !batch.items.is_empty());
        for measured in workers.run(batches, |_, batch| Measured::of(tokenizer, batch, depths))? {
            usage.add(&measured.codes);
            for (sums, errors) in sums.iter_mut().zip(&measured.errors) {
                errors.iter().for_each(|&error| sums.add(error));
            }
        }
    }
    let pictures = sums[0].pictures;
    if pictures == 0 {
        return Err(Error::argument("pictures", "none of them can be read"));
    }
    let depths = depths.iter().zip(&sums).map(|(&depth, sums)| sums.quality(depth)).collect();
    Ok(ReconstructionReport { pictures, depths, usage: usage.per_depth(), problems })
}

/// What one batch tells.
struct Measured {
    codes: Codes,
    errors: Vec<Vec<f64>>, // one list of the pictures' mean squared errors per depth asked for
}

impl Measured {
    fn of(tokenizer: &ImageTokenizer, batch: PassBatch, depths: &[usize]) -> Result<Self> {
        let (pictures, side) = (batch.items.len(), tokenizer.config().resolution);
        let picture = 3 * side * side;
        if batch.pixels.len() != pictures * picture {
            return Err(Error::mismatch("pixels of a batch", pictures * picture, batch.pixels.len()));
        }
        let device = tokenizer.books().vectors().device();
        let pixels = TensorData::new(batch.pixels.clone(), [pictures, 3, side, side]);
        let codes = tokenizer.encode(Tensor::from_data(pixels, &device))?;
        let errors_at = |&depth: &usize| {
            let decoded = tokenizer.decode(&codes.truncated(depth)?)?.try_into_vec_as::<f32>();
            let decoded = decoded.map_err(Error::device)?;
            let pairs = decoded.chunks_exact(picture).zip(batch.pixels.chunks_exact(picture));
            Ok(pairs.map(|(decoded, original)| mean_squared_error(decoded, original)).collect())
        };
        let errors = depths.iter().map(errors_at).collect::<Result<_>>()?;
        Ok(Self { codes, errors })
    }
}

/// The mean squared error of a decoded picture; a pixel beyond black or white counts as black or white.
fn mean_squared_error(decoded: &[f32], original: &[f32]) -> f64 {
    let squares = decoded.iter().zip(original).map(|(decoded, original)| {
        let error = f64::from(decoded.clamp(-1.0, 1.0)) - f64::from(*original);
        error * error
    });
    squares.sum::<f64>() / original.len() as f64
}

/// In dB, for pixels in [−1, 1].
fn psnr(mse: f64) -> f64 {
    10.0 * (4.0 / mse.max(LEAST_MSE)).log10()
}

/// What is summed over pictures at one depth.
#[derive(Clone, Debug, Default)]
struct Sums {
    pictures: usize,
    error: f64,
    psnr: f64,
}

impl Sums {
    fn add(&mut self, error: f64) {
        self.pictures += 1;
        self.error += error;
        self.psnr += psnr(error);
    }

    fn quality(&self, depth: usize) -> DepthQuality {
        let mse = self.error / self.pictures as f64;
        DepthQuality { depth, mse, psnr_of_mean: psnr(mse), mean_psnr: self.psnr / self.pictures as f64 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{Layout, PassOptions, PictureFolder};
    use crate::signal::Picture;
    use crate::tokenizer::image::testing::tiny;

    fn pass(root: &std::path::Path, size: u32) -> Pass {
        let folder = Arc::new(PictureFolder::scan(root, Layout::Flat).unwrap());
        Pass::new(folder, &PassOptions { batch_size: 2, size, threads: 1, prefetch: 1 }).unwrap()
    }

    /// Five grey pictures and one broken file.
    fn pictures() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for level in [0u8, 60, 120, 180, 240] {
            let path = root.path().join(format!("{level:03}.png"));
            Picture::filled(8, 8, [level; 3]).unwrap().save_png(path).unwrap();
        }
        std::fs::write(root.path().join("100.png"), b"no picture").unwrap();
        root
    }

    #[test]
    fn errors_and_their_two_means() {
        // 0.9 is off by 0.4, and 1.5 counts as 1: (0.16 + 0) / 2.
        assert!((mean_squared_error(&[0.9, 1.5], &[0.5, 1.0]) - 0.08).abs() < 1e-7);
        let mut sums = Sums::default();
        sums.add(0.04);
        sums.add(0.0004);
        let quality = sums.quality(3);
        // 10 log₁₀ 100 = 20 dB and 40 dB; the mean error is 0.0202, 22.967 dB.
        assert!((quality.mean_psnr - 30.0).abs() < 1e-9);
        assert!((quality.mse - 0.0202).abs() < 1e-12 && (quality.psnr_of_mean - 22.967).abs() < 1e-3);
        assert!((psnr(0.0) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_report_is_what_encoding_and_decoding_by_hand_gives() {
        let (root, tokenizer) = (pictures(), tiny(1));
        let found = measure(&tokenizer, pass(root.path(), 8), &[1, 2], &Workers::new(1).unwrap()).unwrap();
        let more = measure(&tokenizer, pass(root.path(), 8), &[1, 2], &Workers::new(3).unwrap()).unwrap();
        assert_eq!(found, more);
        assert_eq!((found.pictures, found.problems.len(), found.usage.len()), (5, 1, 2));
        assert_eq!(found.depths.iter().map(|quality| quality.depth).collect::<Vec<_>>(), [1, 2]);
        let mut expected = 0.0;
        for batch in pass(root.path(), 8).map(Result::unwrap) {
            let pixels = TensorData::new(batch.pixels, [batch.items.len(), 3, 8, 8]);
            let pixels: Tensor<4> = Tensor::from_data(pixels, &burn::tensor::Device::flex());
            let decoded = tokenizer.decode(&tokenizer.encode(pixels.clone()).unwrap()).unwrap();
            let squared = (decoded.clamp(-1.0, 1.0) - pixels).square().mean().into_scalar::<f32>();
            expected += f64::from(squared) * batch.items.len() as f64 / 5.0;
        }
        assert!((found.depths[1].mse - expected).abs() < 1e-6, "{found:?} {expected}");
        assert!(found.depths[1].mean_psnr >= found.depths[1].psnr_of_mean);
    }

    #[test]
    fn a_table_has_a_line_a_depth() {
        let quality = DepthQuality { depth: 2, mse: 0.0004, psnr_of_mean: 40.0, mean_psnr: 41.256 };
        let usage = vec![DepthUsage { used: 0.5, perplexity: 3.26 }];
        let report = ReconstructionReport { pictures: 7, depths: vec![quality], usage, problems: Vec::new() };
        let text = report.markdown();
        assert!(text.starts_with("7 pictures, 0 unreadable\n\n| depths decoded"), "{text}");
        assert!(text.contains("\n| 2 | 41.26 | 40.00 | 0.000400 |\n"), "{text}");
        assert!(text.ends_with("\n| 1 | 50.0 % | 3.3 |\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let (root, tokenizer, workers) = (pictures(), tiny(1), Workers::new(1).unwrap());
        let refused = |depths: &[usize], size| {
            measure(&tokenizer, pass(root.path(), size), depths, &workers).unwrap_err().to_string()
        };
        assert!(refused(&[], 8).contains("expected some of 1 to 2, found []"));
        assert!(refused(&[1, 3], 8).contains("found [1, 3]"));
        assert!(refused(&[0], 8).contains("found [0]"));
        assert!(refused(&[1], 4).starts_with("pixels of a batch: expected 384, found 96"));
        let broken = tempfile::tempdir().unwrap();
        std::fs::write(broken.path().join("1.png"), b"no picture").unwrap();
        assert!(measure(&tokenizer, pass(broken.path(), 8), &[1], &workers).is_err());
    }
}
