//! How a tokenizer learns: reconstruction, commitment, moving codebooks, and where configured a
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

pub use header::TokenizerHeader;
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
use crate::tokenizer::{Autoencode, Tokenizer, TokenizerConfig};
use crate::workers::Workers;

/// Rows per code that k-means places the codebooks by.
const PLACING_ROWS: usize = 32;
/// Batches after which it makes do with fewer.
const MOST_PLACING_BATCHES: u64 = 10_000;

/// A micro-batch of signals.
pub struct SignalBatch {
    /// `[B, C, h, w]` in order.
    pub values: Vec<f32>,
    /// The class of each signal.
    pub classes: Vec<u32>,
    /// Index of the first signal within its batch; randomness is keyed by it.
    pub first: usize,
}

/// A tokenizer in training.
pub struct TokenizerLearner<A: Autoencode> {
    config: A::Config,
    losses: LossConfig,
    seed: u64,
    precision: Precision,
    licence: String,
    device: Device,
    weights: Weights<A>,
    codebooks: CodebookLearner,
    objective: Objective,
    adversary: Option<Adversary>,
    samples: Vec<f32>, // held-out signals for previews, [N, C, h, w]
}

/// What micro-batches give a tokenizer: sums.
pub struct TokenizerPart {
    count: usize, // micro-batches, all of the same size
    gradients: Vec<Tensor<1>>,
    discriminator: Option<Vec<Tensor<1>>>, // gradients of the discriminator, where it takes part
    statistics: Option<CodebookStatistics>,
    measured: Measured,
}

impl<A: Autoencode> TokenizerLearner<A> {
    /// A fresh tokenizer. `samples` are held-out signals `[N, C, h, w]` for previews.
    ///
    /// # Errors
    /// [`Error::Config`] for a config out of range or a file of LPIPS that is not there, [`Error::File`] for
    /// one that is something else.
    pub fn new(
        config: A::Config,
        losses: LossConfig,
        run: &RunConfig,
        licence: String,
        samples: Vec<f32>,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let [channels, height, width] = config.signal();
        losses.validate(height.min(width), run.steps)?;
        parameters::expect_possible(&A::new(&mut Builder::blank(device), &config), "tokenizer")?;
        let mut builder = Builder::new(run.seed, device);
        let autoencoder = A::new(&mut builder, &config);
        let adversarial = losses.adversarial.filter(|adversarial| adversarial.weight > 0.0);
        let adversary = adversarial.map(|config| Adversary::new(&mut builder, config, channels, run));
        let sizes = config.quantizer();
        let books = Codebooks::zeros(sizes.depth, sizes.sharing, sizes.vocabulary, sizes.latent, device)?;
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
    pub fn tokenizer(&self) -> Result<Tokenizer<A>> {
        Tokenizer::new(self.config.clone(), self.weights.averaged(), self.codebooks.books().clone())
    }

    /// Begins with the weights and codebooks of `before` in place of random ones and zeros.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where it has other sizes.
    pub fn start_from(&mut self, before: Tokenizer<A>) -> Result<()> {
        if *before.config() != self.config {
            let text = |config: &A::Config| format!("{config:?}");
            return Err(Error::mismatch("tokenizer", text(&self.config), text(before.config())));
        }
        self.weights = Weights::new(before.autoencoder().clone(), *self.weights.config());
        self.codebooks = CodebookLearner::in_use(before.books().clone());
        Ok(())
    }

    /// The sizes.
    pub fn config(&self) -> &A::Config {
        &self.config
    }

    fn signals(&self, values: Vec<f32>) -> Result<Tensor<4>> {
        let [channels, height, width] = self.config.signal();
        let signal = channels * height * width;
        if values.is_empty() || !values.len().is_multiple_of(signal) {
            let expected = format!("a multiple of {signal} values");
            return Err(Error::mismatch("batch of signals", expected, values.len()));
        }
        let count = values.len() / signal;
        Ok(Tensor::from_data(TensorData::new(values, [count, channels, height, width]), &self.device))
    }

    /// Places the codebooks by k-means on the latents of this batch and as many more as it takes. Returns
    /// how many latents there were.
    fn place_codebooks(
        &mut self,
        step: u64,
        source: &mut dyn BatchSource<Batch = SignalBatch>,
    ) -> Result<usize> {
        let sizes = self.config.quantizer();
        let wanted = PLACING_ROWS * sizes.vocabulary;
        let (mut latents, mut rows) = (Vec::new(), 0);
        for ahead in 0..MOST_PLACING_BATCHES {
            if rows >= wanted {
                break;
            }
            for batch in source.batches(step + ahead)? {
                let network = self.weights.model();
                let found = network.encode(self.signals(batch.values)?).flatten::<2>(0, 1);
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
        let iterations = sizes.codebook.kmeans_iterations;
        self.codebooks.place_by_kmeans(Tensor::cat(latents, 0), iterations, self.seed)?;
        Ok(rows)
    }
}

impl<A: Autoencode> Learner for TokenizerLearner<A> {
    type Batch = SignalBatch;
    type Part = TokenizerPart;
    const COLUMNS: &'static [&'static str] = &columns::columns(A::FIDELITY);

    fn panels() -> Vec<Panel> {
        columns::panels(A::FIDELITY, A::FIDELITY_LABEL)
    }

    fn prepare(
        &mut self,
        step: u64,
        source: &mut dyn BatchSource<Batch = SignalBatch>,
    ) -> Result<Option<String>> {
        if step != self.losses.quantize_from {
            return Ok(None);
        }
        let rows = self.place_codebooks(step, source)?;
        Ok(Some(format!("codebooks placed by k-means on {rows} latents")))
    }

    fn part(&self, step: u64, batch: SignalBatch) -> Result<TokenizerPart> {
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
        if let Some(what) = not_finite(Self::COLUMNS, &measured, norms) {
            return Ok(Applied::NotFinite(what));
        }
        let norm = gradient.norm;
        self.weights.update(gradient, rate, workers)?;
        if let (Some(adversary), Some(gradient)) = (&mut self.adversary, opposing) {
            adversary.update(gradient, rate, workers)?;
        }
        let (codebooks, settings) = (&mut self.codebooks, self.config.quantizer().codebook);
        let learned =
            all.statistics.map(|seen| workers.alone(|| codebooks.learn(seen, &settings, self.seed, step)));
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
            kind: A::Config::KIND,
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
        let signals = self.signals(self.samples.clone())?;
        let picture = super::preview::reconstructions(&tokenizer, signals)?;
        Ok(vec![("reconstructions", picture)])
    }
}

/// Of two values that are both there or both not, the two together.
fn both<T, R>(a: Option<T>, b: Option<T>, together: impl Fn(T, T) -> R) -> Option<R> {
    a.zip(b).map(|(a, b)| together(a, b))
}

/// Names what is not finite among the measurements and the gradients' norms (the tokenizer's, then the
/// discriminator's).
fn not_finite(columns: &[&str], measured: &[Option<f64>], norms: [Option<f64>; 2]) -> Option<String> {
    let names = ["the gradient's norm", "the discriminator's gradient's norm"];
    let columns = columns.iter().zip(measured);
    columns.chain(names.iter().zip(&norms)).find_map(|(name, value)| {
        let value = value.filter(|value| !value.is_finite())?;
        Some(format!("{name} is {value}"))
    })
}
