//! `tokenize`: a folder of pictures as codes, to train a generator on.

use std::path::PathBuf;

use resgen_core::data::cache::{Built, CacheOptions, Unreadable, build};
use resgen_core::signal::resize::Flip;
use serde::Serialize;

use crate::commands::data::LayoutArgument;
use crate::commands::training::scan;
use crate::context::Context;
use crate::progress::TerminalProgress;
use crate::{model, named, signals};

/// Arguments of `tokenize`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen tokenize --tokenizer runs/tokenizer --data pictures/ --out codes/
  resgen tokenize --tokenizer runs/tokenizer --data pictures/ --flip half --out codes-flipped/

After an interruption the same command goes on where it stopped.")]
pub struct Arguments {
    /// A tokenizer: its model file, or the folder of its run.
    #[arg(long, value_name = "MODEL")]
    tokenizer: PathBuf,
    /// The folder of pictures.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The folder of the token cache.
    #[arg(long, value_name = "CACHE")]
    out: PathBuf,
    #[command(flatten)]
    layout: LayoutArgument,
    /// Whether every picture is stored a second time, mirrored (half of what training then sees).
    #[arg(long, default_value = "never", value_parser = named::parser::<Flip>(&["never", "half"]))]
    flip: Flip,
    /// Pictures coded at once by each thread.
    #[arg(long, default_value_t = 32, value_name = "N")]
    batch: usize,
}

/// How it ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
enum Tokenized {
    Finished { cache: PathBuf, signals: usize, classes: usize, unreadable: Vec<Unreadable> },
    Stopped { cache: PathBuf, pictures: usize },
}

/// Encodes a folder.
///
/// # Errors
/// Where the tokenizer or the folder cannot serve, or the cache cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let stop = signals::stop_flag()?;
    let tokenizer = model::tokenizer(&arguments.tokenizer, &context.device()?)?;
    let folder = scan(&arguments.data, arguments.layout.layout)?;
    let options = CacheOptions {
        flip: arguments.flip,
        batch_size: arguments.batch,
        workers: context.at_once(),
        threads: context.threads,
        ..CacheOptions::default()
    };
    let mut progress = TerminalProgress::default();
    let cache = arguments.out.clone();
    let tokenized = match build(&folder, &tokenizer, &options, &cache, &mut progress, &stop)? {
        Built::Finished(header) => Tokenized::Finished {
            cache,
            signals: header.signals,
            classes: header.inputs.classes.len(),
            unreadable: header.unreadable,
        },
        Built::Stopped { pictures } => Tokenized::Stopped { cache, pictures },
    };
    context.output.print(&tokenized, text)
}

fn text(tokenized: &Tokenized) -> String {
    match tokenized {
        Tokenized::Finished { cache, signals, classes, unreadable } => {
            let left_out = |file: &Unreadable| format!("\n  left out {}: {}", file.path, file.reason);
            let left_out: String = unreadable.iter().map(left_out).collect();
            format!("{}: {signals} signals, {classes} classes{left_out}", cache.display())
        }
        Tokenized::Stopped { cache, pictures } => format!(
            "stopped after {pictures} pictures, kept in {}; the same command goes on",
            cache.display()
        ),
    }
}
