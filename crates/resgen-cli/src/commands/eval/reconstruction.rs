//! `eval reconstruction`: what a tokenizer keeps of pictures.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use resgen_core::data::{Pass, PassOptions, PictureFolder};
use resgen_core::eval::manifest::{Findings, Manifest, SetKind, SetRecord, tables};
use resgen_core::eval::{Judges, measure};
use resgen_core::features::Lpips;
use resgen_core::nn::parameters::fingerprint;
use resgen_core::progress::Progress;
use resgen_core::train::preview::doublings;
use resgen_core::workers::Workers;

use crate::commands::data::{self, LayoutArgument};
use crate::commands::eval::images;
use crate::context::Context;
use crate::model;
use crate::progress::TerminalProgress;

/// Arguments of `eval reconstruction`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen eval reconstruction runs/tokenizer --data heldout/
  resgen eval reconstruction runs/tokenizer --data heldout/ --extractor runs/features --lpips vgg16.pth --lpips-heads vgg.pth")]
pub struct Arguments {
    /// A tokenizer: its model file, or the folder of its run.
    model: PathBuf,
    /// Folder of pictures that the tokenizer was not trained on.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    layout: LayoutArgument,
    /// The network that Fréchet distances of reconstructions to pictures are measured with: a classifier of `resgen eval
    /// features train`, or the weights of InceptionV3.
    #[arg(long, value_name = "RUN|FILE")]
    extractor: Option<PathBuf>,
    #[command(flatten)]
    resize: images::ResizeArgument,
    /// Weights of torchvision's VGG16, for LPIPS.
    #[arg(long, value_name = "FILE")]
    lpips: Option<PathBuf>,
    /// The linear heads of LPIPS, where they are in a file of their own.
    #[arg(long, value_name = "FILE", requires = "lpips")]
    lpips_heads: Option<PathBuf>,
    /// Where to write the results, as JSON with all that they depend on.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Measures.
///
/// # Errors
/// Where model or pictures cannot be read, or do not fit each other.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let tokenizer = model::tokenizer(&arguments.model, &context.device()?)?;
    let folder = Arc::new(PictureFolder::scan(&arguments.data, arguments.layout.layout)?);
    let options =
        PassOptions { batch_size: 32, size: tokenizer.config().resolution as u32, ..Default::default() };
    let pass = Pass::new(folder, &options)?;
    let depths: Vec<usize> = doublings(tokenizer.config().depth);
    let device = context.device()?;
    let heads = arguments.lpips_heads.as_deref();
    let lpips = arguments.lpips.as_ref().map(|trunk| Lpips::load(trunk, heads, &device)).transpose()?;
    let extractor = arguments.extractor.as_ref();
    let extractor =
        extractor.map(|path| images::extractor(path, arguments.resize.resize, context)).transpose()?;
    let judges = Judges { lpips: lpips.as_ref(), extractor: extractor.as_ref() };
    let found = measure(&tokenizer, pass, &depths, judges, &Workers::new(context.at_once())?)?;
    let mut progress = TerminalProgress::default();
    found.problems.iter().for_each(|problem| progress.note(&data::problem(problem)));
    drop(progress);
    let record = |path: &Path, kind, fingerprint| SetRecord {
        path: path.to_owned(),
        kind,
        count: found.pictures,
        size: Some([tokenizer.config().resolution; 2]),
        fingerprint,
        made_by: None,
    };
    let lpips = lpips.iter().map(|lpips| ("LPIPS".to_owned(), lpips.fingerprint().to_owned()));
    let manifest = Manifest::new(Findings {
        extractor: extractor.as_ref().map(|extractor| extractor.identity().clone()),
        settings: lpips.collect(),
        samples: record(&arguments.model, SetKind::Model, fingerprint(&tokenizer.tensors())),
        reference: record(&arguments.data, SetKind::Folder, found.fingerprint.clone()),
        results: found.results,
    });
    if let Some(out) = &arguments.out {
        manifest.save(out)?;
    }
    context.output.print(&manifest, |manifest| {
        tables(&[(arguments.model.display().to_string(), manifest.clone())]).trim_end().to_owned()
    })
}
