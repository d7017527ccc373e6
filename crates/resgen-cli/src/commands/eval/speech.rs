//! `eval speech-text` and `eval speech-similarity`: what was heard of what was said, and in whose voice.

use std::path::PathBuf;

use resgen_core::eval::embeddings::compare_embeddings;
use resgen_core::eval::manifest::{Manifest, tables};
use resgen_core::eval::transcripts::{Heard, Hearing, Transcripts, compare};
use resgen_core::eval::words::{Errors, Normalizer};
use serde::Serialize;

use crate::context::Context;
use crate::named::parser;

/// Texts with most errors that are shown.
const SHOWN: usize = 5;

/// Arguments of `eval speech-text`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen eval speech-text heard.txt --reference said.txt --normalizer english --out wer.json

One text a line in the same order; in files that end in .tsv, a name, a tab and a text, in any order. Normalizers:
  none     texts are compared as they stand
  basic    lower case, apostrophes within words kept, other marks are spaces
  english  as basic, with numbers, sums of money, times of day and abbreviations in words, as they are read aloud")]
pub struct TextArguments {
    /// What was heard.
    heard: PathBuf,
    /// What was said.
    #[arg(long, value_name = "FILE")]
    reference: PathBuf,
    /// What is made of texts before they are compared: none, basic or english.
    #[arg(long, default_value = "basic", value_name = "NAME",
        value_parser = parser::<Normalizer>(&["none", "basic", "english"]))]
    normalizer: Normalizer,
    /// Where to write the results, as JSON with all that they depend on.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The results and the texts behind them.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    manifest: Manifest,
    #[serde(flatten)]
    hearing: Hearing,
}

/// Compares texts.
///
/// # Errors
/// Where they cannot be read or paired, or the result cannot be written.
pub fn run_text(arguments: &TextArguments, context: &Context) -> anyhow::Result<()> {
    let said = Transcripts::read(&arguments.reference)?;
    let hearing = compare(&said, &Transcripts::read(&arguments.heard)?, arguments.normalizer)?;
    let manifest = Manifest::new(hearing.findings.clone());
    if let Some(out) = &arguments.out {
        manifest.save(out)?;
    }
    context.output.print(&Report { manifest, hearing }, |Report { manifest, hearing }| {
        let table = tables(&[(arguments.heard.display().to_string(), manifest.clone())]);
        let counts = |what: &str, errors: &Errors| {
            let Errors { substitutions, deletions, insertions, hits } = errors;
            format!(
                "{what}: {} said, {hits} right, {substitutions} others in their place, {deletions} left out, {insertions} \
                 put in\n",
                errors.said()
            )
        };
        let counts = counts("words", &hearing.words) + &counts("characters", &hearing.characters);
        format!("{table}\n{counts}{}", worst(&hearing.texts))
    })
}

/// The texts with most wrong words.
fn worst(texts: &[Heard]) -> String {
    let mut wrong: Vec<&Heard> = texts.iter().filter(|text| text.words.wrong() > 0).collect();
    wrong.sort_by_key(|text| std::cmp::Reverse(text.words.wrong()));
    let line = |text: &&Heard| {
        format!(
            "\n{}, {} wrong\n  said:  {}\n  heard: {}\n",
            text.name,
            text.words.wrong(),
            text.said,
            text.heard
        )
    };
    wrong.iter().take(SHOWN).map(line).collect()
}

/// Arguments of `eval speech-similarity`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen eval speech-similarity spoken.npy --reference prompts.npy

Both are NumPy files of floats [N, H], a vector a recording; the n-th of one is compared with the n-th of the other.")]
pub struct SimilarityArguments {
    /// Embeddings of what was spoken.
    samples: PathBuf,
    /// Embeddings of the voices that were asked for.
    #[arg(long, value_name = "FILE")]
    reference: PathBuf,
    /// Where to write the results, as JSON with all that they depend on.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Compares voices.
///
/// # Errors
/// Where they cannot be read or do not fit each other, or the result cannot be written.
pub fn run_similarity(arguments: &SimilarityArguments, context: &Context) -> anyhow::Result<()> {
    let manifest = Manifest::new(compare_embeddings(&arguments.samples, &arguments.reference)?);
    if let Some(out) = &arguments.out {
        manifest.save(out)?;
    }
    context.output.print(&manifest, |manifest| {
        tables(&[(arguments.samples.display().to_string(), manifest.clone())]).trim_end().to_owned()
    })
}
