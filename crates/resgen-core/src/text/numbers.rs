//! Numbers in English words.

/// Puts words in place of whole numbers below a trillion; commas may part their thousands. Digits with a point, and longer
/// numbers, are read digit by digit.
pub fn numbers_in_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let characters: Vec<char> = text.chars().collect();
    let mut place = 0;
    while place < characters.len() {
        if !characters[place].is_ascii_digit() {
            out.push(characters[place]);
            place += 1;
            continue;
        }
        let mut digits = String::new();
        while let Some(&c) = characters.get(place) {
            let parts_thousands =
                c == ',' && characters[place + 1..].iter().take_while(|c| c.is_ascii_digit()).count() == 3;
            match c.is_ascii_digit() {
                true => digits.push(c),
                false if parts_thousands => {}
                false => break,
            }
            place += 1;
        }
        out += &format!(" {} ", spelled(&digits));
        let is_point = characters.get(place) == Some(&'.')
            && characters.get(place + 1).is_some_and(char::is_ascii_digit);
        if is_point {
            let fraction: String =
                characters[place + 1..].iter().take_while(|c| c.is_ascii_digit()).collect();
            out += &format!("point {} ", digit_by_digit(&fraction));
            place += 1 + fraction.len();
        }
    }
    out
}

pub(super) fn spelled(digits: &str) -> String {
    match digits.parse::<u64>() {
        Ok(number) if number < 1_000_000_000_000 && (digits == "0" || !digits.starts_with('0')) => {
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
    for (unit, name) in
        [(1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand"), (100, "hundred")]
    {
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
