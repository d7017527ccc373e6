//! How long each part of a text takes to be said, as far as the text alone can tell.

use super::pace::is_pause;

/// What a letter takes is 1. These are near what English voices take: a line through the recordings of `tools/voices` says 0.1 and 5.
const SPACE: f32 = 0.1;
const PAUSE: f32 = 5.0;
/// Of marks that nobody hears.
const SILENT: f32 = 0.1;

/// The time of each byte, that of a letter being 1; bytes of one character share its time.
pub fn times(text: &str) -> Vec<f32> {
    let of = |character: char| {
        std::iter::repeat_n(time(character) / character.len_utf8() as f32, character.len_utf8())
    };
    text.chars().flat_map(of).collect()
}

fn time(character: char) -> f32 {
    match character {
        c if is_pause(c) => PAUSE,
        c if c.is_alphanumeric() => 1.0,
        c if c.is_whitespace() => SPACE,
        _ => SILENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_take_longer_than_letters_and_bytes_share() {
        assert_eq!(times("ab, é\""), [1.0, 1.0, 5.0, 0.1, 0.5, 0.5, 0.1]);
        assert!(times("").is_empty());
    }
}
