//! Word and character error rates: how many words (characters) must be put in place of others, left out or put in to make
//! what was said of what was heard, for every word (character) that was said.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::text::spelled_out;

/// The most pairs of characters of two texts that are compared: their alignment takes four bytes for each.
pub const MOST_PAIRS: usize = 1 << 28;

/// The steps of a cheapest alignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// Other words in place of those of the reference.
    pub substitutions: usize,
    /// Words of the reference that are missing.
    pub deletions: usize,
    /// Words that the reference has not.
    pub insertions: usize,
    /// Words that are right.
    pub hits: usize,
}

impl Errors {
    /// Of two sequences. Among equally cheap alignments jiwer's is taken: from the end, a deletion where there can be one,
    /// then an insertion where what is left then is cheaper than before a hit or a substitution. The number of errors does not
    /// depend on it.
    pub fn between<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> Self {
        let start = common(reference.iter(), hypothesis.iter());
        let (reference, hypothesis) = (&reference[start..], &hypothesis[start..]);
        let end = common(reference.iter().rev(), hypothesis.iter().rev());
        let (reference, hypothesis) =
            (&reference[..reference.len() - end], &hypothesis[..hypothesis.len() - end]);
        let mut errors = Self::traced(reference, hypothesis);
        errors.hits += start + end;
        errors
    }

    fn traced<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> Self {
        let (rows, columns) = (reference.len(), hypothesis.len());
        let width = columns + 1;
        let mut costs = vec![0u32; (rows + 1) * width];
        for row in 0..=rows {
            for column in 0..=columns {
                costs[row * width + column] = match (row, column) {
                    (0, _) => column as u32,
                    (_, 0) => row as u32,
                    _ => {
                        let differs = u32::from(reference[row - 1] != hypothesis[column - 1]);
                        let replaced = costs[(row - 1) * width + column - 1] + differs;
                        let deleted = costs[(row - 1) * width + column] + 1;
                        replaced.min(deleted).min(costs[row * width + column - 1] + 1)
                    }
                };
            }
        }
        let mut errors = Self::default();
        let (mut row, mut column) = (rows, columns);
        while row > 0 || column > 0 {
            let cost = costs[row * width + column];
            if row > 0 && cost == costs[(row - 1) * width + column] + 1 {
                errors.deletions += 1;
                row -= 1;
            } else if row == 0
                || column > 0 && costs[row * width + column - 1] + 1 == costs[(row - 1) * width + column - 1]
            {
                errors.insertions += 1;
                column -= 1;
            } else {
                match reference[row - 1] == hypothesis[column - 1] {
                    true => errors.hits += 1,
                    false => errors.substitutions += 1,
                }
                (row, column) = (row - 1, column - 1);
            }
        }
        errors
    }

    /// Words of the reference.
    pub fn said(&self) -> usize {
        self.substitutions + self.deletions + self.hits
    }

    /// All of them.
    pub fn wrong(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// Errors for every word of the reference. Of an empty one it is the number of insertions.
    pub fn rate(&self) -> f64 {
        self.wrong() as f64 / self.said().max(1) as f64
    }
}

impl std::ops::Add for Errors {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            substitutions: self.substitutions + other.substitutions,
            deletions: self.deletions + other.deletions,
            insertions: self.insertions + other.insertions,
            hits: self.hits + other.hits,
        }
    }
}

fn common<'a, T: PartialEq + 'a>(a: impl Iterator<Item = &'a T>, b: impl Iterator<Item = &'a T>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

/// Errors of words, which white space parts.
pub fn word_errors(reference: &str, hypothesis: &str) -> Errors {
    let words = |text: &'_ str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    Errors::between(&words(reference), &words(hypothesis))
}

/// Errors of characters (code points), spaces within the text among them.
pub fn character_errors(reference: &str, hypothesis: &str) -> Errors {
    let characters = |text: &str| text.trim().chars().collect::<Vec<char>>();
    Errors::between(&characters(reference), &characters(hypothesis))
}

/// What is made of texts before they are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalizer {
    /// Nothing.
    None,
    /// Compatible forms of Unicode (NFKC), lower case, apostrophes within words kept and of one kind, every other mark a
    /// space, single spaces. Digits stay digits.
    #[default]
    Basic,
    /// As `basic`, and numbers, sums of money, times of day and abbreviations in words, as they are read in English before they are spoken
    /// ([`spelled_out`]): 42 is `forty two`, $5 `five dollars`, Dr. `doctor`.
    English,
}

impl Normalizer {
    /// As it is written in commands and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::English => "english",
        }
    }

    /// The text as it is compared.
    pub fn apply(self, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Basic => basic(text),
            Self::English => basic(&spelled_out(text)),
        }
    }
}

fn basic(text: &str) -> String {
    let folded: Vec<char> = text.nfkc().flat_map(char::to_lowercase).map(plain_apostrophe).collect();
    let is_letter = |place: Option<&char>| place.is_some_and(|c| c.is_alphanumeric());
    let kept = |(place, c): (usize, &char)| {
        let is_within =
            *c == '\'' && place > 0 && is_letter(folded.get(place - 1)) && is_letter(folded.get(place + 1));
        if c.is_alphanumeric() || is_combining(*c) || is_within { *c } else { ' ' }
    };
    let text: String = folded.iter().enumerate().map(kept).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plain_apostrophe(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{02BC}' | '\u{FF07}' => '\'',
        other => other,
    }
}

/// Marks that belong to the letter before them.
fn is_combining(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_normalized() {
        let basic = |text| Normalizer::Basic.apply(text);
        assert_eq!(
            basic("  Don\u{2019}t 'quote' rock \u{2019}n\u{2019} roll\u{2014}or ELSE! "),
            "don't quote rock n roll or else"
        );
        assert_eq!(basic("Caf\u{e9} cafe\u{301} \u{fb01}ne 42"), "café café fine 42");
        assert_eq!(Normalizer::None.apply(" A  b "), " A  b ");
    }

    #[test]
    fn numbers_are_read_out() {
        let english = |text| Normalizer::English.apply(text);
        assert_eq!(
            english("In 1,500 years, 42% of 0 and 17.05."),
            "in one thousand five hundred years forty two percent of zero and seventeen point zero five"
        );
        assert_eq!(english("007 and 1000000 and 90"), "zero zero seven and one million and ninety");
        assert_eq!(english("B2B, 3,14"), "b two b three fourteen");
        assert_eq!(
            english("Dr. No paid $12.50 in 1984, the 21st."),
            "doctor no paid twelve dollars and fifty cents in nineteen eighty four the twenty first"
        );
        assert_eq!(english("1234567890123456").split(' ').count(), 16);
        assert_eq!(english("999999999999").split(' ').count(), 19);
    }
}
