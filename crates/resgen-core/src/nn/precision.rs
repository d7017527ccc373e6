//! In which precision networks are computed.
//!
//! It is that of the weights of their affine layers and convolutions: a network whose weights are bf16 rounds what
//! enters those layers to bf16 and adds up in f32. Everything between them is f32: norms, attention's softmax, the
//! residual stream, the mixture's density. Masters of weights, moments of the optimizer and averages stay f32; a step
//! of training computes with a rounded copy, and the gradient passes through the rounding.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::{FloatDType, Tensor};
use resgen_kernels::{affine, affine_gelu, gelu_tanh};
use serde::{Deserialize, Serialize};

/// The precision of products and convolutions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout.
    #[default]
    F32,
    /// Products of numbers rounded to bfloat16 (8 significant bits), added up in f32.
    Bf16,
}

impl Precision {
    /// Whether nothing is rounded.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }

    /// The network with weights of this precision. On a device that tracks gradients they reach the weights given.
    pub fn of<M: Module>(self, network: M) -> M {
        match self {
            Self::F32 => network,
            Self::Bf16 => network.map(&mut Rounding::default()),
        }
    }
}

/// Rounds the weights of the layers that products are computed in.
#[derive(Default)]
struct Rounding {
    containers: Vec<String>,
}

impl ModuleMapper for Rounding {
    fn enter_module(&mut self, _: &str, container: &str) {
        self.containers.push(container.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let container = self.containers.last().map(String::as_str);
        match container {
            Some("Struct:Linear" | "Struct:Conv2d") => param.map(|weights| weights.cast(FloatDType::BF16)),
            _ => param,
        }
    }
}

/// An affine layer in the precision of its weights.
///
/// # Shapes
/// f32 `[…, input]` → f32 `[…, output]`
pub fn project<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    match &layer.bias {
        Some(bias) => affine(x, layer.weight.val(), bias.val()),
        None => layer.forward(x),
    }
}

/// [`gelu_tanh`] of an affine layer.
///
/// # Shapes
/// as in [`project`]
pub fn project_gelu<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    match &layer.bias {
        Some(bias) => affine_gelu(x, layer.weight.val(), bias.val()),
        None => gelu_tanh(layer.forward(x)),
    }
}

/// A convolution of channels-last pictures in the precision of its weights, one that [`Builder::conv`] makes.
///
/// # Shapes
/// f32 `[B, h, w, input]` → f32 `[B, h', w', output]`
///
/// # Panics
/// For a layer without bias, or whose padding is not given as a number: the builder makes none.
///
/// [`Builder::conv`]: super::Builder::conv
pub fn convolve(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let bias = layer.bias.as_ref().expect("a convolution with a bias").val();
    let PaddingConfig2d::Explicit(lines, columns, ..) = layer.padding else {
        panic!("a convolution padded by {:?}", layer.padding)
    };
    resgen_kernels::convolve(x, layer.weight.val(), bias, layer.stride[0], [lines, columns])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Distribution};

    use super::*;
    use crate::nn::Builder;
    use crate::nn::conv::ResidualBlock;
    use crate::nn::parameters;
    use crate::nn::transformer::Block;
    use resgen_kernels::Sight;

    fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    /// √(Σ(a − b)² / Σb²)
    fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
        let squares = |x: Tensor<D>| x.square().sum().into_scalar::<f32>();
        (squares(a - b.clone()) / squares(b)).sqrt()
    }

    // A number rounded to 8 significant bits is off by at most 2⁻⁹ of itself, 0.0011 in the mean square; a few
    // roundings one after another stay below 1 %, and are not nothing.
    fn is_rounding(difference: f32) -> bool {
        (1e-4..1e-2).contains(&difference)
    }

    #[test]
    fn only_what_enters_products_is_rounded() {
        let block = ResidualBlock::new(&mut Builder::new(1, &Device::flex()), 8, 12);
        let x = normal([2, 6, 6, 8]);
        let rounded = Precision::Bf16.of(block.clone());
        let dtypes: Vec<(String, bool)> = parameters::read(&rounded)
            .into_iter()
            .map(|(name, data)| (name, data.dtype() == DType::BF16))
            .collect();
        assert!(
            dtypes.iter().all(|(name, is_rounded)| *is_rounded != name.starts_with("norm")),
            "{dtypes:?}"
        );
        let out = rounded.forward(x.clone());
        assert_eq!(out.dtype(), DType::F32);
        assert!(is_rounding(difference(out, block.forward(x.clone()))));
        assert_eq!(difference(Precision::F32.of(block.clone()).forward(x.clone()), block.forward(x)), 0.0);
    }

    #[test]
    fn gradients_pass_through_the_rounding_to_the_masters() {
        let device = Device::flex().autodiff();
        let block = Block::new(&mut Builder::new(1, &device), 16, 2, Sight::All);
        let (x, modulation, weight) = (normal([2, 5, 16]), normal([2, 6, 16]), normal([2, 5, 16]));
        let gradients = |precision: Precision| {
            let masters = block.clone().train();
            let model = precision.of(masters.clone());
            let inputs = [x.clone().autodiff(), weight.clone().autodiff()];
            let [x, weight] = inputs;
            let loss = (model.forward(x, modulation.clone().autodiff(), None) * weight).sum();
            parameters::take_gradients(&masters, &mut loss.backward())
        };
        let [exact, rounded] = [Precision::F32, Precision::Bf16].map(gradients);
        let differences: Vec<f32> = rounded
            .into_iter()
            .zip(exact)
            // The modulation's own layer takes no part here: its gradient is zero.
            .filter(|(_, exact)| exact.clone().abs().sum().into_scalar::<f32>() > 0.0)
            .map(|(rounded, exact)| {
                assert_eq!(rounded.dtype(), DType::F32);
                difference(rounded, exact)
            })
            .collect();
        // The last layer's bias is the only parameter whose gradient takes no product.
        let (last, others) = differences.split_last().unwrap();
        assert_eq!((*last, others.len()), (0.0, 7));
        assert!(others.iter().copied().all(is_rounding), "{differences:?}");
    }
}
