//! Recordings beside what a tokenizer makes of them.

use std::path::PathBuf;

use burn::tensor::Device;
use rayon::prelude::*;
use resgen_core::atomic::write_atomically;
use resgen_core::data::{Problem, SpeechSet, spread};
use resgen_core::progress::Progress as _;
use resgen_core::rvq::{DepthUsage, Usage};
use resgen_core::signal::mel::{Listener, Mel};
use resgen_core::signal::sound::Sound;
use resgen_core::tokenizer::SpeechTokenizer;
use resgen_core::train::preview::doublings;
use resgen_core::{Error, Result};
use serde::Serialize;

use super::{Arguments, largest_depth};
use crate::context::Context;
use crate::progress::TerminalProgress;

/// Recordings that are worked on at once.
const AT_ONCE: usize = 32;

/// What was made.
#[derive(Debug, Serialize)]
struct Reconstruction {
    out: PathBuf,
    recordings: usize,
    /// Recordings that could not be used.
    left_out: Vec<Problem>,
    depths: Vec<DepthError>,
    /// How the codes of each depth are used, the coarsest first.
    usage: Vec<DepthUsage>,
}

/// How far spectrograms are from their approximations at one depth.
#[derive(Debug, Serialize)]
struct DepthError {
    depth: usize,
    /// Root of the mean squared difference, in dB.
    mel_error: f64,
}

/// One recording to work on.
struct Item {
    path: PathBuf,
    text: String,
}

/// Reconstructs recordings.
///
/// # Errors
/// Where a recording cannot be read, the depth is out of range, or the folder cannot be written.
pub fn run(
    arguments: &Arguments,
    tokenizer: &SpeechTokenizer,
    device: &Device,
    context: &Context,
) -> anyhow::Result<()> {
    let depths = doublings(largest_depth(arguments.depth, tokenizer.books().depth())?);
    let items = items(arguments)?;
    let listener = Listener::new(tokenizer.config().listener())?;
    let vocoder = arguments.vocoder.load(&tokenizer.config().mel, device)?;
    let written: Vec<usize> = match arguments.each {
        true => depths.clone(),
        false => depths.last().copied().into_iter().collect(),
    };
    let folder_of = |depth: usize| arguments.out.join(format!("depth-{depth}"));
    let original = arguments.out.join("original");
    for folder in written.iter().map(|&depth| folder_of(depth)).chain([original.clone()]) {
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    }

    let mut progress = TerminalProgress::default();
    progress.begin("reconstructing", 0, items.len() as u64);
    let mut usage = Usage::new(tokenizer.books().depth(), tokenizer.books().vocabulary());
    let mut squares = vec![0.0; depths.len()];
    let (mut values, mut texts, mut left_out) = (0, String::new(), Vec::new());
    for (index, few) in items.chunks(AT_ONCE).enumerate() {
        let mels = few.par_iter().map(|item| {
            let heard = Sound::open(&item.path).and_then(|sound| listener.mel(&sound));
            heard.map_err(|error| match error {
                Error::Argument { reason, .. } => Error::file(&item.path, reason),
                other => other,
            })
        });
        let mels: Vec<Result<Mel>> = mels.collect();
        let (mut paths, mut shown): (Vec<PathBuf>, Vec<Mel>) = Default::default();
        for (place, (item, mel)) in few.iter().zip(mels).enumerate() {
            let mel = match mel {
                Ok(mel) => mel,
                Err(Error::File { reason, .. }) => {
                    progress.note(&format!("note: left out: {}: {reason}", item.path.display()));
                    left_out.push(Problem { path: item.path.clone(), reason });
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let name = format!("{:05}.wav", index * AT_ONCE + place);
            texts += &format!("{name}\t{}\n", item.text);
            let codes = tokenizer.encode_mel(&mel, 1)?;
            usage.add(&codes);
            values += mel.values.len();
            for (&depth, sum) in depths.iter().zip(&mut squares) {
                let mut decoded = tokenizer.decode_mels(&codes.truncated(depth)?)?.remove(0);
                decoded.values.truncate(mel.values.len());
                let pairs = mel.values.iter().zip(&decoded.values);
                *sum += pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
                if written.contains(&depth) {
                    paths.push(folder_of(depth).join(&name));
                    shown.push(decoded);
                }
            }
            paths.push(original.join(&name));
            shown.push(mel);
        }
        let sounds = vocoder.sounds(listener.transform(), &shown)?;
        paths.par_iter().zip(&sounds).try_for_each(|(path, sound)| sound.save(path))?;
        progress.step((index * AT_ONCE + few.len()) as u64, "");
    }
    progress.end();
    let recordings = items.len() - left_out.len();
    if let Some(problem) = left_out.first().filter(|_| recordings == 0) {
        return Err(Error::file(&problem.path, &problem.reason).into());
    }
    write_atomically(arguments.out.join("texts.tsv"), |writer| writer.write_all(texts.as_bytes()))?;
    let error = |(&depth, sum): (&usize, &f64)| DepthError {
        depth,
        mel_error: (sum / values.max(1) as f64).sqrt() * tokenizer.config().mel.decibels(),
    };
    let depths = depths.iter().zip(&squares).map(error).collect();
    let usage = usage.per_depth();
    let made = Reconstruction { out: arguments.out.clone(), recordings, left_out, depths, usage };
    context.output.print(&made, text)
}

/// The recordings that were named, or some of them.
fn items(arguments: &Arguments) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for path in &arguments.pictures {
        let is_list = path
            .extension()
            .is_some_and(|extension| ["csv", "tsv", "jsonl"].iter().any(|list| extension == *list));
        if path.is_dir() || is_list {
            let set = SpeechSet::open(path)?;
            let item = |utterance| Item { path: set.path_of(utterance), text: utterance.text.clone() };
            items.extend(set.utterances().iter().map(item));
        } else {
            items.push(Item { path: path.clone(), text: String::new() });
        }
    }
    let (total, count) = (items.len(), arguments.count.map_or(items.len(), |count| count as usize));
    if count > total {
        let reason = format!("expected at most {total}, the recordings that were named, found {count}");
        return Err(Error::argument("--count", reason));
    }
    let mut places = spread(total, count).peekable();
    let mut at = 0;
    items.retain(|_| {
        let is_next = places.next_if_eq(&at).is_some();
        at += 1;
        is_next
    });
    Ok(items)
}

fn text(made: &Reconstruction) -> String {
    let line = |depth: &DepthError| format!("\n  depth {:>3}   {:.2} dB off", depth.depth, depth.mel_error);
    let lines: String = made.depths.iter().map(line).collect();
    let used: Vec<String> = made.usage.iter().map(|usage| format!("{:.0} %", usage.used * 100.0)).collect();
    let used = format!("codes in use, depth by depth: {}", used.join(", "));
    let left_out = match made.left_out.len() {
        0 => String::new(),
        count => format!(", {count} left out"),
    };
    format!("{}: {} recordings{left_out}{lines}\n  {used}", made.out.display(), made.recordings)
}
