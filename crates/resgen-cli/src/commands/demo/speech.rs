//! A sentence from a small model inside the binary, in the voice of a recording that it has not learned from.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use burn::tensor::{Device, TensorData};
use flate2::read::GzDecoder;
use resgen_core::atomic::write_atomically;
use resgen_core::model::AnyNetwork;
use resgen_core::signal::Picture;
use resgen_core::signal::draw::Grid;
use resgen_core::signal::mel::Listener;
use resgen_core::signal::sound::Sound;
use resgen_core::speak::{Length, Speaker};
use resgen_core::tokenizer::speech::{MelAutoencoder, SpeechTokenizerConfig};
use resgen_core::train::generator::{Generator, GeneratorHeader};
use resgen_core::train::model_file::ModelFile;
use resgen_core::vocoder::Vocoder;
use resgen_core::{Error, Result};
use serde::Serialize;

use super::Arguments;

/// The generator with its tokenizer, gzipped; assets/voices/README.md says how it was made.
const MODEL: &[u8] = include_bytes!("../../../../../assets/voices/model.safetensors.gz");
/// A recording of a voice, and of a text, that were held out.
const PROMPT: &[u8] = include_bytes!("../../../../../assets/voices/prompt.wav");
/// What is said in it.
const PROMPT_TEXT: &str = "Nobody has trained on this recording, and nobody on this voice.";
/// What is to be said.
const TEXT: &str = "A short recording is enough, and anything can be said in its voice.";

/// What was written.
#[derive(Debug, Serialize)]
pub struct Shown {
    spoken: PathBuf,
    text: &'static str,
    prompt: PathBuf,
    prompt_text: &'static str,
    spectrograms: PathBuf,
    model: PathBuf,
    parameters: usize,
    steps: usize,
    /// Seconds of sound.
    seconds: f64,
    /// Seconds that it took.
    speaking_seconds: f64,
}

/// Writes the sounds and what they look like.
///
/// # Errors
/// Where they cannot be written.
pub fn show(arguments: &Arguments, device: &Device) -> anyhow::Result<Shown> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut GzDecoder::new(MODEL), &mut bytes).context("embedded model of voices")?;
    let file: ModelFile<GeneratorHeader<SpeechTokenizerConfig>> =
        ModelFile::from_bytes(&bytes).map_err(|reason| Error::file("embedded model of voices", reason))?;
    let generator = Generator::<AnyNetwork, MelAutoencoder>::from_file(&file, device)?;
    let path = |name: &str| arguments.out.join(name);
    let prompt = path("prompt.wav");
    write_atomically(&prompt, |writer| writer.write_all(PROMPT))?;
    let recording = Sound::open(&prompt)?;

    let begun = Instant::now();
    let speaker = Speaker::new(&generator, generator.header.preset, Vocoder::default())?;
    let heard = speaker.prompt(&recording, PROMPT_TEXT)?;
    let said = speaker.say(TEXT, Some(&heard), Length::Natural, arguments.seed)?;
    let speaking_seconds = begun.elapsed().as_secs_f64();
    let spoken = path("spoken.wav");
    said.save(&spoken)?;

    let spectrograms = path("spectrograms.png");
    draw(&Listener::new(generator.tokenizer.config().listener())?, [&recording, &said])?
        .save_png(&spectrograms)?;
    let model = path("voices.safetensors");
    write_atomically(&model, |writer| writer.write_all(&bytes))?;
    Ok(Shown {
        spoken,
        text: TEXT,
        prompt,
        prompt_text: PROMPT_TEXT,
        spectrograms,
        model,
        parameters: file.tensors.values().map(TensorData::num_elements).sum(),
        steps: generator.header.preset.steps,
        seconds: said.seconds(),
        speaking_seconds,
    })
}

fn draw(listener: &Listener, [recording, said]: [&Sound; 2]) -> Result<Picture> {
    Grid::new("One voice: a recording of it, and what ResGen says in it")
        .at_least(768)
        .row(format!("recorded: “{PROMPT_TEXT}”"), vec![listener.mel(recording)?.picture()?])
        .row(format!("spoken: “{TEXT}”"), vec![listener.mel(said)?.picture()?])
        .draw()
}

/// What there is to hear, and what to try next.
pub fn words(shown: &Shown, out: &Path) -> [String; 2] {
    let path = |path: &Path| path.display().to_string();
    let heard = format!(
        "A sentence said by a ResGen of {:.1} million parameters (tokenizer included) in a voice that it has not learned from,\n\
         {:.1} s of sound in {:.1} s: {} steps.\n\n\
         {:32} {}\n\
         {:32} the recording whose voice it is: {}\n\
         {:32} both to look at",
        shown.parameters as f64 / 1e6,
        shown.seconds,
        shown.speaking_seconds,
        shown.steps,
        path(&shown.spoken),
        shown.text,
        path(&shown.prompt),
        shown.prompt_text,
        path(&shown.spectrograms),
    );
    let next = format!(
        "resgen speak {} \"Hello there.\" --prompt {} --prompt-text \"{}\" --out {}",
        path(&shown.model),
        path(&shown.prompt),
        shown.prompt_text,
        out.join("hello.wav").display(),
    );
    [heard, next]
}
