//! What to draw.

use burn::tensor::Device;

use crate::condition::{Condition, Saying};
use crate::error::{Error, Result};
use crate::model::NetworkConfig;
use crate::rvq::{Codebooks, Codes};

/// Codes that are given, not drawn.
#[derive(Clone, Debug)]
pub struct Known {
    /// The codes of one signal.
    pub codes: Codes,
    /// How many of the deepest codes of each position are to be drawn, `[L]`: 0 keeps all, D draws all.
    pub masked: Vec<usize>,
}

/// What to draw.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The class of each sample.
    pub classes: Vec<usize>,
    /// What each sample says, of generators that speak; of others none.
    pub texts: Vec<Saying>,
    /// Positions of each sample, where they are not as many as the model has.
    pub positions: Option<usize>,
    /// Seed of everything random.
    pub seed: u64,
    /// Index of the first sample: sample i of this request is the one that any other request with the same
    /// seed draws at the same index.
    pub first_index: u64,
    /// Codes to keep, the same for all samples.
    pub known: Option<Known>,
}

impl Request {
    /// How many positions the samples have, once it is known that the model can say so much.
    pub(super) fn positions_of(&self, model: &NetworkConfig) -> Result<usize> {
        let positions = self.positions.unwrap_or(model.positions);
        if positions == 0 || positions > model.positions {
            let reason = format!("expected 1 to {}, found {positions}", model.positions);
            return Err(Error::argument("positions", reason));
        }
        let Some(reader) = &model.text else {
            return match self.texts.is_empty() {
                true => Ok(positions),
                false => Err(Error::argument("texts", "this generator does not speak")),
            };
        };
        if self.texts.len() != self.classes.len() {
            return Err(Error::mismatch("texts", self.classes.len(), self.texts.len()));
        }
        for saying in &self.texts {
            let (bytes, known) = (saying.text.len(), saying.known.len());
            if bytes > reader.most {
                let reason = format!("one has {bytes} bytes, the generator reads at most {}", reader.most);
                return Err(Error::argument("texts", reason));
            }
            if known > bytes {
                let reason = format!("when {known} bytes are said is known of a text of {bytes}");
                return Err(Error::argument("texts", reason));
            }
        }
        Ok(positions)
    }

    /// The conditions of all samples and, with guidance, of as many that are asked for nothing, `nothing` being the label of that.
    pub(super) fn condition(
        &self,
        nothing: usize,
        positions: usize,
        guided: bool,
        device: &Device,
    ) -> Condition {
        let copies = if guided { self.classes.len() } else { 0 };
        let classes = self.classes.iter().copied().chain(std::iter::repeat_n(nothing, copies));
        let condition = Condition::of_classes(classes, device);
        if self.texts.is_empty() {
            return condition;
        }
        let texts = self.texts.iter().cloned().chain(std::iter::repeat_n(Saying::nothing(positions), copies));
        condition.saying(texts.collect(), positions)
    }

    /// How many codes are to be drawn at each position, once the request is known to be possible; `classes` is their number.
    pub(super) fn masked_at_start(
        &self,
        classes: usize,
        positions: usize,
        books: &Codebooks,
    ) -> Result<Vec<usize>> {
        let depth = books.depth();
        if let Some(&class) = self.classes.iter().find(|&&class| class > classes) {
            let reason = format!("expected at most {classes} (no condition), found {class}");
            return Err(Error::argument("class", reason));
        }
        let Some(known) = &self.known else { return Ok(vec![depth; positions]) };
        let found =
            [known.codes.batch(), known.codes.positions(), known.codes.depth(), known.codes.vocabulary()];
        let expected = [1, positions, depth, books.vocabulary()];
        if found != expected {
            let text = |[b, l, d, v]: [usize; 4]| format!("{b} signal, L = {l}, D = {d}, V = {v}");
            return Err(Error::mismatch("known codes", text(expected), text(found)));
        }
        if known.masked.len() != positions || known.masked.iter().any(|&masked| masked > depth) {
            let expected = format!("{positions} numbers of at most {depth}");
            return Err(Error::mismatch("mask of the known codes", expected, format!("{:?}", known.masked)));
        }
        Ok(known.masked.clone())
    }
}
