//! Pictures from a small model inside the binary.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::head::MixtureHead;
use resgen_core::model::{AnyNetwork, Stored};
use resgen_core::sample::{Request, Unmasker};
use resgen_core::signal::decode;
use resgen_core::signal::draw::Grid;
use resgen_core::train::generator::{Generator, GeneratorHeader};
use resgen_core::train::model_file::ModelFile;
use resgen_core::train::preview;
use resgen_core::{Error, Result};
use serde::Serialize;

use super::Arguments;
use crate::commands::sample::draw_labelled;
use crate::context::{Batch, Context};

/// The generator with its tokenizer; assets/letters/README.md says how it was made.
const MODEL: &[u8] = include_bytes!("../../../../../assets/letters/model.safetensors");
/// Held-out pictures, one a class, in the order of the classes.
const PICTURES: &[u8] = include_bytes!("../../../../../assets/letters/heldout.tar");

/// Every how many classes one is shown.
const STRIDE: usize = 5;
/// Held-out pictures reconstructed.
const RECONSTRUCTED: usize = 12;
/// The class whose unmasking is shown.
const UNMASKED: &str = "upper_R";
/// States shown of it.
const STATES: usize = 12;

/// What was written.
#[derive(Debug, Serialize)]
pub struct Shown {
    samples: PathBuf,
    unmasking: PathBuf,
    reconstructions: PathBuf,
    model: PathBuf,
    parameters: usize,
    steps: usize,
    positions: usize,
    depth: usize,
    classes: usize,
    sampled: usize,
    sampling_seconds: f64,
}

/// Writes the pictures.
///
/// # Errors
/// Where they cannot be written.
pub fn show(arguments: &Arguments, device: &Device, context: &Context) -> anyhow::Result<Shown> {
    let out = &arguments.out;
    let file: ModelFile<GeneratorHeader> =
        ModelFile::from_bytes(MODEL).map_err(|reason| Error::file("embedded model", reason))?;
    let generator = Generator::<AnyNetwork>::from_file(&file, device)?;
    let AnyNetwork::Resgen(network) = &generator.model else {
        return Err(Error::mismatch("embedded model", "a resgen", generator.model.sizes().kind.name()).into());
    };
    let sampler = Unmasker::new(network, generator.tokenizer.books(), generator.header.preset)?;

    let started = Instant::now();
    let samples = out.join("samples.png");
    draw_samples(&generator, arguments, context.batch(None))?.draw()?.save_png(&samples)?;
    let sampling_seconds = started.elapsed().as_secs_f64();
    let unmasking = out.join("unmasking.png");
    draw_unmasking(&generator, &sampler, arguments.seed)?.draw()?.save_png(&unmasking)?;
    let reconstructions = out.join("reconstructions.png");
    let pixels = heldout(generator.tokenizer.config().resolution, device)?;
    preview::reconstructions(&generator.tokenizer, pixels)?.save_png(&reconstructions)?;
    let model = out.join("model.safetensors");
    resgen_core::atomic::write_atomically(&model, |writer| writer.write_all(MODEL))?;

    let sizes = generator.model.sizes();
    Ok(Shown {
        samples,
        unmasking,
        reconstructions,
        model,
        parameters: file.tensors.values().map(TensorData::num_elements).sum(),
        steps: generator.header.preset.steps,
        positions: sizes.positions,
        depth: sizes.depth,
        classes: shown_classes(&generator).len(),
        sampled: shown_classes(&generator).len() * arguments.samples as usize,
        sampling_seconds,
    })
}

/// What there is to see, and what to try next.
pub fn words(shown: &Shown, out: &Path) -> [String; 2] {
    let path = |path: &Path| path.display().to_string();
    let seen = format!(
        "{} pictures of {} classes, drawn by a ResGen of {:.1} million parameters (tokenizer included)\n\
         in {:.1} s: {} steps each, whatever the {} positions × {} codes of a picture.\n\n\
         {:32} samples, a row a class\n\
         {:32} one of them, step by step\n\
         {:32} held-out pictures from 1, 2, 4 and all {} codes a position",
        shown.sampled,
        shown.classes,
        shown.parameters as f64 / 1e6,
        shown.sampling_seconds,
        shown.steps,
        shown.positions,
        shown.depth,
        path(&shown.samples),
        path(&shown.unmasking),
        path(&shown.reconstructions),
        shown.depth,
    );
    let next = format!(
        "resgen sample {} --class upper_Q --count 8 --out {}/q\n  \
         resgen sample {} --help        inpainting, variation, guidance, …\n  \
         resgen data inspect PICTURES   a folder of your own, one sub-folder a class",
        path(&shown.model),
        out.display(),
        path(&shown.model),
    );
    [seen, next]
}

/// A row a class.
fn draw_samples(generator: &Generator, arguments: &Arguments, batch: Batch) -> Result<Grid> {
    let classes = shown_classes(generator);
    let count = arguments.samples as usize;
    let labels: Vec<usize> = classes.iter().flat_map(|&class| vec![class; count]).collect();
    let drawn = draw_labelled(generator, &labels, arguments.seed, batch)?;
    let rows = classes.iter().zip(drawn.chunks(count));
    let grid = Grid::new("ResGen on letters: class-conditional samples");
    Ok(rows.fold(grid, |grid, (&class, row)| grid.row(&generator.header.classes[class], row.to_vec())))
}

/// The classes with a row of samples.
fn shown_classes(generator: &Generator) -> Vec<usize> {
    (0..generator.header.classes.len()).step_by(STRIDE).collect()
}

/// Two rows of states: what is revealed, and the model's guess of the whole.
fn draw_unmasking(generator: &Generator, sampler: &Unmasker<'_, MixtureHead>, seed: u64) -> Result<Grid> {
    let class = class(generator, UNMASKED)?;
    let request = Request { classes: vec![class], seed, ..Request::default() };
    let mut states = Vec::new();
    sampler.sample_with(&request, |codes, masked| {
        states.push((codes.clone(), masked[0].clone()));
        Ok(())
    })?;
    let total = generator.model.sizes().positions * generator.model.sizes().depth;
    let shown: Vec<usize> =
        (1..=STATES).map(|state| state * states.len() / STATES).filter(|&state| state > 0).collect();
    let tokenizer = &generator.tokenizer;
    let (mut labels, mut revealed, mut guesses) = (Vec::new(), Vec::new(), Vec::new());
    for step in shown {
        let (codes, masked) = &states[step - 1];
        labels.push(format!("step {step}: {} of {total}", total - masked.iter().sum::<usize>()));
        revealed.extend(tokenizer.pictures(tokenizer.decode_visible(codes, masked)?)?);
        guesses.extend(tokenizer.pictures(tokenizer.decode(codes)?)?);
    }
    Ok(Grid::new("One picture being unmasked")
        .columns(labels)
        .row("revealed", revealed)
        .row("guess", guesses))
}

fn class(generator: &Generator, name: &str) -> Result<usize> {
    let found = generator.header.classes.iter().position(|known| known == name);
    found.ok_or_else(|| Error::file("embedded model", format!("has no class `{name}`")))
}

/// Some of the embedded pictures, spread over the classes, `[N, 3, S, S]`.
fn heldout(resolution: usize, device: &Device) -> anyhow::Result<Tensor<4>> {
    let mut pictures = Vec::new();
    for entry in tar::Archive::new(PICTURES).entries().context("embedded pictures")? {
        let mut entry = entry.context("embedded pictures")?;
        if entry.header().entry_type().is_file() {
            let (mut bytes, path) = (Vec::new(), entry.path().context("embedded pictures")?.into_owned());
            std::io::Read::read_to_end(&mut entry, &mut bytes).context("embedded pictures")?;
            pictures.push(decode::decode(&bytes, &path)?.picture.to_unit());
        }
    }
    let count = RECONSTRUCTED.min(pictures.len());
    let spread =
        (0..count).flat_map(|part| pictures[part * pictures.len() / count].clone()).collect::<Vec<f32>>();
    Ok(Tensor::from_data(TensorData::new(spread, [count, 3, resolution, resolution]), device))
}
