//! `tokenize`: pictures or recordings as codes, to train a generator on.

use std::path::PathBuf;

use resgen_core::data::Problem;
use resgen_core::data::cache::{Built, CacheOptions, Unreadable, build};
use resgen_core::data::speech::SpeechCache;
use resgen_core::nn::parameters::fingerprint;
use resgen_core::signal::resize::Flip;
use resgen_core::tokenizer::{ImageTokenizer, SpeechTokenizer};
use serde::Serialize;

use crate::commands::data::{LayoutArgument, problem};
use crate::commands::training::{listen, scan};
use crate::context::Context;
use crate::model::AnyTokenizer;
use crate::progress::TerminalProgress;
use crate::{model, named, signals};

/// Arguments of `tokenize`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen tokenize --tokenizer runs/tokenizer --data pictures/ --out codes/
  resgen tokenize --tokenizer runs/tokenizer --data pictures/ --flip half --out codes-flipped/
  resgen tokenize --tokenizer runs/voices-tokenizer --data voices/train --out voice-codes/

After an interruption the same command goes on where it stopped.")]
pub struct Arguments {
    /// A tokenizer: its model file, or the folder of its run.
    #[arg(long, value_name = "MODEL")]
    tokenizer: PathBuf,
    /// The folder of pictures; with a tokenizer of speech, recordings: a manifest or a folder.
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
    Spoken { cache: PathBuf, recordings: usize, positions: usize, unreadable: Vec<Problem> },
}

/// Encodes a folder.
///
/// # Errors
/// Where the tokenizer or the folder cannot serve, or the cache cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let tokenized = match model::any_tokenizer(&arguments.tokenizer, &context.device()?)? {
        AnyTokenizer::Image(tokenizer) => pictures(arguments, &tokenizer, context)?,
        AnyTokenizer::Speech(tokenizer) => recordings(arguments, &tokenizer)?,
    };
    context.output.print(&tokenized, text)
}

fn recordings(arguments: &Arguments, tokenizer: &SpeechTokenizer) -> anyhow::Result<Tokenized> {
    let set = listen(&arguments.data)?;
    let mut progress = TerminalProgress::default();
    let fingerprint = fingerprint(&tokenizer.tensors());
    let cache = SpeechCache::make(tokenizer, &fingerprint, &set, &arguments.out, &mut progress)?;
    Ok(Tokenized::Spoken {
        cache: arguments.out.clone(),
        recordings: cache.spoken().len(),
        positions: cache.spoken().iter().map(|spoken| spoken.spoken).sum(),
        unreadable: cache.problems().to_vec(),
    })
}

fn pictures(
    arguments: &Arguments,
    tokenizer: &ImageTokenizer,
    context: &Context,
) -> anyhow::Result<Tokenized> {
    let stop = signals::stop_flag()?;
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
    Ok(match build(&folder, tokenizer, &options, &cache, &mut progress, &stop)? {
        Built::Finished(header) => Tokenized::Finished {
            cache,
            signals: header.signals,
            classes: header.inputs.classes.len(),
            unreadable: header.unreadable,
        },
        Built::Stopped { pictures } => Tokenized::Stopped { cache, pictures },
    })
}

fn text(tokenized: &Tokenized) -> String {
    match tokenized {
        Tokenized::Finished { cache, signals, classes, unreadable } => {
            let left_out = |file: &Unreadable| format!("\n  left out {}: {}", file.path, file.reason);
            let left_out: String = unreadable.iter().map(left_out).collect();
            format!("{}: {signals} signals, {classes} classes{left_out}", cache.display())
        }
        Tokenized::Spoken { cache, recordings, positions, unreadable } => {
            let left_out = |file: &Problem| format!("\n  left out {}", problem(file));
            let left_out: String = unreadable.iter().map(left_out).collect();
            format!("{}: {recordings} recordings, {positions} positions{left_out}", cache.display())
        }
        Tokenized::Stopped { cache, pictures } => format!(
            "stopped after {pictures} pictures, kept in {}; the same command goes on",
            cache.display()
        ),
    }
}
