//! What a command hears in sounds.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::anyhow;
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
    let answers = transcribed(transcriber, &names)?;
    let texts = by_name(&names, &answers).map_err(|reason| anyhow!("{transcriber}: {reason}"))?;
    let lines = pairs.iter().zip(&texts).map(|(pair, text)| format!("{}\t{text}\n", pair.name));
    let lines: String = lines.collect();
    write_atomically(&heard, |writer| writer.write_all(lines.as_bytes()))?;
    let hearing = compare(&Transcripts::read(said)?, &Transcripts::read(&heard)?, arguments.normalizer)?;
    let manifest = Manifest::new(hearing.findings);
    manifest.save(&folder.with_extension("json"))?;
    Ok(manifest)
}

/// What was heard in each of the named sounds, in the order of the names: the answers may come in any. Or what is wrong with the answers.
fn by_name<'a>(names: &'a str, lines: &'a [String]) -> Result<Vec<&'a str>, String> {
    let mut heard: HashMap<&str, Option<&str>> = names.lines().map(|name| (name, None)).collect();
    for line in lines {
        let Some((name, text)) = line.split_once('\t') else {
            return Err(format!("expected a name, a tab and what is heard, found `{line}`"));
        };
        match heard.get_mut(name) {
            None => return Err(format!("it heard `{name}`, which it was not given")),
            Some(Some(_)) => return Err(format!("it heard `{name}` twice")),
            Some(place) => *place = Some(text),
        }
    }
    let of =
        |name| heard.get(name).copied().flatten().ok_or_else(|| format!("it wrote no line for `{name}`"));
    names.lines().map(of).collect()
}

/// The lines that the command writes when it is given these.
fn transcribed(command: &str, names: &str) -> anyhow::Result<Vec<String>> {
    let failed = |reason: String| anyhow!("{command}: {reason}");
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
        return Err(failed(format!("it ended with {}", output.status)));
    }
    let text =
        String::from_utf8(output.stdout).map_err(|error| failed(format!("it wrote no UTF-8: {error}")))?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_by_their_names() {
        let heard = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            by_name("a.wav\nb.wav\n", &lines).map(|texts| texts.join("|"))
        };
        assert_eq!(heard(&["b.wav\tyes", "a.wav\t"]), Ok("|yes".into()));
        for (lines, reason) in [
            (&["a.wav\tno"][..], "no line for `b.wav`"),
            (&["a.wav\tno", "a.wav\tno"], "`a.wav` twice"),
            (&["c.wav\tno"], "`c.wav`, which it was not given"),
            (&["no"], "found `no`"),
        ] {
            assert!(heard(lines).unwrap_err().contains(reason), "{reason}");
        }
    }
}
