//! What a generator learns from a batch of codes: masks drawn by the schedule, and the mixture's loss on what they
//! hide.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::Result;
use crate::head::MixtureScore;
use crate::mask::{MaskCounts, sample_training};
use crate::model::Resgen;
use crate::random::{Purpose, fill_normal, stream, uniform};
use crate::rvq::Codebooks;
use crate::schedule::MaskingSchedule;
use crate::train::scalar;
use crate::train::tokens::TokenBatch;

/// How states of the diffusion are drawn from codes; a function of the seed, the step and a signal's place in the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// How many tokens are masked.
    pub schedule: MaskingSchedule,
    /// Share of signals shown without their class.
    pub condition_dropout: f64,
    /// See [`super::ModelConfig::target_noise`].
    pub target_noise: f32,
    /// Seed of masks, noise and dropped classes.
    pub seed: u64,
}

/// What a model makes of a batch: means over the positions with masked codes, and how many those are.
pub struct Scored {
    /// The head's loss, `[1]`; see [`MixtureScore::loss`].
    pub loss: Tensor<1>,
    /// See [`MixtureScore::used_components`]; `[1]`.
    pub used_components: Tensor<1>,
    /// Positions with masked codes.
    pub masked_positions: f64,
}

impl Scored {
    /// Loss and used components as numbers, each times the number of masked positions.
    ///
    /// # Errors
    /// Where the device cannot be read.
    pub fn sums(&self) -> Result<Vec<f64>> {
        let sum = |mean: &Tensor<1>| Ok(scalar(mean)? * self.masked_positions);
        Ok(vec![sum(&self.loss)?, sum(&self.used_components)?])
    }
}

impl Objective {
    /// Masks the codes of a batch and asks the model for what is masked.
    pub fn score(&self, model: &Resgen, books: &Codebooks, step: u64, batch: &TokenBatch) -> Scored {
        let device = books.vectors().device();
        let sizes = model.config();
        let (count, positions, depth) = (batch.codes.batch(), batch.codes.positions(), batch.codes.depth());
        let rows = count * positions;
        let (masks, labels) = self.masks_and_labels(sizes.classes, step, batch);
        let counts: Vec<usize> = masks.iter().flat_map(|mask| mask.counts()).copied().collect();

        let masked: Vec<i32> = counts.iter().map(|&k| k as i32).collect();
        let masked = integers(masked, [count, positions], &device);
        let first = masked.clone().reshape([rows, 1]).neg() + depth as i64; // [N, 1], number of visible codes
        let codes = batch.codes.to_tensor(&device).reshape([rows, depth]);
        let visible = books.visible_embedding(codes.clone(), first.clone());
        let visible = visible.div_scalar(sizes.embedding_scales[depth]);
        let visible = visible.reshape([count, positions, books.width()]);

        let scales: Vec<f32> = counts.iter().map(|&k| sizes.embedding_scales[k]).collect();
        let scales = Tensor::<2>::from_data(TensorData::new(scales, [rows, 1]), &device);
        let target = books.masked_embedding(codes, first) / scales;
        let target = target + self.noise(step, batch, books.width(), &device); // [N, H]
        let weight = masked.clone().reshape([rows]).greater_scalar(0).float(); // [N]

        let labels = integers(labels.into_iter().map(|label| label as i32).collect(), [count], &device);
        let out = model.forward(visible, masked, labels);
        let MixtureScore { loss, used_components } = model.head().score(&out, target, weight);
        let masked_positions = counts.iter().filter(|&&k| k > 0).count() as f64;
        Scored { loss, used_components, masked_positions }
    }

    /// The masks and labels of a micro-batch; the label `classes` stands for none.
    fn masks_and_labels(
        &self,
        classes: usize,
        step: u64,
        batch: &TokenBatch,
    ) -> (Vec<MaskCounts>, Vec<usize>) {
        let (positions, depth) = (batch.codes.positions(), batch.codes.depth());
        (batch.first..)
            .zip(&batch.classes)
            .map(|(index, &class)| {
                let mut rng = stream(self.seed, Purpose::Mask, index as u64, step);
                let mask = sample_training(&mut rng, self.schedule, positions, depth);
                let drops = uniform(&mut stream(self.seed, Purpose::Drop, index as u64, step));
                (mask, if drops < self.condition_dropout { classes } else { class })
            })
            .unzip()
    }

    /// Noise on the targets of a micro-batch.
    ///
    /// # Shapes
    /// `[B·L, H]`
    fn noise(&self, step: u64, batch: &TokenBatch, width: usize, device: &Device) -> Tensor<2> {
        let signal = batch.codes.positions() * width;
        let mut noise = vec![0.0; batch.codes.batch() * signal];
        for (index, values) in (batch.first..).zip(noise.chunks_mut(signal)) {
            fill_normal(values, &mut stream(self.seed, Purpose::TargetNoise, index as u64, step));
        }
        let shape = [batch.codes.batch() * batch.codes.positions(), width];
        Tensor::<2>::from_data(TensorData::new(noise, shape), device).mul_scalar(self.target_noise)
    }
}

fn integers<const R: usize>(values: Vec<i32>, shape: [usize; R], device: &Device) -> Tensor<R, Int> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
