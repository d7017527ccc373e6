//! `make-pictures`: folders of small labelled pictures made from openly licensed fonts.
//!
//! Two sets are made: letters (62 classes, split by font family so that the held-out pictures show
//! unseen designs) and emoji (classes by Unicode group). A third command lays random pictures out on
//! one sheet, because the only real check of a picture set is to look at it.

mod cli;
mod colour;
mod emoji;
mod keyed;
mod letters;
mod output;
mod sheet;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match cli::Cli::parse().command {
        cli::Command::Letters(options) => letters::run(&options),
        cli::Command::Emoji(options) => emoji::run(&options),
        cli::Command::Sheet(options) => sheet::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
