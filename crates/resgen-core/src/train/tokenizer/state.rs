//! What of a tokenizer in training goes into a checkpoint, and back.

use burn::tensor::{Device, Tensor};

use super::TokenizerLearner;
use crate::error::{Error, Result};
use crate::nn::parameters::NamedTensors;
use crate::rvq::{CodebookLearner, Codebooks};
use crate::tokenizer::{Autoencode, TokenizerConfig};

const AUTOENCODER: &str = "autoencoder.";

impl<A: Autoencode> TokenizerLearner<A> {
    pub(super) fn named_state(&self) -> NamedTensors {
        let mut state = self.weights.state(AUTOENCODER);
        if let Some(adversary) = &self.adversary {
            state.extend(adversary.state());
        }
        let (counts, sums) = self.codebooks.state();
        state.insert("codebooks.vectors".into(), self.codebooks.books().vectors().into_data());
        state.insert("codebooks.counts".into(), counts.into_data());
        state.insert("codebooks.sums".into(), sums.into_data());
        state
    }

    pub(super) fn restore_state(&mut self, state: &NamedTensors) -> Result<()> {
        let shape = self.codebooks.books().vectors().dims();
        let vectors = tensor(state, "codebooks.vectors", shape, &self.device)?;
        let counts = tensor(state, "codebooks.counts", [shape[0], shape[1]], &self.device)?;
        let sums = tensor(state, "codebooks.sums", shape, &self.device)?;
        let books = Codebooks::new(vectors, self.config.quantizer().depth)?;
        let codebooks = CodebookLearner::from_state(books, counts, sums)?;
        self.weights.restore(state, AUTOENCODER, &self.device)?;
        if let Some(adversary) = &mut self.adversary {
            adversary.restore(state, &self.device)?;
        }
        self.codebooks = codebooks;
        Ok(())
    }
}

/// The tensor `name`, which must have `shape`.
fn tensor<const D: usize>(
    state: &NamedTensors,
    name: &str,
    shape: [usize; D],
    device: &Device,
) -> Result<Tensor<D>> {
    let mismatch = |found: String| Error::mismatch(format!("tensor `{name}`"), format!("{shape:?}"), found);
    let data = state.get(name).ok_or_else(|| mismatch("none".into()))?;
    if data.shape().to_vec() != shape {
        return Err(mismatch(format!("{:?}", data.shape())));
    }
    Ok(Tensor::from_data(data.clone(), device))
}
