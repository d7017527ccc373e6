//! English as it is read aloud.

use super::numbers::{digit_by_digit, number_in_words, ordinal_in_words, spelled, year_in_words};

/// What is written short, and what is said; a full stop may follow.
const ABBREVIATIONS: [(&str, &str); 30] = [
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
    ("fig", "figure"),
    ("vol", "volume"),
    ("ch", "chapter"),
    ("ft", "feet"),
];
/// The same with stops within.
const DOTTED: [(&str, &str); 4] =
    [("e.g.", "for example"), ("i.e.", "that is"), ("a.m.", "a m"), ("p.m.", "p m")];
/// Marks that are words.
const MARKS: [(char, &str); 7] = [
    ('&', "and"),
    ('+', "plus"),
    ('=', "equals"),
    ('@', "at"),
    ('%', "percent"),
    ('#', "number"),
    ('°', "degrees"),
];
/// Marks before a sum of money: one, many, one hundredth, many hundredths.
const MONEY: [(char, [&str; 4]); 3] = [
    ('$', ["dollar", "dollars", "cent", "cents"]),
    ('£', ["pound", "pounds", "penny", "pence"]),
    ('€', ["euro", "euros", "cent", "cents"]),
];

/// Whether a word with a full stop after it may stand within a sentence.
pub(super) fn is_abbreviation(word: &str) -> bool {
    let word = word.to_lowercase();
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    is_initial
        || ABBREVIATIONS.iter().any(|(short, _)| *short == word)
        || DOTTED.iter().any(|(short, _)| short.trim_end_matches('.') == word)
}

/// The text with numbers (whole and broken, years, sums of money, times of day, places in a row), abbreviations and marks in words.
/// What is written in letters stays as it is.
pub fn spelled_out(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let said = words.iter().enumerate().map(|(at, word)| match words.get(at + 1) {
        Some(next) if is_numero(word, next) => "number".to_owned(),
        next => said(word, next.is_none()),
    });
    said.collect::<Vec<_>>().join(" ")
}

/// Whether a word is the `No.` before a number.
pub(super) fn is_numero(word: &str, next: &str) -> bool {
    word.eq_ignore_ascii_case("no.") && next.starts_with(|c: char| c.is_ascii_digit())
}

/// One word between spaces.
fn said(word: &str, is_last: bool) -> String {
    for (short, long) in DOTTED {
        let rest = word.get(..short.len()).filter(|start| start.eq_ignore_ascii_case(short));
        if let Some(rest) = rest.map(|_| &word[short.len()..]).filter(|rest| rest.chars().all(is_after)) {
            return format!("{long}{rest}{}", if is_last && rest.is_empty() { "." } else { "" });
        }
    }
    if let Some(long) = abbreviation(word, is_last) {
        return long;
    }
    match word.chars().any(|c| c.is_ascii_digit() || MARKS.iter().any(|(mark, _)| *mark == c)) {
        true => with_numbers(word),
        false => word.to_owned(),
    }
}

fn abbreviation(word: &str, is_last: bool) -> Option<String> {
    let start = word.len() - word.trim_start_matches(is_before).len();
    let (before, rest) = word.split_at(start);
    let (short, after) = rest.split_once('.')?;
    if !after.chars().all(is_after) {
        return None;
    }
    let (_, long) = ABBREVIATIONS.iter().find(|(known, _)| short.eq_ignore_ascii_case(known))?;
    let stop = if is_last && after.is_empty() { "." } else { "" };
    Some(format!("{before}{long}{after}{stop}"))
}

fn is_before(c: char) -> bool {
    matches!(c, '"' | '\'' | '(' | '[' | '“' | '‘')
}

fn is_after(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | ',' | ';' | ':' | '!' | '?' | '.')
}

/// A word with figures or marks in it, read from left to right.
fn with_numbers(word: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut letters = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let begins = parts.is_empty() && letters.chars().all(is_before);
        let taken = number(rest, begins).or_else(|| {
            let (mark, word) = MARKS.iter().find(|(mark, _)| *mark == first)?;
            Some((mark.len_utf8(), (*word).to_owned()))
        });
        match taken {
            Some((length, words)) => {
                parts.extend((!letters.is_empty()).then(|| std::mem::take(&mut letters)));
                parts.push(words);
                rest = &rest[length..];
            }
            None => {
                // A hyphen after a number only parts it from what follows; between two it is a way from one to the other.
                let follows_number = first == '-' && letters.is_empty() && !parts.is_empty();
                let is_range = follows_number && rest[1..].starts_with(|c: char| c.is_ascii_digit());
                parts.extend(is_range.then(|| "to".to_owned()));
                if !follows_number {
                    letters.push(first);
                }
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    // Marks at the end belong to the word before them.
    match parts.last_mut().filter(|_| !letters.is_empty() && letters.chars().all(is_after)) {
        Some(last) => last.push_str(&letters),
        None => parts.extend((!letters.is_empty()).then_some(letters)),
    }
    let mut joined = String::new();
    for part in parts {
        let touches = joined.is_empty() || joined.ends_with(is_before);
        joined += if touches { "" } else { " " };
        joined += &part;
    }
    joined
}

/// A number at the beginning of a text: how many bytes it takes, and its words.
fn number(text: &str, begins: bool) -> Option<(usize, String)> {
    money(text).or_else(|| time(text)).or_else(|| {
        let minus = text.starts_with('-') && begins;
        let figures = text.strip_prefix('-').filter(|_| minus).unwrap_or(text);
        let (length, words) = plain(figures)?;
        let sign = if minus { "minus " } else { "" };
        Some((length + usize::from(minus), format!("{sign}{words}")))
    })
}

fn money(text: &str) -> Option<(usize, String)> {
    let mark = text.chars().next()?;
    let (_, [one, many, hundredth, hundredths]) = MONEY.iter().find(|(known, _)| *known == mark)?;
    let (length, whole, fraction) = figures(&text[mark.len_utf8()..])?;
    let used = mark.len_utf8() + length;
    let name = |count: u64, one: &str, many: &str| {
        format!("{} {}", number_in_words(count), if count == 1 { one } else { many })
    };
    let units: u64 = whole.parse().ok().filter(|units| *units < 1_000_000_000_000)?;
    let words = match fraction.as_deref() {
        None => name(units, one, many),
        Some(parts) if parts.len() == 2 => {
            let parts: u64 = parts.parse().ok()?;
            match (units, parts) {
                (_, 0) => name(units, one, many),
                (0, _) => name(parts, hundredth, hundredths),
                _ => format!("{} and {}", name(units, one, many), name(parts, hundredth, hundredths)),
            }
        }
        Some(parts) => format!("{} point {} {many}", spelled(&whole), digit_by_digit(parts)),
    };
    Some((used, words))
}

/// `3:45`
fn time(text: &str) -> Option<(usize, String)> {
    let (hours, rest) = text.split_once(':')?;
    let minutes = rest.get(..2)?;
    let ends = !rest[2..].starts_with(|c: char| c.is_ascii_digit() || c == ':');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if hours.len() > 2 || !is_number(hours) || !is_number(minutes) || !ends {
        return None;
    }
    let (hour, minute): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hour > 24 || minute > 59 {
        return None;
    }
    let hour = number_in_words(hour);
    let words = match minute {
        0 => format!("{hour} o'clock"),
        1..10 => format!("{hour} oh {}", number_in_words(minute)),
        _ => format!("{hour} {}", number_in_words(minute)),
    };
    Some((hours.len() + 3, words))
}

/// A whole number, a place in a row, a year, or a number with a point.
fn plain(text: &str) -> Option<(usize, String)> {
    let (length, whole, fraction) = figures(text)?;
    if let Some(fraction) = fraction {
        return Some((length, format!("{} point {}", spelled(&whole), digit_by_digit(&fraction))));
    }
    let after = &text[length..];
    let ending = ["st", "nd", "rd", "th"].into_iter().find(|ending| {
        let rest = after.get(..2).filter(|start| start.eq_ignore_ascii_case(ending)).map(|_| &after[2..]);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    if let (Some(ending), Ok(number)) = (ending, whole.parse()) {
        return Some((length + ending.len(), ordinal_in_words(number)));
    }
    let is_year = length == 4 && (b'1'..=b'2').contains(&whole.as_bytes()[0]);
    match whole.parse() {
        Ok(year @ (1100..2100)) if is_year => Some((length, year_in_words(year))),
        _ => Some((length, spelled(&whole))),
    }
}

/// Figures at the beginning of a text, commas between thousands left out: bytes, the whole part and the part behind a point.
fn figures(text: &str) -> Option<(usize, String, Option<String>)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = digits(0);
    if at == 0 {
        return None;
    }
    let mut whole = text[..at].to_owned();
    while at <= bytes.len() && bytes.get(at) == Some(&b',') && digits(at + 1) == 3 && whole.len() < 15 {
        whole += &text[at + 1..at + 4];
        at += 4;
    }
    let behind = if bytes.get(at) == Some(&b'.') { digits(at + 1) } else { 0 };
    let fraction = (behind > 0).then(|| text[at + 1..at + 1 + behind].to_owned());
    Some((at + if behind > 0 { behind + 1 } else { 0 }, whole, fraction))
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
            ("Cats, dogs & birds, e.g. 2 owls.", "Cats, dogs and birds, for example two owls."),
            ("It was no. It is No. 5.", "It was no. It is number five."),
        ];
        for (written, expected) in cases {
            assert_eq!(spelled_out(written), expected);
        }
    }

    #[test]
    fn numbers_are_read_as_what_they_are() {
        let cases = [
            (
                "In 1984, 23 people paid $5.",
                "In nineteen eighty four, twenty three people paid five dollars.",
            ),
            (
                "It cost £3.50 or €0.99, not $1.",
                "It cost three pounds and fifty pence or ninety nine cents, not one dollar.",
            ),
            ("The 1st, 2nd, 3rd and 21st of May.", "The first, second, third and twenty first of May."),
            (
                "1,500 is 12.5% of 12,000.",
                "one thousand five hundred is twelve point five percent of twelve thousand.",
            ),
            ("At 9:00 it was -5° outside.", "At nine o'clock it was minus five degrees outside."),
            ("Call 007 or B52 on 10:07!", "Call zero zero seven or B fifty two on ten oh seven!"),
            ("Pages 3-5 and \"42\".", "Pages three to five and \"forty two\"."),
            (
                "Score: 99999999999999999999",
                "Score: nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine",
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
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_spelled_out_and_has_no_figures_left(text in "[ -~]{0,40}") {
            let said = spelled_out(&text);
            proptest::prop_assert!(!said.chars().any(|c| c.is_ascii_digit()), "{said}");
        }
    }
}
