//! `eval`: how good a tokenizer or a generator is, in numbers.

mod loss;
mod neighbours;
mod reconstruction;

use crate::context::Context;

/// What is measured.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// PSNR and codebook use of a tokenizer, per depth.
    Reconstruction(reconstruction::Arguments),
    /// A generator's training loss on codes that it was not trained on.
    Loss(loss::Arguments),
    /// The training pictures nearest to generated ones, to see that they are no copies.
    Neighbours(neighbours::Arguments),
}

/// Measures.
///
/// # Errors
/// Where models, pictures or codes cannot be read, or do not fit each other.
pub fn run(command: &Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Reconstruction(arguments) => reconstruction::run(arguments, context),
        Command::Loss(arguments) => loss::run(arguments, context),
        Command::Neighbours(arguments) => neighbours::run(arguments, context),
    }
}
