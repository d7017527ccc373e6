//! What a tokenizer keeps of a picture, and how it uses its codes.
//!
//! 1. Encode every picture of a pass once.
//! 2. For every depth m asked for: decode the first m codes of each position, clamp to [−1, 1], and compare with the picture:
//!    PSNR = 10 log₁₀(2² / MSE), where 2 is the range of a pixel, SSIM, MS-SSIM, and LPIPS where its weights are given.
//! 3. Where a network is given: round what is decoded to bytes, as it would be stored, and take the Fréchet distance of all
//!    of it to all pictures.

use burn::tensor::{Tensor, TensorData};
use sha2::{Digest, Sha256};

use super::distribution::{Estimate, Frechet, GroupedMoments, Moments, RunningMean};
use super::manifest::{Measured, Metric};
use super::similarity::{MIN_SIDE_MS_SSIM, MIN_SIDE_SSIM, Pair};
use crate::data::{Pass, PassBatch, Problem};
use crate::digest;
use crate::error::{Error, Result};
use crate::features::{Extractor, Lpips};
use crate::rvq::{Codes, Usage};
use crate::signal::Picture;
use crate::tokenizer::ImageTokenizer;
use crate::workers::Workers;

/// Errors below this count as this: a perfect picture has a PSNR of 100 dB, not an infinite one.
const LEAST_MSE: f64 = 4e-10;
/// Groups of the pictures that the interval of a Fréchet distance comes from.
const GROUPS: usize = 10;

/// Networks that judge reconstructions.
#[derive(Clone, Copy, Default)]
pub struct Judges<'a> {
    /// For LPIPS.
    pub lpips: Option<&'a Lpips>,
    /// For the Fréchet distance.
    pub extractor: Option<&'a Extractor>,
}

/// How well pictures come back from their codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstruction {
    /// Pictures measured.
    pub pictures: usize,
    /// A hash of their pixels.
    pub fingerprint: String,
    /// Quality of what is decoded at each depth asked for, and the use of each depth's codes, coarsest first.
    pub results: Vec<Measured>,
    /// Pictures that could not be read.
    pub problems: Vec<Problem>,
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
    judges: Judges,
    workers: &Workers,
) -> Result<Reconstruction> {
    let config = tokenizer.config();
    if depths.is_empty() || depths.iter().any(|depth| !(1..=config.depth).contains(depth)) {
        let reason = format!("expected some of 1 to {}, found {depths:?}", config.depth);
        return Err(Error::argument("depths", reason));
    }
    let mut sums: Vec<Sums> = depths.iter().map(|_| Sums::default()).collect();
    let mut originals: Option<Moments> = None;
    let mut hash = Sha256::new();
    let mut usage = Usage::new(config.depth, config.vocabulary);
    let mut problems = Vec::new();
    loop {
        let mut batches = pass.by_ref().take(workers.count()).collect::<Result<Vec<_>>>()?;
        if batches.is_empty() {
            break;
        }
        problems.extend(batches.iter_mut().flat_map(|batch| batch.problems.drain(..)));
        batches.retain(|batch| !batch.items.is_empty());
        for batch in &batches {
            hash.update(batch.pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect::<Vec<u8>>());
        }
        for seen in workers.run(batches, |_, batch| Seen::of(tokenizer, batch, depths, judges))? {
            usage.add(&seen.codes);
            if let Some(features) = &seen.features {
                let width = features.len() / seen.codes.batch();
                originals.get_or_insert_with(|| Moments::new(width)).add(features)?;
            }
            for (sums, depth) in sums.iter_mut().zip(seen.depths) {
                sums.add(depth)?;
            }
        }
    }
    let pictures = sums[0].pictures;
    if pictures == 0 {
        return Err(Error::argument("pictures", "none of them can be read"));
    }
    let frechet =
        originals.filter(|originals| originals.count() > 1).map(|seen| Frechet::to(&seen)).transpose()?;
    let mut results = Vec::new();
    for (&depth, sums) in depths.iter().zip(&sums) {
        results.extend(sums.results(depth, frechet.as_ref())?);
    }
    for (place, usage) in usage.per_depth().into_iter().enumerate() {
        let of_depth = |metric, value| Measured {
            metric,
            depth: Some(place + 1),
            estimate: Estimate::plain(value),
            count: pictures,
        };
        results.push(of_depth(Metric::CodesUsed, usage.used));
        results.push(of_depth(Metric::CodePerplexity, usage.perplexity));
    }
    Ok(Reconstruction { pictures, fingerprint: digest::short(hash), results, problems })
}

/// What one batch tells.
struct Seen {
    codes: Codes,
    features: Option<Vec<f32>>, // of the pictures themselves
    depths: Vec<SeenDepth>,
}

/// What one batch tells at one depth.
struct SeenDepth {
    pictures: Vec<Judged>,
    features: Option<Vec<f32>>,
}

/// One picture beside its reconstruction.
#[derive(Clone, Copy, Default)]
struct Judged {
    mse: f64,
    ssim: Option<f64>,
    ms_ssim: Option<f64>,
    lpips: Option<f64>,
}

impl Seen {
    fn of(tokenizer: &ImageTokenizer, batch: PassBatch, depths: &[usize], judges: Judges) -> Result<Self> {
        let (pictures, side) = (batch.items.len(), tokenizer.config().resolution);
        if batch.pixels.len() != pictures * 3 * side * side {
            return Err(Error::mismatch("pixels of a batch", pictures * 3 * side * side, batch.pixels.len()));
        }
        let device = tokenizer.books().vectors().device();
        let pixels = TensorData::new(batch.pixels.clone(), [pictures, 3, side, side]);
        let pixels = Tensor::<4>::from_data(pixels, &device);
        let codes = tokenizer.encode(pixels.clone())?;
        let at_depth = |&depth: &usize| {
            let decoded = tokenizer.decode(&codes.truncated(depth)?)?.clamp(-1.0, 1.0);
            SeenDepth::of(decoded, (&pixels, &batch.pixels), side, judges)
        };
        let depths = depths.iter().map(at_depth).collect::<Result<_>>()?;
        Ok(Self { depths, features: features(judges, &batch.pixels, side)?, codes })
    }
}

impl SeenDepth {
    fn of(decoded: Tensor<4>, originals: (&Tensor<4>, &[f32]), side: usize, judges: Judges) -> Result<Self> {
        let distances = match judges.lpips {
            Some(lpips) => {
                let distances = lpips.distance(decoded.clone(), originals.0.clone())?;
                Some(distances.try_into_vec_as::<f32>().map_err(Error::device)?)
            }
            None => None,
        };
        let decoded = decoded.try_into_vec_as::<f32>().map_err(Error::device)?;
        let picture = 3 * side * side;
        let pairs = decoded.chunks_exact(picture).zip(originals.1.chunks_exact(picture)).enumerate();
        let judged = pairs.map(|(index, (decoded, original))| {
            let pair = Pair::new(&levels(decoded), &levels(original), [side; 2])?;
            // A level is 127.5 times as much as a pixel in [−1, 1].
            Ok(Judged {
                mse: pair.mean_squared_error() / (127.5 * 127.5),
                ssim: (side >= MIN_SIDE_SSIM).then(|| pair.ssim()).transpose()?,
                ms_ssim: (side >= MIN_SIDE_MS_SSIM).then(|| pair.ms_ssim()).transpose()?,
                lpips: distances.as_ref().map(|distances| f64::from(distances[index])),
            })
        });
        Ok(Self { pictures: judged.collect::<Result<_>>()?, features: features(judges, &decoded, side)? })
    }
}

/// What the judges' network says of pictures rounded to bytes.
fn features(judges: Judges, pixels: &[f32], side: usize) -> Result<Option<Vec<f32>>> {
    let Some(extractor) = judges.extractor else { return Ok(None) };
    let picture = |pixels: &[f32]| Ok(Picture::from_unit(pixels, side as u32, side as u32)?.into_rgb());
    let levels = pixels.chunks_exact(3 * side * side).map(picture).collect::<Result<Vec<_>>>()?;
    Ok(Some(extractor.look(&levels.concat(), [side; 2])?.pooled))
}

/// Pixels in [−1, 1] `[3, S, S]` as levels of 0 to 255 `[S, S, 3]`.
fn levels(pixels: &[f32]) -> Vec<f32> {
    let plane = pixels.len() / 3;
    (0..plane)
        .flat_map(|place| [0, 1, 2].map(|channel| (pixels[channel * plane + place] + 1.0) * 127.5))
        .collect()
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
    psnr: RunningMean,
    ssim: RunningMean,
    ms_ssim: RunningMean,
    lpips: RunningMean,
    moments: Option<GroupedMoments>,
}

impl Sums {
    fn add(&mut self, seen: SeenDepth) -> Result<()> {
        let count = seen.pictures.len();
        for picture in seen.pictures {
            self.add_picture(picture);
        }
        if let Some(features) = seen.features {
            let width = features.len() / count;
            self.moments.get_or_insert_with(|| GroupedMoments::new(width, GROUPS)).add(&features)?;
        }
        Ok(())
    }

    fn add_picture(&mut self, picture: Judged) {
        self.pictures += 1;
        self.error += picture.mse;
        self.psnr.add(psnr(picture.mse));
        let rest = [
            (&mut self.ssim, picture.ssim),
            (&mut self.ms_ssim, picture.ms_ssim),
            (&mut self.lpips, picture.lpips),
        ];
        for (mean, value) in rest {
            value.into_iter().for_each(|value| mean.add(value));
        }
    }

    fn results(&self, depth: usize, frechet: Option<&Frechet>) -> Result<Vec<Measured>> {
        let distance = |(frechet, moments): (&Frechet, &GroupedMoments)| frechet.of_groups(moments);
        let found = [
            (Metric::Psnr, self.psnr.estimate()),
            (Metric::PsnrOfMean, Some(Estimate::plain(psnr(self.error / self.pictures as f64)))),
            (Metric::Ssim, self.ssim.estimate()),
            (Metric::MsSsim, self.ms_ssim.estimate()),
            (Metric::Lpips, self.lpips.estimate()),
            (
                Metric::ReconstructionFrechetDistance,
                frechet.zip(self.moments.as_ref()).map(distance).transpose()?,
            ),
        ];
        let found = found.into_iter().filter_map(|(metric, estimate)| {
            estimate.map(|estimate| Measured { metric, depth: Some(depth), estimate, count: self.pictures })
        });
        Ok(found.collect())
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
        let mut sums = Sums::default();
        for mse in [0.04, 0.0004] {
            sums.add_picture(Judged { mse, ssim: Some(10.0 * mse), ..Judged::default() });
        }
        let found = sums.results(3, None).unwrap();
        let value = |metric| found.iter().find(|one| one.metric == metric).map(|one| one.estimate.value);
        assert!((value(Metric::Ssim).unwrap() - 0.202).abs() < 1e-12 && value(Metric::Lpips).is_none());
        // 10 log₁₀ 100 = 20 dB and 40 dB; the mean error is 0.0202, 22.967 dB.
        assert!((value(Metric::Psnr).unwrap() - 30.0).abs() < 1e-9);
        assert!((value(Metric::PsnrOfMean).unwrap() - 22.967).abs() < 1e-3);
        assert!((psnr(0.0) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_report_is_what_encoding_and_decoding_by_hand_gives() {
        let (root, tokenizer) = (pictures(), tiny(1));
        let found =
            measure(&tokenizer, pass(root.path(), 8), &[1, 2], Judges::default(), &Workers::new(1).unwrap())
                .unwrap();
        let more =
            measure(&tokenizer, pass(root.path(), 8), &[1, 2], Judges::default(), &Workers::new(3).unwrap())
                .unwrap();
        assert_eq!(found, more);
        assert_eq!((found.pictures, found.problems.len()), (5, 1));
        let of = |metric, depth| {
            let found = found.results.iter().find(|one| one.metric == metric && one.depth == Some(depth));
            found.unwrap().estimate.value
        };
        assert!(of(Metric::CodesUsed, 1) > 0.0 && of(Metric::CodePerplexity, 2) >= 1.0);
        assert!(of(Metric::Psnr, 1) > 0.0);
        let mut expected = 0.0;
        for batch in pass(root.path(), 8).map(Result::unwrap) {
            let pixels = TensorData::new(batch.pixels, [batch.items.len(), 3, 8, 8]);
            let pixels: Tensor<4> = Tensor::from_data(pixels, &burn::tensor::Device::flex());
            let decoded = tokenizer.decode(&tokenizer.encode(pixels.clone()).unwrap()).unwrap();
            let squared = (decoded.clamp(-1.0, 1.0) - pixels).square().mean().into_scalar::<f32>();
            expected += f64::from(squared) * batch.items.len() as f64 / 5.0;
        }
        assert!((of(Metric::PsnrOfMean, 2) - psnr(expected)).abs() < 1e-4, "{found:?} {expected}");
        assert!(of(Metric::Psnr, 2) >= of(Metric::PsnrOfMean, 2));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let (root, tokenizer, workers) = (pictures(), tiny(1), Workers::new(1).unwrap());
        let refused = |depths: &[usize], size| {
            measure(&tokenizer, pass(root.path(), size), depths, Judges::default(), &workers)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[], 8).contains("expected some of 1 to 2, found []"));
        assert!(refused(&[1, 3], 8).contains("found [1, 3]"));
        assert!(refused(&[0], 8).contains("found [0]"));
        assert!(refused(&[1], 4).starts_with("pixels of a batch: expected 384, found 96"));
        let broken = tempfile::tempdir().unwrap();
        std::fs::write(broken.path().join("1.png"), b"no picture").unwrap();
        assert!(measure(&tokenizer, pass(broken.path(), 8), &[1], Judges::default(), &workers).is_err());
    }
}
