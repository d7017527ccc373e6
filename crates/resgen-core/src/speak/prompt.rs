//! The recording whose voice is to speak.

use super::Speaker;
use crate::condition::Part;
use crate::error::{Error, Result};
use crate::rvq::Codes;
use crate::signal::sound::{Sound, Usable};
use crate::text::spelled_out;

/// Recordings that can be prompts, in seconds; what a minute-long one has beyond that is no harm elsewhere, but takes the room of what is said.
const USABLE: Usable = Usable { least_seconds: 0.8, most_seconds: 20.0 };
/// How much slower or faster than usual a text may be said, before it cannot be that recording's.
const PACES: std::ops::RangeInclusive<f64> = 0.4..=2.5;

/// A recording as the generator knows it.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub(super) codes: Codes,
    pub(super) text: String,
    /// How many times as long as usual its text takes.
    pub(super) slowness: f64,
}

impl Prompt {
    /// Its text as the beginning of what is said.
    pub(super) fn part(&self) -> Part {
        Part { bytes: self.text.len(), positions: self.codes.positions() }
    }
}

impl Speaker<'_> {
    /// The prompt of a recording and what is said in it.
    ///
    /// # Errors
    /// [`Error::Argument`] for a recording that is too short or long, silent or clipped to nothing, or whose text is missing or cannot be what
    /// is said in it.
    pub fn prompt(&self, recording: &Sound, text: &str) -> Result<Prompt> {
        let text = spelled_out(text);
        if !text.chars().any(char::is_alphanumeric) {
            return Err(Error::argument("prompt text", "there is nothing said in it"));
        }
        let prepared = self.listener.prepared(recording)?;
        prepared.check(USABLE)?;
        let mel = self.listener.transform().forward(&prepared)?;
        let codes = self.generator.tokenizer.encode_mel(&mel, 1)?;
        let usual = self.pace.positions(&text);
        let slowness = codes.positions() as f64 / usual;
        if !PACES.contains(&slowness) {
            let seconds = prepared.seconds();
            let usual = usual / self.generator.tokenizer.config().position_rate();
            let reason = format!(
                "it takes about {usual:.1} s to say it, and the recording has {seconds:.1} s: is it what is said there?"
            );
            return Err(Error::argument("prompt text", reason));
        }
        Ok(Prompt { codes, text, slowness })
    }
}
