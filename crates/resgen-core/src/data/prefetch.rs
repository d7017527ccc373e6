//! Making the next things while the last one is being used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::error::{Error, Result};

/// Tells work in progress that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A thread that makes things in order and keeps a bounded number of them ready.
#[derive(Debug)]
pub(super) struct Prefetch<T> {
    ready: Option<Receiver<T>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts a thread that calls `make` until it returns `None`, at most `depth` things ahead.
    ///
    /// # Errors
    /// [`Error::Argument`] when no thread can be started.
    pub fn start(depth: usize, mut make: impl FnMut(&Stop) -> Option<T> + Send + 'static) -> Result<Self> {
        let (sender, ready) = sync_channel(depth);
        let stop = Stop::default();
        let asked = stop.clone();
        let work = move || {
            while let Some(thing) = make(&asked) {
                if asked.is_asked() || sender.send(thing).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("prefetch".into())
            .spawn(work)
            .map_err(|error| Error::argument("threads", format!("cannot start one: {error}")))?;
        Ok(Self { ready: Some(ready), stop, thread: Some(thread) })
    }

    /// The next thing; `None` when there are no more.
    pub fn next(&mut self) -> Option<T> {
        self.ready.as_ref()?.recv().ok()
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
        // Without a receiver a thread that waits for room wakes up and ends.
        self.ready = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has shown already as the end of the things.
            let _ = thread.join();
        }
    }
}

/// A pool of `threads` workers of its own; 0 means one for each core.
///
/// # Errors
/// [`Error::Argument`] when the threads cannot be started.
pub(super) fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("pictures-{index}"))
        .build()
        .map_err(|error| Error::argument("threads", error))
}
