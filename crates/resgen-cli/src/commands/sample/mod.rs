//! `sample`: pictures from a generator.

mod classes;
mod drawing;
mod keep;
mod settings;

use std::path::PathBuf;

use resgen_core::Error;
use resgen_core::atomic::write_atomically;
use resgen_core::nn::Precision;
use resgen_core::nn::parameters::fingerprint;
use resgen_core::sample::{Preset, sampler};
use resgen_core::signal::Picture;
use resgen_core::signal::draw::Grid;
use serde::Serialize;

pub use drawing::{Drawing, draw_labelled};

use crate::context::Context;
use crate::model;
use crate::named::PrecisionArgument;

/// Classes and samples of each that the grid shows; the files are written all.
const SHOWN: (usize, usize) = (64, 16);

/// Arguments of `sample`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen sample runs/model --class cat --count 8 --out samples/
  resgen sample runs/model --class all --seed 7 --steps 32 --guidance 3 --out samples/
  resgen sample runs/model --class cat --keep-from cat.jpg --mask box:16,16,32,32 --out inpainted/
  resgen sample runs/model --class cat --keep-from cat.jpg --vary-depth 4 --out variations/

Writes one PNG a sample, grid.png and samples.json. Settings that are not given are the model's own
(`resgen inspect` shows them). A seed gives the same samples in any batch size and on any number of threads.")]
pub struct Arguments {
    /// A generator: its model file, or the folder of its run.
    model: PathBuf,
    /// A class, by its name or number, or `all`. Can be given more than once.
    #[arg(long, required = true, value_name = "NAME|NUMBER|all")]
    class: Vec<String>,
    /// Samples of each class.
    #[arg(long, default_value = "1", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Samples drawn at once, on each thread of a CPU. By default at most 8 on a CPU, and 64 elsewhere.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    #[command(flatten)]
    precision: PrecisionArgument,
    #[command(flatten)]
    settings: settings::SettingArguments,
    #[command(flatten)]
    keep: keep::KeepArguments,
}

/// What was drawn, and how: the content of samples.json.
#[derive(Debug, Serialize)]
struct Drawn {
    model: PathBuf,
    /// Of the model's weights, as `resgen inspect` shows it.
    fingerprint: String,
    step: u64,
    /// Version of the program.
    resgen: &'static str,
    seed: u64,
    precision: Precision,
    settings: Preset,
    grid: PathBuf,
    samples: Vec<Sample>,
}

/// One picture.
#[derive(Debug, Serialize)]
struct Sample {
    /// Its file in the folder.
    file: PathBuf,
    class: String,
    /// With the seed, this names the sample.
    index: usize,
}

/// Draws samples.
///
/// # Errors
/// Where the model cannot be read, a setting is out of range, or the folder cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let device = context.device()?;
    let precision = arguments.precision.precision.unwrap_or_default();
    let (generator, tensors) = model::generator_and_tensors(&arguments.model, &device)?;
    let fingerprint = fingerprint(&tensors);
    drop(tensors);
    let generator = generator.in_precision(precision);
    let names = &generator.header.classes;
    let classes = classes::resolve(&arguments.class, names)?;
    let settings = arguments.settings.over(generator.header.preset);
    let sampler = sampler(&generator.model, generator.tokenizer.books(), settings)?;
    let known = arguments.keep.known(&generator.tokenizer, &device)?;
    std::fs::create_dir_all(&arguments.out).map_err(Error::io(&arguments.out))?;

    let labels: Vec<usize> =
        classes.iter().flat_map(|&class| vec![class; arguments.count as usize]).collect();
    let batch = context.batch(arguments.batch.map(|batch| batch as usize));
    let drawing = Drawing { sampler: &*sampler, seed: arguments.seed, batch, known };
    let count = arguments.count as usize;
    let mut shown: Vec<Vec<Picture>> = vec![Vec::new(); classes.len().min(SHOWN.0)];
    drawing.pictures(&labels, &generator.tokenizer, |index, picture| {
        picture.save_png(arguments.out.join(file_name(index, &names[labels[index]])))?;
        if let Some(row) = shown.get_mut(index / count).filter(|row| row.len() < SHOWN.1) {
            row.push(picture);
        }
        Ok(())
    })?;
    let rows = classes.iter().zip(shown);
    rows.fold(Grid::new(""), |grid, (&class, row)| grid.row(&names[class], row))
        .draw()?
        .save_png(arguments.out.join("grid.png"))?;

    let sample = |(index, &class): (usize, &usize)| Sample {
        file: file_name(index, &names[class]),
        class: names[class].clone(),
        index,
    };
    let result = Drawn {
        model: arguments.model.clone(),
        fingerprint,
        step: generator.header.step,
        resgen: env!("CARGO_PKG_VERSION"),
        seed: arguments.seed,
        precision,
        settings,
        grid: "grid.png".into(),
        samples: labels.iter().enumerate().map(sample).collect(),
    };
    let path = arguments.out.join("samples.json");
    let record = serde_json::to_vec_pretty(&result)?;
    write_atomically(&path, |writer| writer.write_all(&record))?;
    let out = arguments.out.display();
    context.output.print(&result, |result| match result.samples.len() {
        1 => format!("{out}: 1 sample"),
        count => format!("{out}: {count} samples"),
    })
}

/// The number of classes and the first few names.
pub fn summary(classes: &[String]) -> String {
    let more = if classes.len() > 3 { ", …" } else { "" };
    format!("{} ({}{more})", classes.len(), classes[..classes.len().min(3)].join(", "))
}

/// The number keeps names apart that a file system would not, such as `a` and `A`.
fn file_name(index: usize, class: &str) -> PathBuf {
    let class: String = class.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    format!("{index:05}-{class}.png").into()
}
