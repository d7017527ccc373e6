//! `eval reconstruction`: what a tokenizer keeps of pictures.

use std::path::PathBuf;
use std::sync::Arc;

use resgen_core::data::{Pass, PassOptions, PictureFolder};
use resgen_core::eval::measure;
use resgen_core::train::preview::doublings;
use resgen_core::workers::Workers;

use crate::commands::data::LayoutArgument;
use crate::context::Context;
use crate::model;

/// Arguments of `eval reconstruction`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen eval reconstruction runs/tokenizer --data heldout/")]
pub struct Arguments {
    /// A tokenizer: its model file, or the folder of its run.
    model: PathBuf,
    /// Folder of pictures that the tokenizer was not trained on.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    layout: LayoutArgument,
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
    let report = measure(&tokenizer, pass, &depths, &Workers::new(context.at_once())?)?;
    context.output.print(&report, |report| report.markdown())
}
