//! `demo`: what the project does, from small models inside the binary.

mod pictures;
mod speech;

use std::path::PathBuf;

use resgen_core::Error;
use serde::Serialize;

use crate::context::Context;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen demo
  resgen demo --out shown --seed 7")]
pub struct Arguments {
    /// The folder to write to.
    #[arg(long, value_name = "DIR", default_value = "resgen-demo")]
    out: PathBuf,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Samples of each class.
    #[arg(long, default_value = "6", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    samples: u32,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Shown {
    pictures: pictures::Shown,
    speech: speech::Shown,
}

/// Writes pictures and sounds, and says what they are.
///
/// # Errors
/// Where the folder cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let device = context.device()?;
    std::fs::create_dir_all(&arguments.out).map_err(Error::io(&arguments.out))?;
    let speech = speech::show(arguments, &device)?;
    let shown = Shown { pictures: pictures::show(arguments, &device, context)?, speech };
    context.output.print(&shown, |shown| {
        let [seen, draw] = pictures::words(&shown.pictures, &arguments.out);
        let [heard, say] = speech::words(&shown.speech, &arguments.out);
        format!("{seen}\n\n{heard}\n\nNext:\n  {draw}\n  {say}")
    })
}
