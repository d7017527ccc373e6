//! In which order a training run meets the pictures: a pure function of the seed.
//!
//! The run is one long row of positions. Position `p` lies in epoch `p / len`, and each epoch is a
//! shuffle of all pictures keyed by the seed and the epoch; nothing depends on what came before.

use std::sync::Arc;

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::random::{Purpose, stream};

/// The shuffled epochs of a folder of `len` pictures.
pub(crate) struct Order {
    seed: u64,
    len: usize,
    /// The epoch last asked for, since a batch mostly stays in one.
    recent: Option<(u64, Arc<[u32]>)>,
}

/// The streams of [`Purpose::Shuffle`] are told apart by their step: this one orders an epoch ...
const ORDER: u64 = 0;
/// ... and this one finds a substitute at a position.
const SUBSTITUTE: u64 = 1;

impl Order {
    /// `len` must not be 0.
    pub fn new(seed: u64, len: usize) -> Self {
        Self { seed, len, recent: None }
    }

    /// The picture at `position`.
    pub fn item_at(&mut self, position: u64) -> usize {
        let epoch = position / self.len as u64;
        let items = match &self.recent {
            Some((known, items)) if *known == epoch => Arc::clone(items),
            _ => shuffled(self.seed, self.len, epoch),
        };
        let item = items[(position % self.len as u64) as usize] as usize;
        self.recent = Some((epoch, items));
        item
    }
}

fn shuffled(seed: u64, len: usize, epoch: u64) -> Arc<[u32]> {
    let mut items: Vec<u32> = (0..len as u32).collect();
    items.shuffle(&mut stream(seed, Purpose::Shuffle, epoch, ORDER));
    items.into()
}

/// The pictures to try in place of an unreadable one at `position`: each of the `len` once, from a
/// random one on.
pub(super) fn substitutes(seed: u64, position: u64, len: usize) -> impl Iterator<Item = usize> {
    let first = stream(seed, Purpose::Shuffle, position, SUBSTITUTE).random_range(0..len as u64) as usize;
    (first..len).chain(0..first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_holds_every_picture_once_in_an_order_of_its_own() {
        let mut order = Order::new(3, 50);
        let epochs: Vec<Vec<usize>> =
            (0..3).map(|epoch| (0..50).map(|at| order.item_at(epoch * 50 + at)).collect()).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
        assert_ne!(epochs[1], epochs[2]);
        // A fresh order asked for the last epoch first says the same.
        let mut again = Order::new(3, 50);
        assert_eq!(epochs[2], (100..150).map(|at| again.item_at(at)).collect::<Vec<_>>());
        assert_ne!(epochs[0], (0..50).map(|at| Order::new(4, 50).item_at(at)).collect::<Vec<_>>());
    }

    #[test]
    fn substitutes_are_all_pictures_once() {
        let found: Vec<_> = substitutes(1, 9, 5).collect();
        assert_eq!(found, substitutes(1, 9, 5).collect::<Vec<_>>());
        let mut sorted = found;
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        assert!((0..20).any(|position| substitutes(1, position, 5).next() != substitutes(1, 9, 5).next()));
    }
}
