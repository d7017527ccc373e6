//! What a command prints when it is done: text for people, or one JSON object for programs.

use std::io::Write;
use std::path::Path;

use resgen_core::{Error, Result};
use serde::Serialize;

/// The form of the result on stdout. Progress and notes go to stderr in either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

impl Output {
    /// Prints `result`, as `text` words it or as JSON.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn print<T: Serialize>(self, result: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        let printed = match self {
            Self::Text => text(result),
            Self::Json => serde_json::to_string_pretty(result)?,
        };
        write(printed.trim_end(), "\n")
    }
}

/// Writes raw text to stdout.
///
/// # Errors
/// Where stdout cannot be written.
pub fn raw(text: &str) -> anyhow::Result<()> {
    write(text, "")
}

/// Makes sure that a file that will be written is not one of those that are read.
///
/// # Errors
/// [`Error::Argument`] names the file.
pub fn expect_other<'a>(out: &Path, read: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let Ok(written) = out.canonicalize() else { return Ok(()) };
    match read.into_iter().any(|read| read.canonicalize().is_ok_and(|read| read == written)) {
        true => Err(Error::argument("--out", format!("`{}` is read, and would be lost", out.display()))),
        false => Ok(()),
    }
}

fn write(text: &str, end: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(end.as_bytes()));
    let written = written.and_then(|()| stdout.flush());
    written.map_err(|error| anyhow::Error::new(error).context("standard output"))
}
