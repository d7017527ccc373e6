//! The one error type of the library: what was expected, what came, and where.

use std::path::{Path, PathBuf};

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. Every message names the thing at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file or folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file was read, but its content is not what it should be.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A configuration value is unknown, missing or out of range.
    #[error("config key `{key}`: {reason}")]
    Config {
        /// The dotted key, as in the TOML file.
        key: String,
        /// What is wrong, with the nearest right spelling where there is one.
        reason: String,
    },
    /// An argument of a call is out of its range.
    #[error("{name}: {reason}")]
    Argument {
        /// The argument's name.
        name: &'static str,
        /// What was expected and what came.
        reason: String,
    },
    /// Two things that must fit each other do not.
    #[error("{what}: expected {expected}, found {found}")]
    Mismatch {
        /// What was compared.
        what: String,
        /// What it should have been.
        expected: String,
        /// What it was.
        found: String,
    },
    /// A computation failed on its device, or its result could not be read back.
    #[error("device: {0}")]
    Device(String),
    /// Training went wrong in a way that another try would repeat.
    #[error("training: {0}")]
    Training(String),
}

impl Error {
    /// Wraps a system error with the path it concerns: `.map_err(Error::io(path))`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    /// The content of `path` is wrong.
    pub fn file(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::File { path: path.as_ref().to_owned(), reason: reason.to_string() }
    }

    /// The config value at `key` is wrong.
    pub fn config(key: impl Into<String>, reason: impl ToString) -> Self {
        Self::Config { key: key.into(), reason: reason.to_string() }
    }

    /// The argument `name` is wrong.
    pub fn argument(name: &'static str, reason: impl ToString) -> Self {
        Self::Argument { name, reason: reason.to_string() }
    }

    /// The device's reason for a failed computation: `.map_err(Error::device)`.
    pub fn device(error: impl std::fmt::Debug) -> Self {
        Self::Device(format!("{error:?}"))
    }

    /// `what` should have been `expected` but was `found`.
    pub fn mismatch(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self::Mismatch { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }
}

/// The candidate spelled most like `word`, as a hint for an error message; empty when none is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!(" (did you mean `{candidate}`?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn nearest_names_the_closest_spelling_only() {
        assert_eq!(nearest("leraning_rate", ["steps", "learning_rate"]), " (did you mean `learning_rate`?)");
        assert_eq!(nearest("xyz", ["steps", "learning_rate"]), "");
    }
}
