//! English as it is read aloud.

use super::figures::{large_sum, with_figures};

/// What is written short before a name, and what is said.
const TITLES: [(&str, &str); 15] = [
    ("mr", "mister"),
    ("mrs", "missus"),
    ("ms", "miz"),
    ("dr", "doctor"),
    ("prof", "professor"),
    ("st", "saint"),
    ("mt", "mount"),
    ("capt", "captain"),
    ("lt", "lieutenant"),
    ("col", "colonel"),
    ("gen", "general"),
    ("sgt", "sergeant"),
    ("rev", "reverend"),
    ("hon", "honorable"),
    ("gov", "governor"),
];
/// What is written short elsewhere: where a name or another sentence follows, one ends with it.
const ABBREVIATIONS: [(&str, &str); 12] = [
    ("jr", "junior"),
    ("sr", "senior"),
    ("co", "company"),
    ("inc", "incorporated"),
    ("ltd", "limited"),
    ("etc", "et cetera"),
    ("vs", "versus"),
    ("approx", "approximately"),
    ("dept", "department"),
    ("ave", "avenue"),
    ("blvd", "boulevard"),
    ("ft", "feet"),
];
/// What is written short before a number alone.
const NUMBERED: [(&str, &str); 4] =
    [("no", "number"), ("fig", "figure"), ("vol", "volume"), ("ch", "chapter")];
/// The same with stops within, and whether a sentence may end with it before another.
const DOTTED: [(&str, &str, bool); 4] = [
    ("e.g.", "for example", false),
    ("i.e.", "that is", false),
    ("a.m.", "a m", true),
    ("p.m.", "p m", true),
];

/// Whether a word with a full stop after it may stand within a sentence.
pub(super) fn is_abbreviation(word: &str) -> bool {
    let word = word.to_lowercase();
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    is_initial
        || TITLES.iter().chain(&ABBREVIATIONS).any(|(short, _)| *short == word)
        || DOTTED.iter().any(|(short, ..)| short.trim_end_matches('.') == word)
}

/// The text with numbers (whole and broken, years, sums of money, times of day, places in a row), abbreviations and marks in words.
/// What is written in letters stays as it is.
pub fn spelled_out(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (mut spoken, mut at) = (Vec::with_capacity(words.len()), 0);
    while let Some(&word) = words.get(at) {
        let next = words.get(at + 1).copied();
        let large = next.and_then(|next| large_sum(word, next));
        at += 1 + usize::from(large.is_some());
        let before = at.checked_sub(2).map(|before| words[before]);
        spoken.push(large.unwrap_or_else(|| said(word, before, next)));
    }
    spoken.join(" ")
}

/// Whether a word is an abbreviation that is one before this word alone: `No.` before a number.
pub(super) fn is_numbered(word: &str, next: &str) -> bool {
    numbered(word, next).is_some()
}

fn numbered(word: &str, next: &str) -> Option<String> {
    let (opening, rest) = opened(word);
    let short = rest.strip_suffix('.').filter(|_| next.starts_with(|c: char| c.is_ascii_digit()))?;
    let (_, long) = NUMBERED.iter().find(|(known, _)| short.eq_ignore_ascii_case(known))?;
    Some(format!("{opening}{long}"))
}

/// One word between its neighbours.
fn said(word: &str, before: Option<&str>, next: Option<&str>) -> String {
    if let Some(long) = next.and_then(|next| numbered(word, next)) {
        return long;
    }
    if let Some(long) = abbreviation(word, before, next) {
        return long;
    }
    with_figures(word)
}

fn abbreviation(word: &str, before: Option<&str>, next: Option<&str>) -> Option<String> {
    let (opening, rest) = opened(word);
    let ends = next.is_none_or(begins_large);
    let dotted = DOTTED.iter().find_map(|(short, long, may_end)| {
        let written = rest.get(..short.len())?;
        let ends = if *may_end { ends } else { next.is_none() };
        written.eq_ignore_ascii_case(short).then_some((*long, &rest[short.len()..], ends))
    });
    let (long, after, ends) = match dotted {
        Some(found) => found,
        None => {
            let (short, after) = rest.split_once('.')?;
            let of =
                |(known, long): &(&str, &'static str)| short.eq_ignore_ascii_case(known).then_some(*long);
            match (TITLES.iter().find_map(of), ABBREVIATIONS.iter().find_map(of)) {
                (Some("saint"), _) if before.is_some_and(is_name) && !next.is_some_and(begins_large) => {
                    ("street", after, next.is_none())
                }
                (Some(long), _) => (long, after, next.is_none()),
                (None, long) => (long?, after, ends),
            }
        }
    };
    let stop = if ends && after.is_empty() { "." } else { "" };
    after.chars().all(is_after).then(|| format!("{opening}{long}{after}{stop}"))
}

fn begins_large(word: &str) -> bool {
    opened(word).1.starts_with(char::is_uppercase)
}

/// Whether a word is a name that goes on: large, and no mark behind it.
fn is_name(word: &str) -> bool {
    begins_large(word) && word.ends_with(char::is_alphanumeric)
}

/// The marks before a word, and the word.
pub(super) fn opened(word: &str) -> (&str, &str) {
    word.split_at(word.len() - word.trim_start_matches(is_before).len())
}

pub(super) fn is_before(c: char) -> bool {
    matches!(c, '"' | '\'' | '(' | '[' | '“' | '‘')
}

pub(super) fn is_after(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | ',' | ';' | ':' | '!' | '?' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_short_is_said_long() {
        let cases = [
            (
                "Mr. Smith met Dr. Jones at 3:45 p.m.",
                "mister Smith met doctor Jones at three forty five p m.",
            ),
            (
                "St. John's Ave. is (approx.) 5 ft. wide, etc.",
                "saint John's avenue is (approximately) five feet wide, et cetera.",
            ),
            (
                "Cats, dogs & birds, e.g. 2 owls, i.e. Birds.",
                "Cats, dogs and birds, for example two owls, that is Birds.",
            ),
            ("It was no. It is No. 5.", "It was no. It is number five."),
            ("See Fig. 2 or eat a fig. It is good.", "See figure two or eat a fig. It is good."),
            (
                "Acme Inc. She left at 5 p.m. Then 12 Main St. was empty.",
                "Acme incorporated. She left at five p m. Then twelve Main street was empty.",
            ),
            ("In St. Louis (Dr. No) at 5 a.m. sharp.", "In saint Louis (doctor No) at five a m sharp."),
        ];
        for (written, expected) in cases {
            assert_eq!(spelled_out(written), expected);
        }
    }

    #[test]
    fn nothing_breaks_on_what_is_no_english() {
        for text in [
            "",
            "  ",
            "🙂 5🙂",
            "3:",
            ":3",
            "$",
            "$-5",
            "1,23,4",
            "12:99",
            "٣",
            "5th5",
            "ß5.",
            "e.g",
            "i.e.?",
        ] {
            let _ = spelled_out(text);
        }
        assert_eq!(spelled_out("Grüße, 世界 🙂"), "Grüße, 世界 🙂");
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_spelled_out_and_has_no_figures_left(text in "[ -~]{0,40}") {
            let said = spelled_out(&text);
            proptest::prop_assert!(!said.chars().any(|c| c.is_ascii_digit()), "{said}");
        }
    }
}
