//! Tiny tokenizers, trained end to end.

mod learning;
mod perceptual;
mod rectangles;
mod resuming;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use rectangles::Rectangles;
use resgen_core::progress::Progress;
use resgen_core::tokenizer::ImageTokenizerConfig;
use resgen_core::tokenizer::image::Autoencoder;
use resgen_core::train::run::{self, Outcome, RunConfig, RunContext};
use resgen_core::train::tokenizer::TokenizerLearner;

fn tokenizer_config() -> ImageTokenizerConfig {
    toml::from_str(
        "resolution = 16\nstem = 2\nchannels = [8, 8]\nblocks = 1\nlatent = 4\nvocabulary = 8\ndepth = 2",
    )
    .unwrap()
}

/// A training in a folder of its own.
struct Training {
    run: RunConfig,
    losses: String,
    source: Rectangles,
    workers: usize,
    stop_at: Option<u64>,
}

/// What a training leaves.
struct Trained {
    learner: TokenizerLearner<Autoencoder>,
    outcome: Outcome,
    notes: Vec<String>,
}

impl Training {
    fn new(run: &str, losses: &str) -> Self {
        let run: RunConfig = toml::from_str(run).unwrap();
        run.validate().unwrap();
        let source = Rectangles { batch: run.batch, micro_batches: run.micro_batches, broken: None };
        Self { run, losses: losses.to_owned(), source, workers: 2, stop_at: None }
    }

    fn run(&self, folder: &Path) -> Trained {
        let losses = toml::from_str(&self.losses).unwrap();
        let device = Device::flex();
        let licence = "none".to_owned();
        let mut learner =
            TokenizerLearner::new(tokenizer_config(), losses, &self.run, licence, Vec::new(), &device)
                .unwrap();
        let stop = AtomicBool::new(false);
        let mut progress = Recorder { stop: &stop, stop_at: self.stop_at, notes: Vec::new() };
        let context = RunContext {
            folder,
            config: serde_json::Value::Null,
            progress: &mut progress,
            stop: &stop,
            workers: self.workers,
        };
        let outcome = run::run(&mut learner, &mut self.source.clone(), &self.run, context).unwrap();
        Trained { outcome, notes: progress.notes, learner }
    }
}

/// Keeps the notes, and asks to stop at a step.
struct Recorder<'a> {
    stop: &'a AtomicBool,
    stop_at: Option<u64>,
    notes: Vec<String>,
}

impl Progress for Recorder<'_> {
    fn begin(&mut self, _what: &str, _start: u64, _total: u64) {}

    fn step(&mut self, done: u64, _message: &str) {
        if self.stop_at == Some(done) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn note(&mut self, message: &str) {
        self.notes.push(message.to_owned());
    }

    fn end(&mut self) {}
}
