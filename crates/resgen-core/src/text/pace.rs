//! How long it takes to say a text.

use serde::{Deserialize, Serialize};

/// Numbers of a text that its length is worked out from: one, its letters and figures, its words, its pauses.
const FEATURES: usize = 4;

/// A line through the lengths of recordings: positions for every letter, word and pause.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pace([f64; FEATURES]);

impl Pace {
    /// That of recordings: what is said, and in how many positions (least squares). Where there are too few recordings to tell all
    /// numbers apart, the smallest ones that fit.
    pub fn of<'a>(recordings: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        // Normal equations, with a little on the diagonal for what the recordings say nothing about.
        let mut left = [[0.0; FEATURES]; FEATURES];
        let mut right = [0.0; FEATURES];
        for (text, positions) in recordings {
            let features = features(text);
            for (row, a) in features.iter().enumerate() {
                right[row] += a * positions as f64;
                for (column, b) in features.iter().enumerate() {
                    left[row][column] += a * b;
                }
            }
        }
        for (place, row) in left.iter_mut().enumerate() {
            row[place] += 1e-3;
        }
        Self(solved(left, right))
    }

    /// Positions that it takes to say a text, at least 1.
    pub fn positions(&self, text: &str) -> f64 {
        features(text).iter().zip(&self.0).map(|(feature, each)| feature * each).sum::<f64>().max(1.0)
    }
}

/// Whether a mark is heard as a pause.
pub(super) fn is_pause(mark: char) -> bool {
    matches!(mark, '.' | ',' | ';' | ':' | '!' | '?' | '—')
}

fn features(text: &str) -> [f64; FEATURES] {
    let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    let pauses = text.chars().filter(|c| is_pause(*c)).count();
    [1.0, letters as f64, text.split_whitespace().count() as f64, pauses as f64]
}

/// The solution of a small system with a positive diagonal, by elimination.
fn solved(mut left: [[f64; FEATURES]; FEATURES], mut right: [f64; FEATURES]) -> [f64; FEATURES] {
    for pivot in 0..FEATURES {
        let above = left[pivot];
        for row in pivot + 1..FEATURES {
            let factor = left[row][pivot] / above[pivot];
            left[row].iter_mut().zip(&above).for_each(|(value, above)| *value -= factor * above);
            right[row] -= factor * right[pivot];
        }
    }
    let mut found = [0.0; FEATURES];
    for row in (0..FEATURES).rev() {
        let known: f64 = (row + 1..FEATURES).map(|column| left[row][column] * found[column]).sum();
        found[row] = (right[row] - known) / left[row][row];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recordings_have_in_common_is_found() {
        let texts = [
            "One two three.",
            "Well, yes, and no!",
            "Hello",
            "A somewhat longer sentence, with a pause.",
            "Why? Because.",
        ];
        // 3 positions, 1 for a letter, 2 for a word, 4 for a pause.
        let length = |text: &str| {
            let [one, letters, words, pauses] = features(text);
            (3.0 * one + letters + 2.0 * words + 4.0 * pauses) as usize
        };
        let pace = Pace::of(texts.iter().map(|text| (*text, length(text))));
        for text in texts.iter().chain(&["Another one, which nobody has said."]) {
            assert!((pace.positions(text) - length(text) as f64).abs() < 0.2, "{text}");
        }
    }

    #[test]
    fn few_recordings_give_a_pace_too() {
        assert!((Pace::of([("Hello there", 12)]).positions("Hello there") - 12.0).abs() < 0.1);
        assert_eq!(Pace::of([]).positions("Hello"), 1.0);
    }
}
