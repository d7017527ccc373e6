//! Words with figures, and marks that are words, as they are read aloud in English.

use super::amounts::{broken, currency, figures, fraction, number, scale, telephone};
use super::english::{is_after, is_before, opened};
use super::numbers::{digit_by_digit, spelled};

/// Marks that are words.
const MARKS: [(char, &str); 5] = [('&', "and"), ('+', "plus"), ('=', "equals"), ('@', "at"), ('#', "number")];
/// Parts of one in one letter.
const PARTS: [(char, &str); 5] = [('½', "1/2"), ('¼', "1/4"), ('¾', "3/4"), ('⅓', "1/3"), ('⅔', "2/3")];

/// A text whose parts of one in one letter are numbers with a stroke, and without letters that are neither seen nor said.
pub(super) fn with_plain_letters(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{ad}') {
            continue;
        }
        match PARTS.iter().find(|(part, _)| *part == c) {
            Some((_, written)) => {
                plain += if plain.ends_with(|c: char| c.is_ascii_digit()) { " " } else { "" };
                plain += written;
            }
            None => plain.push(c),
        }
    }
    plain
}

/// Two words that are read together: `$3.5 million`, `1 1/2`, `(555) 123-4567`.
pub(super) fn of_two_words(word: &str, next: &str) -> Option<String> {
    large_sum(word, next).or_else(|| mixed(word, next)).or_else(|| with_area(word, next))
}

/// A sum of money whose number goes on in the next word: `$3.5 million`, `$3-$5 million`.
fn large_sum(word: &str, next: &str) -> Option<String> {
    let (opening, rest) = opened(word);
    let (sign, rest) = rest.strip_prefix(['-', '–', '−']).map_or(("", rest), |rest| ("minus ", rest));
    let (mark, [_, many, ..]) = currency(rest)?;
    let numbers = &rest[mark.len_utf8()..];
    let said = |number: &str| {
        let (length, whole, fraction) = figures(number)?;
        (length == number.len()).then(|| broken(&whole, fraction.as_deref()))
    };
    let number = match numbers.split_once(['-', '–']) {
        Some((from, to)) => format!("{} to {}", said(from)?, said(to.strip_prefix(*mark).unwrap_or(to))?),
        None => said(numbers)?,
    };
    let (length, scale) = scale(next)?;
    let after = &next[length..];
    after.chars().all(is_after).then(|| format!("{opening}{sign}{number} {scale} {many}{after}"))
}

/// `1 1/2`
fn mixed(word: &str, next: &str) -> Option<String> {
    let (opening, whole) = opened(word);
    let (length, part) = fraction(next)?;
    let after = &next[length..];
    let is_mixed = matches!(whole.len(), 1..=3) && whole.bytes().all(|byte| byte.is_ascii_digit());
    (is_mixed && after.chars().all(is_after))
        .then(|| format!("{opening}{} and {part}{after}", spelled(whole)))
}

/// `(555) 123-4567`
fn with_area(word: &str, next: &str) -> Option<String> {
    let area = word.strip_prefix('(')?.strip_suffix(')')?;
    let (length, words) = telephone(next)?;
    let is_area = area.len() == 3 && area.bytes().all(|byte| byte.is_ascii_digit());
    is_area.then(|| format!("{} {words}{}", digit_by_digit(area), &next[length..]))
}

/// A part of a word.
enum Part {
    /// A number, and what it counts.
    Amount(String),
    /// A mark that is a word.
    Mark(&'static str),
    /// From one amount to another.
    Way,
    /// A stroke behind an amount.
    Stroke,
    /// Other letters and marks.
    Letters(String),
}

/// A word whose figures and marks, read from left to right, become words.
pub(super) fn with_figures(word: &str) -> String {
    let is_read =
        |c: char| c.is_ascii_digit() || matches!(c, '%' | '°') || MARKS.iter().any(|(mark, _)| *mark == c);
    if !word.contains(is_read) {
        return word.to_owned();
    }
    let (mut parts, mut rest) = (Vec::new(), word);
    while let Some(first) = rest.chars().next() {
        rest = &rest[taken(rest, first, &mut parts)..];
    }
    joined(&parts)
}

/// Takes a part from the beginning of `rest`, which is `first`: its bytes.
fn taken(rest: &str, first: char, parts: &mut Vec<Part>) -> usize {
    let begins = match parts.last() {
        None | Some(Part::Mark(_)) => true,
        Some(Part::Letters(letters)) => parts.len() == 1 && letters.chars().all(is_before),
        _ => false,
    };
    let after_stroke = matches!(parts.last(), Some(Part::Stroke));
    if let Some((length, words)) = number(rest, begins, !after_stroke) {
        parts.push(Part::Amount(words));
        return length;
    }
    let length = first.len_utf8();
    let after = &rest[length..];
    match (first, parts.last_mut()) {
        ('%', Some(Part::Amount(amount))) => *amount += " percent",
        ('°', Some(Part::Amount(amount))) => *amount += if amount == "one" { " degree" } else { " degrees" },
        ('%', _) => parts.push(Part::Mark("percent")),
        ('°', _) => parts.push(Part::Mark("degrees")),
        ('#', Some(Part::Letters(letters))) if matches!(letters.as_bytes(), [b'A'..=b'G']) => {
            parts.push(Part::Mark("sharp"));
        }
        // `3:1`; other numbers behind a colon are verses and minutes.
        (':', Some(Part::Amount(amount))) if goes_on(after) && (amount == "one" || is_one(after)) => {
            parts.push(Part::Way);
        }
        ('-' | '–', Some(Part::Amount(_))) if goes_on(after) => parts.push(Part::Way),
        // It only parts a number from a word, `24-hour`.
        ('-', Some(Part::Amount(_))) if after.starts_with(char::is_alphanumeric) => {}
        // `9am-5pm`, `9 a.m.-5 p.m.`, but `COVID-19`.
        ('-' | '–', Some(Part::Letters(_))) if goes_on(after) => {
            let is_way = match &parts[..] {
                [.., Part::Amount(_), Part::Letters(_)] => true,
                [.., Part::Letters(letters)] => letters.ends_with('.'),
                _ => false,
            };
            parts.extend(is_way.then_some(Part::Way));
        }
        ('/', Some(Part::Amount(_))) => parts.push(Part::Stroke),
        (first, last) => match (MARKS.iter().find(|(mark, _)| *mark == first), last) {
            (Some((_, word)), _) => parts.push(Part::Mark(word)),
            (None, Some(Part::Letters(letters))) => letters.push(first),
            (None, _) => parts.push(Part::Letters(first.into())),
        },
    }
    length
}

/// Whether an amount begins here.
fn goes_on(text: &str) -> bool {
    number(text, false, true).is_some()
}

fn is_one(text: &str) -> bool {
    text.strip_prefix('1').is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// The parts of a word with spaces between them, except around marks that belong to one of them.
fn joined(parts: &[Part]) -> String {
    // More than one of them are in dates.
    let is_way = parts.iter().filter(|part| matches!(part, Part::Way)).count() == 1;
    let mut joined = String::new();
    let mut touches = true;
    for (at, part) in parts.iter().enumerate() {
        let word = match part {
            Part::Amount(words) | Part::Letters(words) => words,
            Part::Mark(word) => *word,
            Part::Way if is_way => "to",
            Part::Way | Part::Stroke => continue,
        };
        joined += if touches || word.starts_with(is_after) && at > 0 { "" } else { " " };
        joined += word;
        touches = at == 0 && word.ends_with(is_before);
    }
    joined
}

#[cfg(test)]
mod tests {
    use crate::text::spelled_out;

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
            (
                "9am-5pm, 9 a.m.-5 p.m., 24-hour, COVID-19, 1984--the year, 5:3, (½) and mid-'90s.",
                "nine am to five pm, nine a.m. to five p m, twenty four hour, COVID nineteen, nineteen eighty four --the year, five: three, (one half) and mid-'nineties.",
            ),
            (
                "$3-$5 million, −£2 bn, 9:00am and 18:00.",
                "three to five million dollars, minus two billion pounds, nine am and eighteen hundred.",
            ),
            (
                "Call 1-555-1234, PO#12, in 962–1806 for £5 bn.",
                "Call one five five five one two three four, PO number twelve, in nine hundred sixty two to eighteen oh six for five billion pounds.",
            ),
            ("Call 007 or B52 on 10:07!", "Call zero zero seven or B fifty two on ten oh seven!"),
            ("Pages 3-5 and \"42\".", "Pages three to five and \"forty two\"."),
            (
                "1990–1995, −5° and x=-5",
                "nineteen ninety to nineteen ninety five, minus five degrees and x equals minus five",
            ),
            (
                "It made $3.5 million, lost -$5, .5% or $.99, and 5€.",
                "It made three point five million dollars, lost minus five dollars, point five percent or ninety nine cents, and five euros.",
            ),
            (
                "The 1920s, the 1900s and the 80s.",
                "The nineteen twenties, the nineteen hundreds and the eighties.",
            ),
            ("On 2024-01-15, 24/7.", "On twenty twenty four zero one fifteen, twenty four seven."),
            (
                "Call 555-1234, 3/4 or 1/2.",
                "Call five five five one two three four, three quarters or one half.",
            ),
            (
                "10%-20%, 5°-10°, $5-$10, 1st-3rd, 1980s-1990s and 500-1000 people",
                "ten percent to twenty percent, five degrees to ten degrees, five dollars to ten dollars, first to third, nineteen eighties to nineteen nineties and five hundred to one thousand people",
            ),
            (
                "Call (555) 123-4567, 555.123.4567 or 1-800-555-1234.",
                "Call five five five one two three four five six seven, five five five one two three four five six seven or one eight zero zero five five five one two three four.",
            ),
            (
                "$-5, $1.5M, $5k, $5bn, £1m, ¥500 and 50¢",
                "minus five dollars, one point five million dollars, five thousand dollars, five billion dollars, one million pounds, five hundred yen and fifty cents",
            ),
            (
                "1 1/2, 2½, 5/8ths, 1984's, 12:30:45, 1°, 1e-5, 9/1/10 and C#.",
                "one and one half, two and one half, five eighths, nineteen eighty four's, twelve thirty forty five, one degree, one times ten to the minus five, nine one ten and C sharp.",
            ),
            ("1.2.3 and 1,000,000,000,000", "one point two point three and one trillion"),
            (
                "Score: 99999999999999999999",
                "Score: nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine",
            ),
        ];
        for (written, expected) in cases {
            assert_eq!(spelled_out(written), expected);
        }
    }
}
