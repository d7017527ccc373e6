//! Long texts in pieces that can be said in one breath.

use super::english::{is_closing, may_end};

/// Marks that end a sentence.
const ENDS: [char; 7] = ['.', '!', '?', '…', '。', '！', '？'];
/// Marks where a long sentence may be parted.
const PAUSES: [char; 8] = [',', ';', ':', '—', '–', '、', '，', '；'];

/// The paragraphs of a text, each on one line: empty lines part them.
fn paragraphs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .split(|line| line.is_empty())
        .filter(|lines| !lines.is_empty())
        .map(|lines| lines.join(" "))
        .collect()
}

/// The sentences of a text. Nothing is lost but spaces. An empty line ends a sentence too.
pub fn sentences(text: &str) -> Vec<String> {
    let paragraphs = paragraphs(text);
    paragraphs.iter().flat_map(|paragraph| ended(&paragraph.split_whitespace().collect::<Vec<_>>())).collect()
}

/// The sentences of a paragraph's words.
fn ended(words: &[&str]) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut current: Vec<&str> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        current.push(word);
        let next = words.get(at + 1).copied();
        let is_numbering = current.len() == 1 && next.is_some() && is_numbering(word);
        if ends(word, &words[..at], next) && !is_numbering {
            sentences.push(current.join(" "));
            current.clear();
        }
    }
    sentences.extend((!current.is_empty()).then(|| current.join(" ")));
    // Marks without a space after them, as some languages write.
    sentences.into_iter().flat_map(|sentence| after_wide_marks(&sentence)).collect()
}

/// Whether a sentence ends with this word.
fn ends(word: &str, before: &[&str], next: Option<&str>) -> bool {
    let bare = word.trim_end_matches(is_closing);
    let Some(mark) = bare.chars().last().filter(|mark| ENDS.contains(mark)) else { return false };
    let Some(next) = next else { return true };
    // `. . .`
    if !word.contains(char::is_alphanumeric) {
        return false;
    }
    let begins_small = next.chars().find(|c| c.is_alphanumeric()).is_some_and(char::is_lowercase);
    !begins_small && (mark != '.' || may_end(word, before, next))
}

/// `1.`, before what is numbered.
fn is_numbering(word: &str) -> bool {
    let number = word.strip_suffix('.').filter(|number| !number.is_empty());
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn after_wide_marks(sentence: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in sentence.chars() {
        let is_new =
            pieces.last().is_some_and(|piece| piece.ends_with(['。', '！', '？'])) && !ENDS.contains(&c);
        if is_new && !matches!(c, '”' | '」' | '』') {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces.iter().map(|piece| piece.trim().to_owned()).filter(|piece| !piece.is_empty()).collect()
}

/// A sentence in pieces of at most `most` characters: parted at a pause, or where there is none at a space, or where there is none either
/// wherever it must be. Nothing is lost but spaces.
pub fn parted(sentence: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut pieces = Vec::new();
    let mut rest: Vec<char> = sentence.chars().collect();
    while rest.len() > most {
        let within = &rest[..=most];
        // Behind the mark; a pause in the first third would leave a piece hardly worth saying.
        let pause = within[..most]
            .iter()
            .rposition(|c| PAUSES.contains(c))
            .map(|at| at + 1)
            .filter(|at| *at > most / 3);
        let space = within.iter().rposition(|c| c.is_whitespace());
        let at = pause.or(space).filter(|at| *at > 0).unwrap_or(most);
        let after = rest.split_off(at);
        pieces.push(rest.iter().collect::<String>().trim().to_owned());
        rest = after.into_iter().skip_while(|c| c.is_whitespace()).collect();
    }
    pieces.push(rest.iter().collect::<String>());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_they_end() {
        let text = "Mr. Smith paid 3.50 dollars. \"Really?\" he asked. Yes! It was J. R. who… left. Then (at last.) It rained";
        let expected = [
            "Mr. Smith paid 3.50 dollars.",
            "\"Really?\" he asked.",
            "Yes!",
            "It was J. R. who… left.",
            "Then (at last.)",
            "It rained",
        ];
        assert_eq!(sentences(text), expected);
        assert_eq!(
            sentences("One line\nof two.\n\nA heading\n\nMore."),
            ["One line of two.", "A heading", "More."]
        );
        assert_eq!(sentences("A heading\r\n \t\r\nMore\r\nof it."), ["A heading", "More of it."]);
        assert_eq!(sentences("今日は。元気？はい！"), ["今日は。", "元気？", "はい！"]);
        assert!(sentences(" \n\n ").is_empty());
    }

    #[test]
    fn sentences_end_with_what_is_written_short() {
        let cases = [
            (
                "It cost $5. Mr. Smith paid. 20 men came at 5 p.m. Then it rained.",
                &["It cost $5.", "Mr. Smith paid.", "20 men came at 5 p.m.", "Then it rained."][..],
            ),
            ("He waited . . . and left. I... I can't.", &["He waited . . . and left.", "I... I can't."]),
            ("1. Mix flour. 2. He ate 3. Yes.", &["1. Mix flour.", "2. He ate 3.", "Yes."]),
            (
                "It was I. He left. Plan B. They had J. R. R. Tolkien.",
                &["It was I.", "He left.", "Plan B.", "They had J. R. R. Tolkien."],
            ),
            (
                "He left the U.S. The U.S. Army stayed. A Ph.D. It's late.",
                &["He left the U.S.", "The U.S. Army stayed.", "A Ph.D.", "It's late."],
            ),
            (
                "Down Wall St. He ran to St. Louis. No. He hid (see No. 5).",
                &["Down Wall St.", "He ran to St. Louis.", "No.", "He hid (see No. 5)."],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(sentences(text), expected);
        }
    }

    #[test]
    fn long_sentences_are_parted_at_pauses_then_at_spaces_then_anywhere() {
        assert_eq!(parted("one two three, four five six", 20), ["one two three,", "four five six"]);
        assert_eq!(parted("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(parted("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_but_spaces(text in "[a-zA-Z .,!?\n。]{0,120}", most in 1usize..30) {
            let pieces: Vec<String> = sentences(&text).iter().flat_map(|sentence| parted(sentence, most)).collect();
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            proptest::prop_assert_eq!(bare(&pieces.concat()), bare(&text));
            proptest::prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.chars().count() <= most));
        }
    }
}
