//! How codebooks learn: moving averages of what their codes were used for, and a new place for codes that nobody uses.

use burn::tensor::{IndexingUpdateOp, Tensor};

use super::config::CodebookConfig;
use super::kmeans::{indices, placed};
use super::usage::perplexity;
use super::{CodebookStatistics, Codebooks};
use crate::error::{Error, Result};
use crate::random::{Purpose, permutation, stream};

/// Average uses per step below which a code's averages say nothing about where it should be.
const LEAST_USE: f32 = 1e-6;

/// What a step did to the codebooks.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Codes that were moved because nobody used them.
    pub revived: usize,
    /// exp of the entropy of each codebook's average use: V where all codes are used alike.
    pub perplexities: Vec<f64>,
}

impl Learned {
    /// That of the codebook that is used least evenly.
    pub fn least_perplexity(&self) -> f64 {
        self.perplexities.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The mean over the codebooks.
    pub fn mean_perplexity(&self) -> f64 {
        self.perplexities.iter().sum::<f64>() / self.perplexities.len() as f64
    }
}

/// The codebooks of a tokenizer in training.
#[derive(Clone, Debug)]
pub struct CodebookLearner {
    books: Codebooks,
    counts: Tensor<2>, // [books, V], moving average of uses per step
    sums: Tensor<3>,   // [books, V, H], moving average of residual sums per step
}

impl CodebookLearner {
    /// Starts from codebooks that hold nothing yet.
    pub fn new(books: Codebooks) -> Self {
        let [count, vocabulary, _] = books.vectors().dims();
        let sums = books.vectors().zeros_like();
        let counts = Tensor::zeros([count, vocabulary], &sums.device());
        Self { books, counts, sums }
    }

    /// Starts from codebooks of trained vectors, each as if it had been used once a step.
    pub fn in_use(books: Codebooks) -> Self {
        let [count, vocabulary, _] = books.vectors().dims();
        let sums = books.vectors();
        Self { counts: Tensor::ones([count, vocabulary], &sums.device()), books, sums }
    }

    /// Continues from the tensors that [`CodebookLearner::state`] gave.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the shapes do not belong together.
    pub fn from_state(books: Codebooks, counts: Tensor<2>, sums: Tensor<3>) -> Result<Self> {
        let [count, vocabulary, width] = books.vectors().dims();
        if counts.dims() != [count, vocabulary] || sums.dims() != [count, vocabulary, width] {
            let found = format!("{:?} and {:?}", counts.dims(), sums.dims());
            let expected = format!("[{count}, {vocabulary}] and [{count}, {vocabulary}, {width}]");
            return Err(Error::mismatch("codebook averages", expected, found));
        }
        Ok(Self { books, counts, sums })
    }

    /// The codebooks as they are now.
    pub fn books(&self) -> &Codebooks {
        &self.books
    }

    /// The moving averages: uses `[books, V]` and residual sums `[books, V, H]`.
    pub fn state(&self) -> (Tensor<2>, Tensor<3>) {
        (self.counts.clone(), self.sums.clone())
    }

    /// Places the vectors by k-means on the residuals of `latents`, depth by depth.
    ///
    /// # Shapes
    /// `[N, H]`
    ///
    /// # Errors
    /// [`Error::Training`] where there are fewer rows than codes.
    pub fn place_by_kmeans(&mut self, latents: Tensor<2>, iterations: usize, seed: u64) -> Result<()> {
        // The averages start as if every code had been used once a step.
        *self = Self::in_use(placed(&self.books, latents, iterations, seed)?);
        Ok(())
    }

    /// One step of the moving averages, then revival of codes that fell out of use.
    ///
    /// # Errors
    /// [`Error::Device`] where the device cannot be read.
    pub fn learn(
        &mut self,
        seen: CodebookStatistics,
        config: &CodebookConfig,
        seed: u64,
        step: u64,
    ) -> Result<Learned> {
        let (decay, fresh) = (config.decay, 1.0 - config.decay);
        self.counts = self.counts.clone().mul_scalar(decay) + seen.counts.mul_scalar(fresh);
        self.sums = self.sums.clone().mul_scalar(decay) + seen.sums.mul_scalar(fresh);
        let counts = self.counts.clone().try_to_vec_as::<f32>().map_err(Error::device)?;
        let unused: Vec<usize> =
            (0..counts.len()).filter(|&code| f64::from(counts[code]) < config.revive_below).collect();
        if !unused.is_empty() {
            self.revive(&unused, seen.residuals, seed, step);
        }
        // Of a code that has long been out of use, and is not to be revived, the averages say nothing any more.
        let forgotten = self.counts.clone().lower_elem(LEAST_USE).unsqueeze_dim::<3>(2); // [books, V, 1]
        let means = self.sums.clone() / self.counts.clone().clamp_min(LEAST_USE).unsqueeze_dim::<3>(2);
        let vectors = means.mask_where(forgotten.expand(self.sums.dims()), self.books.vectors());
        self.books = Codebooks::new(vectors, self.books.depth())?;
        let perplexities = counts.chunks(self.books.vocabulary());
        let perplexities = perplexities.map(|book| perplexity(book.iter().map(|&count| f64::from(count))));
        let perplexities = perplexities.collect();
        Ok(Learned { revived: unused.len(), perplexities })
    }

    /// Moves each unused code to a random residual of this step, as if it had been used once.
    fn revive(&mut self, unused: &[usize], residuals: Tensor<3>, seed: u64, step: u64) {
        let [books, vocabulary, width] = self.sums.dims();
        let rows = residuals.dims()[1];
        let device = residuals.device();
        // To different residuals, as long as there are enough.
        let order = permutation(&mut stream(seed, Purpose::Quantizer, 0, step), rows);
        let picks =
            unused.iter().enumerate().map(|(place, code)| code / vocabulary * rows + order[place % rows]);
        let picks = indices(&picks.collect::<Vec<_>>(), &device);
        let places = indices(unused, &device);
        let moved = residuals.flatten::<2>(0, 1).select(0, picks); // [unused, H]
        let assign = IndexingUpdateOp::Assign;
        let ones = Tensor::<1>::ones([unused.len()], &device);
        let counts = self.counts.clone().flatten::<1>(0, 1).select_assign(0, places.clone(), ones, assign);
        let sums = self.sums.clone().flatten::<2>(0, 1).select_assign(0, places, moved, assign);
        self.counts = counts.reshape([books, vocabulary]);
        self.sums = sums.reshape([books, vocabulary, width]);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::super::quantize::tests::{books, column};
    use super::super::{Learning, quantize};
    use super::*;

    #[test]
    fn probabilistic_vectors_learn_what_all_other_decoded_depths_leave() {
        // Coarse vectors 0 and 10, fine ones −1 and 1: 9.2 is 10 − 1. Where one depth is kept, it is decoded with the coarse one alone.
        let learned = |kept: Option<[i32; 1]>| {
            let kept =
                kept.map(|kept| Tensor::from_data(TensorData::new(kept.to_vec(), [1, 1]), &Device::flex()));
            let quantized = quantize(column(&[9.2]), &books(), kept, Learning::Probabilistic);
            let mut learner = CodebookLearner::in_use(books());
            let config = CodebookConfig { decay: 0.0, revive_below: 0.0, ..Default::default() };
            learner.learn(quantized.statistics, &config, 7, 0).unwrap();
            let vectors: Vec<f32> = learner.books().vectors().try_to_vec_as().unwrap();
            [vectors[1], vectors[2]]
        };
        let near = |found: [f32; 2], expected: [f32; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
        };
        near(learned(None), [10.2, -0.8]);
        near(learned(Some([2])), [10.2, -0.8]);
        near(learned(Some([1])), [9.2, -0.8]);
    }

    #[test]
    fn probabilistic_codebooks_come_closer_than_plain_ones() {
        let mut rng = stream(3, Purpose::Evaluate, 0, 0);
        let values: Vec<f32> = (0..2048).map(|_| crate::random::normal(&mut rng)).collect();
        let rows = Tensor::<2>::from_data(TensorData::new(values, [512, 4]), &Device::flex());
        let error = |learning| {
            let blank = Codebooks::zeros(4, crate::rvq::Sharing::Separate, 6, 4, &Device::flex()).unwrap();
            let mut learner = CodebookLearner::new(blank);
            learner.place_by_kmeans(rows.clone(), 10, 3).unwrap();
            let config = CodebookConfig { learning, decay: 0.8, revive_below: 0.0, ..Default::default() };
            for step in 0..200 {
                let seen = quantize(rows.clone(), learner.books(), None, learning).statistics;
                learner.learn(seen, &config, 7, step).unwrap();
            }
            let decoded = learner.books().decode(learner.books().encode(rows.clone()));
            (decoded - rows.clone()).square().mean().into_scalar::<f32>()
        };
        let [plain, probabilistic] = [error(Learning::Plain), error(Learning::Probabilistic)];
        assert!(probabilistic < 0.97 * plain, "{probabilistic} and {plain}");
    }

    #[test]
    fn averages_move_codes_to_the_mean_of_their_rows_and_revive_the_unused() {
        let device = Device::flex();
        let one =
            Codebooks::new(Tensor::from_data(TensorData::new(vec![0f32, 100.0], [1, 2, 1]), &device), 1)
                .unwrap();
        let mut learner = CodebookLearner::new(one);
        let config = CodebookConfig { decay: 0.5, revive_below: 0.1, ..Default::default() };
        let seen = quantize(column(&[2.0, 4.0]), learner.books(), None, Learning::Plain).statistics;
        // Code 0: sum 6·½ over count 2·½ = 3. Code 1 was never used: it moves to one of the rows.
        assert_eq!(learner.learn(seen, &config, 7, 0).unwrap().revived, 1);
        let vectors: Vec<f32> = learner.books().vectors().try_to_vec_as().unwrap();
        assert_eq!(vectors[0], 3.0);
        assert!(vectors[1] == 2.0 || vectors[1] == 4.0, "{vectors:?}");
    }

    #[test]
    fn revived_codes_go_to_different_rows() {
        let mut learner = CodebookLearner::new(
            Codebooks::new(column(&[0.0, 100.0, 200.0, 300.0]).unsqueeze_dim(0), 1).unwrap(),
        );
        let config = CodebookConfig { decay: 0.5, revive_below: 0.1, ..Default::default() };
        let seen = quantize(column(&[1.0, 2.0, 3.0]), learner.books(), None, Learning::Plain).statistics;
        assert_eq!(learner.learn(seen, &config, 7, 0).unwrap().revived, 3);
        let mut vectors: Vec<f32> = learner.books().vectors().try_to_vec_as().unwrap();
        vectors[1..].sort_by(f32::total_cmp);
        assert_eq!(vectors, [2.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_code_out_of_use_stays_where_it_is_when_none_is_revived() {
        let mut learner =
            CodebookLearner::new(Codebooks::new(column(&[0.0, 100.0]).unsqueeze_dim(0), 1).unwrap());
        let config = CodebookConfig { decay: 0.1, revive_below: 0.0, ..Default::default() };
        for step in 0..100 {
            let seen = quantize(column(&[1.0]), learner.books(), None, Learning::Plain).statistics;
            assert_eq!(learner.learn(seen, &config, 7, step).unwrap().revived, 0);
        }
        let vectors: Vec<f32> = learner.books().vectors().try_to_vec_as().unwrap();
        assert!((vectors[0] - 1.0).abs() < 1e-6 && vectors[1] == 100.0, "{vectors:?}");
    }
}
