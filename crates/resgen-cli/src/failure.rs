//! How the program ends when something went wrong.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use resgen_core::Error;

/// The work could not be done.
const FAILED: u8 = 1;
/// The command line or the config asks for something that cannot be.
const MISUSED: u8 = 2;

/// Says what went wrong, in one line on stderr, and gives the exit status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if reader_left(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {}", line(error));
    ExitCode::from(if is_misuse(error) { MISUSED } else { FAILED })
}

/// The message and its causes. A cause that the message before it already ends with is not repeated.
fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().replace('\n', " ");
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

fn is_misuse(error: &anyhow::Error) -> bool {
    let misuse = |error: &Error| matches!(error, Error::Argument { .. } | Error::Config { .. });
    error.downcast_ref().is_some_and(misuse)
}

/// `resgen … | head` has what it wanted.
fn reader_left(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_follow_on_one_line_and_are_not_repeated() {
        let missing = || Error::io("a/b")(io::Error::new(ErrorKind::NotFound, "no such file"));
        let error = anyhow::Error::new(missing());
        assert_eq!(line(&error), "a/b: no such file");
        let error = Err::<(), _>(missing()).context("the tokenizer").unwrap_err();
        assert_eq!(line(&error), "the tokenizer: a/b: no such file");
    }

    #[test]
    fn a_reader_that_left_had_what_it_wanted() {
        let broken = || io::Error::from(ErrorKind::BrokenPipe);
        assert!(reader_left(&broken().into()));
        assert!(reader_left(&Error::io("-")(broken()).into()));
        assert!(!reader_left(&Error::io("-")(ErrorKind::StorageFull.into()).into()));
    }

    #[test]
    fn wrong_use_is_told_from_failure() {
        assert!(is_misuse(&Error::argument("steps", "expected at least 1, found 0").into()));
        assert!(is_misuse(&Error::config("train.steps", "expected at least 1, found 0").into()));
        assert!(!is_misuse(&Error::file("a", "damaged").into()));
        let with_context = Err::<(), _>(Error::argument("steps", "0")).context("while sampling");
        assert!(is_misuse(&with_context.unwrap_err()));
    }
}
