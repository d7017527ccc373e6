//! `emoji`: the colour bitmaps of an emoji font, labelled by Unicode's groups.

mod glyphs;
mod list;

use crate::cli::{EmojiClasses, EmojiOptions};
use crate::{keyed, output};
use anyhow::{Context, Result, bail};
use list::Emoji;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use ttf_parser::{Face, name_id};

/// An emoji that will be written.
struct Chosen<'a> {
    emoji: Emoji,
    class: String,
    held_out: bool,
    png: &'a [u8],
}

impl Chosen<'_> {
    /// Its file, below the output folder.
    fn file(&self) -> String {
        let stem = format!("{}-{}", self.emoji.hex(), output::slug(&self.emoji.name));
        format!("{}/{}/{}.png", output::split_name(self.held_out), self.class, stem.trim_end_matches('-'))
    }
}

/// What was left out, for the report.
#[derive(Default)]
struct LeftOut {
    skin_tones: usize,
    unresolved: usize,
    no_bitmap: usize,
    repeats: usize,
}

/// Makes the emoji set.
pub fn run(options: &EmojiOptions) -> Result<()> {
    let text = std::fs::read_to_string(&options.emoji_test)
        .with_context(|| format!("cannot read {}", options.emoji_test.display()))?;
    let bytes =
        std::fs::read(&options.font).with_context(|| format!("cannot read {}", options.font.display()))?;
    let face = Face::parse(&bytes, 0).with_context(|| format!("cannot parse {}", options.font.display()))?;
    let mut left_out = LeftOut::default();
    let mut chosen = choose(&face, list::parse(&text), options, &mut left_out);
    if chosen.is_empty() {
        bail!("no emoji of {} has a PNG bitmap in {}", options.emoji_test.display(), options.font.display());
    }
    split(&mut chosen, options);
    output::prepare(&options.out)?;
    let classes: BTreeSet<&str> = chosen.iter().map(|c| c.class.as_str()).collect();
    output::class_folders(&options.out, classes.iter().copied())?;
    chosen.par_iter().try_for_each(|one| draw(one, options))?;
    write_lists(&face, &chosen, options)?;
    print(&chosen, &left_out);
    Ok(())
}

fn choose<'a>(
    face: &'a Face,
    all: Vec<Emoji>,
    options: &EmojiOptions,
    left_out: &mut LeftOut,
) -> Vec<Chosen<'a>> {
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let mut chosen = Vec::new();
    for emoji in all {
        if emoji.has_skin_tone() {
            left_out.skin_tones += 1;
            continue;
        }
        let Some(glyph) = glyphs::resolve(face, &emoji.codes) else {
            left_out.unresolved += 1;
            continue;
        };
        let Some(png) = glyphs::bitmap(face, glyph) else {
            left_out.no_bitmap += 1;
            continue;
        };
        // Some emoji share a drawing (the flag of Norway is also that of two islands).
        if !seen.insert(png) {
            left_out.repeats += 1;
            continue;
        }
        let label = match options.classes {
            EmojiClasses::Group => &emoji.group,
            EmojiClasses::Subgroup => &emoji.subgroup,
        };
        chosen.push(Chosen { class: output::slug(label), emoji, held_out: false, png });
    }
    chosen
}

/// Holds out a part of each class's designs, so that every class is on both sides.
fn split(chosen: &mut [Chosen], options: &EmojiOptions) {
    let mut designs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in chosen.iter() {
        designs.entry(one.class.clone()).or_default().insert(one.emoji.design());
    }
    let mut held_out: HashSet<(String, String)> = HashSet::new();
    for (class, names) in designs {
        let names: Vec<String> = names.into_iter().collect();
        let flags = keyed::held_out(&names, options.heldout_fraction, options.seed);
        held_out.extend(
            names.into_iter().zip(flags).filter(|(_, out)| *out).map(|(name, _)| (class.clone(), name)),
        );
    }
    for one in chosen {
        one.held_out = held_out.contains(&(one.class.clone(), one.emoji.design()));
    }
}

fn draw(one: &Chosen, options: &EmojiOptions) -> Result<()> {
    let picture = glyphs::picture(one.png, options.size)
        .with_context(|| format!("cannot decode the bitmap of {}", one.emoji.name))?;
    let path = options.out.join(one.file());
    picture.save(&path).with_context(|| format!("cannot write {}", path.display()))
}

fn write_lists(face: &Face, chosen: &[Chosen], options: &EmojiOptions) -> Result<()> {
    let mut table = String::from("file\tname\tgroup\tsubgroup\n");
    for one in chosen {
        let _ = writeln!(
            table,
            "{}\t{}\t{}\t{}",
            one.file(),
            one.emoji.name,
            one.emoji.group,
            one.emoji.subgroup
        );
    }
    let mut licences = String::from(
        "# Font the pictures were made from\n\nLines copied from the font's own name table (family, copyright, licence).\n\n",
    );
    for id in [name_id::FAMILY, name_id::COPYRIGHT_NOTICE, name_id::LICENSE, name_id::LICENSE_URL] {
        let text = face.names().into_iter().filter(|n| n.name_id == id).find_map(|n| n.to_string());
        if let Some(text) = text {
            let _ = writeln!(licences, "- {text}");
        }
    }
    for (name, text) in [("emoji.tsv", table), ("LICENSES.md", licences)] {
        let path = options.out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn print(chosen: &[Chosen], left_out: &LeftOut) {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for one in chosen {
        counts.entry(&one.class).or_default()[usize::from(one.held_out)] += 1;
    }
    let total = chosen.iter().filter(|c| c.held_out).count();
    println!("{} emoji: {} to train on, {total} held out", chosen.len(), chosen.len() - total);
    for (class, [train, held_out]) in counts {
        println!("  {class:<24} {train:>5} train {held_out:>4} heldout");
    }
    println!("left out:");
    println!("  {:>5}  skin-tone variants", left_out.skin_tones);
    println!("  {:>5}  no single glyph in the font", left_out.unresolved);
    println!("  {:>5}  no PNG bitmap", left_out.no_bitmap);
    println!("  {:>5}  same bitmap as an earlier emoji", left_out.repeats);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(name: &str, class: &str) -> Chosen<'static> {
        let emoji =
            Emoji { codes: vec!['\u{23}'], name: name.into(), group: class.into(), subgroup: class.into() };
        Chosen { emoji, class: class.into(), held_out: false, png: b"" }
    }

    #[test]
    fn every_class_is_split_and_variants_stay_together() {
        let mut all: Vec<Chosen> = (0..20).map(|i| chosen(&format!("thing {i}"), "things")).collect();
        for i in 0..10 {
            all.push(chosen(&format!("man doing {i}"), "people"));
            all.push(chosen(&format!("woman doing {i}"), "people"));
        }
        let options = EmojiOptions {
            font: "f".into(),
            emoji_test: "e".into(),
            out: "o".into(),
            classes: EmojiClasses::Group,
            size: 64,
            seed: 0,
            heldout_fraction: 0.1,
        };
        split(&mut all, &options);
        let held_out = |class: &str| all.iter().filter(|c| c.class == class && c.held_out).count();
        assert_eq!((held_out("things"), held_out("people")), (2, 2));
        for pair in all[20..].chunks(2) {
            assert_eq!(pair[0].held_out, pair[1].held_out);
        }
    }

    #[test]
    fn files_are_named_by_code_point_and_name() {
        assert_eq!(chosen("keycap: #", "symbols").file(), "train/symbols/23-keycap.png");
    }
}
