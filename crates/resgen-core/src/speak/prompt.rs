//! The recording whose voice is to speak.

use super::Speaker;
use crate::condition::Saying;
use crate::error::{Error, Result};
use crate::model::{Network as _, with_any_network};
use crate::rvq::Codes;
use crate::signal::sound::{Sound, Usable};
use crate::text::{has_words, spelled_out};

/// How much slower or faster than usual a text may be said, before it cannot be that recording's.
const PACES: std::ops::RangeInclusive<f64> = 0.4..=2.5;

/// A recording as the generator knows it.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub(super) codes: Codes,
    pub(super) text: String,
    /// Positions that each byte of its text takes in it.
    pub(super) taken: Vec<f32>,
    /// How many times as long as usual its text takes.
    pub(super) slowness: f64,
}

impl Prompt {
    /// Recordings that can be prompts: a longer one takes the room of what is to be said.
    pub const USABLE: Usable = Usable { least_seconds: 0.8, most_seconds: 20.0 };
}

impl Speaker<'_> {
    /// The prompt of a recording and what is said in it.
    ///
    /// # Errors
    /// [`Error::Argument`] for a recording that is too short or long, silent or clipped to nothing, or whose text is missing or cannot be what
    /// is said in it.
    pub fn prompt(&self, recording: &Sound, text: &str) -> Result<Prompt> {
        let text = spelled_out(text);
        if !has_words(&text) {
            return Err(Error::argument("prompt text", "there is nothing said in it"));
        }
        recording.check(Prompt::USABLE)?;
        let prepared = self.listener.prepared(recording)?;
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
        let taken = self.heard(Saying::new(&*text, codes.positions()), &codes)?;
        Ok(Prompt { codes, text, taken, slowness })
    }

    /// As [`TextEncoder::heard`](crate::condition::TextEncoder::heard), of codes.
    pub(super) fn heard(&self, saying: Saying, codes: &Codes) -> Result<Vec<f32>> {
        with_any_network!(&self.generator.model, model => {
            let books = self.generator.tokenizer.books();
            let device = books.vectors().device();
            let [positions, depth] = [codes.positions(), codes.depth()];
            let embeddings = books.decode(codes.to_tensor(&device).reshape([positions, depth]));
            let scaled = embeddings.div_scalar(model.config().embedding_scales[depth]);
            match model.reader() {
                Some(reader) => reader.heard(saying, scaled.reshape([1, positions, books.width()])),
                None => Ok(Vec::new()),
            }
        })
    }
}
