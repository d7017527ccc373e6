//! Datasets: picture folders, loaders, and the cache of codes.

pub mod archive;
pub mod cache;
pub mod folder;
pub mod inspect;
pub mod loader;
pub(crate) mod order;
pub mod pass;
mod prefetch;
pub mod set;
mod sheet;
pub mod source;
pub mod speech;
mod spread;
mod unreadable;
mod walk;

pub use cache::{CacheOptions, TokenCache};
pub use folder::{Layout, PictureFolder, Problem};
pub use inspect::{InspectOptions, Inspection, inspect};
pub use loader::{Batch, BatchOptions, Examples, Loader, LoaderOptions};
pub use pass::{Pass, PassBatch, PassOptions};
pub use set::{Levels, PictureSet, SetOptions};
pub use source::CacheLimit;
pub use speech::{SpeechSet, Utterance};
pub use spread::spread;
