//! What was said beside what was heard: word and character error rates of many texts.
//!
//! 1. Texts are paired by line, or by name where files have names.
//! 2. Both are normalized, and counted by [`word_errors`] and [`character_errors`].
//! 3. Rates are of all texts together (corpus level: long texts weigh more), and the mean of each text's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::distribution::{RunningMean, ratio};
use super::manifest::{Findings, Measured, Metric, SetKind, SetRecord};
use super::words::{Errors, MOST_PAIRS, Normalizer, character_errors, word_errors};
use crate::digest;
use crate::error::{Error, Result};

/// Texts of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcripts {
    path: PathBuf,
    names: Vec<String>, // that of the n-th text, or its line
    texts: Vec<String>,
    is_named: bool,
}

impl Transcripts {
    /// Reads a text a line; of a file that ends in `.tsv`, a name and a text a line with a tab between them.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::File`] where it is no UTF-8, holds nothing, or a line of a `.tsv` has no
    /// tab or a name that stood before.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let content = String::from_utf8(bytes).map_err(|error| {
            Error::file(path, format!("no UTF-8 text: byte {}", error.utf8_error().valid_up_to()))
        })?;
        let is_named = path.extension().is_some_and(|extension| extension == "tsv");
        let mut found = Self { path: path.to_owned(), names: Vec::new(), texts: Vec::new(), is_named };
        let mut lines = BTreeMap::new();
        for (index, line) in content.lines().enumerate() {
            let number = index + 1;
            let (name, text) = match is_named {
                true => line.split_once('\t').ok_or_else(|| {
                    Error::file(path, format!("line {number}: expected a name, a tab and a text"))
                })?,
                false => ("", line),
            };
            if is_named && let Some(before) = lines.insert(name, number) {
                return Err(Error::file(
                    path,
                    format!("`{name}` stands in line {before} and in line {number}"),
                ));
            }
            found.names.push(if is_named { name.to_owned() } else { format!("line {number}") });
            found.texts.push(text.to_owned());
        }
        match found.texts.is_empty() {
            true => Err(Error::file(path, "no texts in it")),
            false => Ok(found),
        }
    }

    /// For each text of `self` its name, itself and its counterpart in `other`.
    fn beside<'a>(&'a self, other: &'a Self) -> Result<Vec<(&'a str, &'a str, &'a str)>> {
        let counts = || {
            Error::mismatch(format!("texts in {}", other.path.display()), self.texts.len(), other.texts.len())
        };
        let own = self.names.iter().zip(&self.texts);
        if !(self.is_named && other.is_named) {
            if self.texts.len() != other.texts.len() {
                return Err(counts());
            }
            return Ok(own.zip(&other.texts).map(|((name, a), b)| (&name[..], &a[..], &b[..])).collect());
        }
        let known: BTreeMap<&str, &str> =
            other.names.iter().zip(&other.texts).map(|(name, text)| (&name[..], &text[..])).collect();
        let pair = |(name, text): (&'a String, &'a String)| match known.get(&name[..]) {
            Some(other) => Ok((&name[..], &text[..], *other)),
            None => Err(Error::file(&other.path, format!("no text for `{name}`"))),
        };
        let pairs = own.map(pair).collect::<Result<Vec<_>>>()?;
        match pairs.len() == other.texts.len() {
            true => Ok(pairs),
            false => Err(counts()),
        }
    }

    fn record(&self) -> SetRecord {
        let mut hash = Sha256::new();
        for text in &self.texts {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        SetRecord {
            path: self.path.clone(),
            kind: SetKind::Texts,
            count: self.texts.len(),
            size: None,
            fingerprint: digest::short(hash),
            made_by: None,
        }
    }
}

/// One text, said and heard, as they were compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heard {
    /// Its name, or its line.
    pub name: String,
    /// What was said, normalized.
    pub said: String,
    /// What was heard, normalized.
    pub heard: String,
    /// Wrong words.
    pub words: Errors,
    /// Wrong characters.
    pub characters: Errors,
}

/// What was heard of what was said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hearing {
    /// Wrong words of all texts.
    pub words: Errors,
    /// Wrong characters of all texts.
    pub characters: Errors,
    /// Text by text, in the order of what was said.
    pub texts: Vec<Heard>,
    /// Rates, with what they depend on.
    #[serde(skip)]
    pub findings: Findings,
}

/// Compares.
///
/// # Errors
/// Where the two cannot be paired; [`Error::File`] names a text of the reference in which nothing is said, or one that is too long.
pub fn compare(said: &Transcripts, heard: &Transcripts, normalizer: Normalizer) -> Result<Hearing> {
    let mut texts = Vec::with_capacity(said.texts.len());
    for (name, reference, hypothesis) in said.beside(heard)? {
        let (reference, hypothesis) = (normalizer.apply(reference), normalizer.apply(hypothesis));
        if reference.trim().is_empty() {
            return Err(Error::file(&said.path, format!("{name}: nothing is said, so nothing can be wrong")));
        }
        let [own, other] = [&reference, &hypothesis].map(|text| text.chars().count());
        if own.saturating_mul(other) > MOST_PAIRS {
            let reason =
                format!("{name}: {own} characters, and {other} that were heard, are too many to compare");
            return Err(Error::file(&said.path, reason));
        }
        texts.push(Heard {
            name: name.to_owned(),
            words: word_errors(&reference, &hypothesis),
            characters: character_errors(&reference, &hypothesis),
            said: reference,
            heard: hypothesis,
        });
    }
    let count = texts.len();
    let mut results = Vec::new();
    let mut rates = |[corpus, mean]: [Metric; 2], errors: fn(&Heard) -> Errors| {
        let parts: Vec<(f64, f64)> =
            texts.iter().map(|text| (errors(text).wrong() as f64, errors(text).said() as f64)).collect();
        results.push(Measured::whole(corpus, ratio(&parts).at_least(0.0), count));
        let mut each = RunningMean::default();
        texts.iter().for_each(|text| each.add(errors(text).rate()));
        results.extend(each.estimate().map(|estimate| Measured::whole(mean, estimate.at_least(0.0), count)));
    };
    rates([Metric::WordErrorRate, Metric::MeanWordErrorRate], |text| text.words);
    rates([Metric::CharacterErrorRate, Metric::MeanCharacterErrorRate], |text| text.characters);
    let findings = Findings {
        extractor: None,
        settings: [("normalizer".to_owned(), normalizer.name().to_owned())].into(),
        samples: heard.record(),
        reference: said.record(),
        results,
    };
    let sum = |errors: fn(&Heard) -> Errors| texts.iter().map(errors).fold(Errors::default(), |a, b| a + b);
    Ok(Hearing { words: sum(|text| text.words), characters: sum(|text| text.characters), findings, texts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(folder: &Path, name: &str, content: &str) -> Transcripts {
        std::fs::write(folder.join(name), content).unwrap();
        Transcripts::read(folder.join(name)).unwrap()
    }

    #[test]
    fn long_texts_weigh_more_in_the_corpus_than_in_the_mean() {
        let folder = tempfile::tempdir().unwrap();
        let said =
            texts(folder.path(), "said.txt", "One two three four five six seven eight\nHello there.\n");
        let heard =
            texts(folder.path(), "heard.txt", "one two three four five six seven eight\nhallo their\n");
        let found = compare(&said, &heard, Normalizer::Basic).unwrap();
        let value =
            |metric| found.findings.results.iter().find(|one| one.metric == metric).unwrap().estimate.value;
        assert!((value(Metric::WordErrorRate) - 0.2).abs() < 1e-12);
        assert!((value(Metric::MeanWordErrorRate) - 0.5).abs() < 1e-12);
        assert_eq!(found.words, Errors { substitutions: 2, hits: 8, ..Errors::default() });
        // e for a; r, e for i, r.
        assert_eq!(found.texts[1].characters.wrong(), 3);
        assert!(value(Metric::CharacterErrorRate) < value(Metric::MeanCharacterErrorRate));
        assert_eq!(compare(&said, &heard, Normalizer::None).unwrap().words.hits, 7);
    }

    #[test]
    fn names_pair_texts_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let said = texts(folder.path(), "said.tsv", "b\tyes\na\tno\n");
        let heard = texts(folder.path(), "heard.tsv", "a\tno\nb\tyes\n");
        assert_eq!(compare(&said, &heard, Normalizer::Basic).unwrap().words.hits, 2);
        let refused = |content: &str| {
            let heard = texts(folder.path(), "other.tsv", content);
            compare(&said, &heard, Normalizer::Basic).unwrap_err().to_string()
        };
        assert!(refused("a\tno\nc\tyes\n").contains("other.tsv: no text for `b`"));
        assert!(refused("a\tno\nb\tyes\nc\t\n").contains("expected 2, found 3"));
    }

    #[test]
    fn what_is_no_list_of_texts_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            Transcripts::read(&path).unwrap_err().to_string()
        };
        assert!(refused("a.txt", b"").contains("a.txt: no texts in it"));
        assert!(refused("a.txt", b"abc\xff").contains("no UTF-8 text: byte 3"));
        assert!(refused("a.tsv", b"a\tb\nc d\n").contains("line 2: expected a name, a tab and a text"));
        assert!(refused("a.tsv", b"a\tb\na\tc\n").contains("`a` stands in line 1 and in line 2"));
        let said = texts(folder.path(), "said.txt", "yes\n...\n");
        let heard = texts(folder.path(), "heard.txt", "yes\n\n");
        let text = compare(&said, &heard, Normalizer::Basic).unwrap_err().to_string();
        assert!(text.contains("said.txt: line 2: nothing is said"), "{text}");
        let text =
            compare(&said, &texts(folder.path(), "b.txt", "yes"), Normalizer::Basic).unwrap_err().to_string();
        assert!(text.contains("b.txt: expected 2, found 1"), "{text}");
    }
}
