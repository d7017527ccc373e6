//! A generator's training loss on codes that it did not see in training: what tells learning from remembering, and one
//! way of computing from another.

use super::distribution::{Estimate, ratio};
use crate::data::speech::SpeechCache;
use crate::error::{Error, Result};
use crate::model::{AnyNetwork, NetworkConfig, Stored, with_any_network};
use crate::progress::Progress;
use crate::rvq::{Codebooks, Codes};
use crate::tokenizer::Autoencode;
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
    /// Signals that the generator could take.
    pub signals: usize,
    /// How often each was masked anew.
    pub rounds: u64,
}

/// Codes that were not learned from.
pub trait HeldOutCodes: Sync {
    /// The signals of each batch, all of one length; those that the generator cannot take are in none.
    ///
    /// # Errors
    /// Where the codes are not of the generator's sizes, or it can take none of them.
    fn batches(&self, model: &NetworkConfig, books: &Codebooks) -> Result<Vec<Vec<usize>>>;

    /// A batch, of which `before` signals come before.
    ///
    /// # Errors
    /// None for signals of one length.
    fn read(&self, signals: &[usize], before: usize) -> Result<TokenBatch>;
}

/// With a class each.
impl HeldOutCodes for (&Codes, &[usize]) {
    fn batches(&self, model: &NetworkConfig, books: &Codebooks) -> Result<Vec<Vec<usize>>> {
        let &(codes, classes) = self;
        expect_fitting(model, books, codes, classes)?;
        Ok((0..classes.len()).collect::<Vec<_>>().chunks(BATCH).map(<[usize]>::to_vec).collect())
    }

    fn read(&self, _: &[usize], before: usize) -> Result<TokenBatch> {
        batch(self.0, self.1, before)
    }
}

/// With what is said in them.
impl HeldOutCodes for SpeechCache {
    fn batches(&self, model: &NetworkConfig, books: &Codebooks) -> Result<Vec<Vec<usize>>> {
        let [depth, vocabulary] = self.sizes();
        if [depth, vocabulary] != [model.depth, books.vocabulary()] {
            let expected = format!("D = {}, V = {}", model.depth, books.vocabulary());
            return Err(Error::mismatch(
                "sizes of the codes",
                expected,
                format!("D = {depth}, V = {vocabulary}"),
            ));
        }
        let most = model.text.as_ref().map_or(usize::MAX, |text| text.most);
        let (lengths, _) = self.by_length(model.positions, most)?;
        Ok(lengths.iter().flat_map(|recordings| recordings.chunks(BATCH)).map(<[usize]>::to_vec).collect())
    }

    fn read(&self, signals: &[usize], before: usize) -> Result<TokenBatch> {
        TokenBatch::of_speech(self, signals, before)
    }
}

/// Masks every signal `rounds` times and averages the loss. Masks and noise are a function of the objective's seed, the
/// round and the signal's place in the batches: two models, or two precisions, are asked the same.
///
/// # Errors
/// [`Error::Mismatch`] for codes of other sizes than the generator's or for classes that it does not have,
/// [`Error::Argument`] for no codes or no rounds.
pub fn held_out_loss<A: Autoencode>(
    generator: &Generator<AnyNetwork, A>,
    codes: &impl HeldOutCodes,
    objective: &Objective,
    rounds: u64,
    workers: &Workers,
    progress: &mut dyn Progress,
) -> Result<HeldOutLoss> {
    let batches = codes.batches(generator.model.sizes(), generator.tokenizer.books())?;
    let mut signals = 0;
    let mut placed = Vec::with_capacity(batches.len());
    for batch in batches {
        let before = signals;
        signals += batch.len();
        placed.push((batch, before));
    }
    if rounds == 0 || signals == 0 {
        let found = format!("{rounds} of {signals} signals");
        return Err(Error::argument("rounds", format!("expected at least one of one signal, found {found}")));
    }
    let mut sums = Vec::with_capacity(placed.len());
    progress.begin("held-out loss", 0, signals as u64);
    for some in placed.chunks(workers.count()) {
        sums.extend(workers.run(some.to_vec(), |_, (signals, before)| {
            let batch = codes.read(&signals, before)?;
            let mut sum = Sums::default();
            for round in 0..rounds {
                let books = generator.tokenizer.books();
                let scored = with_any_network!(&generator.model, model => objective.score(model, books, round, &batch))?;
                sum.add(&scored.sums()?, scored.count);
            }
            Ok(sum)
        })?);
        let done = some.last().map_or(0, |(batch, before)| before + batch.len());
        progress.step(done as u64, "");
    }
    progress.end();
    Ok(summary(&sums, signals, rounds))
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
