//! Lists of recordings: CSV, TSV and JSON lines.

use std::path::Path;

use serde::Deserialize;

use super::{SpeechSet, Utterance};
use crate::error::{Error, Result, nearest};

/// The forms of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestForm {
    /// Values with commas between them, the first line names them.
    Csv,
    /// The same with tabs.
    Tsv,
    /// A JSON object a line.
    JsonLines,
}

impl ManifestForm {
    /// The form that a file's name says.
    ///
    /// # Errors
    /// [`Error::File`] for another extension.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            Some("jsonl" | "json") => Ok(Self::JsonLines),
            _ => Err(Error::file(path, "no manifest: expected a file that ends in .csv, .tsv or .jsonl")),
        }
    }
}

/// A line of JSON.
#[derive(Deserialize)]
struct Line {
    path: String,
    text: String,
    #[serde(default)]
    speaker: Option<String>,
}

/// Reads a manifest.
pub(super) fn read(path: &Path) -> Result<SpeechSet> {
    let utterances = match ManifestForm::of(path)? {
        ManifestForm::Csv => table(path, b',')?,
        ManifestForm::Tsv => table(path, b'\t')?,
        ManifestForm::JsonLines => json_lines(path)?,
    };
    let root = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok(SpeechSet { root, utterances, problems: Vec::new() })
}

/// A text without breaks and tabs: lists of texts have one a line.
fn on_one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

fn json_lines(path: &Path) -> Result<Vec<Utterance>> {
    let content = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let lines = content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let line: Line = serde_json::from_str(line)
                .map_err(|reason| Error::file(path, format!("line {}: {reason}", number + 1)))?;
            Ok(Utterance {
                path: line.path.into(),
                text: on_one_line(&line.text),
                speaker: line.speaker.unwrap_or_default(),
            })
        })
        .collect()
}

fn table(path: &Path, delimiter: u8) -> Result<Vec<Utterance>> {
    let failed = |reason: csv::Error| {
        let said = reason.to_string();
        match reason.into_kind() {
            csv::ErrorKind::Io(source) => Error::Io { path: path.to_owned(), source },
            _ => Error::file(path, said),
        }
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter == b',')
        .from_path(path)
        .map_err(failed)?;
    let names = reader.headers().map_err(failed)?.clone();
    let column = |wanted: &str| names.iter().position(|name| name.trim() == wanted);
    let needed = |wanted: &'static str| {
        column(wanted).ok_or_else(|| {
            let hint = nearest(wanted, names.iter());
            Error::file(path, format!("its first line names no column `{wanted}`{hint}"))
        })
    };
    let (at, text, speaker) = (needed("path")?, needed("text")?, column("speaker"));
    reader
        .records()
        .map(|record| {
            let record = record.map_err(failed)?;
            let value = |column: usize| record.get(column).unwrap_or_default().to_owned();
            Ok(Utterance {
                path: value(at).into(),
                text: on_one_line(&value(text)),
                speaker: speaker.map(value).unwrap_or_default(),
            })
        })
        .collect()
}
