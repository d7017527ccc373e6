//! What could not be read so far.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;

/// Indices of examples that could not be read, with the reasons; none of them is tried again.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Mutex<BTreeMap<usize, String>>);

impl Unreadable {
    /// Whether the example is one of them.
    pub fn contains(&self, item: usize) -> bool {
        self.known().contains_key(&item)
    }

    /// Adds an example.
    pub fn insert(&self, item: usize, error: Error) {
        self.known().insert(item, reason_of(error));
    }

    /// Why the example cannot be read, if it is known that it cannot.
    pub fn reason(&self, item: usize) -> Option<String> {
        self.known().get(&item).cloned()
    }

    /// All of them, by index.
    pub fn all(&self) -> Vec<(usize, String)> {
        self.known().iter().map(|(item, reason)| (*item, reason.clone())).collect()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<usize, String>> {
        // The map is whole after every operation on it, whatever happened to its last user.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason alone, where the path is known already.
pub(super) fn reason_of(error: Error) -> String {
    match error {
        Error::File { reason, .. } | Error::Argument { reason, .. } => reason,
        Error::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}
