//! How a generator learns from a batch of codes: masks drawn by the schedule, and the head's loss on what they hide.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::loss::{LearnsCodes, Scored, Targets};
use crate::error::Result;
use crate::mask::{MaskCounts, sample_training};
use crate::model::Network;
use crate::random::{Purpose, fill_normal, index_below, stream, uniform};
use crate::rvq::Codebooks;
use crate::schedule::MaskingSchedule;
use crate::train::tokens::TokenBatch;

/// How states of the diffusion are drawn from codes; a function of the seed, the step and a signal's place in the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// How many tokens are masked.
    pub schedule: MaskingSchedule,
    /// Share of signals shown without their class and text.
    pub condition_dropout: f64,
    /// See [`super::ModelConfig::prompt_share`].
    pub prompt_share: f64,
    /// See [`super::ModelConfig::target_noise`].
    pub target_noise: f32,
    /// Seed of masks, noise and dropped classes.
    pub seed: u64,
}

impl Objective {
    /// Shows the codes of a batch and asks the model for what is masked; for all codes, where it goes position by position.
    ///
    /// # Errors
    /// [`Error::Device`](crate::error::Error::Device) where the device cannot be read.
    pub fn score<M: Network>(
        &self,
        model: &M,
        books: &Codebooks,
        step: u64,
        batch: &TokenBatch,
    ) -> Result<Scored>
    where
        M::Head: LearnsCodes,
    {
        let device = books.vectors().device();
        let sizes = model.config();
        let (count, positions, depth) = (batch.codes.batch(), batch.codes.positions(), batch.codes.depth());
        let rows = count * positions;
        let (masks, dropped) = self.masks_and_dropped(step, batch);
        let masked: Vec<usize> = match M::KIND.is_sequential() {
            true => vec![depth; rows],
            false => masks.iter().flat_map(|mask| mask.counts()).copied().collect(),
        };
        let targets = Targets {
            books,
            codes: batch.codes.to_tensor(&device).reshape([rows, depth]),
            masked: &masked,
            scales: &sizes.embedding_scales,
            noise: &|| self.noise(step, batch, books.width(), &device),
        };
        let scaled = |embeddings: Tensor<2>| {
            let scaled = embeddings.div_scalar(sizes.embedding_scales[depth]);
            scaled.reshape([count, positions, books.width()])
        };
        let visible = scaled(match M::KIND.is_sequential() {
            true => books.decode(targets.codes.clone()),
            false => books.visible_embedding(targets.codes.clone(), targets.visible()),
        });
        let masked = integers(masked.iter().map(|&k| k as i32).collect(), [count, positions], &device);
        let condition = batch.condition_without(&dropped, model.no_condition(), &device);
        let (said, reading) = match model.reader().zip(condition.texts.as_ref()) {
            Some((reader, texts)) => {
                let (said, loss) = reader.aligned(texts, scaled(books.decode(targets.codes.clone())))?;
                (Some(said), Some(loss))
            }
            None => (None, None),
        };
        let hidden = model.shown(visible, masked, &model.hearing(condition.labels, said.as_ref()));
        Ok(Scored { reading, ..model.head().score(hidden, &targets) })
    }

    /// The masks of a micro-batch, and which signals are shown without their condition.
    fn masks_and_dropped(&self, step: u64, batch: &TokenBatch) -> (Vec<MaskCounts>, Vec<bool>) {
        let (positions, depth) = (batch.codes.positions(), batch.codes.depth());
        (batch.first..)
            .take(batch.classes.len())
            .map(|index| {
                let mut rng = stream(self.seed, Purpose::Mask, index as u64, step);
                let known = self.prompt(index as u64, step, positions);
                let mask =
                    sample_training(&mut rng, self.schedule, &MaskCounts::after(known, positions, depth));
                let drops = uniform(&mut stream(self.seed, Purpose::Drop, index as u64, step));
                (mask, drops < self.condition_dropout)
            })
            .unzip()
    }

    /// How many positions at the beginning of a signal are known whole.
    fn prompt(&self, index: u64, step: u64, positions: usize) -> usize {
        let mut rng = stream(self.seed, Purpose::Prompt, index, step);
        if uniform(&mut rng) < self.prompt_share { index_below(&mut rng, positions / 2 + 1) } else { 0 }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rvq::Codes;

    fn known(prompt_share: f64) -> Vec<usize> {
        let objective = Objective {
            schedule: MaskingSchedule::Cosine,
            condition_dropout: 0.0,
            prompt_share,
            target_noise: 0.0,
            seed: 1,
        };
        let codes = Codes::new(vec![0; 400 * 10 * 4], 10, 4, 2).unwrap();
        let batch = TokenBatch { codes, classes: vec![0; 400], texts: Vec::new(), first: 0 };
        let (masks, _) = objective.masks_and_dropped(0, &batch);
        masks.iter().map(|mask| mask.counts().iter().take_while(|masked| **masked == 0).count()).collect()
    }

    #[test]
    fn a_share_of_signals_is_shown_after_a_prompt() {
        // Up to five of ten positions are the prompt: four or five in a third of the signals.
        let beginnings = |share| known(share).iter().filter(|known| **known >= 4).count();
        let (never, half, always) = (beginnings(0.0), beginnings(0.5), beginnings(1.0));
        // By themselves masks show as much only where they hide next to nothing.
        assert!(never < 60 && always > 400 / 3 && never < half && half < always, "{never}, {half}, {always}");
    }
}
