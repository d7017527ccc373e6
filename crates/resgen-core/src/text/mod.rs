//! Texts as they are spoken: numbers and abbreviations in words, and long texts in sentences.

mod english;
mod figures;
mod numbers;
mod pace;
mod sentences;
mod times;

pub use english::spelled_out;
pub use pace::Pace;
pub use sentences::{paragraphs, sentences};
pub use times::times;

/// Whether anything is said in a text.
pub fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}
