//! Micro-batches of signals.

use super::learner::BatchSource;
use super::tokenizer::SignalBatch;
use crate::data::Loader;
use crate::error::Result;

/// Cuts a loader's batches into micro-batches.
pub struct SignalSource {
    loader: Option<Loader>,
    micro_batches: usize,
}

impl SignalSource {
    /// Batches of `loader` in `micro_batches` equal parts.
    pub fn new(loader: Loader, micro_batches: usize) -> Self {
        Self { loader: Some(loader), micro_batches }
    }
}

impl BatchSource for SignalSource {
    type Batch = SignalBatch;

    fn batches(&mut self, step: u64) -> Result<Vec<SignalBatch>> {
        if let Some(loader) = self.loader.take() {
            self.loader = Some(if loader.step() == step { loader } else { loader.start_at(step) });
        }
        let Some(loader) = &mut self.loader else { return Ok(Vec::new()) };
        let batch = loader.next_batch()?;
        let (count, parts) = (batch.classes.len(), self.micro_batches);
        let size = count / parts;
        let values = batch.values.len() / parts;
        let cut = batch.values.chunks(values).zip(batch.classes.chunks(size)).enumerate();
        let part = |(part, (values, classes)): (usize, (&[f32], &[u32]))| SignalBatch {
            values: values.to_vec(),
            classes: classes.to_vec(),
            first: part * size,
        };
        Ok(cut.map(part).collect())
    }

    fn unreadable(&self) -> Vec<String> {
        let problems = self.loader.iter().flat_map(Loader::problems);
        problems.map(|problem| format!("{}: {}", problem.path.display(), problem.reason)).collect()
    }
}
