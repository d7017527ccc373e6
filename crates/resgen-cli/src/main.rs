//! The `resgen` command: train, sample and inspect masked generative models on RVQ tokens.
//!
//! This crate alone talks to the terminal; everything that computes is in `resgen-core`.

mod allocator;
mod args;
mod commands;
mod context;
mod device;
mod failure;
mod model;
mod named;
mod output;
mod progress;
mod signals;
mod speech;
mod vocoder;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    allocator::keep_pages();
    match commands::run(args::Cli::parse()) {
        Ok(()) if signals::asked_to_stop() => signals::STOPPED.into(),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
