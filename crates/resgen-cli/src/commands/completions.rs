//! `completions`: a script that completes commands in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::output;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen completions bash > /etc/bash_completion.d/resgen
  resgen completions zsh > ~/.zfunc/_resgen
  resgen completions fish > ~/.config/fish/completions/resgen.fish")]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Where stdout cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "resgen", &mut script);
    output::raw(&String::from_utf8_lossy(&script))
}
