//! How codebooks learn: k-means to start, moving averages of the residuals they encode, and a new place
//! for codes that nobody uses.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use super::Codebooks;
use super::config::{CodebookConfig, Learning};
use super::usage::perplexity;
use crate::error::{Error, Result};
use crate::random::{Purpose, permutation, stream};

/// Average uses per step below which a code's averages say nothing about where it should be.
const LEAST_USE: f32 = 1e-6;

/// What one pass through the quantizer gives a training step.
pub struct Quantized {
    /// The decoding in the forward pass, the identity in the backward pass, `[N, H]`.
    pub latents: Tensor<2>,
    /// `[N, D]`
    pub codes: Tensor<2, Int>,
    /// Mean over depths m of the squared distance to the level-m approximation (held constant).
    pub commitment: Tensor<1>,
    /// What the codebooks learn from.
    pub statistics: CodebookStatistics,
}

/// How often each code was used, and the sum of what it is to learn.
#[derive(Clone, Debug)]
pub struct CodebookStatistics {
    counts: Tensor<2>,    // [books, V]
    sums: Tensor<3>,      // [books, V, H]
    residuals: Tensor<3>, // [books, N', H], where unused codes may move to
}

impl CodebookStatistics {
    /// The statistics of two parts of a batch together.
    pub fn merged(self, other: Self) -> Self {
        Self {
            counts: self.counts + other.counts,
            sums: self.sums + other.sums,
            residuals: Tensor::cat(vec![self.residuals, other.residuals], 1),
        }
    }
}

/// Quantizes with a straight-through gradient.
///
/// `kept[n]` is the number of depths row n is decoded with (quantizer dropout); all of them where `None`.
///
/// # Shapes
/// latents `[N, H]`, `kept` `[N, 1]`
pub fn quantize(
    latents: Tensor<2>,
    books: &Codebooks,
    kept: Option<Tensor<2, Int>>,
    learning: Learning,
) -> Quantized {
    let plain = latents.clone().without_autodiff();
    let codes = books.encode(plain.clone()); // [N, D]
    let mut partial = plain.zeros_like(); // level-m approximation
    let mut decoded = partial.clone(); // level-kept approximation
    let mut commitment = Tensor::<1>::zeros([1], &latents.device());
    let mut steps = Vec::with_capacity(books.depth());
    for depth in 0..books.depth() {
        let code = codes.clone().narrow(1, depth, 1).squeeze_dim::<1>(1); // [N]
        let chosen = books.at(depth).select(0, code.clone()); // [N, H]
        let residual = plain.clone() - partial.clone();
        partial = partial + chosen.clone();
        let heard = match &kept {
            Some(kept) => chosen * kept.clone().greater_scalar(depth as i64).float(),
            None => chosen,
        };
        decoded = decoded + heard.clone();
        commitment = commitment + (latents.clone() - partial.clone()).square().mean();
        steps.push(Step { code, heard, residual });
    }
    let mut tally = Tally::new(books, &plain.device());
    let missed = plain.clone() - decoded.clone();
    for (depth, step) in steps.into_iter().enumerate() {
        let lesson = match learning {
            Learning::Plain => step.residual.clone(),
            Learning::Probabilistic => step.left_by_others(missed.clone(), kept.as_ref(), depth),
        };
        tally.add(books.book_of(depth), step.code, lesson, step.residual);
    }
    Quantized {
        latents: latents + (decoded - plain),
        codes,
        commitment: commitment.div_scalar(books.depth() as f64),
        statistics: tally.finish(),
    }
}

/// What a depth made of all rows.
struct Step {
    code: Tensor<1, Int>, // [N]
    heard: Tensor<2>,     // [N, H]: its vector where the row is decoded with this depth, else 0
    residual: Tensor<2>,  // [N, H]: what the depths before leave
}

impl Step {
    /// What all other decoded depths leave of a row, where this one is decoded, too; else what the depths before leave.
    ///
    /// # Shapes
    /// missed `[N, H]`: what all decoded depths leave; kept `[N, 1]` → `[N, H]`
    fn left_by_others(&self, missed: Tensor<2>, kept: Option<&Tensor<2, Int>>, depth: usize) -> Tensor<2> {
        let left = missed + self.heard.clone();
        match kept {
            Some(kept) => {
                let is_decoded = kept.clone().greater_scalar(depth as i64).expand(left.dims());
                self.residual.clone().mask_where(is_decoded, left)
            }
            None => left,
        }
    }
}

/// Collects [`CodebookStatistics`] depth by depth.
struct Tally {
    counts: Vec<Tensor<1>>,
    sums: Vec<Tensor<2>>,
    residuals: Vec<Vec<Tensor<2>>>,
}

impl Tally {
    fn new(books: &Codebooks, device: &Device) -> Self {
        let (vocabulary, width) = (books.vocabulary(), books.width());
        Self {
            counts: vec![Tensor::zeros([vocabulary], device); books.books()],
            sums: vec![Tensor::zeros([vocabulary, width], device); books.books()],
            residuals: vec![Vec::new(); books.books()],
        }
    }

    /// # Shapes
    /// code `[N]`; lesson, what its vector learns, and residual `[N, H]`
    fn add(&mut self, book: usize, code: Tensor<1, Int>, lesson: Tensor<2>, residual: Tensor<2>) {
        let ones = Tensor::<1>::ones([code.dims()[0]], &code.device());
        let add = IndexingUpdateOp::Add;
        self.counts[book] = self.counts[book].clone().select_assign(0, code.clone(), ones, add);
        self.sums[book] = self.sums[book].clone().select_assign(0, code, lesson, add);
        self.residuals[book].push(residual);
    }

    fn finish(self) -> CodebookStatistics {
        let residuals = self.residuals.into_iter().map(|rows| Tensor::cat(rows, 0)).collect();
        CodebookStatistics {
            counts: Tensor::stack(self.counts, 0),
            sums: Tensor::stack(self.sums, 0),
            residuals: Tensor::stack(residuals, 0),
        }
    }
}

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
        let [rows, width] = latents.dims();
        let vocabulary = self.books.vocabulary();
        if rows < vocabulary {
            let reason =
                format!("expected at least {vocabulary} latents to place the codes by, found {rows}");
            return Err(Error::Training(reason));
        }
        let mut residual = latents;
        let mut residuals = Vec::with_capacity(self.books.depth());
        let mut placed = Vec::with_capacity(self.books.depth());
        for depth in 0..self.books.depth() {
            let vectors = kmeans(residual.clone(), &distinct(rows, vocabulary, seed, depth), iterations);
            let code = nearest(residual.clone(), vectors.clone());
            residuals.push(residual.clone());
            residual = residual - vectors.clone().select(0, code);
            placed.push(vectors);
        }
        if self.books.books() == 1 && self.books.depth() > 1 {
            // One codebook for all depths: from the residuals of all of them.
            let depths = self.books.depth();
            let pool = Tensor::cat(residuals, 0);
            let some = indices(&distinct(rows * depths, rows, seed, depths), &pool.device());
            let start = distinct(rows, vocabulary, seed, depths + 1);
            placed = vec![kmeans(pool.select(0, some), &start, iterations)];
        }
        let vectors = Tensor::stack::<3>(placed, 0); // [books, V, H]
        debug_assert_eq!(vectors.dims()[2], width);
        // The averages start as if every code had been used once a step.
        *self = Self::in_use(Codebooks::new(vectors, self.books.depth())?);
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

/// The index of each row's nearest vector; of two equally near, the first.
///
/// # Shapes
/// rows `[N, H]`, vectors `[V, H]` → `[N]`
fn nearest(rows: Tensor<2>, vectors: Tensor<2>) -> Tensor<1, Int> {
    let span = Tensor::<1, Int>::from_data([0, 1], &rows.device()).expand([rows.dims()[0], 2]);
    resgen_kernels::quantizer::quantize(rows, vectors.unsqueeze(), span, 1).squeeze_dim(1)
}

/// `count` different rows of `rows`, in random order.
fn distinct(rows: usize, count: usize, seed: u64, draw: usize) -> Vec<usize> {
    let mut order = permutation(&mut stream(seed, Purpose::CodebookInit, draw as u64, 0), rows);
    order.truncate(count);
    order
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    Tensor::from_data(values.as_slice(), device)
}

/// Lloyd's k-means from the given rows, `[N, H]` → centres `[V, H]`. Centres without rows stay where they are.
fn kmeans(rows: Tensor<2>, start: &[usize], iterations: usize) -> Tensor<2> {
    let device = rows.device();
    let mut centres = rows.clone().select(0, indices(start, &device)); // [V, H]
    for _ in 0..iterations {
        let code = nearest(rows.clone(), centres.clone()); // [N]
        let ones = Tensor::<1>::ones([rows.dims()[0]], &device);
        let counts = Tensor::<1>::zeros([start.len()], &device);
        let counts = counts.select_assign(0, code.clone(), ones, IndexingUpdateOp::Add);
        let sums = centres.zeros_like().select_assign(0, code, rows.clone(), IndexingUpdateOp::Add);
        let weight = counts.unsqueeze_dim::<2>(1); // [V, 1]
        let is_empty = weight.clone().equal_scalar(0.0).float();
        centres = (sums + centres * is_empty.clone()) / (weight + is_empty);
    }
    centres
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn column(values: &[f32]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), &Device::flex())
    }

    fn books() -> Codebooks {
        let vectors = TensorData::new(vec![0f32, 10.0, -1.0, 1.0], [2, 2, 1]);
        Codebooks::new(Tensor::from_data(vectors, &Device::flex()), 2).unwrap()
    }

    #[test]
    fn the_gradient_passes_straight_through() {
        let latents = column(&[9.2, 0.4]).autodiff().require_grad();
        let quantized = quantize(latents.clone(), &books(), None, Learning::Plain);
        let values: Vec<f32> = quantized.latents.clone().try_to_vec_as().unwrap();
        assert!((values[0] - 9.0).abs() < 1e-6 && (values[1] - 1.0).abs() < 1e-6, "{values:?}");
        // d/dx of Σ q² is 2·q(x) where q passes straight through.
        let gradients = quantized.latents.square().sum().backward();
        let gradient: Vec<f32> = latents.grad(&gradients).unwrap().try_to_vec_as().unwrap();
        assert!((gradient[0] - 18.0).abs() < 1e-5 && (gradient[1] - 2.0).abs() < 1e-5, "{gradient:?}");
    }

    #[test]
    fn commitment_pulls_towards_every_partial_sum() {
        // Row 9.2: partial sums 10 and 9, squared distances 0.64 and 0.04, mean 0.34; slope
        // d/dx = ((9.2−10) + (9.2−9))·2/2 = −0.6.
        let latents = column(&[9.2]).autodiff().require_grad();
        let quantized = quantize(latents.clone(), &books(), None, Learning::Plain);
        let loss: f32 = quantized.commitment.clone().into_scalar();
        assert!((loss - 0.34).abs() < 1e-5, "{loss}");
        let gradient: f32 = latents.grad(&quantized.commitment.backward()).unwrap().into_scalar();
        assert!((gradient + 0.6).abs() < 1e-5, "{gradient}");
    }

    #[test]
    fn dropout_decodes_the_kept_depths_only() {
        let kept = Tensor::<2, Int>::from_data(TensorData::new(vec![1, 2], [2, 1]), &Device::flex());
        let quantized = quantize(column(&[9.2, 9.2]), &books(), Some(kept), Learning::Plain);
        let values: Vec<f32> = quantized.latents.try_to_vec_as().unwrap();
        assert!((values[0] - 10.0).abs() < 1e-6 && (values[1] - 9.0).abs() < 1e-6, "{values:?}");
    }

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

    #[test]
    fn a_shared_codebook_is_placed_on_the_residuals_of_all_depths() {
        let rows: Vec<f32> =
            (0..400).map(|row| 5.0 + (row % 4) as f32 * 10.0 + (row / 4 % 2) as f32).collect();
        let blank = Codebooks::zeros(2, crate::rvq::Sharing::Shared, 8, 1, &Device::flex()).unwrap();
        let mut learner = CodebookLearner::new(blank);
        learner.place_by_kmeans(column(&rows), 20, 3).unwrap();
        let vectors: Vec<f32> = learner.books().vectors().try_to_vec_as().unwrap();
        assert!(vectors.iter().any(|value| value.abs() < 1.0), "none for the second depth: {vectors:?}");
    }

    #[test]
    fn kmeans_finds_separate_groups_at_both_depths() {
        let mut rows = Vec::new();
        for coarse in [-10f32, 10.0] {
            for fine in [-1f32, 1.0] {
                rows.extend((0..8).map(|i| coarse + fine + 0.01 * i as f32));
            }
        }
        let mut learner = CodebookLearner::new(Codebooks::new(books().vectors().zeros_like(), 2).unwrap());
        learner.place_by_kmeans(column(&rows), 20, 3).unwrap();
        let codes = learner.books().encode(column(&rows));
        let decoded: Vec<f32> = learner.books().decode(codes).try_to_vec_as().unwrap();
        let worst = rows.iter().zip(&decoded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.1, "{worst}");
        assert!(learner.place_by_kmeans(column(&[1.0]), 1, 0).is_err());
    }
}
