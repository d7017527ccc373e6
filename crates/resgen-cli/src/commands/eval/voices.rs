//! `eval speech`: sentences that a generator was not trained on, said in voices that it does not know, and what a recogniser hears of them.
//!
//! - *cross-sentence*: the prompt is another recording of the same speaker, with its text; a whole sentence is said after it;
//! - *continuation*: the first seconds of a recording are given, with its whole text; the rest is said.
//!
//! The recordings themselves, resampled and as loud as what is made, are the reference. Given a network that tells voices, it is also said whether
//! what was spoken is in the voice that was asked for.

mod likeness;
mod transcriber;

use std::path::{Path, PathBuf};
use std::time::Instant;

use resgen_core::atomic::write_atomically;
use resgen_core::data::{Problem, SpeechSet, Utterance, spread};
use resgen_core::eval::manifest::{Manifest, tables};
use resgen_core::eval::words::Normalizer;
use resgen_core::nn::parameters::fingerprint;
use resgen_core::progress::Progress as _;
use resgen_core::signal::mel::Listener;
use resgen_core::signal::sound::Sound;
use resgen_core::speak::{Length, Prompt, Speaker};
use resgen_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::likeness::Prompts;
use self::transcriber::judge;
use crate::commands::training::listen;
use crate::context::Context;
use crate::named::parser;
use crate::progress::TerminalProgress;
use crate::speech::{Speech, SpeechArguments};

/// What of a recording is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Protocol {
    /// Another recording of the speaker.
    CrossSentence,
    /// Its first seconds.
    Continuation,
}

/// Arguments of `eval speech`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen eval speech runs/voices --data voices/heldout --count 200 --out spoken/ \\
      --transcriber \"python3 tools/voices/transcribe.py -\" --extractor runs/speakers

The transcriber is any command that reads names of WAV files, one a line, from its standard input and writes a line for each: the name, a tab
and what it hears. The extractor is a network of `resgen eval features train` on recordings; with it cosines with the prompt are told, as it was
recorded (SIM-o) and as codes and vocoder leave it (SIM-r), and how many sentences are nearer to it than to somebody else's recording. DIR/spoken and
DIR/real hold the sounds, DIR/rebuilt the prompts of SIM-r, DIR/said.tsv the texts, DIR/*.heard.tsv what was heard, DIR/*.json and DIR/*.voices.json
the results. Sounds that are there are not made again.")]
pub struct Arguments {
    /// A generator that speaks: its model file, or the folder of its run.
    model: PathBuf,
    /// Held-out recordings, as for training.
    #[arg(long, value_name = "SET")]
    data: PathBuf,
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A command that writes what it hears; it may be left out where an extractor is named.
    #[arg(long, value_name = "COMMAND", required_unless_present = "extractor")]
    transcriber: Option<String>,
    /// The network to tell voices with.
    #[arg(long, value_name = "RUN|FILE")]
    extractor: Option<PathBuf>,
    /// What is given of a recording: cross-sentence or continuation.
    #[arg(long, default_value = "cross-sentence", value_name = "PROTOCOL",
        value_parser = parser::<Protocol>(&["cross-sentence", "continuation"]))]
    protocol: Protocol,
    /// Recordings, spread evenly over the set.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    count: u32,
    /// Seconds that are given of a recording (continuation), and that a prompt has at least (cross-sentence).
    #[arg(long, default_value_t = 1.5, value_name = "S")]
    given: f64,
    /// What is made of texts before they are compared: none, basic or english.
    #[arg(long, default_value = "english", value_name = "NAME",
        value_parser = parser::<Normalizer>(&["none", "basic", "english"]))]
    normalizer: Normalizer,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    #[command(flatten)]
    speech: SpeechArguments,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    protocol: Protocol,
    /// Seconds of work for a second of sound, of what was made now.
    real_time_factor: Option<f64>,
    /// How much of the texts is heard wrong.
    #[serde(flatten)]
    words: Option<Both>,
    /// How like their prompts' the voices are.
    voices: Option<Both>,
    /// Recordings that could not be said again.
    left_out: Vec<Problem>,
}

/// What was found in both sets.
#[derive(Debug, Serialize)]
struct Both {
    real: Manifest,
    spoken: Manifest,
}

/// The largest share of what a generator holds that a prompt takes: beside it there must be room for what is to be said.
const PROMPT_SHARE: f64 = 0.75;

/// A recording that is said again.
struct Pair<'a> {
    index: u64, // what is drawn for it depends on that
    name: String,
    target: &'a Utterance,
    prompt: Option<&'a Utterance>,
}

/// What can be said again, and what cannot.
struct Choice<'a> {
    pairs: Vec<Pair<'a>>,
    left_out: Vec<Problem>,
}

impl<'a> Choice<'a> {
    /// Keeps the pairs for which `work` can be done. A recording that is of no use is told of and left out.
    ///
    /// # Errors
    /// Where the work fails in a way that is no recording's fault.
    fn keep(&mut self, what: &str, mut work: impl FnMut(&Pair<'a>) -> Result<()>) -> Result<()> {
        let mut progress = TerminalProgress::default();
        progress.begin(what, 0, self.pairs.len() as u64);
        let mut kept = Vec::with_capacity(self.pairs.len());
        for (done, pair) in std::mem::take(&mut self.pairs).into_iter().enumerate() {
            match work(&pair) {
                Ok(()) => kept.push(pair),
                Err(error @ (Error::Argument { .. } | Error::File { .. })) => {
                    let (path, reason) = (pair.target.path.clone(), error.to_string());
                    progress.note(&format!("note: left out: {}: {reason}", path.display()));
                    self.left_out.push(Problem { path, reason });
                }
                Err(error) => return Err(error),
            }
            progress.step(done as u64 + 1, "");
        }
        progress.end();
        self.pairs = kept;
        Ok(())
    }
}

/// Speaks, has it transcribed, and counts what is wrong.
///
/// # Errors
/// Where the model, the recordings or the transcriber cannot serve, or a file cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    if !(arguments.given > 0.0 && arguments.given.is_finite()) {
        let reason = format!("expected seconds above 0, found {}", arguments.given);
        return Err(Error::argument("--given", reason).into());
    }
    let set = listen(&arguments.data)?;
    let Speech { generator, tensors, preset, vocoder, precision } =
        arguments.speech.load(&arguments.model, &context.device()?)?;
    let speaker = Speaker::new(&generator, preset, vocoder)?;
    let listener = Listener::new(generator.tokenizer.config().listener())?;
    let holds = generator.header.model.positions as f64 / generator.tokenizer.config().position_rate();
    let pairs = pairs(&set, arguments, holds * PROMPT_SHARE)?;
    let extractor = arguments.extractor.as_deref();
    let encoder = extractor.map(|path| likeness::encoder(path, &set, context)).transpose()?;
    let folders = ["real", "spoken"].map(|name| arguments.out.join(name));
    for folder in &folders {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let how = json!({
        "model": fingerprint(&tensors),
        "preset": preset,
        "precision": precision,
        "vocoder": speaker.vocoder().identity(),
        "protocol": arguments.protocol,
        "given": arguments.given,
        "count": arguments.count,
        "seed": arguments.seed,
        "data": arguments.data,
        "pairs": pairs.iter().map(Pair::identity).collect::<Vec<_>>(),
    });
    expect_same(&arguments.out.join("how.json"), &how)?;
    let mut choice = Choice { pairs, left_out: Vec::new() };
    let prompts = encoder
        .map(|encoder| Prompts::hear(encoder, arguments, (&set, &mut choice), (&speaker, &listener)))
        .transpose()?;

    let (mut work, mut sound) = (0.0, 0.0);
    choice.keep("speaking", |pair| {
        let [real, spoken] = [0, 1].map(|which| folders[which].join(&pair.name));
        let recording = Sound::open(set.path_of(pair.target))?;
        if !real.exists() {
            listener.prepared(&recording)?.save(&real)?;
        }
        if !spoken.exists() {
            let begun = Instant::now();
            let seed = arguments.seed.wrapping_add(pair.index);
            let made = match pair.prompt {
                Some(prompt) => said_after(&speaker, &set, prompt, &pair.target.text, seed)?,
                None => speaker.continued(&recording, &pair.target.text, arguments.given, seed)?,
            };
            work += begun.elapsed().as_secs_f64();
            sound += made.seconds();
            audible(made)?.save(&spoken)?;
        }
        Ok(())
    })?;
    let Choice { pairs, left_out } = choice;
    if pairs.len() < 2 {
        let first =
            left_out.first().map(|problem| format!("; {}: {}", problem.path.display(), problem.reason));
        let reason = format!("fewer than two recordings can be said again{}", first.unwrap_or_default());
        return Err(Error::file(&arguments.data, reason).into());
    }
    let said: String = pairs.iter().map(|pair| format!("{}\t{}\n", pair.name, pair.target.text)).collect();
    let texts = arguments.out.join("said.tsv");
    write_atomically(&texts, |writer| writer.write_all(said.as_bytes()))?;

    let words = arguments.transcriber.as_ref().map(|transcriber| {
        let [real, spoken] =
            folders.each_ref().map(|folder| judge(arguments, transcriber, folder, &texts, &pairs));
        anyhow::Ok(Both { real: real?, spoken: spoken? })
    });
    let voices = prompts.map(|prompts| {
        let [real, spoken] = folders.each_ref().map(|folder| prompts.judge(arguments, folder, &pairs));
        Ok::<_, Error>(Both { real: real?, spoken: spoken? })
    });
    let report = Report {
        protocol: arguments.protocol,
        real_time_factor: (sound > 0.0).then(|| work / sound),
        words: words.transpose()?,
        voices: voices.transpose()?,
        left_out,
    };
    context.output.print(&report, text)
}

impl Pair<'_> {
    /// All that tells it from others.
    fn identity(&self) -> Value {
        let of = |utterance: &Utterance| json!([utterance.path, utterance.text]);
        json!([self.name, of(self.target), self.prompt.map(of)])
    }
}

/// A text after a recording, piece by piece.
fn said_after(
    speaker: &Speaker<'_>,
    set: &SpeechSet,
    prompt: &Utterance,
    text: &str,
    seed: u64,
) -> Result<Sound> {
    let path = set.path_of(prompt);
    let voice =
        speaker.prompt(&Sound::open(&path)?, &prompt.text).map_err(|error| Error::file(&path, error))?;
    let mut all: Vec<f32> = Vec::new();
    for piece in speaker.pieces(text, Some(&voice), Length::Natural)? {
        all.extend(speaker.say(&piece, Some(&voice), Length::Natural, seed)?.samples());
    }
    Sound::new(speaker.rate(), all)
}

/// What is there is taken as it is, so it must have been made in the same way.
fn expect_same(path: &Path, how: &Value) -> Result<()> {
    if !path.exists() {
        let text = serde_json::to_vec_pretty(how).map_err(|error| Error::file(path, error))?;
        return write_atomically(path, |writer| writer.write_all(&text));
    }
    let text = std::fs::read(path).map_err(Error::io(path))?;
    let before: Value = serde_json::from_slice(&text).map_err(|error| Error::file(path, error))?;
    match before == *how {
        true => Ok(()),
        false => {
            Err(Error::file(path, "the folder holds what was spoken in another way; choose another one"))
        }
    }
}

/// The recordings to say again; with prompts, each beside the next usable one of its speaker, of at most so many seconds.
fn pairs<'a>(set: &'a SpeechSet, arguments: &Arguments, longest_prompt: f64) -> Result<Vec<Pair<'a>>> {
    let utterances = set.utterances();
    let count = arguments.count as usize;
    let seconds =
        |utterance: &Utterance| Sound::open(set.path_of(utterance)).map_or(0.0, |sound| sound.seconds());
    let serves = |prompt: &Utterance| {
        let sound = Sound::open(set.path_of(prompt));
        sound.is_ok_and(|sound| {
            (arguments.given..=longest_prompt).contains(&sound.seconds())
                && sound.check(Prompt::USABLE).is_ok()
        })
    };
    let mut pairs = Vec::new();
    for (index, at) in spread(utterances.len(), count).enumerate() {
        let target = &utterances[at];
        let name = format!("{index:05}.wav");
        let prompt = match arguments.protocol {
            Protocol::Continuation if seconds(target) < arguments.given + 0.5 => continue,
            Protocol::Continuation => None,
            Protocol::CrossSentence => {
                let others = (1..utterances.len()).map(|ahead| &utterances[(at + ahead) % utterances.len()]);
                let mut others = others.filter(|other| other.speaker == target.speaker);
                match others.find(|other| serves(other)) {
                    Some(other) => Some(other),
                    None => continue,
                }
            }
        };
        pairs.push(Pair { index: index as u64, name, target, prompt });
    }
    match pairs.len() {
        0 | 1 => {
            let (chosen, given) = (count.min(utterances.len()), arguments.given);
            let reason = format!("of {chosen} recordings fewer than two can be used with {given} s given");
            Err(Error::file(&arguments.data, reason))
        }
        _ => Ok(pairs),
    }
}

/// A sound that is all silence is written as a moment of it: a recogniser shall hear nothing, not miss a file.
fn audible(sound: Sound) -> Result<Sound> {
    match sound.samples().is_empty() {
        true => Sound::new(sound.rate(), vec![0.0; sound.rate() as usize / 2]),
        false => Ok(sound),
    }
}

fn text(report: &Report) -> String {
    let table = |both: &Both| {
        let named = |name: &str, manifest: &Manifest| (name.to_owned(), manifest.clone());
        tables(&[named("recordings", &both.real), named("spoken", &both.spoken)]).trim_end().to_owned()
    };
    let factor = report.real_time_factor.map(|factor| format!("{factor:.2} s of work a second of sound"));
    let count = report.left_out.len();
    let left_out =
        (count > 0).then(|| format!("{count} recordings could not be said again and are left out"));
    let both = [&report.words, &report.voices].into_iter().flatten().map(table);
    both.chain(factor).chain(left_out).collect::<Vec<_>>().join("\n\n")
}
