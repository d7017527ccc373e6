//! Reading font files: names, licence lines, and a small drawing of every character.

use super::classes;
use super::draw;
use ab_glyph::FontRef;
use anyhow::Result;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use ttf_parser::{Face as Tables, name_id};

/// Side of the small drawings by which faces are judged and compared.
pub const SIDE: usize = 24;

/// One usable font file.
#[derive(Debug, Clone)]
pub struct Face {
    /// The file.
    pub path: PathBuf,
    /// Its folder, relative to the folder searched.
    pub folder: String,
    /// A file-safe name, unique in the set.
    pub label: String,
    /// The family its name table gives.
    pub family: String,
    /// Family, full and file name together, for recognising symbol faces.
    pub all_names: String,
    /// Licence text and licence address (name IDs 13 and 14); the copyright line when both are missing.
    pub licence: Vec<String>,
    /// Coverage of each character in a [`SIDE`] × [`SIDE`] square, blurred, of unit length.
    pub shapes: Vec<Vec<f32>>,
    /// Ink of each character: the mean coverage of that square.
    pub ink: Vec<f32>,
}

/// Why a font file was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// The file could not be parsed.
    Unreadable,
    /// One of the 62 characters is missing.
    MissingCharacters,
    /// The name says symbols, ornaments, barcodes or mathematics.
    SymbolName,
    /// Its own licence line restricts use or derived works.
    RestrictedLicence,
    /// A character draws nothing, or next to nothing.
    BlankCharacters,
    /// Characters are nearly solid blocks.
    SolidCharacters,
    /// Different characters share one drawing.
    RepeatedDrawings,
    /// Lower case is drawn as capitals, so the case of a picture could not be told.
    SameCase,
    /// The drawings do not resemble the letters of the other faces.
    UnlikeLetters,
    /// Nearly the same as another face, or beyond the cap on faces a family.
    SpareInFamily,
}

impl Rejection {
    /// The reason in words, for the report.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Unreadable => "could not be parsed",
            Self::MissingCharacters => "lacks some of the 62 characters",
            Self::SymbolName => "named as a symbol, ornament or mathematics face",
            Self::RestrictedLicence => "its own licence line restricts use or derived works",
            Self::BlankCharacters => "draws some characters blank",
            Self::SolidCharacters => "draws solid blocks",
            Self::RepeatedDrawings => "repeats one drawing for many characters",
            Self::SameCase => "draws lower case as capitals",
            Self::UnlikeLetters => "does not look like the letters of the other faces",
            Self::SpareInFamily => "spare: its family has enough, more different faces",
        }
    }
}

/// Reads every font file below the folders, in path order.
pub fn scan(roots: &[PathBuf]) -> Result<Vec<(PathBuf, Result<Face, Rejection>)>> {
    let mut files = Vec::new();
    for root in roots {
        let found = crate::output::files_below(root, &["otf", "ttf"])?;
        files.extend(found.into_iter().map(|path| (root.clone(), path)));
    }
    Ok(files.into_par_iter().map(|(root, path)| (path.clone(), read(&root, &path))).collect())
}

fn read(root: &Path, path: &Path) -> Result<Face, Rejection> {
    let bytes = std::fs::read(path).map_err(|_| Rejection::Unreadable)?;
    let tables = Tables::parse(&bytes, 0).map_err(|_| Rejection::Unreadable)?;
    let font = FontRef::try_from_slice(&bytes).map_err(|_| Rejection::Unreadable)?;
    if classes::characters().any(|c| tables.glyph_index(c).is_none_or(|id| id.0 == 0)) {
        return Err(Rejection::MissingCharacters);
    }
    let (shapes, ink) = shapes(&font).ok_or(Rejection::BlankCharacters)?;
    let folder = path.parent().and_then(|p| p.strip_prefix(root).ok()).unwrap_or(Path::new(""));
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let family =
        name(&tables, &[name_id::TYPOGRAPHIC_FAMILY, name_id::FAMILY]).unwrap_or_else(|| stem.clone());
    let full = name(&tables, &[name_id::FULL_NAME]).unwrap_or_default();
    Ok(Face {
        path: path.to_path_buf(),
        folder: folder.to_string_lossy().into_owned(),
        label: file_label(&stem),
        all_names: format!("{family} {full} {stem}").to_lowercase(),
        licence: licence(&tables),
        family,
        shapes,
        ink,
    })
}

/// The file's stem with anything unusual in a file name replaced.
fn file_label(stem: &str) -> String {
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
}

/// The first of the name IDs that is present, English before other languages.
fn name(tables: &Tables, ids: &[u16]) -> Option<String> {
    ids.iter().find_map(|&id| {
        let matching = || tables.names().into_iter().filter(move |n| n.name_id == id);
        let english = matching().filter(|n| n.is_unicode() && n.language_id == 0x0409);
        english.chain(matching()).find_map(|n| decode(&n))
    })
}

fn decode(name: &ttf_parser::name::Name) -> Option<String> {
    // Old Macintosh records hold one byte a character; only their ASCII part is kept.
    let text = name.to_string().unwrap_or_else(|| {
        name.name.iter().map(|&b| if b.is_ascii() { char::from(b) } else { '?' }).collect()
    });
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

fn licence(tables: &Tables) -> Vec<String> {
    let lines: Vec<String> =
        [name_id::LICENSE, name_id::LICENSE_URL].iter().filter_map(|&id| name(tables, &[id])).collect();
    if lines.is_empty() { name(tables, &[name_id::COPYRIGHT_NOTICE]).into_iter().collect() } else { lines }
}

/// Each character's blurred drawing and its ink; `None` when one of them is blank.
fn shapes(font: &FontRef) -> Option<(Vec<Vec<f32>>, Vec<f32>)> {
    let middle = SIDE as f32 / 2.0;
    let mut all = (Vec::new(), Vec::new());
    for character in classes::characters() {
        let square = draw::coverage(font, character, SIDE, SIDE as f32 - 2.0, (middle, middle))?;
        let ink = square.iter().sum::<f32>() / square.len() as f32;
        if ink < 0.006 {
            return None;
        }
        all.0.push(unit(blur(&square)));
        all.1.push(ink);
    }
    Some(all)
}

/// A 3 × 3 box blur, so that strokes a pixel apart still overlap when compared.
fn blur(square: &[f32]) -> Vec<f32> {
    let at = |x: usize, y: usize| {
        let (xs, ys) =
            (x.saturating_sub(1)..=(x + 1).min(SIDE - 1), y.saturating_sub(1)..=(y + 1).min(SIDE - 1));
        ys.flat_map(|y| xs.clone().map(move |x| (x, y))).map(|(x, y)| square[y * SIDE + x]).sum::<f32>() / 9.0
    };
    (0..SIDE * SIDE).map(|i| at(i % SIDE, i / SIDE)).collect()
}

/// The vector scaled to unit length, so that bold and light strokes weigh alike.
pub fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|v| *v /= length);
    vector
}

/// Cosine of two unit vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_only_plain_characters() {
        assert_eq!(file_label("IM FELL DW Pica (it).v2"), "IM_FELL_DW_Pica__it__v2");
    }

    #[test]
    fn unit_vectors_have_cosine_one_with_themselves_and_blank_ones_none() {
        let v = unit(vec![3.0, 4.0]);
        assert_eq!(v, [0.6, 0.8]);
        assert!((cosine(&v, &v) - 1.0).abs() < 1e-6);
        assert_eq!(unit(vec![0.0; 3]), [0.0; 3]);
    }
}
