//! The forward and backward pass of a micro-batch.
//!
//! 1. Encode; once quantization has begun, quantize with a straight-through gradient.
//! 2. Decode, and compare with the signals.
//! 3. Without an adversary, the gradient of that loss and of the commitment is all.
//! 4. With one, both losses are first differentiated with respect to the reconstruction. Their balance
//!    follows from those gradients, and so does what they want together: one backward pass through the
//!    tokenizer takes it to the weights.
//! 5. The discriminator learns from the same signals and reconstructions.

use burn::tensor::{Int, Tensor, TensorData};

use super::adversary::{Adversary, gradient_of};
use super::columns::Measured;
use super::{SignalBatch, TokenizerLearner, TokenizerPart, scalar};
use crate::error::Result;
use crate::nn::parameters;
use crate::random::{Purpose, index_below, stream, uniform};
use crate::rvq::{CodebookStatistics, quantize};
use crate::tokenizer::adversarial::SignalGradients;
use crate::tokenizer::{Autoencode, TokenizerConfig};

/// What enters the decoder.
struct Encoded {
    latents: Tensor<3>, // [B, L, H]
    commitment: Option<Tensor<1>>,
    statistics: Option<CodebookStatistics>,
}

/// What the tokenizer is to minimise, as one tensor with a graph.
struct Goal {
    target: Tensor<1>, // [1]
    measured: Measured,
    discriminator: Option<Vec<Tensor<1>>>,
}

/// A micro-batch's signals and what became of them.
struct Decoded {
    signals: Tensor<4>,        // [B, C, h, w]
    features: Tensor<4>,       // what enters the decoder's last layer
    reconstruction: Tensor<4>, // [B, C, h, w]
}

impl<A: Autoencode> TokenizerLearner<A> {
    /// Gradients and measurements of one micro-batch.
    pub(super) fn pass(&self, step: u64, batch: SignalBatch) -> Result<TokenizerPart> {
        let masters = self.weights.model().clone().train();
        let model = self.precision.of(masters.clone());
        let signals = self.signals(batch.values)?;
        let encoded = self.encode(&model, step, batch.first, signals.clone());
        let features = model.features(encoded.latents);
        let reconstruction = model.to_signals(features.clone());
        let decoded = Decoded { signals, features, reconstruction };
        let Goal { mut target, mut measured, discriminator } = match self.adversary_at(step) {
            Some(adversary) => self.opposed(adversary, decoded)?,
            None => self.unopposed(decoded)?,
        };
        if let Some(commitment) = encoded.commitment {
            let value = scalar(&commitment)?;
            measured.commitment = Some(value);
            let weight = self.config.quantizer().codebook.commitment;
            measured.loss += value * weight;
            target = target + commitment * weight;
        }
        let gradients = parameters::take_gradients(&masters, &mut target.backward());
        Ok(TokenizerPart { count: 1, gradients, discriminator, statistics: encoded.statistics, measured })
    }

    /// The adversary, where it takes part: a decoder of latents that will soon be quantized is no opponent.
    fn adversary_at(&self, step: u64) -> Option<&Adversary> {
        let has_begun = step >= self.losses.quantize_from;
        self.adversary.as_ref().filter(|adversary| has_begun && adversary.is_active(step))
    }

    fn encode(&self, model: &A, step: u64, first: usize, signals: Tensor<4>) -> Encoded {
        let count = signals.dims()[0];
        let latents = model.encode(signals.autodiff()); // [B, L, H]
        if step < self.losses.quantize_from {
            return Encoded { latents, commitment: None, statistics: None };
        }
        let shape = latents.dims();
        let kept = self.kept_depths(step, first, count);
        let learning = self.config.quantizer().codebook.learning;
        let quantized = quantize(latents.flatten(0, 1), self.codebooks.books(), Some(kept), learning);
        Encoded {
            latents: quantized.latents.reshape(shape),
            commitment: Some(quantized.commitment),
            statistics: Some(quantized.statistics),
        }
    }

    fn unopposed(&self, decoded: Decoded) -> Result<Goal> {
        let found = self.objective.compare(decoded.reconstruction, decoded.signals)?;
        let measured = Measured {
            loss: scalar(&found.loss)?,
            fidelity: A::fidelity(&self.config, found.squared),
            lpips: found.lpips,
            ..Measured::default()
        };
        Ok(Goal { target: found.loss, measured, discriminator: None })
    }

    fn opposed(&self, adversary: &Adversary, decoded: Decoded) -> Result<Goal> {
        let Decoded { signals, features, reconstruction } = decoded;
        let plain = reconstruction.clone().without_autodiff();
        let leaf = plain.clone().autodiff().require_grad();
        let found = self.objective.compare(leaf.clone(), signals.clone())?;
        let wanted = gradient_of(&leaf, &found.loss)?;
        let pull = adversary.pull(plain.clone())?;
        let lesson = adversary.lesson(signals, plain)?;
        let gradients =
            SignalGradients { reconstruction: wanted.clone(), adversarial: pull.gradient.clone() };
        let adaptive_weight = adversary.balance::<A>(features, gradients)?;
        let weight = adversary.weight() * adaptive_weight.unwrap_or(1.0);
        let measured = Measured {
            loss: scalar(&found.loss)?,
            fidelity: A::fidelity(&self.config, found.squared),
            lpips: found.lpips,
            adversarial: Some(pull.loss),
            discriminator: Some(lesson.loss),
            adaptive_weight,
            ..Measured::default()
        };
        // Its gradient with respect to the reconstruction is what both losses want of it.
        let target = (reconstruction * (wanted + pull.gradient * weight)).sum();
        Ok(Goal { target, measured, discriminator: Some(lesson.gradients) })
    }

    /// Depths that each row is decoded with: all, or by quantizer dropout a random number, the same for
    /// all positions of a signal.
    fn kept_depths(&self, step: u64, first: usize, count: usize) -> Tensor<2, Int> {
        let positions = self.config.positions();
        let sizes = self.config.quantizer();
        let kept = (first..first + count).flat_map(|signal| {
            let mut rng = stream(self.seed, Purpose::Drop, signal as u64, step);
            let drops = uniform(&mut rng) < sizes.codebook.depth_dropout;
            let kept = if drops { 1 + index_below(&mut rng, sizes.depth) } else { sizes.depth };
            std::iter::repeat_n(kept as i32, positions)
        });
        let kept: Vec<i32> = kept.collect();
        let rows = kept.len();
        Tensor::from_data(TensorData::new(kept, [rows, 1]), &self.device)
    }
}
