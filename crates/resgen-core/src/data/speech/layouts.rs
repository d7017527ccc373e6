//! The folders that published corpora come in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{SpeechSet, Utterance, manifest};
use crate::data::Problem;
use crate::data::walk;
use crate::error::{Error, Result};

/// Extensions of sound files, the likeliest first.
const SOUNDS: [&str; 5] = ["flac", "wav", "mp3", "ogg", "oga"];
/// Names of a manifest in a folder.
const MANIFESTS: [&str; 3] = ["manifest.csv", "manifest.tsv", "manifest.jsonl"];

/// Whether a folder has a list of recordings in it.
pub(super) fn is_speech(root: &Path) -> bool {
    let has_list = MANIFESTS.iter().any(|name| root.join(name).is_file());
    has_list
        || is_lj_speech(root)
        || walk::files(root, Path::new(""), &mut Vec::new())
            .is_ok_and(|files| files.iter().any(|path| is_text(path)))
}

/// Folders of pictures have a `metadata.csv` too.
fn is_lj_speech(root: &Path) -> bool {
    root.join("metadata.csv").is_file() && root.join("wavs").is_dir()
}

/// Whether a file holds texts of LibriSpeech or LibriTTS.
fn is_text(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".trans.txt") || name.ends_with(".normalized.txt")
}

/// Lists the recordings of a folder, whatever its layout.
pub(super) fn folder(root: &Path) -> Result<SpeechSet> {
    let manifests: Vec<PathBuf> =
        MANIFESTS.map(|name| root.join(name)).into_iter().filter(|path| path.is_file()).collect();
    match &manifests[..] {
        [one] => return manifest::read(one),
        [] => {}
        several => {
            let names: Vec<_> = several.iter().map(|path| path.display().to_string()).collect();
            return Err(Error::file(root, format!("which is it: {}?", names.join(" or "))));
        }
    }
    if is_lj_speech(root) {
        return lj_speech(root);
    }
    let mut problems = Vec::new();
    let files = walk::files(root, Path::new(""), &mut problems)?;
    let named =
        |ending: &'static str| files.iter().filter(move |path| path.to_string_lossy().ends_with(ending));
    let mut set = SpeechSet { root: root.to_owned(), utterances: Vec::new(), problems };
    for list in named(".trans.txt") {
        libri_speech(&mut set, list)?;
    }
    for text in named(".normalized.txt") {
        libri_tts(&mut set, text)?;
    }
    if set.utterances.is_empty() {
        let expected = "a manifest (manifest.csv, .tsv or .jsonl), LJSpeech's metadata.csv, LibriSpeech's ….trans.txt or LibriTTS' ….normalized.txt";
        return Err(Error::file(root, format!("no recordings with texts in it: looked for {expected}")));
    }
    Ok(set)
}

/// `metadata.csv` has a name, a text and the same with numbers in words, bars between them; sounds are in `wavs/`.
fn lj_speech(root: &Path) -> Result<SpeechSet> {
    let list = root.join("metadata.csv");
    let content = std::fs::read_to_string(&list).map_err(Error::io(&list))?;
    let speaker = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut utterances = Vec::new();
    for (number, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let parts: Vec<&str> = line.split('|').collect();
        let [name, text, ..] = parts[..] else {
            let reason = format!("line {}: expected a name and a text with a bar between them", number + 1);
            return Err(Error::file(&list, reason));
        };
        let text = parts.get(2).copied().filter(|text| !text.trim().is_empty()).unwrap_or(text);
        let path = with_extension(root, &Path::new("wavs").join(name));
        utterances.push(Utterance { path, text: text.to_owned(), speaker: speaker.clone() });
    }
    Ok(SpeechSet { root: root.to_owned(), utterances, problems: Vec::new() })
}

/// A chapter's list has a name and a text a line; sounds are beside it, the speaker's folder is above.
fn libri_speech(set: &mut SpeechSet, list: &Path) -> Result<()> {
    let whole = set.root.join(list);
    let content = std::fs::read_to_string(&whole).map_err(Error::io(&whole))?;
    let chapter = list.parent().unwrap_or(Path::new(""));
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for (number, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (name, text) = line.split_once(' ').ok_or_else(|| {
            Error::file(
                &whole,
                format!("line {}: expected a name and a text with a space between them", number + 1),
            )
        })?;
        texts.insert(name, text);
    }
    for (name, text) in texts {
        let path = with_extension(&set.root, &chapter.join(name));
        set.utterances.push(Utterance { path, text: text.to_owned(), speaker: speaker_of(list) });
    }
    Ok(())
}

/// A text beside each sound.
fn libri_tts(set: &mut SpeechSet, list: &Path) -> Result<()> {
    let whole = set.root.join(list);
    let text = std::fs::read_to_string(&whole).map_err(Error::io(&whole))?;
    let name = list.to_string_lossy();
    let sound = with_extension(&set.root, Path::new(name.trim_end_matches(".normalized.txt")));
    match text.trim().is_empty() {
        true => set.problems.push(Problem { path: list.to_owned(), reason: "it is empty".into() }),
        false => set.utterances.push(Utterance {
            path: sound,
            text: text.trim().to_owned(),
            speaker: speaker_of(list),
        }),
    }
    Ok(())
}

/// The folder above the chapter's.
fn speaker_of(list: &Path) -> String {
    let speaker = list.parent().and_then(Path::parent).and_then(Path::file_name);
    speaker.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The sound file of that name, with the extension that there is.
fn with_extension(root: &Path, stem: &Path) -> PathBuf {
    let with = |extension: &str| {
        let mut name = stem.as_os_str().to_owned();
        name.push(".");
        name.push(extension);
        PathBuf::from(name)
    };
    let found = SOUNDS.iter().map(|extension| with(extension)).find(|path| root.join(path).is_file());
    found.unwrap_or_else(|| with(SOUNDS[0]))
}
