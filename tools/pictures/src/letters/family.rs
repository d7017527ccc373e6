//! Families: which faces are one design, and which few of them to draw.
//!
//! The held-out pictures must show designs never trained on, so families are joined generously: by
//! name, by folder, and, because free fonts are often renamed copies of each other, by shape.

use super::classes;
use super::scan::{Face, cosine};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Words that name a foundry or a style rather than a design.
const DROPPED: [&str; 64] = [
    "ae",
    "uralic",
    "gfs",
    "adf",
    "tex",
    "gyre",
    "ibm",
    "qt",
    "im",
    "hk",
    "sil",
    "urw",
    "std",
    "pro",
    "new",
    "no",
    "nova",
    "regular",
    "thin",
    "extralight",
    "ultralight",
    "light",
    "book",
    "medium",
    "semibold",
    "demi",
    "demibold",
    "bold",
    "extrabold",
    "heavy",
    "black",
    "ultra",
    "poster",
    "italic",
    "oblique",
    "slanted",
    "roman",
    "upright",
    "condensed",
    "cond",
    "cnd",
    "narrow",
    "compressed",
    "extended",
    "ext",
    "wide",
    "sc",
    "small",
    "caps",
    "smallcaps",
    "display",
    "text",
    "caption",
    "subhead",
    "sans",
    "serif",
    "mono",
    "code",
    "slab",
    "semi",
    "extra",
    "outline",
    "alternate",
    "swash",
];
/// Mean likeness over all characters above which two faces are the same design under two names.
const TWIN: f32 = 0.99;
/// Mean likeness above which a face adds nothing to its family.
const SPARE: f32 = 0.995;

/// The words of a family name that name the design: split at spaces, digits, signs and capitals.
pub fn words(family: &str) -> Vec<String> {
    // "TeX" is the one foundry word whose capitals would be taken for two words.
    let chars: Vec<char> = family.replace("TeX", "Tex").chars().collect();
    let mut all: Vec<String> = vec![String::new()];
    for (i, &c) in chars.iter().enumerate() {
        let before_lower = chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        let after_lower = i > 0 && chars[i - 1].is_lowercase();
        if !c.is_alphabetic() || (c.is_uppercase() && (after_lower || before_lower)) {
            all.push(String::new());
        }
        if let (true, Some(last)) = (c.is_alphabetic(), all.last_mut()) {
            last.extend(c.to_lowercase());
        }
    }
    all.retain(|w| !w.is_empty());
    let kept: Vec<String> = all.iter().filter(|w| !DROPPED.contains(&w.as_str())).cloned().collect();
    // Names such as "C059" leave too little to tell designs apart: the whole name is the design then.
    if kept.concat().chars().count() < 3 {
        return vec![family.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()];
    }
    kept
}

/// The keys by which a face joins a family: faces that share any key are one family.
fn keys(face: &Face) -> Vec<String> {
    let words = words(&face.family);
    let leaf: String = face.folder.rsplit('/').next().unwrap_or_default().to_lowercase();
    let mut keys = vec![format!("name {}", words.join(" "))];
    if let Some(first) = words.first() {
        keys.push(format!("folder {} {first}", face.folder));
    }
    // A folder of one design often names its faces by the folder and a code, such as drm/drmdozit10.
    if leaf.len() >= 3 && words.concat().starts_with(&leaf) {
        keys.push(format!("folder {}", face.folder));
    }
    keys
}

/// Groups faces into families; each is a list of indices, and the families are in name order.
pub fn group(faces: &[Face]) -> Vec<(String, Vec<usize>)> {
    let mut parents: Vec<usize> = (0..faces.len()).collect();
    let mut first_with: HashMap<String, usize> = HashMap::new();
    for (i, face) in faces.iter().enumerate() {
        for key in keys(face) {
            let first = *first_with.entry(key).or_insert(i);
            join(&mut parents, first, i);
        }
    }
    for (a, b) in twins(faces) {
        join(&mut parents, a, b);
    }
    let mut families: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in 0..faces.len() {
        families.entry(root(&mut parents, i)).or_default().push(i);
    }
    let mut named: Vec<(String, Vec<usize>)> =
        families.into_values().map(|members| (title(faces, &members), members)).collect();
    named.sort();
    disambiguate(&mut named);
    named
}

/// Pairs of faces that are one design, whatever they are called.
fn twins(faces: &[Face]) -> Vec<(usize, usize)> {
    let of = |a: usize| {
        (a + 1..faces.len()).filter(move |&b| likeness(&faces[a], &faces[b]) > TWIN).map(move |b| (a, b))
    };
    (0..faces.len()).into_par_iter().flat_map_iter(of).collect()
}

/// Mean likeness of two faces over all characters.
fn likeness(a: &Face, b: &Face) -> f32 {
    // A few letters settle most pairs; the rest are compared in full.
    let quick =
        [0usize, 17, 26, 32, 57].iter().map(|&c| cosine(&a.shapes[c], &b.shapes[c])).sum::<f32>() / 5.0;
    if quick < 0.9 {
        return quick;
    }
    a.shapes.iter().zip(&b.shapes).map(|(x, y)| cosine(x, y)).sum::<f32>() / classes::COUNT as f32
}

/// The shortest family name among the members: the one without style words.
fn title(faces: &[Face], members: &[usize]) -> String {
    let names = members.iter().map(|&i| faces[i].family.clone());
    names.min_by_key(|name| (name.len(), name.clone())).unwrap_or_default()
}

fn disambiguate(named: &mut [(String, Vec<usize>)]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (name, _) in named {
        let count = seen.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count > 1 {
            *name = format!("{name} ({count})");
        }
    }
}

/// Up to `most` members, chosen to differ: first the most central, then always the one least like
/// those already chosen, stopping when what is left adds nothing.
pub fn most_different(faces: &[Face], members: &[usize], most: usize) -> Vec<usize> {
    let centrality = |&a: &usize| members.iter().map(|&b| likeness(&faces[a], &faces[b])).sum::<f32>();
    let Some(&first) = members.iter().max_by(|a, b| centrality(a).total_cmp(&centrality(b)).then(b.cmp(a)))
    else {
        return Vec::new();
    };
    let mut chosen = vec![first];
    let mut nearest: Vec<f32> = members.iter().map(|&m| likeness(&faces[first], &faces[m])).collect();
    while chosen.len() < most {
        let Some((i, &least)) = nearest.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)) else { break };
        if least > SPARE {
            break;
        }
        chosen.push(members[i]);
        for (n, &m) in nearest.iter_mut().zip(members) {
            *n = n.max(likeness(&faces[members[i]], &faces[m]));
        }
        nearest[i] = f32::INFINITY;
    }
    chosen
}

fn root(parents: &mut [usize], mut i: usize) -> usize {
    while parents[i] != i {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    i
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b)] = a.min(b);
}

#[cfg(test)]
pub mod tests {
    use super::super::scan::SIDE;
    use super::*;

    /// A face whose characters are each one lit pixel, moved by `shift`: all distinct.
    pub fn face(family: &str, folder: &str, shift: usize) -> Face {
        let shape = |class: usize| {
            let mut square = vec![0.0; SIDE * SIDE];
            square[(class + shift) % (SIDE * SIDE)] = 1.0;
            square
        };
        Face {
            path: family.into(),
            folder: folder.into(),
            label: family.into(),
            family: family.into(),
            all_names: family.to_lowercase(),
            licence: Vec::new(),
            shapes: (0..classes::COUNT).map(shape).collect(),
            ink: vec![0.3; classes::COUNT],
        }
    }

    fn members(faces: &[Face]) -> Vec<Vec<usize>> {
        let mut all: Vec<_> = group(faces).into_iter().map(|(_, m)| m).collect();
        all.sort();
        all
    }

    #[test]
    fn style_words_and_foundries_do_not_name_a_design() {
        assert_eq!(words("IBM Plex Sans Condensed"), ["plex"]);
        assert_eq!(words("QTHelvetCnd-Black"), ["helvet"]);
        assert_eq!(words("TeX Gyre Termes"), ["termes"]);
        assert_eq!(words("Libre Baskerville"), ["libre", "baskerville"]);
        assert_eq!(words("Roman"), ["roman"]);
        assert_eq!(words("C059"), ["c059"]);
        assert_eq!(words("C-64"), ["c64"]);
    }

    #[test]
    fn names_and_folders_join_faces() {
        let faces = [
            face("Fira Sans", "public/fira", 0),
            face("Fira Mono", "elsewhere", 100),
            face("drmdozit10", "public/drm", 200),
            face("drmb9", "public/drm", 300),
            face("QTBasker", "public/qualitype", 400),
            face("QTBeckman", "public/qualitype", 500),
        ];
        assert_eq!(members(&faces), [vec![0, 1], vec![2, 3], vec![4], vec![5]]);
    }

    #[test]
    fn renamed_copies_are_one_family() {
        let faces = [face("Libertine", "a", 0), face("Other Name", "b", 0), face("Third", "c", 90)];
        assert_eq!(members(&faces), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn the_chosen_faces_differ_and_copies_are_spare() {
        let faces = [face("A", "a", 0), face("A", "a", 0), face("A", "a", 100), face("A", "a", 200)];
        let all = [0, 1, 2, 3];
        let mut chosen = most_different(&faces, &all, 4);
        chosen.sort();
        assert_eq!(chosen, [0, 2, 3]);
        assert_eq!(most_different(&faces, &all, 2).len(), 2);
        assert!(most_different(&faces, &[], 2).is_empty());
    }
}
