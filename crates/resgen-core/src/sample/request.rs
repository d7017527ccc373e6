//! What to draw.

use crate::error::{Error, Result};
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

impl Request {
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
