//! Samples batch by batch, side by side on the threads of a CPU.

use resgen_core::Result;
use resgen_core::progress::Progress;
use resgen_core::rvq::Codes;
use resgen_core::sample::{Known, Request, Sampler, sampler};
use resgen_core::signal::Picture;
use resgen_core::tokenizer::ImageTokenizer;
use resgen_core::train::generator::Generator;
use resgen_core::workers::Workers;

use crate::context::Batch;
use crate::progress::TerminalProgress;

/// Draws a picture for each label with the model's own settings.
///
/// # Errors
/// Where the device fails.
pub fn draw_labelled(
    generator: &Generator,
    labels: &[usize],
    seed: u64,
    batch: Batch,
) -> Result<Vec<Picture>> {
    let sampler = sampler(&generator.model, generator.tokenizer.books(), generator.header.preset)?;
    let drawing = Drawing { sampler: &*sampler, seed, batch, known: None };
    let mut drawn = Vec::with_capacity(labels.len());
    drawing.pictures(labels, &generator.tokenizer, |_, picture| {
        drawn.push(picture);
        Ok(())
    })?;
    Ok(drawn)
}

/// What is drawn, and how.
pub struct Drawing<'a> {
    /// The sampler of a model.
    pub sampler: &'a dyn Sampler,
    /// Seed of everything random.
    pub seed: u64,
    /// How many at once.
    pub batch: Batch,
    /// Codes to keep.
    pub known: Option<Known>,
}

impl Drawing<'_> {
    /// Draws a picture for each label with the model's tokenizer, and gives each with its index to `each`, in order, as soon as it is there.
    ///
    /// # Errors
    /// Where the device fails, and what `each` returns.
    pub fn pictures(
        &self,
        labels: &[usize],
        tokenizer: &ImageTokenizer,
        mut each: impl FnMut(usize, Picture) -> Result<()>,
    ) -> Result<()> {
        let mut progress = TerminalProgress::default();
        progress.begin("sampling", 0, labels.len() as u64);
        let mut drawn = 0;
        let decoded = |codes: Codes| tokenizer.pictures(tokenizer.decode(&codes)?);
        self.batches(labels, decoded, |pictures| {
            for picture in pictures {
                each(drawn, picture)?;
                drawn += 1;
            }
            progress.step(drawn as u64, "");
            Ok(())
        })?;
        progress.end();
        Ok(())
    }

    /// Draws codes for all labels in batches, makes something of each batch, and gives that to `each`, in order.
    ///
    /// # Errors
    /// Where the device fails, and what `make` and `each` return.
    pub fn batches<R: Send>(
        &self,
        labels: &[usize],
        make: impl Fn(Codes) -> Result<R> + Sync,
        mut each: impl FnMut(R) -> Result<()>,
    ) -> Result<()> {
        let size = self.batch.size_for(labels.len());
        let draw = |start: usize, classes: &[usize]| {
            let (classes, first_index, known) = (classes.to_vec(), start as u64, self.known.clone());
            make(self.sampler.sample(&Request {
                classes,
                seed: self.seed,
                first_index,
                known,
                ..Request::default()
            })?)
        };
        if labels.len() <= size {
            // A single batch has all threads to itself.
            return each(draw(0, labels)?);
        }
        let workers = Workers::new(self.batch.at_once)?;
        let mut starts = (0..labels.len()).step_by(size).peekable();
        while starts.peek().is_some() {
            let now = starts.by_ref().take(workers.count()).collect();
            let of = |start: usize| &labels[start..labels.len().min(start + size)];
            for made in workers.run(now, |_, start| draw(start, of(start)))? {
                each(made)?;
            }
        }
        Ok(())
    }
}
