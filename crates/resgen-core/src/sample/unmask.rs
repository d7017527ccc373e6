//! The reverse process of masking, from all masked to all known:
//!
//! 1. predict every position's masked part, with classifier-free guidance: ResGen (arXiv 2412.10208) a mixture over its collective
//!    embedding, MaskGIT logits over each of its codes,
//! 2. draw from it: z (a component by top-p, then a point of its Gaussian), or codes (by top-p),
//! 3. choose which tokens are revealed, by the density of z (in units of what is usual for as many masked
//!    codes: a density in absolute units would always finish started positions first) or the probability of the code, and annealed
//!    Gumbel noise; only their number per position matters, for a position reveals its coarsest masked codes,
//! 4. quantize z with the depths that are revealed: each code is searched for once, however many steps there are,
//! 5. revealed codes stay as they are.
//!
//! How many tokens each step reveals is known beforehand, so that no step waits for what the device has computed.
//!
//! Shape legend: B samples · L positions · N = B·L · D depth · H width of a code vector.

use std::cell::OnceCell;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use resgen_kernels::sampling::{Reveal, reveal_counts};

use super::filling::{Filling, FillsMasks, Hidden, Proposal};
use super::noise::{Noise, NoiseKey, NoiseShape};
use super::{GuidanceOn, Preset, Request};
use crate::error::{Error, Result};
use crate::model::{Masked, Network};
use crate::nn::transformer::Modulations;
use crate::rvq::{Codebooks, Codes};

/// What is told of every state: the candidate codes of all positions, and how many of them are still masked,
/// `[B][L]`.
type Watch<'a> = &'a mut dyn FnMut(&Codes, &[Vec<usize>]) -> Result<()>;

/// Draws samples from a model.
pub struct Unmasker<'a, H: FillsMasks> {
    model: &'a Masked<H>,
    books: &'a Codebooks,
    preset: Preset,
    prepared: H::Prepared,
    scales: Tensor<2>,      // [D + 1, 1]
    depths: Tensor<2, Int>, // [1, D]: 0, 1, …
    device: Device,
}

/// Which masked codes a step works out.
#[derive(Clone, Copy, PartialEq)]
enum Candidates {
    /// Those that it reveals.
    Revealed,
    /// All, for somebody who watches.
    All,
}

/// How far sampling has come.
struct State {
    codes: Tensor<2, Int>,  // [N, D]
    masked: Tensor<2, Int>, // [N, 1]
    /// Positions that are hidden where nothing is asked for, `[N, 1]`; none where there are no such.
    veiled: Option<Tensor<2, Bool>>,
    positions: usize, // L
    /// How often something was not a number so far, `[1]`.
    broken: Tensor<1, Int>,
}

/// What the samples of a request are asked to be, each worked out when a step first needs it.
struct Conditions<'a, H> {
    model: &'a Masked<H>,
    request: &'a Request,
    positions: usize,
    device: &'a Device,
    alone: OnceCell<Modulations>,
    both: OnceCell<Modulations>,
}

impl<H: FillsMasks> Conditions<'_, H> {
    /// What is asked for.
    fn alone(&self) -> &Modulations {
        self.alone.get_or_init(|| self.of(false))
    }

    /// What is asked for, then as often nothing.
    fn both(&self) -> &Modulations {
        self.both.get_or_init(|| self.of(true))
    }

    fn of(&self, guided: bool) -> Modulations {
        let nothing = self.model.no_condition();
        self.model.modulations(&self.request.condition(nothing, self.positions, guided, self.device))
    }
}

/// One step of a request.
struct Step {
    noise: Noise,
    guidance: f64,
    /// Tokens that each sample reveals.
    count: usize,
    choice_temperature: f32,
}

impl<'a, H: FillsMasks> Unmasker<'a, H> {
    /// A sampler with the given settings.
    ///
    /// # Errors
    /// [`Error::Argument`] names a setting that is out of range.
    pub fn new(model: &'a Masked<H>, books: &'a Codebooks, preset: Preset) -> Result<Self> {
        preset.validate(model.config().positions * books.depth())?;
        let device = books.vectors().device();
        let scales = &model.config().embedding_scales;
        Ok(Self {
            prepared: model.head().prepare(),
            scales: Tensor::from_data(TensorData::new(scales.to_vec(), [scales.len(), 1]), &device),
            depths: Tensor::<1, Int>::arange(0..books.depth() as i64, &device).unsqueeze_dim(0),
            model,
            books,
            preset,
            device,
        })
    }

    /// Draws all samples of a request as one batch.
    ///
    /// # Errors
    /// [`Error::Argument`] for a class the model does not have, or predictions that are no numbers;
    /// [`Error::Mismatch`] for known codes of another shape.
    pub fn sample(&self, request: &Request) -> Result<Codes> {
        self.run(request, None)
    }

    /// As [`Unmasker::sample`], and shows every state to `watch`: the candidate codes of all positions, and how
    /// many of them are still masked, `[B][L]`.
    ///
    /// # Errors
    /// As [`Unmasker::sample`], and what `watch` returns.
    pub fn sample_with(
        &self,
        request: &Request,
        mut watch: impl FnMut(&Codes, &[Vec<usize>]) -> Result<()>,
    ) -> Result<Codes> {
        self.run(request, Some(&mut watch))
    }

    fn run(&self, request: &Request, mut watch: Option<Watch<'_>>) -> Result<Codes> {
        let positions = request.positions_of(self.model.config())?;
        let masked = request.masked_at_start(self.model.no_condition(), positions, self.books)?;
        let total: usize = masked.iter().sum();
        let batch = request.classes.len();
        let mut state = self.start(request, &masked);
        // Known codes can leave fewer tokens than steps; the rest of the steps would reveal nothing.
        let steps = if batch == 0 { 0 } else { self.preset.steps.min(total) };
        if steps > 0 {
            let counts = self.preset.schedule.step_counts(steps, total)?;
            let conditions = self.conditions(request, positions);
            let candidates = if watch.is_some() { Candidates::All } else { Candidates::Revealed };
            for (step, pair) in counts.windows(2).enumerate() {
                let step = self.step_of((request, positions), step, steps, pair[0] - pair[1]);
                let shown = self.advance(&mut state, &conditions, step, candidates);
                if let (Some(watch), Some(shown)) = (&mut watch, shown) {
                    watch(&self.read(shown, positions)?, &self.read_masked(&state)?)?;
                }
            }
        }
        let broken: i64 = state.broken.try_into_scalar().map_err(Error::device)?;
        if broken > 0 {
            let reason = "its predictions are not numbers; a guidance scale far from 1 can do that";
            return Err(Error::argument("model", reason));
        }
        self.read(state.codes, positions)
    }

    fn start(&self, request: &Request, masked: &[usize]) -> State {
        let (batch, depth) = (request.classes.len(), self.books.depth());
        let rows = batch * masked.len();
        let positions = masked.len();
        let masked: Vec<i32> = masked.iter().map(|&masked| masked as i32).collect();
        let codes = match &request.known {
            Some(known) => known.codes.to_tensor(&self.device).repeat_dim(0, batch).reshape([rows, depth]),
            None => Tensor::zeros([rows, depth], &self.device),
        };
        let masked = self.integers(masked.repeat(batch), [rows, 1]);
        let is_veiled = self.preset.guidance_on == GuidanceOn::Everything && request.known.is_some();
        State {
            codes,
            veiled: is_veiled.then(|| masked.clone().lower_elem(depth as i64)),
            masked,
            positions,
            broken: Tensor::zeros([1], &self.device),
        }
    }

    fn conditions<'b>(&'b self, request: &'b Request, positions: usize) -> Conditions<'b, H> {
        let (alone, both) = (OnceCell::new(), OnceCell::new());
        Conditions { model: self.model, request, positions, device: &self.device, alone, both }
    }

    fn step_of(
        &self,
        (request, positions): (&Request, usize),
        step: usize,
        steps: usize,
        count: usize,
    ) -> Step {
        let key = NoiseKey { seed: request.seed, first_index: request.first_index, step: step as u64 };
        let [uniforms, normals] = H::randomness(self.books);
        let shape = NoiseShape {
            batch: request.classes.len(),
            positions,
            depth: self.books.depth(),
            uniforms,
            normals,
        };
        Step {
            noise: Noise::draw(key, shape, &self.device),
            guidance: self.preset.guidance_at(step, steps),
            count,
            choice_temperature: self.preset.choice_temperature_at(step, steps) as f32,
        }
    }

    /// One step; where all candidates are worked out, returns the codes with candidates in place of those that were masked.
    fn advance(
        &self,
        state: &mut State,
        conditions: &Conditions<'_, H>,
        step: Step,
        candidates: Candidates,
    ) -> Option<Tensor<2, Int>> {
        let [batch, positions, depth] = step.noise.gumbel.dims();
        let masked = state.masked.clone(); // [N, 1]
        let first = masked.clone().neg() + depth as i64; // [N, 1], number of visible codes
        let hidden = self.hidden(state, conditions, step.guidance, batch);
        let Filling { proposal, surety, tokens, temperature, broken } =
            self.model.head().fill(&self.prepared, hidden, step.noise, &self.preset, step.choice_temperature);
        state.broken = state.broken.clone() + broken;
        let by_signal = masked.clone().reshape([batch, positions]);
        let reveal = Reveal { count: step.count, temperature };
        let revealed = reveal_counts(surety.reshape([batch, positions]), tokens, by_signal, reveal);
        let revealed = revealed.reshape([batch * positions, 1]);
        let end = first.clone() + revealed.clone(); // [N, 1]
        let found = match proposal {
            Proposal::Codes(codes) => codes,
            Proposal::Embeddings(z) => {
                let searched = match candidates {
                    Candidates::Revealed => end.clone(),
                    Candidates::All => end.full_like(depth as i64),
                };
                let scales = self.scales.clone().select(0, masked.clone().squeeze_dim(1)); // [N, 1]
                let span = Tensor::cat(vec![first.clone(), searched], 1); // [N, 2]
                self.books.encode_span(z * scales, span) // [N, D]
            }
        };

        let was_masked = self.depths.clone().greater_equal(first.clone()); // [N, D]
        let is_revealed = was_masked.clone().bool_and(self.depths.clone().lower(end));
        let shown = (candidates == Candidates::All)
            .then(|| state.codes.clone().mask_where(was_masked, found.clone()));
        state.codes = state.codes.clone().mask_where(is_revealed, found);
        state.masked = masked - revealed;
        shown
    }

    /// Both halves of the guidance run as one batch.
    fn hidden(&self, state: &State, conditions: &Conditions<'_, H>, guidance: f64, batch: usize) -> Hidden {
        let asked = self.embedded(state, state.masked.clone(), batch);
        // A single sample runs twice even without guidance: matrix products of one row sum in another order than
        // those of several, and the sample must not depend on its batch.
        if guidance == 1.0 && batch > 1 {
            return Hidden { states: self.model.hidden(asked, conditions.alone()), guidance: None };
        }
        let nothing = match &state.veiled {
            Some(veiled) => {
                let masked = state.masked.clone().mask_fill(veiled.clone(), self.books.depth() as i64);
                self.embedded(state, masked, batch)
            }
            None => asked.clone(),
        };
        let states = self.model.hidden(Tensor::cat(vec![asked, nothing], 0), conditions.both());
        Hidden { states, guidance: Some(guidance as f32) }
    }

    /// What the network sees of the codes where so many of each position are masked.
    ///
    /// # Shapes
    /// masked `[N, 1]` → `[B, L, d]`
    fn embedded(&self, state: &State, masked: Tensor<2, Int>, batch: usize) -> Tensor<3> {
        let (depth, positions) = (self.books.depth(), state.positions);
        let visible = self.books.visible_embedding(state.codes.clone(), masked.clone().neg() + depth as i64);
        let visible = visible.div_scalar(self.model.config().embedding_scales[depth]);
        let visible = visible.reshape([batch, positions, self.books.width()]);
        self.model.embed(visible, masked.reshape([batch, positions]))
    }

    fn integers<const R: usize>(&self, values: Vec<i32>, shape: [usize; R]) -> Tensor<R, Int> {
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// # Shapes
    /// `[N, D]`
    fn read(&self, codes: Tensor<2, Int>, positions: usize) -> Result<Codes> {
        let depth = self.books.depth();
        let batch = codes.dims()[0] / positions;
        Codes::from_tensor(codes.reshape([batch, positions, depth]), self.books.vocabulary())
    }

    fn read_masked(&self, state: &State) -> Result<Vec<Vec<usize>>> {
        let masked: Vec<i64> = state.masked.clone().try_into_vec_as().map_err(Error::device)?;
        let of_signal = |masked: &[i64]| masked.iter().map(|&masked| masked as usize).collect();
        Ok(masked.chunks(state.positions).map(of_signal).collect())
    }
}
