//! Telling letters from everything else fonts put in the letters' places.

use super::classes;
use super::scan::{Face, Rejection, SIDE, cosine, unit};
use rayon::prelude::*;

/// Words in a face's names that mean it is not a text face, or that it keeps Greek letters in the
/// Latin letters' places, which the shapes alone do not betray.
const SYMBOL_WORDS: [&str; 25] = [
    "dingb",
    "symbol",
    "barcode",
    "emoji",
    "icons",
    "awesome",
    "ornament",
    "orns",
    "math",
    "music",
    "braille",
    "chess",
    "hamnosys",
    "countries",
    "cursor",
    "keyboard",
    "pictogram",
    "typicons",
    "runes",
    "redacted",
    "lignes",
    "greek",
    "ellen",
    "elleboli",
    "alfa-beta",
];
/// Phrases of licence lines that are not open. A packager's word is not enough here: some packaged
/// files still carry an older, narrower licence in their name table.
const RESTRICTIONS: [&str; 5] = [
    "free for personal",
    "personal use only",
    "non-commercial use only",
    "noncommercial use only",
    "without derivatives",
];
/// Two drawings more alike than this count as one.
const SAME: f32 = 0.985;
/// Mean ink of all characters above which they are blocks.
const SOLID: f32 = 0.72;
/// Most pairs of differing characters that may share a drawing (such as O and 0, l and I).
const MOST_REPEATS: usize = 6;
/// Most letters whose lower case may look like the capital. About ten do by nature, once size is
/// taken away: c, o, s, v, w, x, z and, in some designs, i, k, p and u.
const MOST_SAME_CASE: usize = 15;
/// The least share of a face's characters that must be nearest to their own average shape.
const LEAST_RECOGNISED: f64 = 0.4;

/// Checks that need only the face itself.
pub fn judge_alone(face: &Face) -> Result<(), Rejection> {
    if SYMBOL_WORDS.iter().any(|word| face.all_names.contains(word)) {
        return Err(Rejection::SymbolName);
    }
    let restricts = |line: &String| RESTRICTIONS.iter().any(|phrase| line.to_lowercase().contains(phrase));
    if face.licence.iter().any(restricts) {
        return Err(Rejection::RestrictedLicence);
    }
    if face.ink.iter().sum::<f32>() / face.ink.len() as f32 > SOLID {
        return Err(Rejection::SolidCharacters);
    }
    let mut repeats = 0;
    let mut same_case = 0;
    for a in 0..classes::COUNT {
        for b in a + 1..classes::COUNT {
            if cosine(&face.shapes[a], &face.shapes[b]) > SAME {
                let is_pair = classes::caseless(a) == classes::caseless(b);
                *(if is_pair { &mut same_case } else { &mut repeats }) += 1;
            }
        }
    }
    // A face without a true lower case repeats each accidental likeness up to four times, so the
    // case check comes first.
    if same_case > MOST_SAME_CASE {
        Err(Rejection::SameCase)
    } else if repeats > MOST_REPEATS {
        Err(Rejection::RepeatedDrawings)
    } else {
        Ok(())
    }
}

/// The share of each face's characters that are nearer to the average drawing of their own
/// character than to that of any other. Ornaments score at chance, odd but real letters well above.
pub fn recognised(faces: &[Face]) -> Vec<f64> {
    let means: Vec<Vec<f32>> = (0..classes::COUNT).map(|class| mean(faces, class)).collect();
    faces.par_iter().map(|face| share_recognised(face, &means)).collect()
}

/// Whether that share is enough.
pub fn is_enough(share: f64) -> bool {
    share >= LEAST_RECOGNISED
}

fn mean(faces: &[Face], class: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; SIDE * SIDE];
    for face in faces {
        sum.iter_mut().zip(&face.shapes[class]).for_each(|(s, v)| *s += v);
    }
    unit(sum)
}

fn share_recognised(face: &Face, means: &[Vec<f32>]) -> f64 {
    let right = |class: &usize| {
        let shape = &face.shapes[*class];
        let nearest = (0..means.len())
            .max_by(|&a, &b| cosine(shape, &means[a]).total_cmp(&cosine(shape, &means[b])))
            .unwrap_or(*class);
        classes::caseless(nearest) == classes::caseless(*class)
    };
    (0..classes::COUNT).filter(right).count() as f64 / classes::COUNT as f64
}

#[cfg(test)]
mod tests {
    use super::super::family::tests::face;
    use super::*;

    #[test]
    fn distinct_drawings_pass_and_repeated_ones_do_not() {
        assert_eq!(judge_alone(&face("Plain", "a", 0)), Ok(()));
        let mut repeated = face("Plain", "a", 0);
        let first = repeated.shapes[0].clone();
        repeated.shapes[52..].fill(first);
        assert_eq!(judge_alone(&repeated), Err(Rejection::RepeatedDrawings));
    }

    #[test]
    fn capitals_in_place_of_lower_case_are_noticed() {
        let mut capitals = face("Plain", "a", 0);
        for class in 26..52 {
            capitals.shapes[class] = capitals.shapes[class - 26].clone();
        }
        assert_eq!(judge_alone(&capitals), Err(Rejection::SameCase));
    }

    #[test]
    fn symbol_faces_are_told_by_name_and_blocks_by_ink() {
        assert_eq!(judge_alone(&face("QTDingBits", "a", 0)), Err(Rejection::SymbolName));
        let mut solid = face("Plain", "a", 0);
        solid.ink.fill(0.95);
        assert_eq!(judge_alone(&solid), Err(Rejection::SolidCharacters));
    }

    #[test]
    fn a_licence_line_that_restricts_use_is_respected() {
        let mut restricted = face("Plain", "a", 0);
        restricted.licence = vec!["This font is Free for Personal, non-commercial use.".into()];
        assert_eq!(judge_alone(&restricted), Err(Rejection::RestrictedLicence));
        restricted.licence = vec!["For commercial and non-commercial work, SIL OFL 1.1".into()];
        assert_eq!(judge_alone(&restricted), Ok(()));
    }

    #[test]
    fn a_face_unlike_the_others_is_not_recognised() {
        let mut faces: Vec<Face> = (0..5).map(|_| face("Plain", "a", 0)).collect();
        let mut odd = face("Odd", "b", 0);
        odd.shapes.rotate_left(7);
        faces.push(odd);
        let shares = recognised(&faces);
        assert!(is_enough(shares[0]) && !is_enough(shares[5]), "{shares:?}");
    }
}
