//! What heads of attention know of how far apart two tokens are: a number for each kind of distance.
//!
//! A half of the kinds is for tokens ahead. Of each half, a half is for the nearest distances, one each; the rest divides those up to the farthest that
//! is told apart, evenly by their logarithms.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// What each head adds to the products of tokens at each kind of distance.
#[derive(Debug)]
pub struct Distances {
    table: Tensor<2>, // [kinds, h]
    farthest: usize,
}

impl Distances {
    /// From a table `[kinds, h]`; all distances of `farthest` and more are of one kind.
    pub fn new(table: Tensor<2>, farthest: usize) -> Self {
        Self { table, farthest }
    }

    /// What is added between all tokens of a text of `length`.
    ///
    /// # Shapes
    /// → `[1, h, length, length]`, from the one that attends to the one that is attended to
    pub fn between(&self, length: usize) -> Tensor<4> {
        let [kinds, heads] = self.table.dims();
        let length_signed = length as isize;
        // A kind by how far ahead: there are fewer of them than pairs.
        let by_distance: Vec<i32> = (1 - length_signed..length_signed)
            .map(|ahead| kind(ahead, kinds, self.farthest) as i32)
            .collect();
        let row = |at: usize| &by_distance[length - 1 - at..2 * length - 1 - at];
        let pairs: Vec<i32> = (0..length).flat_map(row).copied().collect();
        let device = self.table.device();
        let added = self.table.clone().select(0, indices(pairs, &device)); // [length·length, h]
        added.swap_dims(0, 1).reshape([1, heads, length, length])
    }
}

fn indices(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// The kind, of `kinds`, of a token that stands `ahead` tokens after another, or before it where that is negative.
fn kind(ahead: isize, kinds: usize, farthest: usize) -> usize {
    let half = kinds / 2;
    let nearest = half / 2;
    let (first, distance) = (if ahead > 0 { half } else { 0 }, ahead.unsigned_abs());
    if distance < nearest {
        return first + distance;
    }
    // In f32, as it was when the encoders were trained: a distance at the edge of two kinds stays of the same one.
    let share = (distance as f32 / nearest as f32).ln() / (farthest as f64 / nearest as f64).ln() as f32;
    first + (nearest + (share * (half - nearest) as f32) as usize).min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_hand() {
        // 16 kinds a side: 0 to 7 by themselves; from 8 on two kinds for every doubling, 8·√2 = 11.3.
        let kinds = |distances: &[isize]| -> Vec<usize> {
            distances.iter().map(|&ahead| kind(ahead, 32, 128)).collect()
        };
        assert_eq!(kinds(&[0, -1, -7, -8, -11, -12, -15, -16, -22, -23]), [0, 1, 7, 8, 8, 9, 9, 10, 10, 11]);
        assert_eq!(kinds(&[-90, -91, -127, -128, -5000]), [14, 15, 15, 15, 15]);
        assert_eq!(kinds(&[1, 7, 8, 12, 64, 5000]), [17, 23, 24, 25, 30, 31]);
    }

    #[test]
    fn every_pair_has_the_number_of_its_distance() {
        let table: Vec<f32> = (0..16).map(|value| value as f32).collect(); // kinds of two heads: 2k and 2k + 1
        let table = Tensor::from_data(TensorData::new(table, [8, 2]), &Device::flex());
        let between = Distances::new(table, 20).between(3);
        assert_eq!(between.dims(), [1, 2, 3, 3]);
        // Of 4 kinds a side, 0 and 1 are by themselves; 2 is of the third.
        let first: Vec<f32> = between.clone().narrow(1, 0, 1).try_into_vec_as().unwrap();
        assert_eq!(first, [0.0, 10.0, 12.0, 2.0, 0.0, 10.0, 4.0, 2.0, 0.0]);
        let second: Vec<f32> = between.narrow(1, 1, 1).try_into_vec_as().unwrap();
        assert_eq!(second, [1.0, 11.0, 13.0, 3.0, 1.0, 11.0, 5.0, 3.0, 1.0]);
    }
}
