//! The commands, one file each.

pub mod bench;
pub mod compare;
pub mod completions;
pub mod data;
pub mod demo;
pub mod eval;
pub mod export;
pub mod inspect;
mod pack;
mod reconstruct;
pub mod sample;
pub mod speak;
pub mod tokenize;
pub mod tokenizer;
pub mod train;
pub mod training;
pub mod vocoder;

use resgen_core::{Error, Result};

use crate::args::{Cli, Command};
use crate::context::Context;

/// Does what the command line asks for.
///
/// # Errors
/// Whatever the command reports.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let context = Context::new(&cli.common)?;
    match cli.command {
        Command::Demo(arguments) => demo::run(&arguments, &context),
        Command::Export(arguments) => export::run(&arguments, &context),
        Command::Eval(command) => eval::run(&command, &context),
        Command::Data(command) => data::run(command, &context),
        Command::Tokenizer(command) => tokenizer::run(command, &context),
        Command::Vocoder(command) => vocoder::run(&command, &context),
        Command::Tokenize(arguments) => tokenize::run(&arguments, &context),
        Command::Train(arguments) => train::run(&arguments, &context),
        Command::Compare(arguments) => compare::run(&arguments, &context),
        Command::Sample(arguments) => sample::run(&arguments, &context),
        Command::Speak(arguments) => speak::run(&arguments, &context),
        Command::Inspect(arguments) => inspect::run(&arguments, &context),
        Command::Bench(arguments) => bench::run(&arguments, &context),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// Options that mean nothing in some case, and whether they were given.
///
/// # Errors
/// [`Error::Argument`] names one that was given, with the reason.
fn expect_none(options: &[(&'static str, bool)], reason: &str) -> Result<()> {
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(Error::argument(name, reason)),
        None => Ok(()),
    }
}
