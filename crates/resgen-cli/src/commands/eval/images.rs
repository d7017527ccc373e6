//! `eval images`: a set of pictures measured against another.

use std::path::{Path, PathBuf};

use resgen_core::data::set::RECORD;
use resgen_core::data::{Layout, PictureSet, SetOptions};
use resgen_core::eval::images::{MeasureOptions, SetFeatures, compare};
use resgen_core::eval::manifest::{Findings, Manifest, tables};
use resgen_core::eval::nearest::NearestDistances;
use resgen_core::eval::reference::Reference;
use resgen_core::features::{Extractor, InceptionResize};
use resgen_core::workers::Workers;
use resgen_core::{Error, Result};

use crate::context::Context;
use crate::model;
use crate::named::parser;
use crate::progress::TerminalProgress;

/// Arguments of `eval images`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen eval images samples/ --reference heldout/ --extractor runs/features
  resgen eval images samples/ --reference heldout/ --extractor runs/features --training pictures/ --out samples.json
  resgen eval images samples.npz --reference VIRTUAL_imagenet256_labeled.npz --extractor pt_inception-2015-12-05-6726825d.pth

Samples are a folder (one that `resgen sample` wrote, or pictures with or without sub-folders as classes) or a NumPy
archive with pictures in arr_0. The extractor is a classifier of `resgen eval features train`, or the weights of
InceptionV3; only with the latter do results have the names FID, sFID, IS and KID. Numbers are comparable only where
extractor, resizing, reference and number of samples are the same: `resgen eval show` tells.")]
pub struct Arguments {
    /// What to measure.
    samples: PathBuf,
    /// What to compare with: a folder, an archive of pictures, or one of statistics (mu, sigma).
    #[arg(long, value_name = "DIR|FILE")]
    reference: PathBuf,
    /// The network to look with.
    #[arg(long, value_name = "RUN|FILE")]
    extractor: PathBuf,
    /// Pictures that the generator was trained on, to see that the samples are no copies of them.
    #[arg(long, value_name = "DIR|FILE")]
    training: Option<PathBuf>,
    /// Measure only so many of the samples, spread evenly over them: distances depend on their number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    count: Option<u32>,
    #[command(flatten)]
    resize: ResizeArgument,
    #[command(flatten)]
    set: SetArguments,
    /// k of precision and recall.
    #[arg(long, default_value_t = 3, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1000))]
    neighbours: u32,
    /// Consecutive parts of the samples that scores are averaged over.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    splits: u32,
    /// The most pictures of a set that are compared in pairs, spread evenly over it: for kernel distance, precision, recall
    /// and copies.
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pairs_from: u32,
    /// Where to write the results, as JSON with all that they depend on.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How pictures are resized for Inception.
#[derive(Debug, clap::Args)]
pub struct ResizeArgument {
    /// How pictures are brought to Inception's size: tf1-bilinear (ADM, torch-fidelity), pytorch-bilinear (pytorch-fid) or
    /// pil-bicubic (clean-fid).
    #[arg(long, default_value = "tf1-bilinear", value_name = "NAME",
        value_parser = parser::<InceptionResize>(&["tf1-bilinear", "pytorch-bilinear", "pil-bicubic"]))]
    pub resize: InceptionResize,
}

/// How sets of pictures are read.
#[derive(Debug, clap::Args)]
pub struct SetArguments {
    /// Crop all pictures to squares of this side, as ADM does. Without it all must have one size.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    size: Option<u32>,
    /// How pictures lie in folders: classes or flat. Sub-folders are classes where this is not said.
    #[arg(long, value_parser = parser::<Layout>(&["classes", "flat"]))]
    layout: Option<Layout>,
    /// Take grey pictures as coloured ones that happen to be grey.
    #[arg(long)]
    grey: bool,
}

impl SetArguments {
    /// As the library takes them.
    pub fn options(&self) -> SetOptions {
        SetOptions { layout: self.layout, size: self.size, takes_grey: self.grey }
    }
}

/// Measures.
///
/// # Errors
/// Where a set, the extractor or the result cannot be read, written or measured.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let options = MeasureOptions {
        neighbours: arguments.neighbours as usize,
        splits: arguments.splits as usize,
        kept: arguments.pairs_from as usize,
        ..MeasureOptions::default()
    };
    let extractor = extractor(&arguments.extractor, arguments.resize.resize, context)?;
    let workers = Workers::new(context.at_once())?;
    let mut progress = TerminalProgress::default();
    let set = arguments.set.options();
    // What is wrong with any of them is found out before hours are spent on another.
    let samples = PictureSet::open(&arguments.samples, set)?;
    let samples = match arguments.count {
        Some(count) => samples.spread(count as usize)?,
        None => samples,
    };
    let training = arguments.training.as_ref().map(|path| PictureSet::open(path, set)).transpose()?;
    let reference =
        Reference::open(&arguments.reference, &extractor, set, &options, &workers, &mut progress)?;
    let samples = looked_at(&samples, &extractor, &options, &workers, &mut progress)?;
    let nearest = match (&training, reference.kept()) {
        (Some(training), Some(kept)) => {
            Some(NearestDistances::to(training, [samples.kept(), kept], &extractor, &workers, &mut progress)?)
        }
        (Some(_), None) => {
            let reason = "needs pictures as reference, to know how near held-out ones are, not statistics";
            return Err(Error::argument("--training", reason).into());
        }
        (None, _) => None,
    };
    drop(progress);
    let record = samples.record().clone();
    let results = compare(samples, &reference, nearest.as_ref(), &options)?;
    let manifest = Manifest::new(Findings {
        extractor: Some(extractor.identity().clone()),
        settings: options.by_name(),
        samples: record,
        reference: reference.record().clone(),
        results,
    });
    if let Some(out) = &arguments.out {
        manifest.save(out)?;
    }
    context.output.print(&manifest, |manifest| {
        tables(&[(arguments.samples.display().to_string(), manifest.clone())]).trim_end().to_owned()
    })
}

/// What a network sees in samples, with the record of what made them.
///
/// # Errors
/// Those of [`SetFeatures::of`], and where the record cannot be read.
pub fn looked_at(
    samples: &PictureSet,
    extractor: &Extractor,
    options: &MeasureOptions,
    workers: &Workers,
    progress: &mut TerminalProgress,
) -> Result<SetFeatures> {
    Ok(SetFeatures::of(extractor, samples, options, workers, progress)?.made_by(record_of(samples.path())?))
}

/// Loads a network to measure with, and says which it is.
///
/// # Errors
/// Where the file is neither a classifier nor InceptionV3.
pub fn extractor(path: &Path, resize: InceptionResize, context: &Context) -> Result<Extractor> {
    let device = context.device()?;
    let path = model::file_of(path);
    if let Some((header, tensors)) = model::classifier(&path)? {
        return Extractor::classifier(header, &tensors, &device).map_err(|error| Error::file(&path, error));
    }
    let extractor = Extractor::inception(&path, resize, &device)?;
    let hash = &extractor.identity().fingerprint;
    match extractor.is_published() {
        true => eprintln!("note: {}: SHA-256 {hash}…, the published weights", path.display()),
        false => eprintln!(
            "note: {}: SHA-256 {hash}…, not the published weights (6726825d…): these results are no FID of papers",
            path.display()
        ),
    }
    Ok(extractor)
}

/// What the sampling that made the pictures wrote down of itself, but for the list of files.
fn record_of(samples: &Path) -> Result<Option<serde_json::Value>> {
    let path = samples.join(RECORD);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(Error::io(&path))?;
    let mut record: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| Error::file(&path, error))?;
    if let Some(record) = record.as_object_mut() {
        record.remove("samples");
    }
    Ok(Some(record))
}
