//! English as it is read aloud.

use super::figures::{of_two_words, with_figures, with_plain_letters};
use super::short::{AFTER_TIMES, BEGINNINGS, Place, SHORT, UNITS};

/// The text with numbers (whole and broken, years, sums of money, times of day, places in a row), abbreviations and marks in words.
/// What is written in letters stays as it is.
pub fn spelled_out(text: &str) -> String {
    let text = with_plain_letters(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let (mut spoken, mut at) = (Vec::with_capacity(words.len()), 0);
    while let Some(&word) = words.get(at) {
        let before = &words[..at];
        let next = words.get(at + 1).copied();
        let of_two = next.and_then(|next| of_two_words(word, next));
        at += 1 + usize::from(of_two.is_some());
        spoken.push(of_two.unwrap_or_else(|| said(word, before, next)));
    }
    spoken.join(" ")
}

/// Whether a sentence may end with this word, which has a full stop, before the next; `before` are those before it.
pub(super) fn may_end(word: &str, before: &[&str], next: &str) -> bool {
    match abbreviation(word, before, Some(next)) {
        Some(Abbreviation { may_end, .. }) => may_end,
        None => {
            let bare = without_marks(word).1;
            !is_initial(bare.trim_end_matches(is_after)) || begins_sentence(next) && !bare.contains("..")
        }
    }
}

/// One word between its neighbours.
fn said(word: &str, before: &[&str], next: Option<&str>) -> String {
    let Some(Abbreviation { opening, long, after, may_end }) = abbreviation(word, before, next) else {
        let said = with_figures(word);
        let is_half = |next: &str| is_among("a.m p.m am pm", next.trim_end_matches(is_after));
        return match said.strip_suffix(" o'clock").filter(|_| next.is_some_and(is_half)) {
            Some(hour) => hour.to_owned(),
            None => said,
        };
    };
    let stop = if may_end && after.chars().all(is_closing) { "." } else { "" };
    format!("{opening}{long}{stop}{after}")
}

/// A word that is written short.
struct Abbreviation<'a> {
    /// Marks before it.
    opening: &'a str,
    long: &'static str,
    /// Marks behind its full stop.
    after: &'a str,
    may_end: bool,
}

fn abbreviation<'a>(word: &'a str, before: &[&str], next: Option<&str>) -> Option<Abbreviation<'a>> {
    let (opening, rest) = without_marks(word);
    let (short, after) = rest.split_at(rest.trim_end_matches(is_after).len());
    let after = after.strip_prefix('.')?;
    // What opens or closes here has nothing to do with the word before or the next.
    let before = if opening.is_empty() { before } else { &[] };
    let beside = next.filter(|_| after.is_empty());
    let (place, long) = unit(short, before).or_else(|| {
        let mut known = SHORT.iter().filter(|(known, ..)| short.eq_ignore_ascii_case(known));
        known.find(|(_, place, _)| place.fits(before, beside)).map(|(_, place, long)| (*place, *long))
    })?;
    Some(Abbreviation { opening, long, after, may_end: next.is_none_or(|next| place.may_end(next)) })
}

/// What is written short behind a number.
fn unit(short: &str, before: &[&str]) -> Option<(Place, &'static str)> {
    let number = before.last().filter(|before| before.ends_with(|c: char| c.is_ascii_digit()))?;
    let (_, one, many) = UNITS.iter().find(|(known, ..)| short.eq_ignore_ascii_case(known))?;
    Some((Place::Last, if *number == "1" { one } else { many }))
}

impl Place {
    fn fits(self, before: &[&str], next: Option<&str>) -> bool {
        let follows_name = before.last().is_some_and(|before| is_name(before));
        match self {
            Self::Number => next.is_some_and(|next| is_number(next) || is_roman(next)),
            Self::House => follows_name && before.len() > 1 && is_number(before[before.len() - 2]),
            Self::Road => {
                follows_name && next.is_none_or(|next| !begins_large(next) || begins_sentence(next))
            }
            Self::Name => next.is_some_and(|next| begins_large(next) && !begins_sentence(next)),
            Self::Middle => next.is_some_and(|next| !begins_large(next)),
            Self::Within | Self::Anywhere | Self::Last => true,
        }
    }

    fn may_end(self, next: &str) -> bool {
        match self {
            Self::Number | Self::Name | Self::Middle | Self::Within => false,
            Self::House | Self::Road | Self::Anywhere => begins_sentence(next) || begins_speech(next),
            Self::Last => begins_large(next) && !is_among(AFTER_TIMES, bare(next).trim_end_matches('.')),
        }
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

/// Whether a word begins a sentence rather than a name. With a full stop of its own it is an initial.
fn begins_sentence(word: &str) -> bool {
    begins_large(word) && is_among(BEGINNINGS, bare(word))
}

/// Whether somebody begins to speak with a word.
fn begins_speech(word: &str) -> bool {
    begins_large(word) && word.starts_with(['"', '“'])
}

/// A word without marks around it, but a full stop, and without what is contracted: `Didn't` is `Did`.
fn bare(word: &str) -> &str {
    let bare = without_marks(word).1.trim_end_matches(|c| c != '.' && is_after(c));
    match bare.split_once(['\'', '’']) {
        Some((bare, "t")) => bare.strip_suffix('n').unwrap_or(bare),
        Some((bare, _)) => bare,
        None => bare,
    }
}

/// Whether a list of words has this one, in whatever case.
fn is_among(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|known| word.eq_ignore_ascii_case(known))
}

fn begins_large(word: &str) -> bool {
    without_marks(word).1.starts_with(char::is_uppercase)
}

/// Whether a word is a name that goes on: large, no mark behind it, and none that begins a sentence; or `42nd`.
fn is_name(word: &str) -> bool {
    let is_place = is_number(word) && ["st", "nd", "rd", "th"].iter().any(|ending| word.ends_with(ending));
    is_place || begins_large(word) && word.ends_with(char::is_alphanumeric) && !begins_sentence(word)
}

fn is_number(word: &str) -> bool {
    without_marks(word).1.starts_with(|c: char| c.is_ascii_digit())
}

/// `II`, `XIV`
fn is_roman(word: &str) -> bool {
    let bare = word.trim_end_matches(is_after);
    bare.len() > 1 && bare.chars().all(|c| matches!(c, 'I' | 'V' | 'X' | 'L' | 'C'))
}

/// All marks before a word, and the word.
fn without_marks(word: &str) -> (&str, &str) {
    word.split_at(word.len() - word.trim_start_matches(|c: char| !c.is_alphanumeric()).len())
}

/// The marks that open something before a word, and the rest.
pub(super) fn opened(word: &str) -> (&str, &str) {
    word.split_at(word.len() - word.trim_start_matches(is_before).len())
}

pub(super) fn is_before(c: char) -> bool {
    matches!(c, '"' | '\'' | '(' | '[' | '“' | '‘')
}

pub(super) fn is_after(c: char) -> bool {
    is_closing(c) || matches!(c, ',' | ';' | ':' | '!' | '?' | '.')
}

/// Whether a mark closes what one opened.
pub(super) fn is_closing(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»')
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
            (
                "J. A. Smith Jr. Day, Dear Dr. and Mrs. Lee, 12 Main St., Rome, Vol. II, “—Mr. Hill,” at 7 p.m. Eastern.",
                "J. A. Smith junior Day, Dear doctor and missus Lee, twelve Main street, Rome, volume II, “—mister Hill,” at seven p m Eastern.",
            ),
            (
                "\"Bring food, etc.\" He (at 5 p.m.) left.",
                "\"Bring food, et cetera.\" He (at five p m) left.",
            ),
            (
                "At 9:00 a.m. Police came to 42nd St. Don't go, etc. Mary left at 8:00. I met Al. He saw Jan. Mary left.",
                "At nine a m. Police came to forty second street. Don't go, et cetera. Mary left at eight o'clock. I met Al. He saw Jan. Mary left.",
            ),
            ("At 9:00 American 8:00 pm.", "At nine o'clock American eight pm."),
            ("Smith & Co. Ltd. The score: 3:1.", "Smith and company limited. The score: three to one."),
            ("In St. Louis (Dr. No) at 5 a.m. sharp.", "In saint Louis (doctor No) at five a m sharp."),
            (
                "He ran down Wall St. He met Dr. Lee at 5 Elm Dr. in Ft. Worth.",
                "He ran down Wall street. He met doctor Lee at five Elm drive in fort Worth.",
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
