//! From a text to sound, in the voice of a recording:
//! 1. the text is parted into sentences, which are spelled out and parted again where the generator cannot hold them beside the recording;
//! 2. a sentence's length follows from how fast the recording's text is said in it;
//! 3. the recording's codes are known positions, what follows them is drawn, with both texts one after another: that of the recording when it is heard there,
//!    the other when it is expected;
//! 4. all is decoded together, what comes after the recording becomes sound, and silence at its ends is cut off.

mod prompt;

pub use prompt::Prompt;

use crate::condition::Saying;
use crate::data::speech::STRIDE;
use crate::error::{Error, Result};
use crate::model::AnyNetwork;
use crate::rvq::Codes;
use crate::sample::{Known, Preset, Request, Sampler, sampler};
use crate::signal::mel::{Listener, Mel};
use crate::signal::sound::{Silence, Sound};
use crate::text::{Pace, has_words, parted, sentences, spelled_out};
use crate::tokenizer::TokenizerConfig;
use crate::tokenizer::speech::MelAutoencoder;
use crate::train::generator::Generator;
use crate::vocoder::Vocoder;

/// Seconds of silence between sentences.
const PAUSE: f64 = 0.25;
/// Seconds in which a sentence's sound begins and ends, so that nothing clicks.
const FADE: f64 = 0.01;

/// How long sentences are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Length {
    /// As the pace of the training recordings and of the prompt says.
    #[default]
    Natural,
    /// So many times as fast.
    Rate(f64),
    /// So many seconds for each sentence.
    Seconds(f64),
}

/// A generator that speaks, ready to.
pub struct Speaker<'a> {
    generator: &'a Generator<AnyNetwork, MelAutoencoder>,
    sampler: Box<dyn Sampler + 'a>,
    listener: Listener,
    pace: Pace,
    vocoder: Vocoder,
}

impl<'a> Speaker<'a> {
    /// With the given sampler settings and vocoder.
    ///
    /// # Errors
    /// [`Error::Argument`] names a setting that is out of range; [`Error::Mismatch`] for a generator that was not made to speak, or a
    /// vocoder of other spectrograms.
    pub fn new(
        generator: &'a Generator<AnyNetwork, MelAutoencoder>,
        preset: Preset,
        vocoder: Vocoder,
    ) -> Result<Self> {
        vocoder.check(&generator.tokenizer.config().mel)?;
        let pace = generator.header.pace.filter(|_| generator.header.model.text.is_some());
        let pace =
            pace.ok_or_else(|| Error::mismatch("generator", "one that reads texts", "one that does not"))?;
        let sampler = sampler(&generator.model, generator.tokenizer.books(), preset)?;
        let listener = Listener::new(generator.tokenizer.config().listener())?;
        Ok(Self { generator, sampler, listener, pace, vocoder })
    }

    /// What makes sound of spectrograms.
    pub fn vocoder(&self) -> &Vocoder {
        &self.vocoder
    }

    /// Samples a second of what it says.
    pub fn rate(&self) -> u32 {
        self.generator.tokenizer.config().mel.rate
    }

    /// The pieces that a text is said in, spelled out: sentences, as far as they fit beside the prompt.
    ///
    /// # Errors
    /// [`Error::Argument`] for a text in which nothing is said, or a prompt that leaves no room.
    pub fn pieces(&self, text: &str, prompt: Option<&Prompt>, length: Length) -> Result<Vec<String>> {
        let sentences: Vec<String> = sentences(text).iter().map(|sentence| spelled_out(sentence)).collect();
        expect_words(&sentences.concat())?;
        let mut pieces = Vec::new();
        for sentence in sentences.iter().filter(|sentence| has_words(sentence)) {
            pieces.extend(self.fitting(sentence, prompt, length)?);
        }
        Ok(pieces)
    }

    /// A sentence in as few pieces as fit.
    fn fitting(&self, sentence: &str, prompt: Option<&Prompt>, length: Length) -> Result<Vec<String>> {
        let mut most = sentence.chars().count();
        loop {
            let mut pieces = parted(sentence, most);
            pieces.retain(|piece| has_words(piece));
            if pieces.iter().all(|piece| self.fits(piece, prompt, length)) {
                return Ok(pieces);
            }
            if most <= 8 {
                return Err(self.no_room(prompt, length));
            }
            most = most * 3 / 4;
        }
    }

    /// The sound of one piece; `seed` is that of everything random.
    ///
    /// # Errors
    /// [`Error::Argument`] where it does not fit; otherwise as [`Sampler::sample`].
    pub fn say(&self, piece: &str, prompt: Option<&Prompt>, length: Length, seed: u64) -> Result<Sound> {
        if !self.fits(piece, prompt, length) {
            return Err(Error::argument("text", "it is too long for the generator"));
        }
        let before = prompt.map_or(0, |prompt| prompt.codes.positions());
        let spoken = self.positions(piece, prompt, length);
        let positions = (before + spoken).next_multiple_of(STRIDE);
        let request = Request {
            classes: vec![0],
            texts: vec![Saying {
                known: prompt.map(|prompt| prompt.taken.clone()).unwrap_or_default(),
                ..Saying::new(said_after(prompt, piece), before + spoken)
            }],
            positions: Some(positions),
            seed,
            first_index: 0,
            known: prompt.map(|prompt| self.known(&prompt.codes, positions)).transpose()?,
        };
        let codes = self.sampler.sample(&request)?;
        self.sound(&codes, before..positions)
    }

    /// The sound of some positions of one signal; all are decoded together.
    fn sound(&self, codes: &Codes, positions: std::ops::Range<usize>) -> Result<Sound> {
        let mel = self.generator.tokenizer.decode_mels(codes)?.remove(0);
        let each = self.generator.tokenizer.config().frames_per_position() * mel.bins;
        let part =
            Mel { bins: mel.bins, values: mel.values[positions.start * each..positions.end * each].to_vec() };
        let sound = self.vocoder.sound(self.listener.transform(), &part)?;
        Ok(sound.trimmed(Silence::default()).faded(FADE))
    }

    /// A recording as its codes and the vocoder leave it.
    ///
    /// # Errors
    /// [`Error::Argument`] for one without samples, or where all is silence; [`Error::Device`].
    pub fn rebuilt(&self, recording: &Sound) -> Result<Sound> {
        let codes = self.generator.tokenizer.encode_mel(&self.listener.mel(recording)?, 1)?;
        self.sound(&codes, 0..codes.positions())
    }

    /// A recording whose first `seconds` are given, and its whole text: what was not given is drawn, the length is that of the recording.
    /// All of it is returned, what was given too.
    ///
    /// # Errors
    /// [`Error::Argument`] for a recording that the generator cannot hold or that is no longer than what is given, or a text in which nothing is said.
    pub fn continued(&self, recording: &Sound, text: &str, seconds: f64, seed: u64) -> Result<Sound> {
        expect_words(text)?;
        let config = self.generator.tokenizer.config();
        let recording = self.listener.prepared(recording)?;
        let frames = config.mel.stft.frames(recording.samples().len());
        let spoken = frames.div_ceil(config.frames_per_position());
        let given = ((seconds * config.position_rate()).round() as usize).max(1);
        if given >= spoken {
            let found = spoken as f64 / config.position_rate();
            return Err(Error::argument(
                "recording",
                format!("it has {found:.2} s, of which {seconds} s are given"),
            ));
        }
        // Codes tell something of what follows them, so that it is cut off before they are made.
        let beginning = recording.part(0.0, given as f64 / config.position_rate());
        let codes =
            self.generator.tokenizer.encode_mel(&self.listener.transform().forward(&beginning)?, 1)?;
        let depth = codes.depth();
        let given = Codes::new(codes.values()[..given * depth].to_vec(), given, depth, codes.vocabulary())?;
        let positions = spoken.next_multiple_of(STRIDE);
        let saying = Saying::new(spelled_out(text), spoken);
        let request = Request {
            classes: vec![0],
            texts: vec![Saying { known: self.heard(saying.clone(), &given)?, ..saying }],
            positions: Some(positions),
            seed,
            first_index: 0,
            known: Some(self.known(&given, positions)?),
        };
        let drawn = self.sampler.sample(&request)?;
        self.sound(&drawn, 0..spoken)
    }

    /// Silence between two pieces.
    ///
    /// # Errors
    /// None for a generator that could be loaded.
    pub fn pause(&self) -> Result<Sound> {
        Sound::new(self.rate(), vec![0.0; (PAUSE * f64::from(self.rate())) as usize])
    }

    /// Positions in which a piece is said.
    fn positions(&self, piece: &str, prompt: Option<&Prompt>, length: Length) -> usize {
        let ratio = prompt.map_or(1.0, |prompt| prompt.slowness);
        let natural = self.pace.positions(piece) * ratio;
        let positions = match length {
            Length::Natural => natural,
            Length::Rate(rate) => natural / rate,
            Length::Seconds(seconds) => seconds * self.generator.tokenizer.config().position_rate(),
        };
        (positions.round() as usize).max(1)
    }

    fn fits(&self, piece: &str, prompt: Option<&Prompt>, length: Length) -> bool {
        let model = &self.generator.header.model;
        let before = prompt.map_or(0, |prompt| prompt.codes.positions());
        let positions = (before + self.positions(piece, prompt, length)).next_multiple_of(STRIDE);
        let bytes = said_after(prompt, piece).len();
        positions <= model.positions && model.text.as_ref().is_some_and(|reader| bytes <= reader.most)
    }

    /// Not even a few letters fit.
    fn no_room(&self, prompt: Option<&Prompt>, length: Length) -> Error {
        let seconds = |positions: usize| positions as f64 / self.generator.tokenizer.config().position_rate();
        let model = &self.generator.header.model;
        let (holds, most) = (seconds(model.positions), model.text.as_ref().map_or(0, |reader| reader.most));
        let takes = prompt.map_or(String::new(), |prompt| {
            let (seconds, bytes) = (seconds(prompt.codes.positions()), prompt.text.len());
            format!(", of which the prompt takes {seconds:.1} s and {bytes} bytes")
        });
        let (name, few) = match (length, prompt) {
            (Length::Seconds(_), _) => ("seconds", "that take so long"),
            (Length::Rate(_), _) => ("rate", "at that rate"),
            (Length::Natural, Some(_)) => ("prompt", "beside it"),
            (Length::Natural, None) => ("text", "of it"),
        };
        let reason = format!(
            "the generator holds {holds:.1} s and {most} bytes of text{takes}: there is no room for a few letters {few}"
        );
        Error::argument(name, reason)
    }

    /// Codes at the beginning, all others to be drawn.
    fn known(&self, given: &Codes, positions: usize) -> Result<Known> {
        let quantizer = self.generator.tokenizer.config().quantizer();
        let before = given.positions();
        let mut values = given.values().to_vec();
        values.resize(positions * quantizer.depth, 0);
        let codes = Codes::new(values, positions, quantizer.depth, quantizer.vocabulary)?;
        let mut masked = vec![0; before];
        masked.resize(positions, quantizer.depth);
        Ok(Known { codes, masked })
    }
}

fn expect_words(text: &str) -> Result<()> {
    match has_words(text) {
        true => Ok(()),
        false => Err(Error::argument("text", "there is nothing in it to be said")),
    }
}

/// What is said in the prompt and after it.
fn said_after(prompt: Option<&Prompt>, piece: &str) -> String {
    match prompt {
        Some(prompt) => format!("{} {piece}", prompt.text),
        None => piece.to_owned(),
    }
}
