//! Numbers in English words.

/// Whole numbers from here on are read digit by digit.
pub(super) const MOST_IN_WORDS: u64 = 1_000_000_000_000_000;

/// Digits as a whole number, or one by one where they are none or too large a one.
pub(super) fn spelled(digits: &str) -> String {
    match digits.parse::<u64>() {
        Ok(number) if number < MOST_IN_WORDS && (digits == "0" || !digits.starts_with('0')) => {
            number_in_words(number)
        }
        _ => digit_by_digit(digits),
    }
}

pub(super) fn digit_by_digit(digits: &str) -> String {
    let words = digits.bytes().map(|digit| SMALL[usize::from(digit - b'0')]);
    words.collect::<Vec<_>>().join(" ")
}

pub(super) fn number_in_words(number: u64) -> String {
    for (unit, name) in [
        (1_000_000_000_000, "trillion"),
        (1_000_000_000, "billion"),
        (1_000_000, "million"),
        (1000, "thousand"),
        (100, "hundred"),
    ] {
        if number >= unit {
            let rest = match number % unit {
                0 => String::new(),
                rest => format!(" {}", number_in_words(rest)),
            };
            return format!("{} {name}{rest}", number_in_words(number / unit));
        }
    }
    match number {
        0..20 => SMALL[number as usize].into(),
        _ if number.is_multiple_of(10) => TENS[number as usize / 10].into(),
        _ => format!("{} {}", TENS[number as usize / 10], SMALL[number as usize % 10]),
    }
}

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A whole number as a place in a row: `first`, `twenty third`.
pub(super) fn ordinal_in_words(number: u64) -> String {
    let words = number_in_words(number);
    let (before, last) = words.rsplit_once(' ').map_or(("", &*words), |(before, last)| (before, last));
    let last = match last {
        "one" => "first".into(),
        "two" => "second".into(),
        "three" => "third".into(),
        "five" => "fifth".into(),
        "eight" => "eighth".into(),
        "nine" => "ninth".into(),
        "twelve" => "twelfth".into(),
        other => match other.strip_suffix('y') {
            Some(stem) => format!("{stem}ieth"),
            None => format!("{other}th"),
        },
    };
    if before.is_empty() { last } else { format!("{before} {last}") }
}

/// A year as it is read: `nineteen eighty four`, `nineteen hundred`, `two thousand nine`, `twenty twenty six`.
pub(super) fn year_in_words(year: u64) -> String {
    let (century, rest) = (year / 100, year % 100);
    match rest {
        _ if year.is_multiple_of(1000) || (2000..2010).contains(&year) => number_in_words(year),
        0 => format!("{} hundred", number_in_words(century)),
        1..10 => format!("{} oh {}", number_in_words(century), number_in_words(rest)),
        _ => format!("{} {}", number_in_words(century), number_in_words(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_row() {
        let cases = [
            (1, "first"),
            (12, "twelfth"),
            (20, "twentieth"),
            (23, "twenty third"),
            (100, "one hundredth"),
            (1005, "one thousand fifth"),
        ];
        for (number, words) in cases {
            assert_eq!(ordinal_in_words(number), words);
        }
    }

    #[test]
    fn years() {
        let cases = [
            (1984, "nineteen eighty four"),
            (1900, "nineteen hundred"),
            (1905, "nineteen oh five"),
            (2000, "two thousand"),
            (2009, "two thousand nine"),
            (2026, "twenty twenty six"),
        ];
        for (year, words) in cases {
            assert_eq!(year_in_words(year), words);
        }
    }
}
