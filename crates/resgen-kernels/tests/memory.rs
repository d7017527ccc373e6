//! Attention position by position gives what attention to the past gives of all positions at once.

use burn::tensor::{Device, Distribution, Tensor};
use resgen_kernels::memory::{attend_next, reference};
use resgen_kernels::{Sight, attend};

fn largest(difference: Tensor<2>) -> f32 {
    difference.abs().max().into_scalar::<f32>()
}

#[test]
fn positions_one_by_one_are_all_at_once() {
    let device = Device::flex();
    for [batch, length, heads, head] in [[1, 1, 1, 1], [2, 5, 2, 3], [3, 17, 3, 16], [1, 64, 6, 64]] {
        let width = heads * head;
        let qkv = Tensor::<3>::random([batch, length, 3 * width], Distribution::Normal(0.0, 1.0), &device);
        let all = attend(qkv.clone(), heads, Sight::Past);
        // What lies behind a place must not matter.
        let mut memory = Tensor::full([batch, length, 2 * width], f32::NAN, &device);
        let mut other = memory.clone();
        for place in 0..length {
            let own = qkv.clone().narrow(1, place, 1).squeeze_dim::<2>(1);
            let (fast, slow);
            (fast, memory) = attend_next(own.clone(), memory, place, heads);
            (slow, other) = reference::attend_next(own, other, place, heads);
            let expected = all.clone().narrow(1, place, 1).squeeze_dim::<2>(1);
            let worst = [largest(fast - expected.clone()), largest(slow - expected)];
            assert!(
                worst.iter().all(|worst| *worst < 1e-5),
                "{worst:?} at {place} of {length}, {heads}×{head}"
            );
        }
        assert!(largest((memory - other).flatten(1, 2)) == 0.0);
    }
}

#[test]
fn a_memory_that_two_hold_is_copied() {
    let device = Device::flex();
    let before = Tensor::<3>::zeros([1, 2, 2], &device);
    let (_, after) = attend_next(Tensor::ones([1, 3], &device), before.clone(), 1, 1);
    assert_eq!(before.try_into_vec_as::<f32>().unwrap(), [0.0; 4]);
    assert_eq!(after.try_into_vec_as::<f32>().unwrap(), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(
        attend_next(Tensor::ones([0, 3], &device), Tensor::ones([0, 2, 2], &device), 1, 1).0.dims(),
        [0, 1]
    );
}
