//! The command line: every option typed, with its range and an example.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Makes labelled picture sets from openly licensed fonts.
#[derive(Debug, Parser)]
#[command(name = "make-pictures", version, about)]
pub struct Cli {
    /// What to make.
    #[command(subcommand)]
    pub command: Command,
}

/// The picture sets this tool can make.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A-Z, a-z and 0-9 in many typefaces, split by font family.
    #[command(
        after_help = "Example:\n  make-pictures letters --fonts fonts/opentype fonts/truetype --out data/letters"
    )]
    Letters(LettersOptions),
    /// Colour emoji, labelled by Unicode group or sub-group.
    #[command(
        after_help = "Example:\n  make-pictures emoji --font NotoColorEmoji.ttf --emoji-test emoji-test.txt --out data/emoji"
    )]
    Emoji(EmojiOptions),
    /// One sheet of random pictures from a folder, to look at.
    #[command(
        after_help = "Example:\n  make-pictures sheet --pictures data/letters/train --out sheet.png --count 400"
    )]
    Sheet(SheetOptions),
}

/// Options of `letters`.
#[derive(Debug, Args)]
pub struct LettersOptions {
    /// Folders searched, with all their sub-folders, for .otf and .ttf files.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    pub fonts: Vec<PathBuf>,
    /// Folder to write; it must be missing or empty.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of the family split, the colours, the sizes and the positions.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Side of the square pictures, in pixels.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(16..=1024))]
    pub size: u32,
    /// Training pictures a class to aim for (each family gives the same whole number).
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub per_class: u32,
    /// Part of the families held out.
    #[arg(long, default_value_t = 0.1, value_parser = fraction)]
    pub heldout_fraction: f64,
    /// Most faces taken from one family (the most different ones).
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub faces_per_family: u32,
}

/// What an emoji's class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EmojiClasses {
    /// One of the dozen broad groups, such as "Animals & Nature".
    Group,
    /// One of the hundred or so sub-groups, such as "animal-bird".
    Subgroup,
}

/// Options of `emoji`.
#[derive(Debug, Args)]
pub struct EmojiOptions {
    /// The colour font, with PNG bitmaps (CBDT).
    #[arg(long, value_name = "FILE")]
    pub font: PathBuf,
    /// Unicode's emoji-test.txt, which names and groups the emoji.
    #[arg(long, value_name = "FILE")]
    pub emoji_test: PathBuf,
    /// Folder to write; it must be missing or empty.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What the class folders are.
    #[arg(long, value_enum, default_value_t = EmojiClasses::Group)]
    pub classes: EmojiClasses,
    /// Side of the square pictures, in pixels.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(16..=1024))]
    pub size: u32,
    /// Seed of the held-out split.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Part of each class held out.
    #[arg(long, default_value_t = 0.1, value_parser = fraction)]
    pub heldout_fraction: f64,
}

/// Options of `sheet`.
#[derive(Debug, Args)]
pub struct SheetOptions {
    /// Folder searched, with all its sub-folders, for PNG files.
    #[arg(long, value_name = "DIR")]
    pub pictures: PathBuf,
    /// The PNG to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How many pictures to show.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Seed of the choice.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Show the pictures in path order (class by class) rather than shuffled.
    #[arg(long)]
    pub sorted: bool,
}

fn fraction(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..1.0).contains(&value) { Ok(value) } else { Err("must be at least 0 and below 1".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn fractions_outside_the_unit_interval_are_refused() {
        assert_eq!(fraction("0.25"), Ok(0.25));
        assert!(fraction("1").is_err() && fraction("-0.1").is_err() && fraction("x").is_err());
    }
}
