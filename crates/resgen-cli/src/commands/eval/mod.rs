//! `eval`: how good a tokenizer or a generator is, in numbers.

mod features;
pub mod images;
pub mod loss;
mod neighbours;
mod reconstruction;
mod show;
mod speech;
mod voices;

pub use images::SetArguments;

use crate::context::Context;

/// What is measured.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Fréchet and kernel distance, precision, recall and more of a set of pictures against another.
    Images(images::Arguments),
    /// Networks to measure pictures with.
    #[command(subcommand)]
    Features(features::Command),
    /// PSNR and codebook use of a tokenizer, per depth.
    Reconstruction(reconstruction::Arguments),
    /// A generator's training loss on codes that it was not trained on.
    Loss(loss::Arguments),
    /// Bits that a generator needs for a code that it was not trained on: exactly, or a bound.
    Likelihood(loss::LikelihoodArguments),
    /// The training pictures nearest to generated ones, to see that they are no copies.
    Neighbours(neighbours::Arguments),
    /// What a recogniser hears of what a generator says in held-out voices, beside the recordings themselves.
    Speech(Box<voices::Arguments>),
    /// Word and character error rates of what was heard against what was said.
    SpeechText(speech::TextArguments),
    /// How alike voices are, from their embeddings.
    SpeechSimilarity(speech::SimilarityArguments),
    /// Results of evaluations as tables, with what may not be compared.
    Show(show::Arguments),
}

/// Measures.
///
/// # Errors
/// Where models, pictures or codes cannot be read, or do not fit each other.
pub fn run(command: &Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Images(arguments) => images::run(arguments, context),
        Command::Features(command) => features::run(command, context),
        Command::Reconstruction(arguments) => reconstruction::run(arguments, context),
        Command::Loss(arguments) => loss::run(arguments, context),
        Command::Likelihood(arguments) => loss::run_likelihood(arguments, context),
        Command::Neighbours(arguments) => neighbours::run(arguments, context),
        Command::Speech(arguments) => voices::run(arguments, context),
        Command::SpeechText(arguments) => speech::run_text(arguments, context),
        Command::SpeechSimilarity(arguments) => speech::run_similarity(arguments, context),
        Command::Show(arguments) => show::run(arguments, context),
    }
}
