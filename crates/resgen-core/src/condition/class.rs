//! Class labels as conditions, with one more label that says nothing.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use crate::nn::Builder;

/// A learned vector per class, and one for "no condition", which classifier-free guidance needs.
#[derive(Module, Debug)]
pub struct ClassCondition {
    table: Param<Tensor<2>>, // [C + 1, d]
}

impl ClassCondition {
    /// Vectors of width `width` for `classes` classes.
    pub fn new(builder: &mut Builder, classes: usize, width: usize) -> Self {
        Self { table: builder.normal([classes + 1, width], 0.5) }
    }

    /// These vectors, but with those that `before` has: of class `i` where `known[i]` says which one of its own that
    /// is, and of "no condition".
    pub fn continued(self, before: &Self, known: &[Option<usize>]) -> Self {
        let own = before.table.dims()[0];
        let picked = known.iter().enumerate().map(|(class, known)| known.unwrap_or(own + class));
        let picked: Vec<i32> = picked.chain([before.nothing()]).map(|row| row as i32).collect();
        let table = self.table.map(|fresh| {
            let picked = Tensor::<1, Int>::from_data(picked.as_slice(), &fresh.device());
            Tensor::cat(vec![before.table.val(), fresh], 0).select(0, picked)
        });
        Self { table }
    }

    /// The label of "no condition": the number of classes.
    pub fn nothing(&self) -> usize {
        self.table.dims()[0] - 1
    }

    /// # Shapes
    /// labels `[B]`, 0 to C → `[B, d]`
    pub fn forward(&self, labels: Tensor<1, Int>) -> Tensor<2> {
        self.table.val().select(0, labels)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn known_classes_keep_their_vectors_and_new_ones_are_fresh() {
        let device = Device::flex();
        let table = |classes: usize, seed| ClassCondition::new(&mut Builder::new(seed, &device), classes, 2);
        let row = |condition: &ClassCondition, label: usize| -> Vec<f32> {
            let label = Tensor::<1, Int>::from_data([label as i32], &device);
            condition.forward(label).try_into_vec_as().unwrap()
        };
        let (before, fresh) = (table(2, 1), table(3, 2));
        let continued = fresh.clone().continued(&before, &[None, Some(0), Some(1)]);
        assert_eq!(row(&continued, 0), row(&fresh, 0));
        assert_eq!(row(&continued, 1), row(&before, 0));
        assert_eq!(row(&continued, 2), row(&before, 1));
        assert_eq!(row(&continued, continued.nothing()), row(&before, before.nothing()));
    }
}
