//! Panels of weights that are used again and again: kept as long as the weights are there, unchanged.
//!
//! A tensor's numbers can change only while nobody else holds them, and they move away from who merely watches
//! (`Arc::make_mut`). So panels belong to what a [`Weak`] reference leads to. Those
//! of weights that are gone are forgotten when the next new ones come.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use burn_flex::FlexTensor;

use crate::scratch::{Scratch, with_scratch};

/// Panels of weights.
pub struct Kept<T> {
    /// Uses of the same weights before their panels are kept.
    uses: u32,
    table: LazyLock<Mutex<HashMap<Key, Entry<T>>>>,
}

/// Where weights lie, and how they are read.
type Key = (usize, Layout);

/// Sizes, steps, and how the numbers were put in another order: all that panels depend on but the numbers themselves.
pub type Layout = [usize; 5];

struct Entry<T> {
    weights: Weak<dyn Any + Send + Sync>,
    uses: u32,
    panels: Option<Arc<Vec<T>>>,
}

enum Found<T> {
    Panels(Arc<Vec<T>>),
    Often(Key),
    Seldom,
}

impl<T: Scratch> Kept<T> {
    /// For weights that are used more than `uses` times before they change.
    pub const fn after(uses: u32) -> Self {
        Self { uses, table: LazyLock::new(Mutex::default) }
    }

    /// Gives `work` the `size` numbers that `pack` makes of the weights.
    pub fn with<R>(
        &self,
        weights: &FlexTensor,
        layout: Layout,
        size: usize,
        pack: impl FnOnce(&mut [T]),
        work: impl FnOnce(&[T]) -> R,
    ) -> R {
        match self.find(weights, layout) {
            Found::Panels(panels) => work(&panels),
            Found::Often(key) => {
                let mut panels = vec![T::default(); size];
                pack(&mut panels);
                let panels = Arc::new(panels);
                if let Some(entry) = self.table().get_mut(&key) {
                    entry.panels = Some(panels.clone());
                }
                work(&panels)
            }
            Found::Seldom => with_scratch(size, |panels| {
                pack(panels);
                work(panels)
            }),
        }
    }

    fn find(&self, weights: &FlexTensor, layout: Layout) -> Found<T> {
        let weights: Arc<dyn Any + Send + Sync> = weights.data_arc();
        let key = (Arc::as_ptr(&weights).addr(), layout);
        let mut table = self.table();
        if !table.contains_key(&key) {
            table.retain(|_, entry| entry.weights.strong_count() > 0);
        }
        let new = || Entry { weights: Arc::downgrade(&weights), uses: 0, panels: None };
        let entry = table.entry(key).or_insert_with(new);
        // While somebody watches an address nothing else comes to lie there: these are the weights it was made for.
        entry.uses = entry.uses.saturating_add(1);
        match &entry.panels {
            Some(panels) => Found::Panels(panels.clone()),
            None if entry.uses > self.uses => Found::Often(key),
            None => Found::Seldom,
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Entry<T>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    fn panels_stay_with_their_weights_and_end_with_them() {
        static KEPT: Kept<f32> = Kept::after(2);
        let mut weights = FlexTensor::from_data(TensorData::new(vec![1f32, 2.0], [1, 2]));
        let mut packed = 0;
        let mut panels_of = |weights: &FlexTensor| {
            let values = weights.storage::<f32>();
            let pack = |panels: &mut [f32]| {
                packed += 1;
                panels.copy_from_slice(values);
            };
            let panels = KEPT.with(weights, [1, 2, 2, 1, 0], 2, pack, <[f32]>::to_vec);
            (panels, packed)
        };
        let found: Vec<_> = (0..5).map(|_| panels_of(&weights)).collect();
        assert!(found.iter().all(|(panels, _)| panels == &[1.0, 2.0]));
        assert_eq!(found.iter().map(|(_, packed)| *packed).collect::<Vec<_>>(), [1, 2, 3, 3, 3]);
        // Changed in place: other numbers, so other panels.
        weights.storage_mut::<f32>()[0] = 5.0;
        assert_eq!(panels_of(&weights).0, [5.0, 2.0]);
        assert_eq!(KEPT.table().len(), 1, "those of the numbers that are gone are forgotten");
    }

    #[test]
    fn another_layout_has_panels_of_its_own() {
        static KEPT: Kept<f32> = Kept::after(2);
        let weights = FlexTensor::from_data(TensorData::new(vec![1f32, 2.0, 3.0, 4.0], [2, 2]));
        for _ in 0..5 {
            for (layout, value) in [([2, 2, 2, 1, 0], 1.0), ([2, 2, 1, 2, 0], 2.0), ([2, 2, 2, 1, 1], 3.0)] {
                KEPT.with(&weights, layout, 1, |out| out[0] = value, |panels| assert_eq!(panels, [value]));
            }
        }
    }
}
