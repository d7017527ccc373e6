//! `eval show`: results of evaluations as tables.

use std::path::PathBuf;

use resgen_core::eval::manifest::{Manifest, tables};

use crate::context::Context;

/// Arguments of `eval show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen eval show results/*.json

Results that may be compared stand in one table; of the others it is said what keeps them apart.")]
pub struct Arguments {
    /// Files that `eval … --out` wrote.
    #[arg(required = true, value_name = "FILE")]
    results: Vec<PathBuf>,
}

/// Shows.
///
/// # Errors
/// Where a file cannot be read or is something else.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let load = |path: &PathBuf| {
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok((name, Manifest::load(path)?))
    };
    let manifests = arguments.results.iter().map(load).collect::<resgen_core::Result<Vec<_>>>()?;
    context.output.print(&manifests, |manifests| tables(manifests).trim_end().to_owned())
}
