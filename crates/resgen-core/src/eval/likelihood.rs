//! How many bits a generator needs for a code that it has not seen: a bound, and the exact number where there is one.
//!
//! - **Masked generators** (docs/method.md): −log p(x) ≤ Σ_t E_q[−log p(codes revealed between t and t−1 | x^t)] over the steps of the
//!   reverse process. One step is drawn for each signal and round, its cost is multiplied by their number.
//! - **Collective embeddings**: the codes revealed at a position follow from z, whose masked part it is. With q(z) = N(Σe, σ²I) over
//!   all masked codes, −log p(codes | x^t) ≤ E_q[log q(z) − log p_θ(z | x^t) − log p(codes | z)], where p(codes | z) is the
//!   product over the revealed depths of softmax_v(−|res_j − e(v; j)|²/2σ²), and res_j what the codes before have left of z.
//! - **RQ-Transformer**: the chain rule, exactly.
//!
//! σ is in units of the embeddings' scale, as the noise of training is.

use std::f64::consts::{LN_2, TAU};

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::distribution::{Estimate, RunningMean};
use super::held_out::{batch, expect_fitting};
use crate::error::{Error, Result};
use crate::head::categorical::log_probabilities;
use crate::head::{CategoricalHead, DepthTransformer, MixtureHead};
use crate::mask::{MaskCounts, sample_marginal, sample_posterior};
use crate::model::{Network, NetworkHead, NetworkKind};
use crate::progress::Progress;
use crate::random::{Purpose, fill_normal, stream, uniform};
use crate::rvq::{Codebooks, Codes};
use crate::schedule::MaskingSchedule;
use crate::train::tokens::TokenBatch;
use crate::workers::Workers;

/// Signals in a batch.
const BATCH: usize = super::held_out::BATCH;

/// What the bound depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LikelihoodOptions {
    /// Steps T of the reverse process, 1 to L·D. More make the bound tighter.
    pub steps: usize,
    /// How many tokens stay masked after each.
    pub schedule: MaskingSchedule,
    /// σ of q(z), above 0.
    pub target_noise: f32,
    /// How often each signal is drawn for.
    pub rounds: u64,
    /// Seed of steps, masks and z.
    pub seed: u64,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// Bits for one code.
    pub bits_per_token: Estimate,
    /// Whether it is the likelihood itself, and not a bound of it.
    pub is_exact: bool,
    /// Signals.
    pub signals: usize,
}

/// The codes of all positions of a batch, which are visible, and which of the others are revealed.
pub struct Revealed<'a> {
    books: &'a Codebooks,
    codes: Tensor<2, Int>, // [N, D]
    visible: &'a [usize],  // f, of N positions
    end: &'a [usize],      // the codes from f to end − 1 are revealed
    scales: &'a [f32],
    sigma: f64,
    normal: Tensor<2>, // [N, H]
}

impl Revealed<'_> {
    fn device(&self) -> Device {
        self.codes.device()
    }

    /// 1 where a token is revealed, `[N, D]`.
    fn weights(&self) -> Tensor<2> {
        let [rows, depth] = self.codes.dims();
        let spans = self.visible.iter().zip(self.end);
        let weights = spans.flat_map(|(&first, &end)| {
            (0..depth).map(move |depth| f32::from(u8::from((first..end).contains(&depth))))
        });
        Tensor::from_data(TensorData::new(weights.collect::<Vec<f32>>(), [rows, depth]), &self.device())
    }

    /// One number a position, `[N, 1]`.
    fn column(&self, of: impl Fn(usize, usize) -> f32) -> Tensor<2> {
        let values: Vec<f32> =
            self.visible.iter().zip(self.end).map(|(&first, &end)| of(first, end)).collect();
        Tensor::from_data(TensorData::new(values, [self.visible.len(), 1]), &self.device())
    }
}

/// A head that can tell what revealed codes cost.
pub trait CodeCosts: NetworkHead {
    /// −log p of the codes that a position reveals, or a bound of it; 0 where it reveals none.
    ///
    /// # Shapes
    /// hidden `[N, d]` → nats `[N]`
    fn costs(&self, hidden: Tensor<2>, revealed: &Revealed) -> Tensor<1>;
}

impl CodeCosts for CategoricalHead {
    fn costs(&self, hidden: Tensor<2>, revealed: &Revealed) -> Tensor<1> {
        let found = log_probabilities(self.logits(hidden), revealed.codes.clone()); // [N, D]
        (found * revealed.weights()).sum_dim(1).neg().squeeze_dim(1)
    }
}

impl CodeCosts for DepthTransformer {
    fn costs(&self, hidden: Tensor<2>, revealed: &Revealed) -> Tensor<1> {
        let depth = revealed.codes.dims()[1];
        let partial = self.partial_embeddings(revealed.books, revealed.codes.clone(), revealed.scales[depth]);
        let found = log_probabilities(self.forward(hidden, partial), revealed.codes.clone());
        (found * revealed.weights()).sum_dim(1).neg().squeeze_dim(1)
    }
}

impl CodeCosts for MixtureHead {
    fn costs(&self, hidden: Tensor<2>, revealed: &Revealed) -> Tensor<1> {
        let [rows, depth] = revealed.codes.dims();
        let (device, width) = (revealed.device(), revealed.books.width() as f64);
        let scales = revealed.column(|first, _| revealed.scales[depth - first]); // [N, 1]
        let visible: Vec<i32> = revealed.visible.iter().map(|&first| first as i32).collect();
        let visible = Tensor::<2, Int>::from_data(TensorData::new(visible, [rows, 1]), &device);
        let whole = revealed.books.masked_embedding(revealed.codes.clone(), visible);
        let z = whole / scales.clone() + revealed.normal.clone() * revealed.sigma; // [N, H], scaled
        let own = revealed.normal.clone().square().sum_dim(1) * -0.5
            - 0.5 * width * (TAU * revealed.sigma * revealed.sigma).ln(); // log q(z), [N, 1]
        let out = self.forward(hidden);
        let predicted = self.log_density(&out, z.clone()).unsqueeze_dim::<2>(1); // [N, 1]

        let weights = revealed.weights();
        let is_masked = |place: usize| revealed.column(|first, _| f32::from(u8::from(place >= first)));
        let mut rest = z * scales.clone(); // [N, H]
        let mut of_codes = Tensor::<2>::zeros([rows, 1], &device);
        for place in 0..depth {
            let vectors = revealed.books.at(place); // [V, H]
            let norms = vectors.clone().square().sum_dim(1).transpose(); // [1, V]
            // −|res − e|²/2σ² but for |res|², which all codes have in common.
            let closeness = (rest.clone().matmul(vectors.clone().transpose()) * 2.0 - norms)
                / (scales.clone().square() * (2.0 * revealed.sigma * revealed.sigma));
            let codes = revealed.codes.clone().narrow(1, place, 1); // [N, 1]
            let found = log_softmax(closeness, 1).gather(1, codes.clone()); // [N, 1]
            of_codes = of_codes + found * weights.clone().narrow(1, place, 1);
            rest = rest - vectors.select(0, codes.squeeze_dim(1)) * is_masked(place);
        }
        let reveals = revealed.column(|first, end| f32::from(u8::from(end > first)));
        ((own - predicted) * reveals - of_codes).squeeze_dim(1)
    }
}

/// Bits per token of codes under a generator.
///
/// # Errors
/// [`Error::Mismatch`] for codes of other sizes than the generator's or classes that it does not have; [`Error::Argument`] for
/// options out of range, or a result that is no number.
pub fn likelihood<M: Network<Head: CodeCosts> + Sync>(
    model: &M,
    books: &Codebooks,
    (codes, classes): (&Codes, &[usize]),
    options: &LikelihoodOptions,
    workers: &Workers,
    progress: &mut dyn Progress,
) -> Result<Likelihood> {
    expect_fitting(model.config(), books, codes, classes)?;
    let total = codes.positions() * codes.depth();
    let counts = options.schedule.step_counts(options.steps, total)?;
    if !(options.target_noise > 0.0 && options.target_noise.is_finite()) {
        let reason = format!("expected a number above 0, found {}", options.target_noise);
        return Err(Error::argument("target_noise", reason));
    }
    if options.rounds == 0 || classes.is_empty() {
        let found = format!("{} of {} signals", options.rounds, classes.len());
        return Err(Error::argument("rounds", format!("expected at least one of one signal, found {found}")));
    }
    let is_exact = M::KIND == NetworkKind::RqTransformer;
    let rounds = if is_exact { 1 } else { options.rounds };
    let firsts: Vec<usize> = (0..classes.len()).step_by(BATCH).collect();
    let mut mean = RunningMean::default();
    progress.begin("likelihood", 0, classes.len() as u64);
    for (done, some) in firsts.chunks(workers.count()).enumerate() {
        let found = workers.run(some.to_vec(), |_, first| {
            let batch = batch(codes, classes, first)?;
            let mut nats = vec![0.0; batch.classes.len()];
            for round in 0..rounds {
                let costs = costs(model, books, &batch, options, &counts, [round, rounds])?;
                nats.iter_mut().zip(costs).for_each(|(sum, cost)| *sum += cost / rounds as f64);
            }
            Ok(nats)
        })?;
        found.into_iter().flatten().for_each(|nats| mean.add(nats / total as f64 / LN_2));
        progress.step(((done + 1) * workers.count() * BATCH).min(classes.len()) as u64, "");
    }
    progress.end();
    match mean.estimate() {
        Some(bits_per_token) if bits_per_token.value.is_finite() => {
            Ok(Likelihood { bits_per_token, is_exact, signals: classes.len() })
        }
        _ => Err(Error::argument("model", "its likelihood is no number")),
    }
}

/// One round: nats of each signal of a batch.
fn costs<M: Network<Head: CodeCosts>>(
    model: &M,
    books: &Codebooks,
    batch: &TokenBatch,
    options: &LikelihoodOptions,
    counts: &[usize],
    [round, rounds]: [u64; 2],
) -> Result<Vec<f64>> {
    let device = books.vectors().device();
    let (count, positions, depth) = (batch.codes.batch(), batch.codes.positions(), batch.codes.depth());
    let (rows, steps) = (count * positions, options.steps as f64);
    let is_sequential = M::KIND.is_sequential();
    let (mut visible, mut end) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let mut normal = vec![0.0; rows * books.width()];
    for (index, normal) in (batch.first..).zip(normal.chunks_mut(positions * books.width())) {
        let mut rng = stream(options.seed, Purpose::Evaluate, index as u64, round);
        // Rounds share the steps out between them.
        let step = ((round as f64 + uniform(&mut rng)) / rounds as f64 * steps) as usize;
        let step = step.min(options.steps - 1);
        let [before, after] = match is_sequential {
            true => [MaskCounts::full(positions, depth), MaskCounts::new(vec![0; positions], depth)?],
            false => {
                let before = sample_marginal(&mut rng, positions, depth, counts[step])?;
                let after = sample_posterior(&mut rng, &before, counts[step + 1])?;
                [before, after]
            }
        };
        visible.extend((0..positions).map(|position| before.visible(position)));
        end.extend((0..positions).map(|position| after.visible(position)));
        fill_normal(normal, &mut rng);
    }
    let integers =
        |values: Vec<i32>, shape| Tensor::<2, Int>::from_data(TensorData::new(values, shape), &device);
    let codes = batch.codes.to_tensor(&device).reshape([rows, depth]);
    let scales = &model.config().embedding_scales;
    let seen = match is_sequential {
        true => books.decode(codes.clone()),
        false => {
            let visible = integers(visible.iter().map(|&first| first as i32).collect(), [rows, 1]);
            books.visible_embedding(codes.clone(), visible)
        }
    };
    let seen = seen.div_scalar(scales[depth]).reshape([count, positions, books.width()]);
    let masked = integers(visible.iter().map(|&first| (depth - first) as i32).collect(), [count, positions]);
    let hidden = model.shown(seen, masked, &model.modulations(&batch.condition(&device)));
    let revealed = Revealed {
        books,
        codes,
        visible: &visible,
        end: &end,
        scales,
        sigma: f64::from(options.target_noise),
        normal: Tensor::from_data(TensorData::new(normal, [rows, books.width()]), &device),
    };
    let costs = model.head().costs(hidden, &revealed).try_into_vec_as::<f32>().map_err(Error::device)?;
    let weight = if is_sequential { 1.0 } else { steps };
    Ok(costs
        .chunks(positions)
        .map(|costs| weight * costs.iter().map(|cost| f64::from(*cost)).sum::<f64>())
        .collect())
}
