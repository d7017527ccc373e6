//! A dataset as codes: what a model learns from, once the tokenizer is trained.
//!
//! A cache is a folder. `shard-00000.codes`, `shard-00001.codes`, … hold the codes; `cache.json` says what
//! they are codes of, and is written last: a folder without it is no cache. While a cache is being built,
//! `building.json` keeps what is needed to go on after an interruption.

mod build;
mod header;
mod read;
mod shard;

pub use build::{Built, CacheOptions, build};
pub use header::{CacheHeader, CacheInputs, ShardEntry, Unreadable};
pub use read::TokenCache;

#[cfg(test)]
mod corruption_tests;
#[cfg(test)]
mod tests;
