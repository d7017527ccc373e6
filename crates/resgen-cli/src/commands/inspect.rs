//! `inspect`: what is in a model file or a token cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use resgen_core::Error;
use resgen_core::data::Problem;
use resgen_core::data::cache::CacheHeader;
use resgen_core::data::speech::SpeechCache;
use resgen_core::nn::parameters::{NamedTensors, fingerprint};
use resgen_core::train::model_file;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::data::problem;
use crate::context::Context;
use crate::model;

/// How many classes or speakers the text names; JSON names all.
const NAMED: usize = 20;

/// The file that makes a folder a token cache.
const CACHE_FILE: &str = "cache.json";

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen inspect runs/tokenizer
  resgen inspect codes/
  resgen inspect model.safetensors --json")]
pub struct Arguments {
    /// A model file, the folder of a run, or a token cache.
    file: PathBuf,
}

/// What a file holds.
#[derive(Debug, Serialize)]
struct Contents {
    file: PathBuf,
    bytes: usize,
    parameters: usize,
    /// Parameters by the first two components of their names.
    parts: BTreeMap<String, usize>,
    fingerprint: String,
    /// All that the file says of itself; absent in a checkpoint's state.
    header: Option<Map<String, Value>>,
}

/// What a cache of recordings holds.
#[derive(Debug, Serialize)]
struct SpeechContents {
    recordings: usize,
    speakers: usize,
    /// Positions with what is said, without the silence at the ends.
    positions: usize,
    depth: usize,
    vocabulary: usize,
    /// Recordings of each length, in positions.
    lengths: BTreeMap<usize, usize>,
    tokenizer: String,
    problems: Vec<Problem>,
}

/// Tells what is in a file.
///
/// # Errors
/// Where it cannot be read or is no safetensors file.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    if arguments.file.join(CACHE_FILE).is_file() {
        return context.output.print(&CacheHeader::read(&arguments.file)?, cache_text);
    }
    if SpeechCache::is_at(&arguments.file) {
        return context.output.print(&speech(&SpeechCache::open(&arguments.file)?), speech_text);
    }
    let file = model::file_of(&arguments.file);
    let bytes = std::fs::read(&file).map_err(Error::io(&file))?;
    let (tensors, header) = model_file::from_bytes(&bytes).map_err(|reason| Error::file(&file, reason))?;
    let header = header.map(|header| serde_json::from_str(&header)).transpose();
    let contents = Contents {
        bytes: bytes.len(),
        parameters: tensors.values().map(|data| data.num_elements()).sum(),
        parts: parts(&tensors),
        fingerprint: fingerprint(&tensors),
        header: header.map_err(|error| Error::file(&file, format!("its header does not read: {error}")))?,
        file,
    };
    context.output.print(&contents, text)
}

fn speech(cache: &SpeechCache) -> SpeechContents {
    let [depth, vocabulary] = cache.sizes();
    let mut lengths = BTreeMap::new();
    cache.spoken().iter().for_each(|spoken| *lengths.entry(spoken.positions).or_default() += 1);
    SpeechContents {
        recordings: cache.spoken().len(),
        speakers: cache.spoken().iter().map(|spoken| &*spoken.speaker).collect::<BTreeSet<&str>>().len(),
        positions: cache.spoken().iter().map(|spoken| spoken.spoken).sum(),
        depth,
        vocabulary,
        lengths,
        tokenizer: cache.tokenizer().to_owned(),
        problems: cache.problems().to_vec(),
    }
}

fn speech_text(contents: &SpeechContents) -> String {
    let SpeechContents { recordings, speakers, positions, depth, vocabulary, .. } = contents;
    let lengths: Vec<String> =
        contents.lengths.iter().map(|(length, count)| format!("{length}: {count}")).collect();
    let mut lines = vec![
        format!(
            "codes of {recordings} recordings of {speakers} speakers, {positions} positions, D = {depth}, V = {vocabulary}"
        ),
        format!("tokenizer {}", contents.tokenizer),
        format!("recordings by positions  {}", lengths.join(", ")),
    ];
    lines.extend(contents.problems.iter().map(|file| format!("left out {}", problem(file))));
    lines.join("\n")
}

fn parts(tensors: &NamedTensors) -> BTreeMap<String, usize> {
    let mut parts = BTreeMap::new();
    for (name, data) in tensors {
        // The last component is the tensor's own name.
        let components: Vec<&str> = name.split('.').collect();
        let part = components[..components.len().saturating_sub(1).clamp(1, 2)].join(".");
        *parts.entry(part).or_default() += data.num_elements();
    }
    parts
}

fn text(contents: &Contents) -> String {
    let field =
        |key: &str| contents.header.as_ref().and_then(|header| header.get(key)).and_then(Value::as_str);
    let mut lines = vec![format!(
        "{}: {}, {} parameters, {:.1} MB",
        contents.file.display(),
        field("kind").unwrap_or("tensors without a header"),
        contents.parameters,
        contents.bytes as f64 / 1e6
    )];
    let width = contents.parts.keys().map(String::len).max().unwrap_or(0);
    lines.extend(contents.parts.iter().map(|(part, count)| format!("  {part:width$}  {count:>11}")));
    lines.push(format!("fingerprint {}", contents.fingerprint));
    for (key, value) in contents.header.iter().flatten().filter(|(key, _)| *key != "kind") {
        match (key.as_str(), value) {
            ("classes" | "speakers", Value::Array(names)) => lines.push(names_line(key, names)),
            (_, value) => describe(key, value, &mut lines),
        }
    }
    lines.join("\n")
}

fn cache_text(header: &CacheHeader) -> String {
    let inputs = &header.inputs;
    let sizes = format!("L = {}, D = {}, V = {}", inputs.positions, inputs.depth, inputs.vocabulary);
    let classes: Vec<Value> = inputs.classes.iter().map(|name| name.as_str().into()).collect();
    let lines = [
        format!("token cache: {} signals, {sizes}, {} shards", header.signals, header.shards.len()),
        format!("tokenizer {}", inputs.tokenizer),
        names_line("classes", &classes),
        format!("unreadable pictures {}", header.unreadable.len()),
    ];
    lines.join("\n")
}

fn names_line(of: &str, all: &[Value]) -> String {
    let names: Vec<&str> = all.iter().filter_map(Value::as_str).take(NAMED).collect();
    let more = if all.len() > NAMED { ", … (--json names all)" } else { "" };
    format!("{of} ({}) {}{more}", all.len(), names.join(", "))
}

/// `key value` lines, with dotted keys for what is nested.
fn describe(key: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| describe(&format!("{key}.{name}"), value, lines));
        }
        Value::String(text) => lines.push(format!("{key} {text}")),
        value => lines.push(format!("{key} {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_have_dotted_keys() {
        let mut lines = Vec::new();
        describe("a", &serde_json::json!({"b": {"c": [1, 2]}, "d": "e"}), &mut lines);
        assert_eq!(lines, ["a.b.c [1,2]", "a.d e"]);
    }
}
