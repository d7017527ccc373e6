//! How an image tokenizer learns: reconstruction, commitment, moving codebooks, and where configured a
//! perceptual loss and a discriminator.

mod adversary;
mod columns;
mod header;
mod losses;
mod objective;
mod pass;
mod state;
#[cfg(test)]
mod tests;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

pub use header::{TokenizerHeader, TokenizerKind};
pub use losses::{LossConfig, LpipsLossConfig};

use self::adversary::Adversary;
use self::columns::Measured;
use self::objective::Objective;
use super::learner::{Applied, BatchSource, Learner};
use super::log::Panel;
use super::model_file::{ModelFile, Storage};
use super::run::RunConfig;
use super::scalar;
use super::weights::{Gradient, Weights, added};
use crate::error::{Error, Result};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::{Builder, Precision};
use crate::rvq::{CodebookLearner, CodebookStatistics, Codebooks};
use crate::signal::Picture;
use crate::tokenizer::image::Autoencoder;
use crate::tokenizer::{ImageTokenizer, ImageTokenizerConfig};
use crate::workers::Workers;

/// Rows per code that k-means places the codebooks by.
const PLACING_ROWS: usize = 32;
/// Batches after which it makes do with fewer.
const MOST_PLACING_BATCHES: u64 = 10_000;

/// A micro-batch of pictures.
pub struct PictureBatch {
    /// Pixels in [−1, 1], `[B, 3, S, S]` in order.
    pub pixels: Vec<f32>,
    /// The class of each picture.
    pub classes: Vec<u32>,
    /// Index of the first picture within its batch; randomness is keyed by it.
    pub first: usize,
}

/// A tokenizer in training.
pub struct TokenizerLearner {
    config: ImageTokenizerConfig,
    losses: LossConfig,
    seed: u64,
    precision: Precision,
    licence: String,
    device: Device,
    weights: Weights<Autoencoder>,
    codebooks: CodebookLearner,
    objective: Objective,
    adversary: Option<Adversary>,
    samples: Vec<f32>, // held-out pictures for previews, [N, 3, S, S]
}

/// What micro-batches give a tokenizer: sums.
pub struct TokenizerPart {
    count: usize, // micro-batches, all of the same size
    gradients: Vec<Tensor<1>>,
    discriminator: Option<Vec<Tensor<1>>>, // gradients of the discriminator, where it takes part
    statistics: Option<CodebookStatistics>,
    measured: Measured,
}

impl TokenizerLearner {
    /// A fresh tokenizer. `samples` are held-out pictures `[N, 3, S, S]` for previews.
    ///
    /// # Errors
    /// [`Error::Config`] for a config out of range or a file of LPIPS that is not there, [`Error::File`] for
    /// one that is something else.
    pub fn new(
        config: ImageTokenizerConfig,
        losses: LossConfig,
        run: &RunConfig,
        licence: String,
        samples: Vec<f32>,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        losses.validate(config.resolution, run.steps)?;
        parameters::expect_possible(&Autoencoder::new(&mut Builder::blank(device), &config), "tokenizer")?;
        let mut builder = Builder::new(run.seed, device);
        let autoencoder = Autoencoder::new(&mut builder, &config);
        let adversarial = losses.adversarial.filter(|adversarial| adversarial.weight > 0.0);
        let adversary = adversarial.map(|config| Adversary::new(&mut builder, config, run));
        let books = Codebooks::zeros(config.depth, config.sharing, config.vocabulary, config.latent, device)?;
        Ok(Self {
            objective: Objective::new(&losses, device)?,
            adversary,
            losses,
            seed: run.seed,
            precision: run.precision,
            licence,
            device: device.clone(),
            weights: Weights::new(autoencoder, run.optimizer),
            codebooks: CodebookLearner::new(books),
            samples,
            config,
        })
    }

    /// The tokenizer with averaged weights.
    ///
    /// # Errors
    /// Never in practice: the parts were made for each other.
    pub fn tokenizer(&self) -> Result<ImageTokenizer> {
        ImageTokenizer::new(self.config.clone(), self.weights.averaged(), self.codebooks.books().clone())
    }

    /// Begins with the weights and codebooks of `before` in place of random ones and zeros.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where it has other sizes.
    pub fn start_from(&mut self, before: ImageTokenizer) -> Result<()> {
        if *before.config() != self.config {
            let text = |config: &ImageTokenizerConfig| format!("{config:?}");
            return Err(Error::mismatch("tokenizer", text(&self.config), text(before.config())));
        }
        self.weights = Weights::new(before.autoencoder().clone(), *self.weights.config());
        self.codebooks = CodebookLearner::in_use(before.books().clone());
        Ok(())
    }

    /// The sizes.
    pub fn config(&self) -> &ImageTokenizerConfig {
        &self.config
    }

    fn pixels(&self, values: Vec<f32>) -> Result<Tensor<4>> {
        let side = self.config.resolution;
        let picture = 3 * side * side;
        if values.is_empty() || !values.len().is_multiple_of(picture) {
            let expected = format!("a multiple of {picture} values");
            return Err(Error::mismatch("picture batch", expected, values.len()));
        }
        let count = values.len() / picture;
        Ok(Tensor::from_data(TensorData::new(values, [count, 3, side, side]), &self.device))
    }

    /// Places the codebooks by k-means on the latents of this batch and as many more as it takes. Returns
    /// how many latents there were.
    fn place_codebooks(
        &mut self,
        step: u64,
        source: &mut dyn BatchSource<Batch = PictureBatch>,
    ) -> Result<usize> {
        let wanted = PLACING_ROWS * self.config.vocabulary;
        let (mut latents, mut rows) = (Vec::new(), 0);
        for ahead in 0..MOST_PLACING_BATCHES {
            if rows >= wanted {
                break;
            }
            for batch in source.batches(step + ahead)? {
                let encoder = &self.weights.model().encoder;
                let found = encoder.forward(self.pixels(batch.pixels)?).flatten::<2>(0, 1);
                // A broken batch would break every code, for good; its own step will be left out.
                if scalar(&found.clone().sum())?.is_finite() {
                    rows += found.dims()[0];
                    latents.push(found);
                }
            }
        }
        if latents.is_empty() {
            return Err(Error::Training("no batch has finite latents to place the codebooks by".into()));
        }
        let iterations = self.config.codebook.kmeans_iterations;
        self.codebooks.place_by_kmeans(Tensor::cat(latents, 0), iterations, self.seed)?;
        Ok(rows)
    }
}

impl Learner for TokenizerLearner {
    type Batch = PictureBatch;
    type Part = TokenizerPart;
    const COLUMNS: &'static [&'static str] = columns::COLUMNS;

    fn panels() -> Vec<Panel> {
        columns::panels()
    }

    fn prepare(
        &mut self,
        step: u64,
        source: &mut dyn BatchSource<Batch = PictureBatch>,
    ) -> Result<Option<String>> {
        if step != self.losses.quantize_from {
            return Ok(None);
        }
        let rows = self.place_codebooks(step, source)?;
        Ok(Some(format!("codebooks placed by k-means on {rows} latents")))
    }

    fn part(&self, step: u64, batch: PictureBatch) -> Result<TokenizerPart> {
        self.pass(step, batch)
    }

    fn merged(sum: TokenizerPart, next: TokenizerPart, workers: &Workers) -> Result<TokenizerPart> {
        let added = |sum, next| added(sum, next, workers);
        let merged = |sum, next| workers.alone(|| CodebookStatistics::merged(sum, next));
        Ok(TokenizerPart {
            count: sum.count + next.count,
            gradients: added(sum.gradients, next.gradients)?,
            discriminator: both(sum.discriminator, next.discriminator, added).transpose()?,
            statistics: both(sum.statistics, next.statistics, merged),
            measured: sum.measured.plus(next.measured),
        })
    }

    fn apply(&mut self, step: u64, all: TokenizerPart, rate: f64, workers: &Workers) -> Result<Applied> {
        let count = all.count as f64;
        let measured = all.measured.values().map(|sum| sum.map(|sum| sum / count));
        let gradient = Gradient::mean(all.gradients, count, workers)?;
        let opposing = all.discriminator.map(|sum| Gradient::mean(sum, count, workers)).transpose()?;
        let norms = [Some(gradient.norm), opposing.as_ref().map(|gradient| gradient.norm)];
        if let Some(what) = not_finite(&measured, norms) {
            return Ok(Applied::NotFinite(what));
        }
        let norm = gradient.norm;
        self.weights.update(gradient, rate, workers)?;
        if let (Some(adversary), Some(gradient)) = (&mut self.adversary, opposing) {
            adversary.update(gradient, rate, workers)?;
        }
        let (codebooks, settings) = (&mut self.codebooks, &self.config.codebook);
        let learned =
            all.statistics.map(|seen| workers.alone(|| codebooks.learn(seen, settings, self.seed, step)));
        let learned = learned.transpose()?;
        let codes = match &learned {
            Some(learned) => [learned.least_perplexity(), learned.mean_perplexity(), learned.revived as f64],
            None => [f64::NAN; 3],
        };
        let measured = measured.into_iter().map(|value| value.unwrap_or(f64::NAN));
        Ok(Applied::Updated(measured.chain(codes).chain([norm, rate]).collect()))
    }

    fn state(&self) -> NamedTensors {
        self.named_state()
    }

    fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        self.restore_state(state)
    }

    fn export(&self, path: &Path, step: u64) -> Result<()> {
        let header = TokenizerHeader {
            kind: TokenizerKind::Tokenizer,
            tokenizer: self.config.clone(),
            step,
            licence: self.licence.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        ModelFile { header, tensors: self.tokenizer()?.tensors() }.save(path, Storage::F32)
    }

    fn previews(&self, step: u64) -> Result<Vec<(&'static str, Picture)>> {
        if self.samples.is_empty() || step < self.losses.quantize_from {
            return Ok(Vec::new());
        }
        let tokenizer = self.tokenizer()?;
        let pixels = self.pixels(self.samples.clone())?;
        let picture = super::preview::reconstructions(&tokenizer, pixels)?;
        Ok(vec![("reconstructions", picture)])
    }
}

/// Of two values that are both there or both not, the two together.
fn both<T, R>(a: Option<T>, b: Option<T>, together: impl Fn(T, T) -> R) -> Option<R> {
    a.zip(b).map(|(a, b)| together(a, b))
}

/// Names what is not finite among the measurements and the gradients' norms (the tokenizer's, then the
/// discriminator's).
fn not_finite(measured: &[Option<f64>], norms: [Option<f64>; 2]) -> Option<String> {
    let names = ["the gradient's norm", "the discriminator's gradient's norm"];
    let columns = columns::COLUMNS.iter().zip(measured);
    columns.chain(names.iter().zip(&norms)).find_map(|(name, value)| {
        let value = value.filter(|value| !value.is_finite())?;
        Some(format!("{name} is {value}"))
    })
}
