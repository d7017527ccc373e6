//! `speak`: a text, in the voice of a recording.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use resgen_core::progress::Progress;
use resgen_core::signal::sound::{Encoding, Sound, WavStream, state_lengths};
use resgen_core::speak::{Length, Prompt, Speaker};
use resgen_core::{Error, Result};
use serde::Serialize;

use crate::context::Context;
use crate::output::expect_other;
use crate::progress::TerminalProgress;
use crate::speech::{Speech, SpeechArguments};

/// Arguments of `speak`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen speak runs/voices \"Hello there.\" --prompt ann.wav --prompt-text \"What Ann says.\" --out hello.wav
  resgen speak runs/voices --text-file story.txt --prompt ann.wav --prompt-text \"What Ann says.\" --out story.flac
  resgen speak runs/voices \"One. Two.\" --prompt ann.wav --prompt-text \"What Ann says.\" --stream --out - | aplay

The prompt is a recording of 0.8 to 20 seconds and what is said in it. Numbers and abbreviations are read as in English. Long texts are said
sentence by sentence; with --stream each is written as soon as it is made.")]
pub struct Arguments {
    /// A generator that speaks: its model file, or the folder of its run.
    model: PathBuf,
    /// What to say.
    #[arg(required_unless_present = "text_file", conflicts_with = "text_file")]
    text: Option<String>,
    /// A file with what to say, in place of the text; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    text_file: Option<PathBuf>,
    /// A recording of the voice; without one the voice is left to chance.
    #[arg(long, value_name = "SOUND", requires = "prompt_text")]
    prompt: Option<PathBuf>,
    /// What is said in the recording.
    #[arg(long, value_name = "TEXT", requires = "prompt")]
    prompt_text: Option<String>,
    /// The file to write, .wav or .flac; with --stream a WAV, `-` for standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write each sentence as soon as it is made.
    #[arg(long)]
    stream: bool,
    /// How fast, as a multiple of the prompt's pace.
    #[arg(long, value_name = "FACTOR", conflicts_with = "seconds")]
    rate: Option<f64>,
    /// Seconds that each sentence takes.
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    #[command(flatten)]
    speech: SpeechArguments,
}

/// What was said, and how long that took.
#[derive(Debug, Serialize)]
struct Spoken {
    out: PathBuf,
    sentences: Vec<Sentence>,
    /// Seconds of sound.
    seconds: f64,
    /// Seconds until the first sentence's sound was there, the model loaded before.
    first_sound: f64,
    /// Seconds of work for a second of sound.
    real_time_factor: f64,
}

/// A sentence as it was said.
#[derive(Debug, Serialize)]
struct Sentence {
    text: String,
    /// Where it begins.
    at: f64,
    seconds: f64,
}

/// Speaks.
///
/// # Errors
/// Where the model, the recording or the texts cannot serve, or the sound cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let length = length(arguments)?;
    let text = said(arguments)?;
    expect_writable(arguments)?;
    let Speech { generator, preset, vocoder, .. } =
        arguments.speech.load(&arguments.model, &context.device()?)?;
    let speaker = Speaker::new(&generator, preset, vocoder)?;
    let begun = Instant::now();
    let prompt = prompt(arguments, &speaker)?;
    let pieces = speaker.pieces(&text, prompt.as_ref(), length)?;
    let mut sink = Sink::open(arguments, speaker.rate())?;
    let mut progress = TerminalProgress::default();
    progress.begin("speaking", 0, pieces.len() as u64);
    let (mut sentences, mut at, mut first_sound) = (Vec::new(), 0.0, None);
    for (index, piece) in pieces.iter().enumerate() {
        let sound = speaker.say(piece, prompt.as_ref(), length, arguments.seed.wrapping_add(index as u64))?;
        first_sound.get_or_insert_with(|| begun.elapsed().as_secs_f64());
        if index > 0 {
            let pause = speaker.pause()?;
            at += pause.seconds();
            sink.write(&pause)?;
        }
        sink.write(&sound)?;
        if sound.samples().is_empty() {
            progress.note(&format!("note: all silence came of \"{piece}\"; another --seed may say it"));
        }
        sentences.push(Sentence { text: piece.clone(), at, seconds: sound.seconds() });
        at += sound.seconds();
        progress.step(index as u64 + 1, "");
    }
    anyhow::ensure!(
        sentences.iter().any(|sentence| sentence.seconds > 0.0),
        "{}: all silence came of the text; another --seed may say it",
        arguments.out.display()
    );
    let took = begun.elapsed().as_secs_f64();
    sink.finish(speaker.rate())?;
    drop(progress);
    let spoken = Spoken {
        out: arguments.out.clone(),
        sentences,
        seconds: at,
        first_sound: first_sound.unwrap_or(took),
        real_time_factor: took / at.max(1e-9),
    };
    match is_standard(&arguments.out) {
        // The sound is on standard output.
        true => Ok(()),
        false => context.output.print(&spoken, words),
    }
}

fn length(arguments: &Arguments) -> Result<Length> {
    let within = |name: &'static str, value: f64, low: f64, high: f64| match (low..=high).contains(&value) {
        true => Ok(value),
        false => Err(Error::argument(name, format!("expected {low} to {high}, found {value}"))),
    };
    match (arguments.rate, arguments.seconds) {
        (Some(rate), _) => Ok(Length::Rate(within("rate", rate, 0.25, 4.0)?)),
        (None, Some(seconds)) => Ok(Length::Seconds(within("seconds", seconds, 0.1, 600.0)?)),
        (None, None) => Ok(Length::Natural),
    }
}

fn said(arguments: &Arguments) -> anyhow::Result<String> {
    match &arguments.text_file {
        None => Ok(arguments.text.clone().unwrap_or_default()),
        Some(path) => {
            let read = match is_standard(path) {
                true => std::io::read_to_string(std::io::stdin()),
                false => std::fs::read_to_string(path),
            };
            Ok(read.map_err(Error::io(path))?)
        }
    }
}

fn prompt(arguments: &Arguments, speaker: &Speaker<'_>) -> anyhow::Result<Option<Prompt>> {
    let Some((path, text)) = arguments.prompt.as_ref().zip(arguments.prompt_text.as_ref()) else {
        return Ok(None);
    };
    let prompt = speaker.prompt(&Sound::open(path)?, text).map_err(|error| match error {
        Error::Argument { name: "recording", reason } => Error::file(path, reason),
        other => other,
    });
    Ok(Some(prompt?))
}

/// What cannot be written is known before anything is worked out.
fn expect_writable(arguments: &Arguments) -> Result<()> {
    let path = &arguments.out;
    if is_standard(path) {
        return Ok(());
    }
    if Encoding::of(path)? != Encoding::Wav && arguments.stream {
        return Err(Error::file(path, "a stream is written as .wav"));
    }
    expect_other(path, arguments.prompt.as_deref())?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => Err(Error::file(folder, "there is no such folder")),
        None => Ok(()),
    }
}

fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Where sound goes.
enum Sink {
    /// All of it at the end.
    File { path: PathBuf, samples: Vec<f32> },
    /// As it comes.
    Stream { path: PathBuf, stream: WavStream<Box<dyn Write>> },
}

impl Sink {
    fn open(arguments: &Arguments, rate: u32) -> Result<Self> {
        let path = arguments.out.clone();
        let writer: Box<dyn Write> = match (is_standard(&path), arguments.stream) {
            (true, _) => Box::new(std::io::stdout()),
            (false, true) => Box::new(std::fs::File::create(&path).map_err(Error::io(&path))?),
            (false, false) => return Ok(Self::File { path, samples: Vec::new() }),
        };
        let stream = WavStream::new(writer, rate).map_err(Error::io(&path))?;
        Ok(Self::Stream { path, stream })
    }

    fn write(&mut self, sound: &Sound) -> Result<()> {
        match self {
            Self::File { samples, .. } => {
                samples.extend_from_slice(sound.samples());
                Ok(())
            }
            Self::Stream { path, stream } => stream.write(sound).map_err(Error::io(path)),
        }
    }

    fn finish(self, rate: u32) -> Result<()> {
        match self {
            Self::File { path, samples } => Sound::new(rate, samples)?.save(path),
            // What is listening to a pipe has its header already.
            Self::Stream { path, stream } if !is_standard(&path) && path.is_file() => {
                drop(stream);
                state_lengths(&path).map_err(Error::io(&path))
            }
            Self::Stream { .. } => Ok(()),
        }
    }
}

fn words(spoken: &Spoken) -> String {
    format!(
        "{}: {:.2} s of sound, {} sentences; the first after {:.2} s, {:.2} s of work a second",
        spoken.out.display(),
        spoken.seconds,
        spoken.sentences.len(),
        spoken.first_sound,
        spoken.real_time_factor
    )
}
