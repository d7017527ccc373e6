//! Figures as they are read aloud in English: numbers, years, times of day, sums of money, and marks that are words.

use super::english::{is_after, is_before, opened};
use super::numbers::{
    MOST_IN_WORDS, digit_by_digit, number_in_words, ordinal_in_words, spelled, year_in_words,
};

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
/// Marks before or behind a sum of money: one, many, one hundredth, many hundredths.
const MONEY: [(char, [&str; 4]); 3] = [
    ('$', ["dollar", "dollars", "cent", "cents"]),
    ('£', ["pound", "pounds", "penny", "pence"]),
    ('€', ["euro", "euros", "cent", "cents"]),
];

/// A sum of money whose number goes on in the next word: `$3.5 million`.
pub(super) fn large_sum(word: &str, next: &str) -> Option<String> {
    let (opening, rest) = opened(word);
    let (sign, rest) = rest.strip_prefix('-').map_or(("", rest), |rest| ("minus ", rest));
    let mark = rest.chars().next()?;
    let (_, [_, many, ..]) = MONEY.iter().find(|(known, _)| *known == mark)?;
    let number = &rest[mark.len_utf8()..];
    let (length, whole, fraction) = figures(number)?;
    let (scale, after) = next.split_at(next.find(|c: char| !c.is_alphabetic()).unwrap_or(next.len()));
    let is_scale =
        ["thousand", "million", "billion", "trillion"].iter().any(|known| scale.eq_ignore_ascii_case(known));
    let is_sum = length == number.len() && is_scale && after.chars().all(is_after);
    is_sum.then(|| format!("{opening}{sign}{} {scale} {many}{after}", broken(&whole, fraction.as_deref())))
}

/// A word whose figures and marks, read from left to right, become words.
pub(super) fn with_figures(word: &str) -> String {
    if !word.chars().any(|c| c.is_ascii_digit() || MARKS.iter().any(|(mark, _)| *mark == c)) {
        return word.to_owned();
    }
    // Dashes and the sign of a negative number are written in several ways.
    let word = &*word.replace(['–', '−'], "-");
    // A hyphen between two numbers is a way from one to the other; more of them, as in dates, part them.
    let is_digit = |at: usize| word.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let between = word.match_indices('-').filter(|(at, _)| *at > 0 && is_digit(at - 1) && is_digit(at + 1));
    let is_range = between.count() == 1;
    let mut parts: Vec<String> = Vec::new();
    let mut letters = String::new();
    let mut follows_number = false;
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let begins = !follows_number && letters.chars().all(is_before);
        let mark = || {
            let (mark, word) = MARKS.iter().find(|(mark, _)| *mark == first)?;
            Some((mark.len_utf8(), (*word).to_owned(), false))
        };
        let taken = number(rest, begins).map(|(length, words)| (length, words, true)).or_else(mark);
        match taken {
            Some((length, words, is_number)) => {
                parts.extend((!letters.is_empty()).then(|| std::mem::take(&mut letters)));
                parts.push(words);
                follows_number = is_number;
                rest = &rest[length..];
            }
            None => {
                // After a number a hyphen or a stroke only parts it from what follows.
                let parts_numbers = follows_number && matches!(first, '-' | '/');
                let is_followed = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
                parts.extend(
                    (parts_numbers && first == '-' && is_range && is_followed).then(|| "to".to_owned()),
                );
                if !parts_numbers {
                    letters.push(first);
                }
                follows_number = false;
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
    let unsigned = text.strip_prefix('-').filter(|_| begins);
    let figures = unsigned.unwrap_or(text);
    let (length, words) = telephone(figures)
        .or_else(|| money(figures))
        .or_else(|| time(figures))
        .or_else(|| fraction(figures))
        .or_else(|| plain(figures))?;
    Some(match unsigned {
        Some(_) => (length + 1, format!("minus {words}")),
        None => (length, words),
    })
}

/// `555-1234`, `1-800-555-1234`: figure by figure.
fn telephone(text: &str) -> Option<(usize, String)> {
    let length = text.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(text.len());
    let groups: Vec<&str> = text[..length].split('-').collect();
    let (last, before) = groups.split_last()?;
    let before = before.strip_prefix(&["1"]).unwrap_or(before);
    let is_one =
        last.len() == 4 && (1..=2).contains(&before.len()) && before.iter().all(|group| group.len() == 3);
    let ends = !text[length..].starts_with(char::is_alphanumeric);
    (is_one && ends).then(|| {
        let groups: Vec<String> = groups.iter().map(|group| digit_by_digit(group)).collect();
        (length, groups.join(" "))
    })
}

/// `3/4`
fn fraction(text: &str) -> Option<(usize, String)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let above = digits(text);
    let rest = text[above..].strip_prefix('/')?;
    let below = digits(rest);
    let ends = !rest[below..].starts_with(|c: char| c.is_alphanumeric() || c == '/');
    let (count, parts): (u64, u64) = (text[..above].parse().ok()?, rest[..below].parse().ok()?);
    if !ends || !(1..parts).contains(&count) || parts > 10 {
        return None;
    }
    let part = match parts {
        2 => "half".to_owned(),
        4 => "quarter".to_owned(),
        _ => ordinal_in_words(parts),
    };
    let several = if count == 1 { "" } else { "s" };
    Some((above + 1 + below, format!("{} {part}{several}", number_in_words(count))))
}

/// `$5`, `$3.50`, `5€`
fn money(text: &str) -> Option<(usize, String)> {
    let known = |text: &str| {
        let mark = text.chars().next()?;
        MONEY.iter().find(|(known, _)| *known == mark)
    };
    let ahead = known(text);
    let start = ahead.map_or(0, |(mark, _)| mark.len_utf8());
    let (length, whole, fraction) = figures(&text[start..])?;
    let behind = known(&text[start + length..]).filter(|_| ahead.is_none());
    let (_, [one, many, hundredth, hundredths]) = ahead.or(behind)?;
    let used = start + length + behind.map_or(0, |(mark, _)| mark.len_utf8());
    let name = |count: u64, one: &str, many: &str| {
        format!("{} {}", number_in_words(count), if count == 1 { one } else { many })
    };
    let units: u64 = format!("0{whole}").parse().ok().filter(|units| *units < MOST_IN_WORDS)?;
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
        Some(_) => format!("{} {many}", broken(&whole, fraction.as_deref())),
    };
    Some((used, words))
}

/// A number with or without a point: `12.5`, `.5`.
fn broken(whole: &str, fraction: Option<&str>) -> String {
    let whole = if whole.is_empty() { String::new() } else { spelled(whole) };
    match fraction {
        None => whole,
        Some(fraction) => format!("{whole} point {}", digit_by_digit(fraction)).trim_start().to_owned(),
    }
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
    if fraction.is_some() {
        return Some((length, broken(&whole, fraction.as_deref())));
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
    let is_many = after.starts_with('s') && !after[1..].starts_with(char::is_alphanumeric);
    match whole.parse() {
        Ok(year @ (1100..2100)) if is_year && is_many && year % 10 == 0 => {
            Some((length + 1, plural(&year_in_words(year))))
        }
        Ok(tens @ 20..100) if is_many && tens % 10 == 0 => Some((length + 1, plural(&number_in_words(tens)))),
        Ok(year @ (1100..2100)) if is_year => Some((length, year_in_words(year))),
        _ => Some((length, spelled(&whole))),
    }
}

/// `twenties`, `hundreds`
fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{word}s"),
    }
}

/// Figures at the beginning of a text, commas between thousands left out: bytes, the whole part and the part behind a point; one of them may be missing.
fn figures(text: &str) -> Option<(usize, String, Option<String>)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = digits(0);
    if at == 0 && !(bytes.first() == Some(&b'.') && digits(1) > 0) {
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
