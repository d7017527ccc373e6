//! The output folder, and finding files below a folder.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Folder of the pictures to learn from.
pub const TRAIN: &str = "train";
/// Folder of the pictures kept for testing.
pub const HELD_OUT: &str = "heldout";

/// The split's folder name.
pub fn split_name(held_out: bool) -> &'static str {
    if held_out { HELD_OUT } else { TRAIN }
}

/// Makes `out` ready: created when missing, refused when it holds anything, because pictures left
/// from an earlier run would mix into the new set unnoticed.
pub fn prepare(out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut entries = std::fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))?;
    if entries.next().is_some() {
        bail!("{} is not empty: remove it or choose another --out", out.display());
    }
    Ok(())
}

/// Makes the class folders of both splits.
pub fn class_folders<'a>(out: &Path, classes: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
    for split in [TRAIN, HELD_OUT] {
        for class in classes.clone() {
            let folder = out.join(split).join(class);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
    }
    Ok(())
}

/// All files below `root` with one of the extensions (any case), sorted by path.
pub fn files_below(root: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let path = entry.path();
            // Links are not followed into folders: a loop would never end.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.is_file() && has_extension(&path, extensions) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    extensions.iter().any(|e| e.eq_ignore_ascii_case(extension))
}

/// `text` as a file or folder name that is safe everywhere: lower-case ASCII letters and digits as
/// they are, anything else a single hyphen.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_safe_file_names() {
        assert_eq!(slug("Smileys & Emotion"), "smileys-emotion");
        assert_eq!(slug("  flag: Åland!  "), "flag-land");
        assert_eq!(slug("animal-bird"), "animal-bird");
    }

    #[test]
    fn extensions_match_in_any_case() {
        assert!(has_extension(Path::new("a/B.TTF"), &["otf", "ttf"]));
        assert!(!has_extension(Path::new("a/b.pfb"), &["otf", "ttf"]));
        assert!(!has_extension(Path::new("ttf"), &["ttf"]));
    }
}
