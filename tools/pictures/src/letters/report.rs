//! What was made: the licences, the families and the counts.

use super::scan::{Face, Rejection};
use super::{Family, Rejected, classes};
use crate::output;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// Longest licence line copied: some fonts carry the whole licence text in one name record.
const LICENCE_CHARS: usize = 400;

/// Writes `LICENSES.md` and `families.tsv` beside the pictures.
pub fn write(out: &Path, faces: &[Face], families: &[Family]) -> Result<()> {
    let save = |name: &str, text: String| {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    save("LICENSES.md", licences(faces, families))?;
    save("families.tsv", table(faces, families))
}

fn licences(faces: &[Face], families: &[Family]) -> String {
    let mut text = String::from(
        "# Fonts the pictures were made from\n\n\
         Licence lines are copied from the fonts' own name tables (name IDs 13 and 14, or the copyright\n\
         line where a font has neither). The folder is the font package's, below the folder searched.\n",
    );
    for family in families {
        let members = || family.faces.iter().map(|&i| &faces[i]);
        let folders: BTreeSet<&str> = members().map(|f| f.folder.as_str()).collect();
        let lines: BTreeSet<String> = members().flat_map(|f| f.licence.iter().map(|l| shorten(l))).collect();
        let _ = write!(text, "\n## {}\n\n", family.name);
        for folder in folders {
            let _ = writeln!(text, "- Folder: `{folder}`");
        }
        for line in &lines {
            let _ = writeln!(text, "- {line}");
        }
        if lines.is_empty() {
            text.push_str("- No licence line in the font: see its package.\n");
        }
    }
    text
}

fn shorten(line: &str) -> String {
    let mut short: String = line.chars().take(LICENCE_CHARS).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

fn table(faces: &[Face], families: &[Family]) -> String {
    let mut text = String::from("family\tsplit\tfaces\n");
    for family in families {
        let labels: Vec<&str> = family.faces.iter().map(|&i| faces[i].label.as_str()).collect();
        let _ =
            writeln!(text, "{}\t{}\t{}", family.name, output::split_name(family.held_out), labels.join(" "));
    }
    text
}

/// Prints the counts.
pub fn print(faces: &[Face], families: &[Family], rejected: &Rejected, repeats: u64, undrawn: u64) {
    let left_out: usize = rejected.values().map(Vec::len).sum();
    let used: usize = families.iter().map(|f| f.faces.len()).sum();
    println!("{} font files: {used} used, {left_out} left out", used + left_out);
    for (reason, paths) in rejected {
        println!("  {:>5}  {}", paths.len(), reason.describe());
        if !matches!(reason, Rejection::SpareInFamily) {
            println!("         such as {}", some_names(paths));
        }
    }
    println!("{} families of {} real letter faces", families.len(), faces.len());
    for held_out in [false, true] {
        let side = || families.iter().filter(|f| f.held_out == held_out);
        let per_class = side().count() as u64 * repeats;
        println!(
            "  {:<8} {:>4} families, {:>4} faces, {per_class} pictures a class, {} in all",
            output::split_name(held_out),
            side().count(),
            side().map(|f| f.faces.len()).sum::<usize>(),
            per_class * classes::COUNT as u64
        );
    }
    if undrawn > 0 {
        println!("  {undrawn} pictures could not be drawn and are missing from these numbers");
    }
}

fn some_names(paths: &[std::path::PathBuf]) -> String {
    let step = (paths.len() / 6).max(1);
    let names = paths.iter().step_by(step).take(6).filter_map(|p| p.file_stem());
    names.map(|n| n.to_string_lossy().into_owned()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::family::tests::face;
    use super::*;

    #[test]
    fn the_files_name_every_family_its_split_and_its_licence() {
        let mut faces = vec![face("Alpha", "pkg/alpha", 0), face("Beta", "pkg/beta", 99)];
        faces[0].licence = vec!["SIL OFL 1.1".into()];
        let families = vec![
            Family { name: "Alpha".into(), held_out: false, faces: vec![0] },
            Family { name: "Beta".into(), held_out: true, faces: vec![1] },
        ];
        assert_eq!(
            table(&faces, &families),
            "family\tsplit\tfaces\nAlpha\ttrain\tAlpha\nBeta\theldout\tBeta\n"
        );
        let text = licences(&faces, &families);
        assert!(text.contains("## Alpha\n\n- Folder: `pkg/alpha`\n- SIL OFL 1.1\n"), "{text}");
        assert!(text.contains("- No licence line"));
    }

    #[test]
    fn long_licences_are_cut_and_short_ones_are_not() {
        assert_eq!(shorten("OFL"), "OFL");
        assert_eq!(shorten(&"é".repeat(1000)).chars().count(), LICENCE_CHARS + 1);
    }
}
