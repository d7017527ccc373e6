//! A generator's training loss on codes that it did not see in training: what tells learning from remembering, and one
//! way of computing from another.

use super::distribution::{Estimate, ratio};
use crate::error::{Error, Result};
use crate::model::{NetworkConfig, Stored, with_any_network};
use crate::progress::Progress;
use crate::rvq::{Codebooks, Codes};
use crate::train::generator::{Generator, Objective};
use crate::train::tokens::TokenBatch;
use crate::workers::Workers;

/// Signals in a batch.
pub(super) const BATCH: usize = 32;

/// The mean loss over all masked positions, or codes, of all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOutLoss {
    /// In nats per position with masked codes, or per masked code; how sure it is, from how much batches of signals differ.
    pub loss: Estimate,
    /// What its head watches beside the loss: components in use, or the share of codes that are the most probable ones.
    pub watched: f64,
    /// Signals.
    pub signals: usize,
    /// How often each was masked anew.
    pub rounds: u64,
}

/// Masks every signal `rounds` times and averages the loss. Masks and noise are a function of the objective's seed, the
/// round and the signal's index: two models, or two precisions, are asked the same.
///
/// # Errors
/// [`Error::Mismatch`] for codes of other sizes than the generator's or for classes that it does not have,
/// [`Error::Argument`] for no codes or no rounds.
pub fn held_out_loss(
    generator: &Generator,
    (codes, classes): (&Codes, &[usize]),
    objective: &Objective,
    rounds: u64,
    workers: &Workers,
    progress: &mut dyn Progress,
) -> Result<HeldOutLoss> {
    expect_fitting(generator.model.sizes(), generator.tokenizer.books(), codes, classes)?;
    if rounds == 0 || classes.is_empty() {
        let found = format!("{rounds} of {} signals", classes.len());
        return Err(Error::argument("rounds", format!("expected at least one of one signal, found {found}")));
    }
    let firsts: Vec<usize> = (0..classes.len()).step_by(BATCH).collect();
    let mut sums = Vec::with_capacity(firsts.len());
    progress.begin("held-out loss", 0, classes.len() as u64);
    for some in firsts.chunks(workers.count()) {
        sums.extend(workers.run(some.to_vec(), |_, first| {
            let batch = batch(codes, classes, first)?;
            let mut sum = Sums::default();
            for round in 0..rounds {
                let books = generator.tokenizer.books();
                let scored = with_any_network!(&generator.model, model => objective.score(model, books, round, &batch));
                sum.add(&scored.sums()?, scored.count);
            }
            Ok(sum)
        })?);
        progress.step(((sums.len() * BATCH).min(classes.len())) as u64, "");
    }
    progress.end();
    Ok(summary(&sums, classes.len(), rounds))
}

pub(super) fn expect_fitting(
    model: &NetworkConfig,
    books: &Codebooks,
    codes: &Codes,
    classes: &[usize],
) -> Result<()> {
    let sizes = |positions, depth, vocabulary| format!("L = {positions}, D = {depth}, V = {vocabulary}");
    let expected = sizes(model.positions, model.depth, books.vocabulary());
    let found = sizes(codes.positions(), codes.depth(), codes.vocabulary());
    if expected != found {
        return Err(Error::mismatch("sizes of the codes", expected, found));
    }
    if classes.len() != codes.batch() {
        return Err(Error::mismatch("classes of the codes", codes.batch(), classes.len()));
    }
    match classes.iter().find(|&&class| class >= model.classes) {
        Some(class) => Err(Error::mismatch("class", format!("less than {}", model.classes), class)),
        None => Ok(()),
    }
}

pub(super) fn batch(codes: &Codes, classes: &[usize], first: usize) -> Result<TokenBatch> {
    let end = (first + BATCH).min(classes.len());
    let values = (first..end).flat_map(|signal| codes.signal(signal)).copied().collect();
    let codes = Codes::new(values, codes.positions(), codes.depth(), codes.vocabulary())?;
    Ok(TokenBatch { codes, classes: classes[first..end].to_vec(), texts: Vec::new(), first })
}

/// Sums over what the loss of a batch is a mean of, in all rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    loss: f64,
    watched: f64,
    positions: f64,
}

impl Sums {
    fn add(&mut self, sums: &[f64], positions: f64) {
        self.loss += sums[0];
        self.watched += sums[1];
        self.positions += positions;
    }
}

fn summary(sums: &[Sums], signals: usize, rounds: u64) -> HeldOutLoss {
    let over_positions = |part: fn(&Sums) -> f64| {
        ratio(&sums.iter().map(|sum| (part(sum), sum.positions)).collect::<Vec<_>>())
    };
    let watched = over_positions(|sum| sum.watched).value;
    HeldOutLoss { loss: over_positions(|sum| sum.loss), watched, signals, rounds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_with_more_positions_weighs_more() {
        let sums = [(10.0, 5.0), (30.0, 5.0), (10.0, 10.0)];
        let sums = sums.map(|(loss, positions)| Sums { loss, watched: positions, positions });
        let found = summary(&sums, 3, 1);
        assert_eq!((found.loss.value, found.watched), (2.5, 1.0));
        // Beyond their shares of 12.5, 12.5 and 25: −2.5, 17.5 and −15.
        let expected = ((2.5_f64.powi(2) + 17.5_f64.powi(2) + 15.0_f64.powi(2)) * 1.5).sqrt() / 20.0;
        assert!((found.loss.standard_error.unwrap() - expected).abs() < 1e-12);
        assert_eq!(summary(&sums[..1], 1, 1).loss.standard_error, None);
    }
}
