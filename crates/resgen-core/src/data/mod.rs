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
mod spread;
mod walk;

pub use cache::{CacheOptions, TokenCache};
pub use folder::{Layout, PictureFolder, Problem};
pub use inspect::{InspectOptions, Inspection, inspect};
pub use loader::{Batch, Loader, LoaderOptions};
pub use pass::{Pass, PassBatch, PassOptions};
pub use set::{Levels, PictureSet, SetOptions};
pub use source::CacheLimit;
pub use spread::spread;
