//! Long texts in pieces that can be said in one breath.

use super::english::{is_abbreviation, is_numbered};

/// Marks that end a sentence.
const ENDS: [char; 7] = ['.', '!', '?', '…', '。', '！', '？'];
/// Marks where a long sentence may be parted.
const PAUSES: [char; 8] = [',', ';', ':', '—', '–', '、', '，', '；'];

/// The paragraphs of a text, each on one line: empty lines part them.
pub fn paragraphs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .split(|line| line.is_empty())
        .filter(|lines| !lines.is_empty())
        .map(|lines| lines.join(" "))
        .collect()
}

/// The sentences of a text, none longer than `most` characters: longer ones are parted at a pause, or where there is none at a
/// space, or where there is none either wherever it must be. Nothing is lost but spaces. An empty line ends a sentence too.
pub fn sentences(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let sentences = paragraphs(text)
        .into_iter()
        .flat_map(|paragraph| ended(&paragraph.split_whitespace().collect::<Vec<_>>()));
    sentences.flat_map(|sentence| parted(sentence, most)).collect()
}

/// The sentences of a paragraph's words.
fn ended(words: &[&str]) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut current: Vec<&str> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        current.push(word);
        let next = words.get(at + 1);
        if ends(word, next.copied()) {
            sentences.push(current.join(" "));
            current.clear();
        }
    }
    sentences.extend((!current.is_empty()).then(|| current.join(" ")));
    // Marks without a space after them, as some languages write.
    sentences.into_iter().flat_map(|sentence| after_wide_marks(&sentence)).collect()
}

/// Whether a sentence ends with this word.
fn ends(word: &str, next: Option<&str>) -> bool {
    let bare = word.trim_end_matches(['"', '\'', ')', ']', '”', '’', '»']);
    let Some(mark) = bare.chars().last().filter(|mark| ENDS.contains(mark)) else { return false };
    let stem = bare.trim_end_matches(ENDS);
    let Some(next) = next else { return true };
    let begins_small = next.chars().find(|c| c.is_alphanumeric()).is_some_and(char::is_lowercase);
    match mark {
        '.' => !begins_small && !is_abbreviation(stem) && !is_numbered(bare, next),
        _ => !begins_small,
    }
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

/// A sentence in pieces of at most `most` characters.
fn parted(sentence: String, most: usize) -> Vec<String> {
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
        assert_eq!(sentences(text, 200), expected);
        assert_eq!(
            sentences("One line\nof two.\n\nA heading\n\nMore.", 200),
            ["One line of two.", "A heading", "More."]
        );
        assert_eq!(sentences("A heading\r\n \t\r\nMore\r\nof it.", 200), ["A heading", "More of it."]);
        assert_eq!(sentences("今日は。元気？はい！", 200), ["今日は。", "元気？", "はい！"]);
        assert!(sentences(" \n\n ", 200).is_empty());
    }

    #[test]
    fn long_sentences_are_parted_at_pauses_then_at_spaces_then_anywhere() {
        assert_eq!(sentences("one two three, four five six", 20), ["one two three,", "four five six"]);
        assert_eq!(sentences("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(sentences("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_but_spaces(text in "[a-zA-Z .,!?\n。]{0,120}", most in 1usize..30) {
            let pieces = sentences(&text, most);
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            proptest::prop_assert_eq!(bare(&pieces.concat()), bare(&text));
            proptest::prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.chars().count() <= most));
        }
    }
}
