//! `letters`: find the faces, keep the real letters, split by family, draw.

mod classes;
mod draw;
mod family;
mod filter;
mod report;
mod scan;

use crate::cli::LettersOptions;
use crate::{keyed, output};
use ab_glyph::FontRef;
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use scan::{Face, Rejection};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A family with its side of the split and the faces that are drawn.
pub struct Family {
    /// Its name, unique in the set.
    pub name: String,
    /// Whether its pictures are held out.
    pub held_out: bool,
    /// Indices of its chosen faces.
    pub faces: Vec<usize>,
}

/// How many files were left out, by reason, with a few names for each.
type Rejected = BTreeMap<Rejection, Vec<PathBuf>>;

/// Makes the letters set.
pub fn run(options: &LettersOptions) -> Result<()> {
    output::prepare(&options.out)?;
    let mut rejected = Rejected::new();
    let mut faces = accept(scan::scan(&options.fonts)?, &mut rejected);
    make_labels_unique(&mut faces);
    let families = choose(&faces, options, &mut rejected);
    if families.len() < 2 {
        bail!("only {} usable families found: a split by family needs two", families.len());
    }
    let training = families.iter().filter(|f| !f.held_out).count().max(1);
    let repeats = (f64::from(options.per_class) / training as f64).round().max(1.0) as u64;
    let folders: Vec<String> = classes::characters().map(classes::folder).collect();
    output::class_folders(&options.out, folders.iter().map(String::as_str))?;
    let undrawn = draw_all(&faces, &families, repeats, options)?;
    report::write(&options.out, &faces, &families)?;
    report::print(&faces, &families, &rejected, repeats, undrawn);
    Ok(())
}

/// The faces that are letters; the others go to `rejected`.
fn accept(scanned: Vec<(PathBuf, Result<Face, Rejection>)>, rejected: &mut Rejected) -> Vec<Face> {
    let mut passed = Vec::new();
    let judged: Vec<_> = scanned
        .into_par_iter()
        .map(|(path, face)| (path, face.and_then(|face| filter::judge_alone(&face).map(|()| face))))
        .collect();
    for (path, outcome) in judged {
        match outcome {
            Ok(face) => passed.push(face),
            Err(reason) => rejected.entry(reason).or_default().push(path),
        }
    }
    let shares = filter::recognised(&passed);
    let mut kept = Vec::new();
    for (face, share) in passed.into_iter().zip(shares) {
        if filter::is_enough(share) {
            kept.push(face);
        } else {
            rejected.entry(Rejection::UnlikeLetters).or_default().push(face.path);
        }
    }
    kept
}

/// Two files of one name in different folders would overwrite each other's pictures.
fn make_labels_unique(faces: &mut [Face]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for face in faces {
        // Case is ignored, as some file systems do.
        let count = seen.entry(face.label.to_lowercase()).or_insert(0);
        *count += 1;
        if *count > 1 {
            face.label = format!("{}_{count}", face.label);
        }
    }
}

/// Families, their faces and their side of the split.
fn choose(faces: &[Face], options: &LettersOptions, rejected: &mut Rejected) -> Vec<Family> {
    let groups = family::group(faces);
    let names: Vec<String> = groups.iter().map(|(name, _)| name.clone()).collect();
    let held_out = keyed::held_out(&names, options.heldout_fraction, options.seed);
    let cap = options.faces_per_family as usize;
    let mut families = Vec::new();
    for ((name, members), held_out) in groups.into_iter().zip(held_out) {
        let chosen = family::most_different(faces, &members, cap);
        let spare = members.iter().filter(|m| !chosen.contains(m)).map(|&m| faces[m].path.clone());
        rejected.entry(Rejection::SpareInFamily).or_default().extend(spare);
        families.push(Family { name, held_out, faces: chosen });
    }
    families
}

/// Draws every family's pictures; returns how many could not be drawn.
fn draw_all(faces: &[Face], families: &[Family], repeats: u64, options: &LettersOptions) -> Result<u64> {
    let jobs: Vec<(usize, bool, Vec<u64>)> = families
        .iter()
        .flat_map(|family| {
            let n = family.faces.len() as u64;
            // The family's pictures go round its faces, so every family weighs the same.
            let turns = move |i: u64| (0..repeats).filter(move |k| k % n == i).collect();
            (0u64..).zip(&family.faces).map(move |(i, &face)| (face, family.held_out, turns(i)))
        })
        .collect();
    jobs.into_par_iter()
        .map(|(face, held_out, turns)| draw_face(&faces[face], held_out, &turns, options))
        .try_reduce(|| 0, |a, b| Ok(a + b))
}

fn draw_face(face: &Face, held_out: bool, turns: &[u64], options: &LettersOptions) -> Result<u64> {
    let bytes = std::fs::read(&face.path).with_context(|| format!("cannot read {}", face.path.display()))?;
    let font =
        FontRef::try_from_slice(&bytes).with_context(|| format!("cannot parse {}", face.path.display()))?;
    let split = options.out.join(output::split_name(held_out));
    let mut undrawn = 0;
    for (class, character) in (0u64..).zip(classes::characters()) {
        for &k in turns {
            let mut rng = keyed::rng(options.seed, class, keyed::hash(&face.label), k);
            let target = split.join(classes::folder(character)).join(format!("{}-{k}.png", face.label));
            match draw::picture(&font, character, options.size, &mut rng) {
                Some(picture) => save(&picture, &target)?,
                None => undrawn += 1,
            }
        }
    }
    Ok(undrawn)
}

fn save(picture: &image::RgbImage, target: &Path) -> Result<()> {
    picture.save(target).with_context(|| format!("cannot write {}", target.display()))
}
