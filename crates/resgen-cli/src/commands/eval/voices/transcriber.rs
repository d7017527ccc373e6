//! What a command hears in sounds.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use resgen_core::Error;
use resgen_core::atomic::write_atomically;
use resgen_core::eval::manifest::Manifest;
use resgen_core::eval::transcripts::{Transcripts, compare};

use super::{Arguments, Pair};

/// What the transcriber hears in a folder, beside what was said.
///
/// # Errors
/// Where the command fails or writes something else than a line for each sound, or the results cannot be written.
pub fn judge(
    arguments: &Arguments,
    transcriber: &str,
    folder: &Path,
    said: &Path,
    pairs: &[Pair<'_>],
) -> anyhow::Result<Manifest> {
    let heard = folder.with_extension("heard.tsv");
    let names: String = pairs.iter().map(|pair| format!("{}\n", folder.join(&pair.name).display())).collect();
    let lines = transcribed(transcriber, &names)?;
    if lines.len() != pairs.len() {
        let found = format!("{} lines", lines.len());
        return Err(
            Error::mismatch("what the transcriber wrote", format!("{} lines", pairs.len()), found).into()
        );
    }
    let lines = pairs.iter().zip(&lines).map(|(pair, line)| {
        let text = line.split_once('\t').map_or("", |(_, text)| text);
        format!("{}\t{text}\n", pair.name)
    });
    let lines: String = lines.collect();
    write_atomically(&heard, |writer| writer.write_all(lines.as_bytes()))?;
    let hearing = compare(&Transcripts::read(said)?, &Transcripts::read(&heard)?, arguments.normalizer)?;
    let manifest = Manifest::new(hearing.findings);
    manifest.save(&folder.with_extension("json"))?;
    Ok(manifest)
}

/// The lines that the command writes when it is given these.
fn transcribed(command: &str, names: &str) -> anyhow::Result<Vec<String>> {
    let failed = |reason: String| Error::argument("--transcriber", format!("`{command}`: {reason}"));
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut stdin = child.stdin.take().ok_or_else(|| failed("it has no standard input".into()))?;
    let names = names.to_owned();
    // Written beside: a command that answers as it reads would otherwise wait for us to read.
    let writer = std::thread::spawn(move || stdin.write_all(names.as_bytes()));
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    // A command that ends before it has read all tells more by its status.
    let _ = writer.join();
    if !output.status.success() {
        return Err(failed(format!("it ended with {}", output.status)).into());
    }
    let text =
        String::from_utf8(output.stdout).map_err(|error| failed(format!("it wrote no UTF-8: {error}")))?;
    Ok(text.lines().map(str::to_owned).collect())
}
