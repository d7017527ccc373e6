//! `sample`: pictures from a generator.

mod classes;
mod drawing;
mod keep;
pub mod settings;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use resgen_core::atomic::write_atomically;
use resgen_core::data::set::RECORD;
use resgen_core::model::AnyNetwork;
use resgen_core::nn::Precision;
use resgen_core::nn::parameters::fingerprint;
use resgen_core::sample::{Known, Preset, sampler};
use resgen_core::signal::Picture;
use resgen_core::signal::draw::Grid;
use resgen_core::train::generator::Generator;
use resgen_core::{Error, Result};
use serde::Serialize;

pub use drawing::{Drawing, draw_labelled};

use crate::context::{Batch, Context};
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
pub struct Drawn {
    #[serde(flatten)]
    how: How,
    samples: Vec<Sample>,
}

/// How samples are drawn.
#[derive(Debug, Serialize)]
struct How {
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
    let order = Order::of(&arguments.model, precision, arguments.seed, &device)?;
    let header = &order.generator.header;
    let classes = classes::resolve(&arguments.class, &header.classes)?;
    let settings = arguments.settings.over(header.preset, header.model.kind)?;
    let known = arguments.keep.known(&order.generator.tokenizer, &device)?;
    let labels: Vec<usize> =
        classes.iter().flat_map(|&class| vec![class; arguments.count as usize]).collect();
    let batch = context.batch(arguments.batch.map(|batch| batch as usize));
    let result = order.draw_into(&arguments.out, &labels, settings, known, batch)?;
    let out = arguments.out.display();
    context.output.print(&result, |result| match result.samples.len() {
        1 => format!("{out}: 1 sample"),
        count => format!("{out}: {count} samples"),
    })
}

/// A model to draw from, and what is written down of it.
pub struct Order {
    model: PathBuf,
    /// Of the model's weights.
    pub fingerprint: String,
    precision: Precision,
    seed: u64,
    /// The model, in that precision.
    pub generator: Generator,
}

impl Order {
    /// Reads a model.
    ///
    /// # Errors
    /// As [`model::generator`].
    pub fn of(path: &Path, precision: Precision, seed: u64, device: &Device) -> Result<Self> {
        let (generator, tensors) = model::generator_and_tensors::<AnyNetwork>(path, device)?;
        let fingerprint = fingerprint(&tensors);
        Ok(Self {
            model: path.to_owned(),
            fingerprint,
            precision,
            seed,
            generator: generator.in_precision(precision),
        })
    }

    fn how(&self, settings: Preset) -> How {
        How {
            model: self.model.clone(),
            fingerprint: self.fingerprint.clone(),
            step: self.generator.header.step,
            resgen: env!("CARGO_PKG_VERSION"),
            seed: self.seed,
            precision: self.precision,
            settings,
            grid: "grid.png".into(),
        }
    }

    /// Where the model is.
    pub fn model(&self) -> &Path {
        &self.model
    }

    /// What [`Order::draw_into`] writes down of how samples are drawn, without their list.
    ///
    /// # Errors
    /// None that has been seen: the record is plain.
    pub fn record(&self, settings: Preset) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::to_value(self.how(settings))?)
    }

    /// Draws a picture for each label into a folder, with a grid of them by class and a record of how they were drawn.
    ///
    /// # Errors
    /// Where a setting is out of range or the folder cannot be written.
    pub fn draw_into(
        &self,
        out: &Path,
        labels: &[usize],
        settings: Preset,
        known: Option<Known>,
        batch: Batch,
    ) -> anyhow::Result<Drawn> {
        let Generator { header, model, tokenizer } = &self.generator;
        let sampler = sampler(model, tokenizer.books(), settings)?;
        std::fs::create_dir_all(out).map_err(Error::io(out))?;
        let drawing = Drawing { sampler: &*sampler, seed: self.seed, batch, known };
        let mut rows: Vec<(usize, Vec<Picture>)> = Vec::new();
        drawing.pictures(labels, tokenizer, |index, picture| {
            let class = labels[index];
            picture.save_png(out.join(file_name(index, &header.classes[class])))?;
            match rows.iter().position(|row| row.0 == class) {
                Some(place) if rows[place].1.len() < SHOWN.1 => rows[place].1.push(picture),
                None if rows.len() < SHOWN.0 => rows.push((class, vec![picture])),
                _ => {}
            }
            Ok(())
        })?;
        rows.into_iter()
            .fold(Grid::new(""), |grid, (class, row)| grid.row(&header.classes[class], row))
            .draw()?
            .save_png(out.join("grid.png"))?;

        let sample = |(index, &class): (usize, &usize)| Sample {
            file: file_name(index, &header.classes[class]),
            class: header.classes[class].clone(),
            index,
        };
        let samples = labels.iter().enumerate().map(sample).collect();
        let result = Drawn { how: self.how(settings), samples };
        let record = serde_json::to_vec_pretty(&result)?;
        write_atomically(out.join(RECORD), |writer| writer.write_all(&record))?;
        Ok(result)
    }
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
