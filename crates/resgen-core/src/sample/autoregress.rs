//! Sampling position by position, of generators whose positions see those before them:
//!
//! 1. the trunk takes one step, with the keys and values of the positions before remembered, and with classifier-free guidance
//!    (both halves run as one batch),
//! 2. the head draws the codes of the position: all at once from the mixture over their collective embedding, or one after another
//!    along the depth,
//! 3. their embedding is what the next position sees.
//!
//! Known codes are not drawn. Where some of a position's coarsest codes are known, the others are drawn beside them.
//!
//! Shape legend: B samples · L positions · D depth · H width of a code vector · V vocabulary.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::filling::{Hidden, guided};
use super::noise::{NoiseKey, PositionNoise};
use super::{Preset, Request};
use crate::error::{Error, Result};
use crate::head::depth_transformer::Seen;
use crate::head::{DepthTransformer, MixtureHead};
use crate::model::{Network, NetworkHead, Sequential};
use crate::rvq::{Codebooks, Codes};

/// A position whose codes are drawn.
pub struct Position<'a> {
    books: &'a Codebooks,
    preset: &'a Preset,
    /// What embeddings of k codes are divided by, for k = 0 to D.
    scales: &'a [f32],
    noise: PositionNoise,
    /// Codes that are given, `[B, f]`; those from f on are drawn.
    known: Tensor<2, Int>,
}

impl Position<'_> {
    fn count_known(&self) -> usize {
        self.known.dims()[1]
    }
}

/// A head that draws the codes of one position.
pub trait DrawsPosition: NetworkHead {
    /// The codes, and how often something was not a number.
    ///
    /// # Shapes
    /// → codes `[B, D]`, `[1]`
    fn draw(&self, hidden: Hidden, position: Position) -> (Tensor<2, Int>, Tensor<1, Int>);
}

impl DrawsPosition for MixtureHead {
    fn draw(&self, hidden: Hidden, position: Position) -> (Tensor<2, Int>, Tensor<1, Int>) {
        let (known, depth) = (position.count_known(), position.books.depth());
        let out = hidden.mixtures(self);
        let uniform = position.noise.uniform.clone().narrow(1, 0, 1).squeeze_dim(1); // [B]
        let components = position.preset.choose(out.logits.clone(), uniform);
        let means = self.component_means(components, out.mixer.clone());
        let temperature = position.preset.temperature as f32;
        let z = out.place(means, position.noise.normal.clone(), temperature) * position.scales[depth]; // [B, H]
        let broken = z.clone().is_nan().int().sum();
        if known == 0 {
            return (position.books.encode(z), broken);
        }
        let [batch, _] = z.dims();
        let device = z.device();
        let missing = Tensor::zeros([batch, depth - known], &device);
        let all = Tensor::cat(vec![position.known, missing], 1); // [B, D]
        let span = |depth: usize| Tensor::<2, Int>::full([batch, 1], depth as i64, &device);
        let rest = z - position.books.visible_embedding(all.clone(), span(known));
        let found = position.books.encode_span(rest, Tensor::cat(vec![span(known), span(depth)], 1));
        let drawn = found.narrow(1, known, depth - known);
        (Tensor::cat(vec![all.narrow(1, 0, known), drawn], 1), broken)
    }
}

impl DrawsPosition for DepthTransformer {
    fn draw(&self, hidden: Hidden, position: Position) -> (Tensor<2, Int>, Tensor<1, Int>) {
        let (copies, guidance) = (hidden.copies(), hidden.guidance);
        let ([rows, _], device) = (hidden.states.dims(), hidden.states.device());
        let (known, depth, batch) = (position.count_known(), position.books.depth(), rows / copies);
        let mut memory = self.memory(rows, &device);
        let mut broken = Tensor::<1, Int>::zeros([1], &device);
        let mut codes: Vec<Tensor<2, Int>> = Vec::with_capacity(depth); // [B, 1] each
        let mut partial = Tensor::<2>::zeros([batch, position.books.width()], &device);
        for place in 0..depth {
            let seen = match place {
                0 => Seen::Hidden(hidden.states.clone()),
                _ => Seen::Partial((partial.clone() / position.scales[depth]).repeat_dim(0, copies)),
            };
            let logits = guided(self.next(seen, &mut memory, place), guidance); // [B, V]
            broken = broken + logits.clone().is_nan().int().sum();
            let code = match place < known {
                true => position.known.clone().narrow(1, place, 1).squeeze_dim(1),
                false => {
                    let uniform = position.noise.uniform.clone().narrow(1, place, 1).squeeze_dim(1);
                    position.preset.choose(logits, uniform)
                }
            };
            partial = partial + position.books.at(place).select(0, code.clone());
            codes.push(code.unsqueeze_dim(1));
        }
        (Tensor::cat(codes, 1), broken)
    }
}

/// Draws samples from a model, position by position.
pub struct Autoregressor<'a, H> {
    model: &'a Sequential<H>,
    books: &'a Codebooks,
    preset: Preset,
    device: Device,
}

impl<'a, H: DrawsPosition> Autoregressor<'a, H> {
    /// A sampler with the given settings. Of them it takes guidance and its ramp (over the positions), temperatures and top-p.
    ///
    /// # Errors
    /// [`Error::Argument`] names a setting that is out of range.
    pub fn new(model: &'a Sequential<H>, books: &'a Codebooks, preset: Preset) -> Result<Self> {
        preset.validate(model.config().positions * books.depth())?;
        Ok(Self { device: books.vectors().device(), model, books, preset })
    }

    /// Draws all samples of a request as one batch.
    ///
    /// # Errors
    /// [`Error::Argument`] for a class the model does not have, or predictions that are no numbers;
    /// [`Error::Mismatch`] for known codes of another shape.
    pub fn sample(&self, request: &Request) -> Result<Codes> {
        let (batch, depth) = (request.classes.len(), self.books.depth());
        let positions = request.positions_of(self.model.config())?;
        let masked = request.masked_at_start(self.model.no_condition(), positions, self.books)?;
        let scales = &self.model.config().embedding_scales;
        if batch == 0 {
            return Codes::new(Vec::new(), positions, depth, self.books.vocabulary());
        }
        let is_guided = self.is_guided(batch);
        let copies = if is_guided { 2 } else { 1 };
        let condition = request.condition(self.model.no_condition(), positions, is_guided, &self.device);
        let modulations = self.model.modulations(&condition);
        let mut memory = self.model.memory(copies * batch, positions, &self.device);
        let mut previous = Tensor::<2>::zeros([batch, self.books.width()], &self.device);
        let mut broken = Tensor::<1, Int>::zeros([1], &self.device);
        let mut drawn: Vec<Tensor<3, Int>> = Vec::with_capacity(positions); // [B, 1, D] each
        for (place, &masked) in masked.iter().enumerate() {
            let states = self.model.next(previous.repeat_dim(0, copies), &modulations, &mut memory, place);
            let guidance = is_guided.then(|| self.preset.guidance_at(place, positions) as f32);
            let known = self.known(request, place, depth - masked);
            let codes = match masked {
                0 => known,
                _ => {
                    let key =
                        NoiseKey { seed: request.seed, first_index: request.first_index, step: place as u64 };
                    let (codes, unsound) = self.model.head().draw(
                        Hidden { states, guidance },
                        Position {
                            books: self.books,
                            preset: &self.preset,
                            scales,
                            noise: PositionNoise::draw(key, batch, depth, self.books.width(), &self.device),
                            known,
                        },
                    );
                    broken = broken + unsound;
                    codes
                }
            };
            previous = self.books.decode(codes.clone()) / scales[depth];
            drawn.push(codes.unsqueeze_dim(1));
        }
        let broken: i64 = broken.try_into_scalar().map_err(Error::device)?;
        if broken > 0 {
            let reason = "its predictions are not numbers; a guidance scale far from 1 can do that";
            return Err(Error::argument("model", reason));
        }
        Codes::from_tensor(Tensor::cat(drawn, 1), self.books.vocabulary())
    }

    /// Whether samples run with the condition and without. A single one does so even without guidance: products of one row sum
    /// in another order than those of more, and a sample must not depend on its batch.
    fn is_guided(&self, batch: usize) -> bool {
        self.preset.guidance != 1.0 || batch == 1
    }

    /// The first `count` codes of a position, which the request gives, `[B, count]`.
    fn known(&self, request: &Request, place: usize, count: usize) -> Tensor<2, Int> {
        let (batch, depth) = (request.classes.len(), self.books.depth());
        let codes = match &request.known {
            Some(known) => known.codes.signal(0)[place * depth..][..count].to_vec(),
            None => Vec::new(),
        };
        let codes: Vec<i32> = codes.into_iter().map(i32::from).collect();
        Tensor::from_data(TensorData::new(codes.repeat(batch), [batch, count]), &self.device)
    }
}
