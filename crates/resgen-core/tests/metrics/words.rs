use resgen_core::eval::words::{Errors, character_errors, word_errors};
use serde_json::Value;

use super::{assert_near, path_of};

fn errors(of: &Value) -> Errors {
    let count = |name: &str| of[name].as_u64().unwrap() as usize;
    let [substitutions, deletions, insertions, hits] =
        ["substitutions", "deletions", "insertions", "hits"].map(count);
    Errors { substitutions, deletions, insertions, hits }
}

#[test]
fn error_rates_and_alignments_are_those_of_jiwer() {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(path_of("metrics-words.json")).unwrap()).unwrap();
    let (mut words, mut characters) = (Errors::default(), Errors::default());
    let pairs = golden["pairs"].as_array().unwrap();
    assert!(pairs.len() > 30);
    for pair in pairs.iter().chain(golden["empty_references"].as_array().unwrap()) {
        let text = |name: &str| pair[name].as_str().unwrap();
        let (reference, hypothesis) = (text("reference"), text("hypothesis"));
        let found = [word_errors(reference, hypothesis), character_errors(reference, hypothesis)];
        let what = format!("`{reference}` heard as `{hypothesis}`");
        assert_eq!(found, [errors(&pair["words"]), errors(&pair["characters"])], "{what}");
        assert_near(found[0].rate(), pair["wer"].as_f64().unwrap(), 1e-12, &what);
        assert_near(found[1].rate(), pair["cer"].as_f64().unwrap(), 1e-12, &what);
        if found[0].said() > 0 {
            (words, characters) = (words + found[0], characters + found[1]);
        }
    }
    let total = &golden["total"];
    assert_near(words.rate(), total["wer"].as_f64().unwrap(), 1e-12, "words of the corpus");
    assert_near(characters.rate(), total["cer"].as_f64().unwrap(), 1e-12, "characters of the corpus");
}
