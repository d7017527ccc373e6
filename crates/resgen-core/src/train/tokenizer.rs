//! How an image tokenizer learns: reconstruction, commitment, moving codebooks.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::learner::{Applied, BatchSource, Learner};
use super::log::{Panel, Scale};
use super::model_file::{ModelFile, Storage};
use super::run::RunConfig;
use super::weights::{Gradient, Weights};
use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::parameters::{self, NamedTensors};
use crate::random::{Purpose, index_below, stream, uniform};
use crate::rvq::{CodebookLearner, CodebookStatistics, Codebooks, quantize};
use crate::signal::Picture;
use crate::tokenizer::image::Autoencoder;
use crate::tokenizer::{ImageTokenizer, ImageTokenizerConfig};

/// Weights of the losses: the `[losses]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Mean absolute error of the pixels.
    pub l1: f64,
    /// Mean squared error of the pixels.
    pub l2: f64,
    /// Steps before the quantizer takes part; the codebooks are then placed by k-means.
    pub quantize_from: u64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { l1: 0.5, l2: 1.0, quantize_from: 500 }
    }
}

/// What a tokenizer's model file says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerHeader {
    /// Always `tokenizer`.
    pub kind: TokenizerKind,
    /// Sizes.
    pub tokenizer: ImageTokenizerConfig,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}

/// Tells a tokenizer's file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// The only value.
    Tokenizer,
}

/// A micro-batch of pictures.
pub struct PictureBatch {
    /// Pixels in [−1, 1], `[B, 3, S, S]` in order.
    pub pixels: Vec<f32>,
    /// Index of the first picture within its batch; randomness is keyed by it.
    pub first: usize,
}

/// A tokenizer in training.
pub struct TokenizerLearner {
    config: ImageTokenizerConfig,
    losses: LossConfig,
    seed: u64,
    licence: String,
    device: Device,
    weights: Weights<Autoencoder>,
    codebooks: CodebookLearner,
    samples: Vec<f32>, // held-out pictures for previews, [N, 3, S, S]
}

/// What a micro-batch gives a tokenizer.
pub struct TokenizerPart {
    gradients: Vec<Tensor<1>>,
    statistics: Option<CodebookStatistics>,
    scalars: Vec<f64>,
}

impl TokenizerLearner {
    /// A fresh tokenizer. `samples` are held-out pictures `[N, 3, S, S]` for previews.
    ///
    /// # Errors
    /// [`Error::Config`] for a config out of range.
    pub fn new(
        config: ImageTokenizerConfig,
        losses: LossConfig,
        run: &RunConfig,
        licence: String,
        samples: Vec<f32>,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let autoencoder = Autoencoder::new(&mut Builder::new(run.seed, device), &config);
        let books = Codebooks::zeros(config.depth, config.sharing, config.vocabulary, config.latent, device)?;
        Ok(Self {
            losses,
            seed: run.seed,
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

    /// Depths that each row is decoded with: all, or by quantizer dropout a random number, the same for
    /// all positions of a picture.
    fn kept_depths(&self, step: u64, first: usize, pictures: usize) -> Tensor<2, Int> {
        let positions = self.config.positions();
        let kept = (first..first + pictures).flat_map(|picture| {
            let mut rng = stream(self.seed, Purpose::Drop, picture as u64, step);
            let drops = uniform(&mut rng) < self.config.codebook.depth_dropout;
            let kept = if drops { 1 + index_below(&mut rng, self.config.depth) } else { self.config.depth };
            std::iter::repeat_n(kept as i32, positions)
        });
        let kept: Vec<i32> = kept.collect();
        let rows = kept.len();
        Tensor::from_data(TensorData::new(kept, [rows, 1]), &self.device)
    }
}

impl Learner for TokenizerLearner {
    type Batch = PictureBatch;
    type Part = TokenizerPart;
    const COLUMNS: &'static [&'static str] =
        &["loss", "psnr", "commitment", "revived", "gradient_norm", "learning_rate"];

    fn panels() -> Vec<Panel> {
        let panel = |title: &str, axis: &str, columns: &[&str], scale| Panel {
            title: title.into(),
            axis: axis.into(),
            columns: columns.iter().map(|&column| column.into()).collect(),
            scale,
        };
        vec![
            panel("Reconstruction", "PSNR in dB", &["psnr"], Scale::Linear),
            panel("Losses", "loss", &["loss", "commitment"], Scale::Log),
            panel("Gradient", "norm before clipping", &["gradient_norm"], Scale::Log),
        ]
    }

    fn prepare(
        &mut self,
        step: u64,
        source: &mut dyn BatchSource<Batch = PictureBatch>,
    ) -> Result<Option<String>> {
        if step != self.losses.quantize_from {
            return Ok(None);
        }
        // About 32 rows a code, at least one batch.
        let wanted = 32 * self.config.vocabulary;
        let (mut latents, mut rows, mut ahead) = (Vec::new(), 0, 0);
        while rows < wanted && ahead < 10_000 {
            for batch in source.batches(step + ahead)? {
                let found =
                    self.weights.model().encoder.forward(self.pixels(batch.pixels)?).flatten::<2>(0, 1);
                rows += found.dims()[0];
                latents.push(found);
            }
            ahead += 1;
        }
        let iterations = self.config.codebook.kmeans_iterations;
        self.codebooks.place_by_kmeans(Tensor::cat(latents, 0), iterations, self.seed)?;
        Ok(Some(format!("codebooks placed by k-means on {rows} latents")))
    }

    fn part(&self, step: u64, _index: usize, batch: PictureBatch) -> Result<TokenizerPart> {
        use burn::module::Module;
        let model = self.weights.model().clone().train();
        let pixels = self.pixels(batch.pixels)?;
        let pictures = pixels.dims()[0];
        let latents = model.encoder.forward(pixels.clone().autodiff()); // [B, L, H]
        let shape = latents.dims();
        let (latents, commitment, statistics) = if step < self.losses.quantize_from {
            (latents, None, None)
        } else {
            let kept = self.kept_depths(step, batch.first, pictures);
            let quantized = quantize(latents.flatten(0, 1), self.codebooks.books(), Some(kept));
            (quantized.latents.reshape(shape), Some(quantized.commitment), Some(quantized.statistics))
        };
        let error = model.decoder.forward(latents) - pixels;
        let squared = error.clone().square().mean();
        let mut loss = squared.clone() * self.losses.l2 + error.abs().mean() * self.losses.l1;
        let mut committed = 0.0;
        if let Some(commitment) = commitment {
            committed = scalar(&commitment)?;
            loss = loss + commitment * self.config.codebook.commitment;
        }
        let psnr = 10.0 * (4.0 / scalar(&squared)?.max(1e-12)).log10();
        let scalars = vec![scalar(&loss)?, psnr, committed];
        let gradients = parameters::take_gradients(&model, &mut loss.backward());
        Ok(TokenizerPart { gradients, statistics, scalars })
    }

    fn apply(&mut self, step: u64, parts: Vec<TokenizerPart>, rate: f64) -> Result<Applied> {
        let count = parts.len() as f64;
        let mut scalars = vec![0.0; 3];
        let (mut gradients, mut statistics) = (Vec::new(), Vec::new());
        for part in parts {
            scalars.iter_mut().zip(&part.scalars).for_each(|(sum, value)| *sum += value / count);
            gradients.push(part.gradients);
            statistics.extend(part.statistics);
        }
        let gradient = Gradient::mean(gradients)?;
        if !scalars[0].is_finite() || !gradient.norm.is_finite() {
            let what = format!("loss {} with gradient norm {}", scalars[0], gradient.norm);
            return Ok(Applied::NotFinite(what));
        }
        let norm = gradient.norm;
        self.weights.update(gradient, rate);
        let revived = match statistics.into_iter().reduce(CodebookStatistics::merged) {
            Some(seen) => self.codebooks.learn(seen, &self.config.codebook, self.seed, step)?,
            None => 0,
        };
        scalars.extend([revived as f64, norm, rate]);
        Ok(Applied::Updated(scalars))
    }

    fn state(&self) -> NamedTensors {
        let mut state = self.weights.state("autoencoder.");
        let (counts, sums) = self.codebooks.state();
        state.insert("codebooks.vectors".into(), self.codebooks.books().vectors().into_data());
        state.insert("codebooks.counts".into(), counts.into_data());
        state.insert("codebooks.sums".into(), sums.into_data());
        state
    }

    fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        self.weights.restore(state, "autoencoder.", &self.device)?;
        let shape = self.codebooks.books().vectors().dims();
        let vectors = tensor(state, "codebooks.vectors", shape, &self.device)?;
        let counts = tensor(state, "codebooks.counts", [shape[0], shape[1]], &self.device)?;
        let sums = tensor(state, "codebooks.sums", shape, &self.device)?;
        let books = Codebooks::new(vectors, self.config.depth)?;
        self.codebooks = CodebookLearner::from_state(books, counts, sums)?;
        Ok(())
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

/// The value of a tensor of one element.
fn scalar(tensor: &Tensor<1>) -> Result<f64> {
    tensor
        .clone()
        .try_into_scalar::<f32>()
        .map(f64::from)
        .map_err(|error| Error::Training(format!("{error:?}")))
}

/// The tensor `name`, which must have `shape`.
fn tensor<const D: usize>(
    state: &NamedTensors,
    name: &str,
    shape: [usize; D],
    device: &Device,
) -> Result<Tensor<D>> {
    let data = state
        .get(name)
        .ok_or_else(|| Error::mismatch(format!("tensor `{name}`"), format!("{shape:?}"), "none"))?;
    if data.shape().to_vec() != shape {
        return Err(Error::mismatch(
            format!("tensor `{name}`"),
            format!("{shape:?}"),
            format!("{:?}", data.shape()),
        ));
    }
    Ok(Tensor::from_data(data.clone(), device))
}
