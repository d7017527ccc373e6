//! What the training loop asks of a tokenizer, a generator, or anything else that learns.

use std::path::Path;

use super::log::Panel;
use crate::error::Result;
use crate::nn::parameters::NamedTensors;
use crate::signal::Picture;
use crate::workers::Workers;

/// Where a learner's batches come from. A batch is a function of its step alone, so that a training can
/// go on from any step with the batches it would have seen.
pub trait BatchSource {
    /// What one micro-batch holds.
    type Batch: Send;

    /// The micro-batches of a step, in order.
    ///
    /// # Errors
    /// Where nothing can be read at all.
    fn batches(&mut self, step: u64) -> Result<Vec<Self::Batch>>;

    /// What could not be read so far and was replaced by something else, each with the reason.
    fn unreadable(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What became of a step.
pub enum Applied {
    /// The weights were updated; the values belong to [`Learner::COLUMNS`]. NaN where a column has no value
    /// at this step: its cell stays empty.
    Updated(Vec<f64>),
    /// A loss or a gradient was not finite; nothing was changed. The text says which.
    NotFinite(String),
}

/// A model in training.
pub trait Learner: Send + Sync {
    /// What one micro-batch holds.
    type Batch: Send;
    /// What one micro-batch gives: gradients and statistics.
    type Part: Send;
    /// Names of the scalars logged every step.
    const COLUMNS: &'static [&'static str];

    /// How the curves of those scalars are grouped.
    fn panels() -> Vec<Panel>;

    /// Anything to be done once before `step`, with access to batches. Returns a note for the user.
    ///
    /// # Errors
    /// Where it cannot be done.
    fn prepare(
        &mut self,
        step: u64,
        source: &mut dyn BatchSource<Batch = Self::Batch>,
    ) -> Result<Option<String>> {
        let _ = (step, source);
        Ok(None)
    }

    /// Forward and backward pass of a micro-batch. A function of weights, step and batch alone: micro-batches may run
    /// at the same time.
    ///
    /// # Errors
    /// Where the batch does not fit the model.
    fn part(&self, step: u64, batch: Self::Batch) -> Result<Self::Part>;

    /// What two micro-batches give together; `next` comes after those of `sum`. Whatever is computed here and in
    /// [`Learner::apply`] is for the workers, on whose threads the parts were made: a graphics card's tensors were seen
    /// to go wrong elsewhere, and large sums over several threads have no fixed order.
    ///
    /// # Errors
    /// Where the device fails.
    fn merged(sum: Self::Part, next: Self::Part, workers: &Workers) -> Result<Self::Part>;

    /// Updates the weights with what all micro-batches of a step gave.
    ///
    /// # Errors
    /// Where the device fails.
    fn apply(&mut self, step: u64, all: Self::Part, rate: f64, workers: &Workers) -> Result<Applied>;

    /// Everything that later steps depend on.
    fn state(&self) -> NamedTensors;

    /// Goes back to what [`Learner::state`] gave.
    ///
    /// # Errors
    /// Where the state is not this learner's.
    fn restore(&mut self, state: &NamedTensors) -> Result<()>;

    /// Writes the model for use, with averaged weights.
    ///
    /// # Errors
    /// Where the file cannot be written.
    fn export(&self, path: &Path, step: u64) -> Result<()>;

    /// Pictures that show how well the model does, by name.
    ///
    /// # Errors
    /// Where the device fails.
    fn previews(&self, step: u64) -> Result<Vec<(&'static str, Picture)>>;
}
