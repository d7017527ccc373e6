//! The `resgen` command.
mod progress;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use resgen_core::data::{Loader, LoaderOptions, Pass, PassOptions, PictureFolder};
use resgen_core::train::{config, pictures::PictureSource, run, tokenizer::TokenizerLearner};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let experiment: config::TokenizerExperiment =
        config::load(&PathBuf::from(&arguments[1]), &arguments[3..])?;
    let folder = PathBuf::from(&arguments[2]);
    let device = burn::tensor::Device::flex();
    let data = Arc::new(PictureFolder::scan(&experiment.data.train, experiment.data.layout)?);
    let options = LoaderOptions {
        seed: experiment.train.seed,
        batch_size: experiment.train.batch,
        size: experiment.tokenizer.resolution as u32,
        crop: experiment.data.crop,
        flip: experiment.data.flip,
        ..Default::default()
    };
    let loader = Loader::new(data, options)?;
    let mut source = PictureSource::new(loader, experiment.train.micro_batches);
    let mut samples = Vec::new();
    if let Some(heldout) = &experiment.data.heldout {
        let heldout = Arc::new(PictureFolder::scan(heldout, experiment.data.layout)?);
        let count = heldout.items().len();
        let size = experiment.tokenizer.resolution as u32;
        let picture = (3 * size * size) as usize;
        let stride = (count / 16).max(1);
        for (index, batch) in
            Pass::new(heldout, &PassOptions { batch_size: 1, size, ..Default::default() })?.enumerate()
        {
            if index % stride == stride / 2 && samples.len() < 16 * picture {
                samples.extend(batch.pixels);
            }
        }
    }
    let mut learner = TokenizerLearner::new(
        experiment.tokenizer.clone(),
        experiment.losses.clone(),
        &experiment.train,
        experiment.licence.clone(),
        samples,
        &device,
    )?;
    let mut progress = progress::TerminalProgress::default();
    let stop = AtomicBool::new(false);
    let context = run::RunContext {
        folder: &folder,
        config: serde_json::to_value(&experiment)?,
        progress: &mut progress,
        stop: &stop,
        workers: 2,
    };
    println!("{:?}", run::run(&mut learner, &mut source, &experiment.train, context)?);
    Ok(())
}
