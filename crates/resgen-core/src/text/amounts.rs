//! Numbers as they are read aloud in English: whole and broken, years, times of day, sums of money, telephone numbers.

use super::numbers::{
    MOST_IN_WORDS, digit_by_digit, number_in_words, ordinal_in_words, spelled, year_in_words,
};

/// Marks before or behind a sum of money: one, many, one hundredth, many hundredths.
const MONEY: [(char, [&str; 4]); 5] = [
    ('$', ["dollar", "dollars", "cent", "cents"]),
    ('£', ["pound", "pounds", "penny", "pence"]),
    ('€', ["euro", "euros", "cent", "cents"]),
    ('¥', ["yen", "yen", "sen", "sen"]),
    ('¢', ["cent", "cents", "cent", "cents"]),
];
/// What is written short behind a sum of money.
const SCALES: [(&str, &str); 13] = [
    ("k", "thousand"),
    ("m", "million"),
    ("mn", "million"),
    ("mm", "million"),
    ("b", "billion"),
    ("bn", "billion"),
    ("t", "trillion"),
    ("tn", "trillion"),
    ("trn", "trillion"),
    ("thousand", "thousand"),
    ("million", "million"),
    ("billion", "billion"),
    ("trillion", "trillion"),
];

/// A number at the beginning of a text: how many bytes it takes, and its words. It may have a sign where the text `begins` with it, and be a part of
/// one where `may_be_part`.
pub(super) fn number(text: &str, begins: bool, may_be_part: bool) -> Option<(usize, String)> {
    let unsigned = text.strip_prefix(['-', '–', '−']).filter(|_| begins);
    let figures = unsigned.unwrap_or(text);
    let (length, words) = telephone(figures)
        .or_else(|| money(figures))
        .or_else(|| time(figures))
        .or_else(|| fraction(figures).filter(|_| may_be_part))
        .or_else(|| power(figures))
        .or_else(|| plain(figures))?;
    Some(match unsigned {
        Some(figures) => (text.len() - figures.len() + length, format!("minus {words}")),
        None => (length, words),
    })
}

/// `555-1234`, `1-800-555-1234`, `555.123.4567`: figure by figure.
pub(super) fn telephone(text: &str) -> Option<(usize, String)> {
    let length = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '.'))).unwrap_or(text.len());
    let length = text[..length].trim_end_matches(['-', '.']).len();
    let groups: Vec<&str> = text[..length].split(['-', '.']).collect();
    let (last, before) = groups.split_last()?;
    let before = before.strip_prefix(&["1"]).unwrap_or(before);
    let is_one = last.len() == 4 && before.iter().all(|group| group.len() == 3);
    // Two round numbers are a way from one to the other, and a point between two parts a whole number from its fraction.
    let is_one = is_one
        && match before {
            [first] => text.as_bytes()[length - 5] == b'-' && !(first.ends_with('0') && last.ends_with('0')),
            [_, _] => true,
            _ => false,
        };
    let ends = !text[length..].starts_with(char::is_alphanumeric);
    (is_one && ends).then(|| {
        let groups: Vec<String> = groups.iter().map(|group| digit_by_digit(group)).collect();
        (length, groups.join(" "))
    })
}

/// `3/4`, `5/8ths`
pub(super) fn fraction(text: &str) -> Option<(usize, String)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let above = digits(text);
    let rest = text[above..].strip_prefix('/')?;
    let below = digits(rest);
    let after = &rest[below..];
    let ending =
        ["ths", "th", "rds", "rd"].into_iter().find(|ending| after.starts_with(ending)).unwrap_or("");
    let ends = !after[ending.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '/');
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
    Some((above + 1 + below + ending.len(), format!("{} {part}{several}", number_in_words(count))))
}

/// The currency whose mark a text begins with.
pub(super) fn currency(text: &str) -> Option<&'static (char, [&'static str; 4])> {
    let mark = text.chars().next()?;
    MONEY.iter().find(|(known, _)| *known == mark)
}

/// `$5`, `$3.50`, `$1.5M`, `$-5`, `5€`
fn money(text: &str) -> Option<(usize, String)> {
    let ahead = currency(text);
    let start = ahead.map_or(0, |(mark, _)| mark.len_utf8());
    let (sign, start) = match text[start..].starts_with('-') && ahead.is_some() {
        true => ("minus ", start + 1),
        false => ("", start),
    };
    let (length, whole, fraction) = figures(&text[start..])?;
    let end = start + length;
    let scale = ahead.and_then(|_| scale(&text[end..]));
    let end = end + scale.map_or(0, |(length, _)| length);
    let behind = currency(&text[end..]).filter(|_| ahead.is_none());
    let (_, [one, many, hundredth, hundredths]) = ahead.or(behind)?;
    let used = end + behind.map_or(0, |(mark, _)| mark.len_utf8());
    let name = |count: u64, one: &str, many: &str| {
        format!("{} {}", number_in_words(count), if count == 1 { one } else { many })
    };
    let units: u64 = format!("0{whole}").parse().ok().filter(|units| *units < MOST_IN_WORDS)?;
    let words = match (scale, fraction.as_deref()) {
        (Some((_, scale)), fraction) => format!("{} {scale} {many}", broken(&whole, fraction)),
        (None, None) => name(units, one, many),
        (None, Some(parts)) if parts.len() == 2 => {
            let parts: u64 = parts.parse().ok()?;
            match (units, parts) {
                (_, 0) => name(units, one, many),
                (0, _) => name(parts, hundredth, hundredths),
                _ => format!("{} and {}", name(units, one, many), name(parts, hundredth, hundredths)),
            }
        }
        (None, fraction) => format!("{} {many}", broken(&whole, fraction)),
    };
    Some((used, format!("{sign}{words}")))
}

/// Thousands, millions and so on, written short behind a sum of money: bytes, and the word.
pub(super) fn scale(text: &str) -> Option<(usize, &'static str)> {
    let length = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let (_, scale) = SCALES.iter().find(|(short, _)| text[..length].eq_ignore_ascii_case(short))?;
    Some((length, scale))
}

/// A number with or without a point: `12.5`, `.5`.
pub(super) fn broken(whole: &str, fraction: Option<&str>) -> String {
    let whole = if whole.is_empty() { String::new() } else { spelled(whole) };
    match fraction {
        None => whole,
        Some(fraction) => format!("{whole} point {}", digit_by_digit(fraction)).trim_start().to_owned(),
    }
}

/// `3:45`, `12:30:45`
fn time(text: &str) -> Option<(usize, String)> {
    let length = text.find(|c: char| !(c.is_ascii_digit() || c == ':')).unwrap_or(text.len());
    let length = text[..length].trim_end_matches(':').len();
    let (hour, rest) = text[..length].split_once(':')?;
    let (minute, second) =
        rest.split_once(':').map_or((rest, None), |(minute, second)| (minute, Some(second)));
    let of_sixty = |part: &str| part.parse().ok().filter(|part: &u64| *part < 60);
    let is_time =
        (1..=2).contains(&hour.len()) && minute.len() == 2 && second.is_none_or(|second| second.len() == 2);
    let hour: u64 = hour.parse().ok().filter(|hour| is_time && *hour <= 24)?;
    let small = |part| match part {
        1..10 => format!("oh {}", number_in_words(part)),
        part => number_in_words(part),
    };
    // `9:00am`
    let is_half = text[length..].starts_with(char::is_alphabetic);
    let (is_small, hour, minute) = ((1..=12).contains(&hour), number_in_words(hour), of_sixty(minute)?);
    let words = match (minute, second) {
        (0, None) if is_half => hour,
        (0, None) if is_small => format!("{hour} o'clock"),
        (0, None) => format!("{hour} hundred"),
        (_, None) => format!("{hour} {}", small(minute)),
        (_, Some(second)) => format!("{hour} {} {}", small(minute), small(of_sixty(second)?)),
    };
    Some((length, words))
}

/// `1e-5`
fn power(text: &str) -> Option<(usize, String)> {
    let (length, whole, fraction) = figures(text)?;
    let rest = text[length..].strip_prefix(['e', 'E'])?;
    let (sign, digits) = match rest.strip_prefix('-') {
        Some(digits) => ("minus ", digits),
        None => ("", rest.strip_prefix('+').unwrap_or(rest)),
    };
    let count = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, after) = digits.split_at(count);
    let ends = !digits.is_empty() && !after.starts_with(char::is_alphanumeric);
    let number = broken(&whole, fraction.as_deref());
    ends.then(|| (text.len() - after.len(), format!("{number} times ten to the {sign}{}", spelled(digits))))
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
pub(super) fn figures(text: &str) -> Option<(usize, String, Option<String>)> {
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
