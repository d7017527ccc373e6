//! The reverse process of ResGen (arXiv 2412.10208), from all masked to all known:
//!
//! 1. predict the mixture of every position's masked part, with classifier-free guidance,
//! 2. draw z from it: a component by top-p, then a point of its Gaussian,
//! 3. quantize z with the masked depths only: candidate codes,
//! 4. choose which tokens are revealed, by the density of z (in units of what is usual for as many masked
//!    codes: a density in absolute units would always finish started positions first) and annealed Gumbel noise,
//! 5. positions reveal their coarsest masked codes; revealed codes stay as they are.
//!
//! Shape legend: B samples · L positions · D depth · H width of a code vector.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::Preset;
use super::reveal::choose;
use crate::error::{Error, Result};
use crate::head::mixture::MixtureDensity;
use crate::head::{MixtureHead, MixtureOutput};
use crate::random::{Purpose, fill_normal, stream, uniform};
use crate::rvq::{Codebooks, Codes};

/// A model that predicts the collective embedding of masked codes.
pub trait CollectivePredictor {
    /// Positions L.
    fn positions(&self) -> usize;
    /// The number of classes; it is also the label of "no condition".
    fn classes(&self) -> usize;
    /// What the collective embedding of k masked codes is divided by, for k = 0 to D; visible embeddings are
    /// divided by the last.
    fn embedding_scales(&self) -> &[f32];
    /// The head that the outputs belong to.
    fn head(&self) -> &MixtureHead;
    /// # Shapes
    /// visible `[B, L, H]`, masked `[B, L]`, labels `[B]` → B·L mixtures
    fn predict(&self, visible: Tensor<3>, masked: Tensor<2, Int>, labels: Tensor<1, Int>) -> MixtureOutput;
}

impl CollectivePredictor for crate::model::Resgen {
    fn positions(&self) -> usize {
        self.config().positions
    }

    fn classes(&self) -> usize {
        self.no_condition()
    }

    fn embedding_scales(&self) -> &[f32] {
        &self.config().embedding_scales
    }

    fn head(&self) -> &MixtureHead {
        self.head()
    }

    fn predict(&self, visible: Tensor<3>, masked: Tensor<2, Int>, labels: Tensor<1, Int>) -> MixtureOutput {
        self.forward(visible, masked, labels)
    }
}

/// Codes that are given, not drawn.
#[derive(Clone, Debug)]
pub struct Known {
    /// The codes of one signal.
    pub codes: Codes,
    /// How many of the deepest codes of each position are to be drawn, `[L]`: 0 keeps all, D draws all.
    pub masked: Vec<usize>,
}

/// What to draw.
#[derive(Clone, Debug)]
pub struct Request {
    /// The class of each sample.
    pub classes: Vec<usize>,
    /// Seed of everything random.
    pub seed: u64,
    /// Index of the first sample: sample i of this request is the one that any other request with the same
    /// seed draws at the same index.
    pub first_index: u64,
    /// Codes to keep, the same for all samples.
    pub known: Option<Known>,
}

/// Draws samples from a model.
pub struct Unmasker<'a, M> {
    model: &'a M,
    books: &'a Codebooks,
    preset: Preset,
    density: MixtureDensity,
    device: Device,
}

/// How far sampling has come.
#[derive(Clone, Debug)]
struct State {
    codes: Vec<u16>,         // [B, L, D]
    masked: Vec<Vec<usize>>, // [B][L]
}

impl<'a, M: CollectivePredictor> Unmasker<'a, M> {
    /// A sampler with the given settings.
    ///
    /// # Errors
    /// [`Error::Argument`] names a setting that is out of range.
    pub fn new(model: &'a M, books: &'a Codebooks, preset: Preset) -> Result<Self> {
        preset.validate(model.positions() * books.depth())?;
        let device = books.vectors().device();
        Ok(Self { density: model.head().density(), model, books, preset, device })
    }

    /// Draws all samples of a request as one batch.
    ///
    /// # Errors
    /// [`Error::Argument`] for a class the model does not have, [`Error::Mismatch`] for known codes of another
    /// shape.
    pub fn sample(&self, request: &Request) -> Result<Codes> {
        self.sample_with(request, |_, _| Ok(()))
    }

    /// As [`Unmasker::sample`], and shows every state to `watch`: the number of steps done, and the candidate
    /// codes of all positions with how many of them are still masked, `[B][L]`.
    ///
    /// # Errors
    /// As [`Unmasker::sample`], and what `watch` returns.
    pub fn sample_with(
        &self,
        request: &Request,
        mut watch: impl FnMut(&Codes, &[Vec<usize>]) -> Result<()>,
    ) -> Result<Codes> {
        let mut state = self.start(request)?;
        let total: usize = state.masked.first().map_or(0, |masked| masked.iter().sum());
        // Known codes can leave fewer tokens than steps; the rest of the steps would reveal nothing.
        let steps = self.preset.steps.min(total);
        if steps == 0 {
            return self.codes(state.codes);
        }
        let counts = self.preset.schedule.step_counts(steps, total)?;
        for (step, pair) in counts.windows(2).enumerate() {
            let candidates = self.step(&mut state, request, step, steps, pair[0] - pair[1])?;
            watch(&self.codes(candidates)?, &state.masked)?;
        }
        self.codes(state.codes)
    }

    fn start(&self, request: &Request) -> Result<State> {
        let (positions, depth) = (self.model.positions(), self.books.depth());
        if let Some(&class) = request.classes.iter().find(|&&class| class > self.model.classes()) {
            let reason = format!("expected at most {} (no condition), found {class}", self.model.classes());
            return Err(Error::argument("class", reason));
        }
        let batch = request.classes.len();
        let Some(known) = &request.known else {
            let masked = vec![vec![depth; positions]; batch];
            return Ok(State { codes: vec![0; batch * positions * depth], masked });
        };
        let found =
            [known.codes.batch(), known.codes.positions(), known.codes.depth(), known.codes.vocabulary()];
        let expected = [1, positions, depth, self.books.vocabulary()];
        if found != expected {
            let text = |[b, l, d, v]: [usize; 4]| format!("{b} signal, L = {l}, D = {d}, V = {v}");
            return Err(Error::mismatch("known codes", text(expected), text(found)));
        }
        if known.masked.len() != positions || known.masked.iter().any(|&masked| masked > depth) {
            let expected = format!("{positions} numbers of at most {depth}");
            return Err(Error::mismatch("mask of the known codes", expected, format!("{:?}", known.masked)));
        }
        Ok(State { codes: known.codes.values().repeat(batch), masked: vec![known.masked.clone(); batch] })
    }

    /// One step; returns the codes with candidates in place of those that are masked.
    fn step(
        &self,
        state: &mut State,
        request: &Request,
        step: usize,
        steps: usize,
        reveal: usize,
    ) -> Result<Vec<u16>> {
        let (batch, positions, depth) = (state.masked.len(), self.model.positions(), self.books.depth());
        let rows = batch * positions;
        let masked = self.integers(state.masked.iter().flatten().map(|&k| k as i32).collect(), [rows, 1]);
        let codes = self.integers(state.codes.iter().map(|&code| i32::from(code)).collect(), [rows, depth]);
        let first = masked.clone().neg() + depth as i64; // [N, 1], number of visible codes
        let out = self.predict(request, masked, codes, first.clone(), self.preset.guidance_at(step, steps));
        let z = self.draw(&out, request, step)?; // [N, H], scaled
        let log_density = read(self.density.log_density(&out, z.clone()))?;
        let candidates = self.books.encode_from(z * self.scales(state), Some(first));
        let candidates =
            Codes::from_tensor(candidates.reshape([batch, positions, depth]), self.books.vocabulary())?;
        let temperature = self.preset.choice_temperature_at(step, steps);
        let mut shown = state.codes.clone();
        for sample in 0..batch {
            let mut rng =
                stream(request.seed, Purpose::Confidence, request.first_index + sample as u64, step as u64);
            let density = &log_density[sample * positions..(sample + 1) * positions];
            let revealed = choose(&state.masked[sample], density, reveal, temperature, &mut rng);
            for (position, revealed) in revealed.into_iter().enumerate() {
                let masked = &mut state.masked[sample][position];
                let (base, visible) = ((sample * positions + position) * depth, depth - *masked);
                shown[base + visible..base + depth]
                    .copy_from_slice(&candidates.values()[base + visible..base + depth]);
                let kept = base + visible..base + visible + revealed;
                state.codes[kept.clone()].copy_from_slice(&candidates.values()[kept]);
                *masked -= revealed;
            }
        }
        Ok(shown)
    }

    /// The guided mixture; both halves of the guidance run as one batch.
    fn predict(
        &self,
        request: &Request,
        masked: Tensor<2, Int>,
        codes: Tensor<2, Int>,
        first: Tensor<2, Int>,
        guidance: f64,
    ) -> MixtureOutput {
        let (batch, positions) = (request.classes.len(), self.model.positions());
        let (visible, _) = self.books.split_embedding(codes, first);
        let visible = visible.div_scalar(self.model.embedding_scales()[self.books.depth()]).reshape([
            batch,
            positions,
            self.books.width(),
        ]);
        let masked = masked.reshape([batch, positions]);
        let labels: Vec<i32> = request.classes.iter().map(|&class| class as i32).collect();
        if guidance == 1.0 && batch > 1 {
            return self.model.predict(visible, masked, self.integers(labels, [batch]));
        }
        // A single sample runs twice even without guidance: matrix products of one row sum in another order
        // than those of several, and the sample must not depend on its batch.
        let nothing = std::iter::repeat_n(self.model.classes() as i32, batch);
        let labels = self.integers(labels.into_iter().chain(nothing).collect(), [2 * batch]);
        let both = self.model.predict(visible.repeat_dim(0, 2), masked.repeat_dim(0, 2), labels);
        let (conditional, unconditional) = both.halves();
        MixtureOutput::guided(conditional, unconditional, guidance as f32)
    }

    /// A point of every position's mixture; which one depends on seed, sample index and step alone.
    fn draw(&self, out: &MixtureOutput, request: &Request, step: usize) -> Result<Tensor<2>> {
        let (positions, width) = (self.model.positions(), self.books.width());
        let batch = request.classes.len();
        let mut uniforms = Vec::with_capacity(batch * positions);
        let mut noise = vec![0.0; batch * positions * width];
        for (sample, noise) in noise.chunks_mut(positions * width).enumerate() {
            let mut rng =
                stream(request.seed, Purpose::Sample, request.first_index + sample as u64, step as u64);
            // Rounding to f32 can give 1, which no inversion of a distribution has an answer for.
            uniforms.extend((0..positions).map(|_| (uniform(&mut rng) as f32).min(1.0 - f32::EPSILON / 2.0)));
            fill_normal(noise, &mut rng);
        }
        let components = self.preset.nucleus().choose(out.logits.clone(), &uniforms)?;
        let rows = components.len();
        let components =
            self.integers(components.into_iter().map(|component| component as i32).collect(), [rows]);
        let means = self.model.head().component_means(components, out.mixer.clone()); // [N, H]
        let noise = Tensor::<2>::from_data(TensorData::new(noise, [rows, width]), &self.device);
        Ok(out.place(means, noise, self.preset.temperature as f32))
    }

    /// What each position's embedding was divided by, `[N, 1]`.
    fn scales(&self, state: &State) -> Tensor<2> {
        let scales = self.model.embedding_scales();
        let values: Vec<f32> = state.masked.iter().flatten().map(|&masked| scales[masked]).collect();
        let rows = values.len();
        Tensor::from_data(TensorData::new(values, [rows, 1]), &self.device)
    }

    fn integers<const R: usize>(&self, values: Vec<i32>, shape: [usize; R]) -> Tensor<R, Int> {
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    fn codes(&self, values: Vec<u16>) -> Result<Codes> {
        Codes::new(values, self.model.positions(), self.books.depth(), self.books.vocabulary())
    }
}

fn read(values: Tensor<1>) -> Result<Vec<f32>> {
    values.try_into_vec_as::<f32>().map_err(Error::device)
}
