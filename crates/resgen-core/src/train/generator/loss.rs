//! What a head is to have predicted, and what it loses.

use burn::tensor::{Bool, Int, Tensor, TensorData};

use crate::error::Result;
use crate::head::categorical::log_probabilities;
use crate::head::{CategoricalHead, DepthTransformer, MixtureHead, MixtureScore};
use crate::model::NetworkHead;
use crate::rvq::Codebooks;
use crate::train::scalar;

/// The codes of all positions of a batch, and which of them are masked.
pub struct Targets<'a> {
    /// The vectors of the codes.
    pub books: &'a Codebooks,
    /// `[N, D]`
    pub codes: Tensor<2, Int>,
    /// How many of the deepest codes of each position are masked, k; N numbers.
    pub masked: &'a [usize],
    /// What embeddings of k codes are divided by, for k = 0 to D.
    pub scales: &'a [f32],
    /// Draws what is added to embeddings that are predicted, `[N, H]`: only they need it.
    pub noise: &'a dyn Fn() -> Tensor<2>,
}

impl Targets<'_> {
    /// How many codes of each position are visible, `[N, 1]`.
    pub fn visible(&self) -> Tensor<2, Int> {
        let depth = self.codes.dims()[1];
        let visible: Vec<i32> = self.masked.iter().map(|masked| (depth - masked) as i32).collect();
        Tensor::from_data(TensorData::new(visible, [self.masked.len(), 1]), &self.codes.device())
    }

    /// Whether a token is masked, `[N, D]`.
    fn is_masked(&self) -> Tensor<2, Bool> {
        let depths = Tensor::<1, Int>::arange(0..self.codes.dims()[1] as i64, &self.codes.device());
        depths.unsqueeze_dim::<2>(0).greater_equal(self.visible())
    }
}

/// What a network makes of a batch: means, and over how many.
pub struct Scored {
    /// In nats, `[1]`.
    pub loss: Tensor<1>,
    /// What else is worth knowing while it falls, `[1]`; see [`LearnsCodes::WATCHED`].
    pub watched: Tensor<1>,
    /// What the reader of texts has to learn of when they are said, in nats a position, `[1]`; of generators that speak.
    pub reading: Option<Tensor<1>>,
    /// Positions or tokens that they are means over.
    pub count: f64,
}

impl Scored {
    /// All of them as numbers, each times their count.
    ///
    /// # Errors
    /// Where the device cannot be read.
    pub fn sums(&self) -> Result<Vec<f64>> {
        let means = [Some(&self.loss), Some(&self.watched), self.reading.as_ref()];
        means.into_iter().flatten().map(|mean| Ok(scalar(mean)? * self.count)).collect()
    }

    /// What a step of training makes smaller, `[1]`: a sum.
    pub fn whole(&self) -> Tensor<1> {
        let loss = match &self.reading {
            Some(reading) => self.loss.clone() + reading.clone(),
            None => self.loss.clone(),
        };
        loss.mul_scalar(self.count)
    }
}

/// A head that learns codes.
pub trait LearnsCodes: NetworkHead {
    /// The loss's unit: nats per position, or per token.
    const UNIT: &'static str;
    /// The name, in logs, of what is watched beside the loss.
    const WATCHED: &'static str;
    /// Its title and unit in charts.
    const WATCHED_AS: [&'static str; 2];

    /// # Shapes
    /// hidden `[N, d]`
    fn score(&self, hidden: Tensor<2>, targets: &Targets) -> Scored;
}

/// The mixture's loss on the collective embedding of what is masked, over the positions where something is.
impl LearnsCodes for MixtureHead {
    const UNIT: &'static str = "nats per position";
    const WATCHED: &'static str = "used_components";
    const WATCHED_AS: [&'static str; 2] = ["Components in use", "perplexity"];

    fn score(&self, hidden: Tensor<2>, targets: &Targets) -> Scored {
        let (rows, device) = (targets.masked.len(), hidden.device());
        let scales: Vec<f32> = targets.masked.iter().map(|&k| targets.scales[k]).collect();
        let scales = Tensor::<2>::from_data(TensorData::new(scales, [rows, 1]), &device);
        let target = targets.books.masked_embedding(targets.codes.clone(), targets.visible()) / scales;
        let target = target + (targets.noise)(); // [N, H]
        let weight: Vec<f32> = targets.masked.iter().map(|&k| f32::from(u8::from(k > 0))).collect();
        let weight = Tensor::<1>::from_data(weight.as_slice(), &device); // [N]
        let out = self.forward(hidden);
        let MixtureScore { loss, used_components } = MixtureHead::score(self, &out, target, weight);
        let count = targets.masked.iter().filter(|&&k| k > 0).count() as f64;
        Scored { loss, watched: used_components, reading: None, count }
    }
}

/// Cross entropy of every masked code.
impl LearnsCodes for CategoricalHead {
    const UNIT: &'static str = "nats per token";
    const WATCHED: &'static str = "accuracy";
    const WATCHED_AS: [&'static str; 2] = ["Most probable code is right", "share of tokens"];

    fn score(&self, hidden: Tensor<2>, targets: &Targets) -> Scored {
        cross_entropy(self.logits(hidden), targets)
    }
}

/// Cross entropy of every code, those before it at its position known.
impl LearnsCodes for DepthTransformer {
    const UNIT: &'static str = "nats per token";
    const WATCHED: &'static str = "accuracy";
    const WATCHED_AS: [&'static str; 2] = ["Most probable code is right", "share of tokens"];

    fn score(&self, hidden: Tensor<2>, targets: &Targets) -> Scored {
        let depth = targets.codes.dims()[1];
        let partial = self.partial_embeddings(targets.books, targets.codes.clone(), targets.scales[depth]);
        cross_entropy(self.forward(hidden, partial), targets)
    }
}

/// The mean over masked tokens, and the share of them whose most probable code is right.
///
/// # Shapes
/// logits `[N, D, V]`
fn cross_entropy(logits: Tensor<3>, targets: &Targets) -> Scored {
    let count: usize = targets.masked.iter().sum();
    let weight = targets.is_masked().float(); // [N, D]
    let over_masked = |values: Tensor<2>| (values * weight.clone()).sum() / count.max(1) as f64;
    let best = logits.clone().without_autodiff().argmax(2).squeeze_dim::<2>(2); // [N, D]
    let losses = log_probabilities(logits, targets.codes.clone()).neg(); // [N, D]
    let right = best.equal(targets.codes.clone()).float();
    Scored { loss: over_masked(losses), watched: over_masked(right), reading: None, count: count as f64 }
}
