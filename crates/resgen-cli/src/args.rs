//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::training::TrainingArguments;
use crate::commands::{
    bench, compare, completions, data, demo, eval, export, inspect, sample, speak, tokenize, tokenizer,
    train, vocoder,
};
use crate::context::CommonArguments;

/// Trains and samples masked generative models on residual-vector-quantized tokens.
#[derive(Debug, Parser)]
#[command(name = "resgen", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub common: CommonArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
See it work:
  resgen demo

From pictures to samples:
  resgen data inspect pictures/
  resgen tokenizer train --config tokenizer.toml --out runs/tokenizer
  resgen tokenize --tokenizer runs/tokenizer --data pictures/ --out codes/
  resgen train --config model.toml --out runs/model
  resgen sample runs/model --class cat --count 8 --out samples/

Exit status: 0 done, 1 failed, 2 wrong use.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draw pictures from a small model inside this program.
    Demo(demo::Arguments),
    /// Look at data.
    #[command(subcommand)]
    Data(data::Command),
    /// Train and use tokenizers: pictures to codes and back.
    #[command(subcommand)]
    Tokenizer(tokenizer::Command),
    /// Train vocoders: spectrograms to sound.
    #[command(subcommand)]
    Vocoder(vocoder::Command),
    /// Turn pictures or recordings into codes, to train a generator on.
    Tokenize(tokenize::Arguments),
    /// Train a generator on codes.
    #[command(after_help = train::EXAMPLES)]
    Train(TrainingArguments),
    /// Draw pictures from a generator.
    Sample(Box<sample::Arguments>),
    /// Say a text, in the voice of a recording.
    Speak(Box<speak::Arguments>),
    /// Measure a tokenizer or a generator.
    #[command(subcommand)]
    Eval(eval::Command),
    /// Train, sample, measure and time several generators beside each other.
    Compare(compare::Arguments),
    /// Tell what is in a model file or a token cache.
    Inspect(inspect::Arguments),
    /// Copy a model file, smaller if wanted.
    Export(export::Arguments),
    /// Measure how long the program's parts take on this machine.
    Bench(bench::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
