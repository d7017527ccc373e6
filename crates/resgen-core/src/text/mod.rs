//! Texts as they are spoken: numbers and abbreviations in words, and long texts in sentences.

mod amounts;
mod english;
mod figures;
mod numbers;
mod pace;
mod sentences;
mod short;
mod times;

pub use english::spelled_out;
pub use pace::Pace;
pub use sentences::{parted, sentences};
pub use times::times;

/// Whether anything is said in a text.
pub fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}
