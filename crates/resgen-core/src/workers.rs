//! Micro-batches side by side, and parameters: one thread each, with a thread pool of its own.
//!
//! Many operations of the CPU backend run on one thread, and the rest meet at its barriers; two
//! micro-batches on two threads keep two cores busy where one batch on two threads does not. With one
//! thread to a micro-batch the order of every sum is fixed, so results do not depend on the number of cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Threads that work on micro-batches.
pub struct Workers {
    pools: Vec<ThreadPool>,
}

impl Workers {
    /// `count` workers, at least one.
    ///
    /// # Errors
    /// [`Error::Training`] where the system gives no threads.
    pub fn new(count: usize) -> Result<Self> {
        let pool = || ThreadPoolBuilder::new().num_threads(1).build();
        let pools = (0..count.max(1)).map(|_| pool()).collect::<Result<_, _>>();
        Ok(Self { pools: pools.map_err(|error| Error::Training(format!("no threads: {error}")))? })
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        self.pools.len()
    }

    /// Runs `work` on the thread of the first worker, where every sum has one order.
    pub fn alone<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.pools.first() {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Runs `work` on every item, each on one thread, the next by whoever is free; results are in the items' order.
    ///
    /// # Errors
    /// The first error in the items' order.
    pub fn run<T: Send, R: Send>(
        &self,
        items: Vec<T>,
        work: impl Fn(usize, T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let slots: Vec<Mutex<Option<T>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
        let results: Vec<Mutex<Option<Result<R>>>> = slots.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for pool in &self.pools {
                let (slots, results, work, next) = (&slots, &results, &work, &next);
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(slot) = slots.get(index) else { break };
                        let item = slot.lock().ok().and_then(|mut slot| slot.take());
                        let result = item.map(|item| pool.install(|| work(index, item)));
                        if let Ok(mut slot) = results[index].lock() {
                            *slot = result;
                        }
                    }
                });
            }
        });
        let lost = || Error::Training("a worker stopped without a result".into());
        results
            .into_iter()
            .map(|slot| slot.into_inner().ok().flatten().unwrap_or_else(|| Err(lost())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let workers = Workers::new(3).unwrap();
        let doubled = workers.run((0..10).collect(), |index, item: usize| Ok(index + item)).unwrap();
        assert_eq!(doubled, (0..10).map(|item| 2 * item).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_error_is_returned() {
        let fails = |index: usize, _: ()| match index {
            0 => Ok(()),
            _ => Err(Error::Training(index.to_string())),
        };
        let error = Workers::new(2).unwrap().run(vec![(); 4], fails).unwrap_err();
        assert_eq!(error.to_string(), "training: 1");
    }
}
