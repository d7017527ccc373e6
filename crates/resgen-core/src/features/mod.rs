//! Networks that look at pictures, to judge them: what a trained tokenizer or generator is measured by.

mod classifier;
mod extractor;
mod inception;
mod lpips;
mod resize;

pub use classifier::{Classifier, ClassifierConfig, ClassifierFeatures};
pub use extractor::{ClassifierHeader, ClassifierKind, Extractor, ExtractorIdentity, Seen};
pub use inception::{Inception, InceptionFeatures};
pub use lpips::Lpips;
pub use resize::InceptionResize;
