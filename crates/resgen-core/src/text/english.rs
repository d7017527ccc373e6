//! English as it is read aloud.

use super::figures::{of_two_words, with_figures, with_plain_letters};
use super::short::{BEGINNINGS, Place, SHORT, UNITS};

/// The text with numbers (whole and broken, years, sums of money, times of day, places in a row), abbreviations and marks in words.
/// What is written in letters stays as it is.
pub fn spelled_out(text: &str) -> String {
    let text = with_plain_letters(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let (mut spoken, mut at) = (Vec::with_capacity(words.len()), 0);
    while let Some(&word) = words.get(at) {
        let before = at.checked_sub(1).map(|before| words[before]);
        let next = words.get(at + 1).copied();
        let of_two = next.and_then(|next| of_two_words(word, next));
        at += 1 + usize::from(of_two.is_some());
        spoken.push(of_two.unwrap_or_else(|| said(word, before, next)));
    }
    spoken.join(" ")
}

/// Whether a sentence may end with this word, which has a full stop, before the next.
pub(super) fn may_end(word: &str, before: Option<&str>, next: &str) -> bool {
    match abbreviation(word, before, Some(next)) {
        Some(Abbreviation { may_end, .. }) => may_end,
        None => !is_initial(opened(word).1.trim_end_matches(is_after)) || begins_sentence(next),
    }
}

/// One word between its neighbours.
fn said(word: &str, before: Option<&str>, next: Option<&str>) -> String {
    let Some(Abbreviation { long, after, may_end }) = abbreviation(word, before, next) else {
        return with_figures(word);
    };
    let stop = if may_end && after.is_empty() { "." } else { "" };
    format!("{}{long}{after}{stop}", opened(word).0)
}

/// A word that is written short.
struct Abbreviation<'a> {
    long: &'static str,
    /// Marks behind its full stop.
    after: &'a str,
    may_end: bool,
}

fn abbreviation<'a>(word: &'a str, before: Option<&str>, next: Option<&str>) -> Option<Abbreviation<'a>> {
    let (opening, rest) = opened(word);
    // What opens here has nothing to do with the word before.
    let before = before.filter(|_| opening.is_empty());
    let (short, after) = rest.split_at(rest.trim_end_matches(is_after).len());
    let after = after.strip_prefix('.')?;
    let unit = before.filter(|before| before.ends_with(|c: char| c.is_ascii_digit())).and_then(|number| {
        let (_, one, many) = UNITS.iter().find(|(known, ..)| short.eq_ignore_ascii_case(known))?;
        Some((Place::Anywhere, if number == "1" { *one } else { many }))
    });
    let (place, long) = unit.or_else(|| {
        let mut known = SHORT.iter().filter(|(known, ..)| short.eq_ignore_ascii_case(known));
        known.find(|(_, place, _)| place.fits(before, next)).map(|(_, place, long)| (*place, *long))
    })?;
    Some(Abbreviation { long, after, may_end: next.is_none_or(|next| place.may_end(next)) })
}

impl Place {
    fn fits(self, before: Option<&str>, next: Option<&str>) -> bool {
        match self {
            Self::Number => next.is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit())),
            Self::Road => {
                before.is_some_and(is_name)
                    && next.is_none_or(|next| !begins_large(next) || begins_sentence(next))
            }
            Self::Name => next.is_some_and(begins_large),
            Self::Within | Self::Anywhere => true,
        }
    }

    fn may_end(self, next: &str) -> bool {
        // `Co. Ltd.` goes on.
        let is_short = |next: &str| {
            let stem = opened(next).1.strip_suffix('.');
            stem.is_some_and(|stem| {
                SHORT
                    .iter()
                    .any(|(known, place, _)| *place == Self::Anywhere && stem.eq_ignore_ascii_case(known))
            })
        };
        matches!(self, Self::Road | Self::Anywhere) && begins_large(next) && !is_short(next)
    }
}

/// Whether a word without its full stop is a letter, or letters with stops between them: `J`, `U.S`, `Ph.D`.
fn is_initial(stem: &str) -> bool {
    let is_short = |part: &str, most| {
        !part.is_empty() && part.chars().count() <= most && part.chars().all(char::is_alphabetic)
    };
    match stem.contains('.') {
        true => stem.split('.').all(|part| is_short(part, 2)),
        false => is_short(stem, 1),
    }
}

/// Whether a word begins a sentence rather than a name.
fn begins_sentence(word: &str) -> bool {
    let bare = opened(word).1.trim_end_matches(is_after);
    let bare = bare.split_once(['\'', '’']).map_or(bare, |(bare, _)| bare);
    begins_large(word) && BEGINNINGS.iter().any(|known| bare.eq_ignore_ascii_case(known))
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
            ("Smith & Co. Ltd. The score: 3:1.", "Smith and company limited. The score: three to one."),
            ("In St. Louis (Dr. No) at 5 a.m. sharp.", "In saint Louis (doctor No) at five a m sharp."),
            (
                "He ran down Wall St. He met Dr. Lee on Elm Dr. in Ft. Worth.",
                "He ran down Wall street. He met doctor Lee on Elm drive in fort Worth.",
            ),
            (
                "Jones vs. Brown, rev. 2, Sec. 4, p. 5, Jan. 5th and Sept. 11.",
                "Jones versus Brown, revision two, section four, page five, January fifth and September eleven.",
            ),
            (
                "She is 5 ft. 3 in. tall, he 1 in. more.",
                "She is five feet three inches tall, he one inch more.",
            ),
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
        assert_eq!(spelled_out("\u{feff}a\u{7}b c\u{ad}d"), "ab cd");
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_spelled_out_and_has_no_figures_left(text in "[ -~]{0,40}") {
            let said = spelled_out(&text);
            proptest::prop_assert!(!said.chars().any(|c| c.is_ascii_digit()), "{said}");
        }
    }
}
