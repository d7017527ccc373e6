//! What a head makes of masked positions in one step of the reverse process: proposals for their codes, and how sure it is.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use super::Preset;
use super::noise::Noise;
use crate::head::mixture::MixtureDensity;
use crate::head::{CategoricalHead, MixtureHead, MixtureOutput};
use crate::model::NetworkHead;
use crate::rvq::Codebooks;

/// Hidden states of all positions.
pub struct Hidden {
    /// With the condition, `[N, d]`; where there is guidance followed by as many without.
    pub states: Tensor<2>,
    /// The guidance scale, where there is guidance.
    pub guidance: Option<f32>,
}

impl Hidden {
    /// How many rows a sample's position has.
    pub(super) fn copies(&self) -> usize {
        if self.guidance.is_some() { 2 } else { 1 }
    }

    /// The guided mixtures of the positions.
    pub(super) fn mixtures(self, head: &MixtureHead) -> MixtureOutput {
        let out = head.forward(self.states);
        match self.guidance {
            Some(scale) => {
                let (conditional, unconditional) = out.halves();
                MixtureOutput::guided(conditional, unconditional, scale)
            }
            None => out,
        }
    }
}

/// uncond + w·(cond − uncond) of rows with the condition and then as many without; exact at w = 0 and 1. Rows as they are
/// where there is no guidance.
///
/// # Shapes
/// `[2N, …]` → `[N, …]`
pub(super) fn guided<const D: usize>(both: Tensor<D>, guidance: Option<f32>) -> Tensor<D> {
    let Some(scale) = guidance else { return both };
    let rows = both.dims()[0] / 2;
    both.clone().narrow(0, 0, rows) * scale + both.narrow(0, rows, rows) * (1.0 - scale)
}

/// What is proposed.
pub enum Proposal {
    /// The collective embedding of each position's masked codes, in the units that the network predicts, `[N, H]`.
    Embeddings(Tensor<2>),
    /// Every code by itself, `[N, D]`.
    Codes(Tensor<2, Int>),
}

/// A step's proposals, and what chooses the tokens to reveal: the score of a token is its position's surety plus
/// `temperature` times its own number.
pub struct Filling {
    /// What is proposed.
    pub proposal: Proposal,
    /// `[N]`
    pub surety: Tensor<1>,
    /// `[B, L, D]`
    pub tokens: Tensor<3>,
    /// Scale of `tokens`.
    pub temperature: f32,
    /// How often something was not a number, `[1]`.
    pub broken: Tensor<1, Int>,
}

/// A head whose masked sampler draws all positions at once.
pub trait FillsMasks: NetworkHead {
    /// What depends on parameters alone, worked out once for all steps.
    type Prepared: Sync;

    /// Works that out.
    fn prepare(&self) -> Self::Prepared;

    /// Uniform numbers that a position takes, and normal ones.
    fn randomness(books: &Codebooks) -> [usize; 2];

    /// Fills all positions, masked or not; `choice_temperature` is the scale of Gumbel noise on scores.
    fn fill(
        &self,
        prepared: &Self::Prepared,
        hidden: Hidden,
        noise: Noise,
        preset: &Preset,
        choice_temperature: f32,
    ) -> Filling;
}

impl FillsMasks for MixtureHead {
    type Prepared = MixtureDensity;

    fn prepare(&self) -> MixtureDensity {
        self.density()
    }

    fn randomness(books: &Codebooks) -> [usize; 2] {
        [1, books.width()]
    }

    fn fill(
        &self,
        density: &MixtureDensity,
        hidden: Hidden,
        noise: Noise,
        preset: &Preset,
        choice_temperature: f32,
    ) -> Filling {
        let out = hidden.mixtures(self);
        let uniform = noise.uniform.squeeze_dim::<1>(1); // [N]
        let components = preset.choose(out.logits.clone(), uniform);
        let means = self.component_means(components, out.mixer.clone()); // [N, H]
        let z = out.place(means, noise.normal, preset.temperature as f32);
        let surety = density.log_density(&out, z.clone()); // [N]
        Filling {
            proposal: Proposal::Embeddings(z),
            broken: surety.clone().is_nan().int().sum(),
            surety,
            tokens: noise.gumbel,
            temperature: choice_temperature,
        }
    }
}

impl FillsMasks for CategoricalHead {
    type Prepared = ();

    fn prepare(&self) {}

    fn randomness(books: &Codebooks) -> [usize; 2] {
        [books.depth(), 0]
    }

    fn fill(
        &self,
        (): &(),
        Hidden { states, guidance }: Hidden,
        noise: Noise,
        preset: &Preset,
        choice_temperature: f32,
    ) -> Filling {
        let [batch, positions, depth] = noise.gumbel.dims();
        let rows = batch * positions;
        let logits = guided(self.logits(states), guidance); // [N, D, V]
        let [_, _, vocabulary] = logits.dims();
        let logits = logits.reshape([rows * depth, vocabulary]);
        let codes = preset.choose(logits.clone(), noise.uniform.reshape([rows * depth]));
        let sureties = log_softmax(logits, 1).gather(1, codes.clone().unsqueeze_dim(1)); // [N·D, 1]
        let broken = sureties.clone().is_nan().int().sum();
        Filling {
            proposal: Proposal::Codes(codes.reshape([rows, depth])),
            surety: Tensor::zeros([rows], &sureties.device()),
            tokens: sureties.reshape([batch, positions, depth]) + noise.gumbel * choice_temperature,
            temperature: 1.0,
            broken,
        }
    }
}
