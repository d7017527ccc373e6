//! LPIPS, a perceptual distance of pictures (arXiv 1801.03924), on the VGG16 trunk.
//!
//! 1. Shift and scale the pixels to what the trunk was trained on.
//! 2. Take the features after the last ReLU of each of the five stages.
//! 3. Normalise each place's features to unit length; square the differences of the two pictures.
//! 4. Weight the channels by the stage's head, average over places, sum over stages.

use std::path::Path;

use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use resgen_kernels::convolve;

use crate::error::{Error, Result};
use crate::nn::NamedWeights;

/// The convolutions of each stage, by their indices in torchvision's `vgg16().features`.
const STAGES: [&[usize]; 5] = [&[0, 2], &[5, 7], &[10, 12, 14], &[17, 19, 21], &[24, 26, 28]];
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];
const EPSILON: f64 = 1e-10;

/// The frozen network: its weights are plain tensors, so gradients reach the pictures only.
#[derive(Clone, Debug)]
pub struct Lpips {
    shift: Tensor<4>, // [1, 1, 1, 3]
    scale: Tensor<4>, // [1, 1, 1, 3]
    stages: Vec<Stage>,
    fingerprint: String,
}

#[derive(Clone, Debug)]
struct Stage {
    convolutions: Vec<(Tensor<4>, Tensor<1>)>, // weight [out, in, 3, 3], bias [out]
    head: Tensor<4>,                           // [1, 1, 1, C]
}

impl Lpips {
    /// The smallest side of a picture: each of the four poolings halves it.
    pub const MIN_SIDE: usize = 16;

    /// Loads torchvision's VGG16 (`features.0.weight`, …) and the heads of the authors' `lpips` package
    /// (`lin0.model.1.weight` or `lins.0.model.1.weight`, …), the latter from the trunk's file where `heads`
    /// is `None`.
    ///
    /// # Errors
    /// Those of [`read_weights`](crate::nn::pretrained::read_weights); [`Error::File`] names the tensor that is missing or has another shape.
    pub fn load(trunk: impl AsRef<Path>, heads: Option<&Path>, device: &Device) -> Result<Self> {
        let trunk = NamedWeights::read(trunk.as_ref(), device)?;
        let heads = heads.map(|path| NamedWeights::read(path, device)).transpose()?;
        let heads = heads.as_ref().unwrap_or(&trunk);
        let mut channels = 3;
        let mut stages = Vec::with_capacity(STAGES.len());
        for (index, layers) in STAGES.iter().enumerate() {
            let mut convolutions = Vec::with_capacity(layers.len());
            for layer in *layers {
                let (weight, bias) = convolution(&trunk, *layer, channels)?;
                channels = bias.dims()[0];
                convolutions.push((weight, bias));
            }
            stages.push(Stage { convolutions, head: head(heads, index, channels)? });
        }
        let per_channel = |values: [f32; 3]| {
            Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 1, 3]), trunk.device())
        };
        let fingerprint = format!("{}-{}", trunk.fingerprint(), heads.fingerprint());
        Ok(Self { shift: per_channel(SHIFT), scale: per_channel(SCALE), stages, fingerprint })
    }

    /// Of the files of trunk and heads.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The distance of each picture of `a` to its counterpart in `b`, differentiable in both.
    ///
    /// # Shapes
    /// pixels in [−1, 1] `[B, 3, H, W]` twice → `[B]`
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the shapes differ, are not of three channels, or a side is below
    /// [`Lpips::MIN_SIDE`].
    pub fn distance(&self, a: Tensor<4>, b: Tensor<4>) -> Result<Tensor<1>> {
        let [batch, channels, height, width] = a.dims();
        if a.dims() != b.dims() {
            return Err(Error::mismatch(
                "pictures to compare",
                format!("{:?}", a.dims()),
                format!("{:?}", b.dims()),
            ));
        }
        if channels != 3 || height.min(width) < Self::MIN_SIDE {
            let expected = format!("three channels and sides of at least {} pixels", Self::MIN_SIDE);
            return Err(Error::mismatch("pictures to compare", expected, format!("{:?}", a.dims())));
        }
        let [mut a, mut b] =
            [a, b].map(|x| (x.permute([0, 2, 3, 1]) - self.shift.clone()) / self.scale.clone());
        let mut total = Tensor::zeros([batch, 1, 1, 1], &self.shift.device());
        for (index, stage) in self.stages.iter().enumerate() {
            // The pictures pass one after the other, not as one batch: only the one that needs a gradient
            // then pays for it.
            [a, b] = [a, b].map(|x| stage.forward(if index == 0 { x } else { halve(x) }));
            total = total + stage.distance(a.clone(), b.clone());
        }
        Ok(total.reshape([batch]))
    }
}

/// Features are channels-last.
impl Stage {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let layers = self.convolutions.iter();
        layers.fold(x, |x, (weight, bias)| relu(convolve(x, weight.clone(), bias.clone(), 1, [1, 1])))
    }

    /// # Shapes
    /// features `[B, h, w, C]` twice → `[B, 1, 1, 1]`
    fn distance(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
        let difference = (unit(a) - unit(b)).square();
        (difference * self.head.clone()).sum_dim(3).mean_dims(&[1, 2])
    }
}

/// The largest of every 2×2 places; a last line or column that has no neighbour is left out, as PyTorch does.
///
/// # Shapes
/// `[B, h, w, C]` → `[B, ⌊h/2⌋, ⌊w/2⌋, C]`
fn halve(x: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let (height, width) = (height / 2, width / 2);
    let even = x.slice([0..batch, 0..2 * height, 0..2 * width]);
    let lines = even.reshape([batch * height, 2, 2 * width * channels]).max_dim(1);
    lines.reshape([batch * height * width, 2, channels]).max_dim(1).reshape([batch, height, width, channels])
}

/// Unit length over the channels.
fn unit(x: Tensor<4>) -> Tensor<4> {
    // ε² under the root changes no value that f32 can tell apart, but where all features are zero it keeps
    // the root's slope finite: 0·∞ would make the whole gradient NaN.
    let length = (x.clone().square().sum_dim(3) + EPSILON * EPSILON).sqrt();
    x / (length + EPSILON)
}

/// The stages may have any width, but each convolution must take what the one before gives.
fn convolution(trunk: &NamedWeights, layer: usize, input: usize) -> Result<(Tensor<4>, Tensor<1>)> {
    let name = format!("features.{layer}.weight");
    let output = trunk.find(&name)?.shape().first().map_or(1, |&output| output.max(1));
    let weight = trunk.tensor(&name, [output, input, 3, 3])?;
    Ok((weight, trunk.tensor(&format!("features.{layer}.bias"), [output])?))
}

/// # Shapes
/// `[1, 1, 1, C]`
fn head(heads: &NamedWeights, stage: usize, channels: usize) -> Result<Tensor<4>> {
    let list = format!("lins.{stage}.model.1.weight");
    let name = match heads.contains(&list) {
        true => list,
        false => format!("lin{stage}.model.1.weight"),
    };
    Ok(heads.tensor(&name, [1, channels, 1, 1])?.permute([0, 2, 3, 1]))
}

#[cfg(test)]
mod tests;
