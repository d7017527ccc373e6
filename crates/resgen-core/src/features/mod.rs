//! Networks that look at pictures and listen to voices, to judge them: what a trained tokenizer or generator is measured by.

mod classifier;
mod extractor;
mod inception;
mod lpips;
mod resize;
pub mod speaker;

pub use classifier::{Classifier, ClassifierConfig, ClassifierFeatures};
pub use extractor::{ClassifierHeader, ClassifierKind, Extractor, ExtractorIdentity, Seen};
pub use inception::{Inception, InceptionFeatures};
pub use lpips::Lpips;
pub use resize::InceptionResize;
pub use speaker::{SpeakerConfig, SpeakerEncoder, SpeakerHeader, SpeakerNetwork};
