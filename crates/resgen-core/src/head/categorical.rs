//! Codes one by one: for every depth, logits over its codebook.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use crate::nn::Builder;
use crate::nn::precision::project;

/// An affine layer a depth.
#[derive(Module, Debug)]
pub struct CategoricalHead {
    depths: Vec<Linear>, // [d, V] each
}

impl CategoricalHead {
    /// Of hidden states of width `width`. Logits start small: nearly every code is as likely as another.
    pub fn new(builder: &mut Builder, width: usize, depth: usize, vocabulary: usize) -> Self {
        let std = 0.1 / (width as f32).sqrt();
        let layer = |_| {
            let mut layer = builder.zero_linear(width, vocabulary);
            layer.weight = builder.normal([width, vocabulary], std);
            layer
        };
        Self { depths: (0..depth).map(layer).collect() }
    }

    /// Depths D.
    pub fn depth(&self) -> usize {
        self.depths.len()
    }

    /// Logits of one depth, counted from 0.
    ///
    /// # Shapes
    /// hidden `[N, d]` → `[N, V]`
    pub fn logits_at(&self, depth: usize, hidden: Tensor<2>) -> Tensor<2> {
        project(&self.depths[depth], hidden)
    }

    /// Logits of all depths of the same hidden states.
    ///
    /// # Shapes
    /// hidden `[N, d]` → `[N, D, V]`
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<3> {
        Tensor::stack((0..self.depth()).map(|depth| self.logits_at(depth, hidden.clone())).collect(), 1)
    }
}

/// log p of given codes.
///
/// # Shapes
/// logits `[N, D, V]`, codes `[N, D]` → `[N, D]`
pub fn log_probabilities(logits: Tensor<3>, codes: Tensor<2, Int>) -> Tensor<2> {
    log_softmax(logits, 2).gather(2, codes.unsqueeze_dim(2)).squeeze_dim(2)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn codes_have_the_logarithms_of_their_shares() {
        let device = Device::flex();
        // ln 1, ln 3 and equal ones.
        let logits = Tensor::<3>::from_floats([[[0.0, 1.098_612_3], [5.0, 5.0]]], &device);
        let codes = Tensor::<2, Int>::from_data([[1, 0]], &device);
        let found: Vec<f32> = log_probabilities(logits, codes).try_into_vec_as().unwrap();
        assert!((found[0] - 0.75f32.ln()).abs() < 1e-6 && (found[1] - 0.5f32.ln()).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn every_depth_has_a_layer_of_its_own() {
        let device = Device::flex();
        let head = CategoricalHead::new(&mut Builder::new(1, &device), 5, 3, 4);
        let hidden = Tensor::<2>::random([2, 5], burn::tensor::Distribution::Default, &device);
        let all = head.logits(hidden.clone());
        assert_eq!(all.dims(), [2, 3, 4]);
        for depth in 0..3 {
            let one = head.logits_at(depth, hidden.clone());
            let same = all.clone().narrow(1, depth, 1).squeeze_dim::<2>(1);
            assert_eq!((one - same).abs().max().into_scalar::<f32>(), 0.0);
        }
        let [first, second] = [0, 1].map(|depth| head.logits_at(depth, hidden.clone()));
        assert!((first - second).abs().max().into_scalar::<f32>() > 0.0);
    }
}
