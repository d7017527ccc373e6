//! InceptionV3 as the TensorFlow network of 2015-12-05 that Fréchet distances are measured with, read from its usual PyTorch
//! port.
//!
//! It differs from the InceptionV3 of classifiers (arXiv 1512.00567) in three places: averages over 3×3 places leave
//! the border out, the last block takes a maximum in place of an average, and there are 1008 classes. Norms are folded into the
//! convolutions before them. Feature maps are channels-last.

use std::path::Path;

use burn::tensor::activation::relu;
use burn::tensor::{Device, Slice, Tensor, TensorData};
use resgen_kernels::convolve;

use super::resize::{InceptionResize, SIDE};
use crate::error::Result;
use crate::nn::NamedWeights;

/// Added to variances by TensorFlow's norms.
const EPSILON: f64 = 1e-3;
/// Channels of the map whose places are features of their own, for sFID.
const SPATIAL_CHANNELS: usize = 7;
/// Classes, one of them and the last seven unused.
const CLASSES: usize = 1008;

/// The frozen network.
pub struct Inception {
    stem: Vec<Step>,
    mixed: Vec<Mixed>,
    classes: Tensor<2>, // [2048, 1008]
    resize: InceptionResize,
}

/// What the network says of pictures.
pub struct InceptionFeatures {
    /// Means over all places of the last map, `[B, 2048]`.
    pub pooled: Tensor<2>,
    /// The first channels of a map in the middle, place by place, `[B, 17·17·7]`: what sFID (arXiv 2103.03841) is measured on.
    pub spatial: Tensor<2>,
    /// Of the classes without their biases, `[B, 1008]`, as Inception scores take them.
    pub logits: Tensor<2>,
}

impl Inception {
    /// Width of the pooled features.
    pub const WIDTH: usize = 2048;

    /// Loads `pt_inception-2015-12-05` or the like: torchvision's names (`Conv2d_1a_3x3.conv.weight`, …,
    /// `Mixed_7c.branch_pool.bn.running_var`, `fc.weight`) in any format of [`read_weights`](crate::nn::pretrained::read_weights).
    ///
    /// # Errors
    /// As there; [`Error::File`](crate::Error::File) names the tensor that is missing or has another shape.
    pub fn load(path: impl AsRef<Path>, resize: InceptionResize, device: &Device) -> Result<Self> {
        let weights = NamedWeights::read(path.as_ref(), device)?;
        let mut stem = Branch::new(&weights, "", 3);
        stem.reduce("Conv2d_1a_3x3", 32)?
            .narrow("Conv2d_2a_3x3", 32, 3)?
            .conv("Conv2d_2b_3x3", 64, [3, 3])?
            .max_pool();
        stem.conv("Conv2d_3b_1x1", 80, [1, 1])?.narrow("Conv2d_4a_3x3", 192, 3)?.max_pool();
        let mut mixed = Vec::new();
        let mut channels = stem.channels;
        for (name, kind) in MIXED {
            let block = Mixed::read(&weights, name, kind, channels)?;
            channels = block.channels;
            mixed.push(block);
        }
        let classes = weights.tensor("fc.weight", [CLASSES, channels])?.transpose();
        let stem = stem.steps;
        Ok(Self { stem, mixed, classes, resize })
    }

    /// Looks at a batch of pictures of one size.
    ///
    /// # Shapes
    /// levels of 0 to 255, `[B, h, w, 3]`
    pub fn look(&self, pixels: &[u8], size: [usize; 2]) -> InceptionFeatures {
        let count = pixels.len() / (size[0] * size[1] * 3);
        let data = TensorData::new(self.resize.prepared(pixels, size), [count, SIDE, SIDE, 3]);
        self.forward(Tensor::from_data(data, &self.classes.device()))
    }

    /// # Shapes
    /// prepared pictures `[B, 299, 299, 3]`
    fn forward(&self, x: Tensor<4>) -> InceptionFeatures {
        let mut x = self.stem.iter().fold(x, |x, step| step.forward(x));
        let mut spatial = None;
        for block in &self.mixed {
            let outputs = block.outputs(x);
            if block.is_spatial {
                spatial = Some(outputs[0].clone().slice_dim(3, 0..SPATIAL_CHANNELS).flatten(1, 3));
            }
            x = Tensor::cat(outputs, 3);
        }
        let pooled: Tensor<2> = x.mean_dims(&[1, 2]).flatten(1, 3);
        let logits = pooled.clone().matmul(self.classes.clone());
        InceptionFeatures { pooled, spatial: spatial.expect("a block of MIXED is spatial"), logits }
    }
}

/// The blocks in their order, as torchvision names them.
const MIXED: [(&str, Kind); 11] = [
    ("Mixed_5b", Kind::Small { pool: 32 }),
    ("Mixed_5c", Kind::Small { pool: 64 }),
    ("Mixed_5d", Kind::Small { pool: 64 }),
    ("Mixed_6a", Kind::FirstReduction),
    ("Mixed_6b", Kind::Sevens { width: 128 }),
    ("Mixed_6c", Kind::Sevens { width: 160 }),
    ("Mixed_6d", Kind::Sevens { width: 160 }),
    ("Mixed_6e", Kind::Sevens { width: 192 }),
    ("Mixed_7a", Kind::SecondReduction),
    ("Mixed_7b", Kind::Forked { is_last: false }),
    ("Mixed_7c", Kind::Forked { is_last: true }),
];
/// The block whose first branch gives the spatial features, `mixed_6/conv` in TensorFlow's graph.
const SPATIAL_BLOCK: &str = "Mixed_6d";

/// The kinds of blocks.
#[derive(Clone, Copy)]
enum Kind {
    /// 35×35 places.
    Small { pool: usize },
    /// To 17×17 places.
    FirstReduction,
    /// 17×17 places, kernels of 1×7 and 7×1.
    Sevens { width: usize },
    /// To 8×8 places.
    SecondReduction,
    /// 8×8 places, branches that part once more.
    Forked { is_last: bool },
}

/// Branches beside each other, whose outputs become one map.
struct Mixed {
    branches: Vec<Vec<Step>>,
    channels: usize,
    is_spatial: bool,
}

impl Mixed {
    fn read(weights: &NamedWeights, name: &str, kind: Kind, input: usize) -> Result<Self> {
        let prefix = format!("{name}.");
        let branch = || Branch::new(weights, &prefix, input);
        let mut all = [branch(), branch(), branch(), branch()];
        let [first, second, third, pool] = &mut all;
        match kind {
            Kind::Small { pool: width } => {
                first.conv("branch1x1", 64, [1, 1])?;
                second.conv("branch5x5_1", 48, [1, 1])?.conv("branch5x5_2", 64, [5, 5])?;
                third.conv("branch3x3dbl_1", 64, [1, 1])?;
                third.conv("branch3x3dbl_2", 96, [3, 3])?.conv("branch3x3dbl_3", 96, [3, 3])?;
                pool.average_pool().conv("branch_pool", width, [1, 1])?;
            }
            Kind::FirstReduction => {
                first.reduce("branch3x3", 384)?;
                second.conv("branch3x3dbl_1", 64, [1, 1])?.conv("branch3x3dbl_2", 96, [3, 3])?;
                second.reduce("branch3x3dbl_3", 96)?;
                third.max_pool();
            }
            Kind::Sevens { width } => {
                first.conv("branch1x1", 192, [1, 1])?;
                second.conv("branch7x7_1", width, [1, 1])?.conv("branch7x7_2", width, [1, 7])?;
                second.conv("branch7x7_3", 192, [7, 1])?;
                third.conv("branch7x7dbl_1", width, [1, 1])?.conv("branch7x7dbl_2", width, [7, 1])?;
                third.conv("branch7x7dbl_3", width, [1, 7])?.conv("branch7x7dbl_4", width, [7, 1])?;
                third.conv("branch7x7dbl_5", 192, [1, 7])?;
                pool.average_pool().conv("branch_pool", 192, [1, 1])?;
            }
            Kind::SecondReduction => {
                first.conv("branch3x3_1", 192, [1, 1])?.reduce("branch3x3_2", 320)?;
                second.conv("branch7x7x3_1", 192, [1, 1])?.conv("branch7x7x3_2", 192, [1, 7])?;
                second.conv("branch7x7x3_3", 192, [7, 1])?.reduce("branch7x7x3_4", 192)?;
                third.max_pool();
            }
            Kind::Forked { is_last } => {
                first.conv("branch1x1", 320, [1, 1])?;
                second.conv("branch3x3_1", 384, [1, 1])?.fork("branch3x3_2", 384)?;
                third.conv("branch3x3dbl_1", 448, [1, 1])?.conv("branch3x3dbl_2", 384, [3, 3])?;
                third.fork("branch3x3dbl_3", 384)?;
                if is_last { pool.same_max_pool() } else { pool.average_pool() }.conv(
                    "branch_pool",
                    192,
                    [1, 1],
                )?;
            }
        }
        // A reduction has no fourth branch.
        let used = all.into_iter().filter(|branch| !branch.steps.is_empty());
        let (branches, channels): (Vec<_>, Vec<usize>) =
            used.map(|branch| (branch.steps, branch.channels)).unzip();
        Ok(Self { branches, channels: channels.iter().sum(), is_spatial: name == SPATIAL_BLOCK })
    }

    fn outputs(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let branch = |steps: &Vec<Step>| steps.iter().fold(x.clone(), |x, step| step.forward(x));
        self.branches.iter().map(branch).collect()
    }
}

/// A branch as it is read: its steps, and the channels they have come to.
struct Branch<'a> {
    weights: &'a NamedWeights,
    prefix: &'a str,
    channels: usize,
    steps: Vec<Step>,
}

impl<'a> Branch<'a> {
    fn new(weights: &'a NamedWeights, prefix: &'a str, channels: usize) -> Self {
        Self { weights, prefix, channels, steps: Vec::new() }
    }

    /// A convolution that keeps the size.
    fn conv(&mut self, name: &str, outputs: usize, kernel: [usize; 2]) -> Result<&mut Self> {
        let layer = self.layer(name, outputs, kernel, 1, kernel.map(|taps| (taps - 1) / 2))?;
        self.push(Step::Layer(Box::new(layer)), outputs)
    }

    /// A convolution without padding.
    fn narrow(&mut self, name: &str, outputs: usize, taps: usize) -> Result<&mut Self> {
        let layer = self.layer(name, outputs, [taps; 2], 1, [0, 0])?;
        self.push(Step::Layer(Box::new(layer)), outputs)
    }

    /// A convolution of 3×3 without padding at every second place.
    fn reduce(&mut self, name: &str, outputs: usize) -> Result<&mut Self> {
        let layer = self.layer(name, outputs, [3, 3], 2, [0, 0])?;
        self.push(Step::Layer(Box::new(layer)), outputs)
    }

    /// Convolutions of 1×3 (`…a`) and 3×1 (`…b`) beside each other.
    fn fork(&mut self, name: &str, outputs: usize) -> Result<&mut Self> {
        let wide = self.layer(&format!("{name}a"), outputs, [1, 3], 1, [0, 1])?;
        let high = self.layer(&format!("{name}b"), outputs, [3, 1], 1, [1, 0])?;
        self.push(Step::Fork(vec![wide, high]), 2 * outputs)
    }

    fn average_pool(&mut self) -> &mut Self {
        self.steps.push(Step::AveragePool);
        self
    }

    fn max_pool(&mut self) -> &mut Self {
        self.steps.push(Step::MaxPool { stride: 2, is_padded: false });
        self
    }

    fn same_max_pool(&mut self) -> &mut Self {
        self.steps.push(Step::MaxPool { stride: 1, is_padded: true });
        self
    }

    fn push(&mut self, step: Step, channels: usize) -> Result<&mut Self> {
        self.steps.push(step);
        self.channels = channels;
        Ok(self)
    }

    /// A convolution with the norm after it folded in.
    fn layer(
        &self,
        name: &str,
        outputs: usize,
        kernel: [usize; 2],
        stride: usize,
        padding: [usize; 2],
    ) -> Result<Layer> {
        let name = |part: &str| format!("{}{name}.{part}", self.prefix);
        let per_channel = |part: &str| self.weights.tensor::<1>(&name(part), [outputs]);
        let weight =
            self.weights.tensor(&name("conv.weight"), [outputs, self.channels, kernel[0], kernel[1]])?;
        let scale = per_channel("bn.weight")? / (per_channel("bn.running_var")? + EPSILON).sqrt(); // [O]
        let bias = per_channel("bn.bias")? - per_channel("bn.running_mean")? * scale.clone();
        let weight = weight * scale.reshape([outputs, 1, 1, 1]);
        Ok(Layer { weight, bias, stride, padding })
    }
}

/// A step of a branch.
enum Step {
    Layer(Box<Layer>),
    Fork(Vec<Layer>),
    /// Over 3×3 places, without those beyond the border.
    AveragePool,
    /// Over 3×3 places.
    MaxPool {
        stride: usize,
        is_padded: bool,
    },
}

impl Step {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Layer(layer) => layer.forward(x),
            Self::Fork(layers) => {
                Tensor::cat(layers.iter().map(|layer| layer.forward(x.clone())).collect(), 3)
            }
            Self::AveragePool => [1, 2].into_iter().fold(x, |x, axis| {
                let [first, second, third] = neighbours(x, axis, 1, true);
                let sum = first + second + third;
                let counts = places_there(sum.dims(), axis, &sum.device());
                sum / counts
            }),
            // What comes from a ReLU is at least the 0 beyond the border.
            Self::MaxPool { stride, is_padded } => [1, 2].into_iter().fold(x, |x, axis| {
                let [first, second, third] = neighbours(x, axis, *stride, *is_padded);
                first.max_pair(second).max_pair(third)
            }),
        }
    }
}

/// A convolution and a ReLU.
struct Layer {
    weight: Tensor<4>, // [O, C, kh, kw]
    bias: Tensor<1>,   // [O]
    stride: usize,
    padding: [usize; 2],
}

impl Layer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(convolve(x, self.weight.clone(), self.bias.clone(), self.stride, self.padding))
    }
}

/// The first, second and third of every three places along an axis; with zeros beyond the border if padded.
fn neighbours(x: Tensor<4>, axis: usize, stride: usize, is_padded: bool) -> [Tensor<4>; 3] {
    let x = match is_padded {
        true => {
            let mut shape = x.dims();
            shape[axis] = 1;
            let border = Tensor::zeros(shape, &x.device());
            Tensor::cat(vec![border.clone(), x, border], axis)
        }
        false => x,
    };
    let windows = (x.dims()[axis] - 3) / stride + 1;
    let end = |first: usize| (first + (windows - 1) * stride + 1) as isize;
    let place = |first: usize| Slice::new(first as isize, Some(end(first)), stride as isize);
    [0, 1, 2].map(|first| x.clone().slice_dim(axis, place(first)))
}

/// How many of three neighbouring places along an axis are there.
///
/// # Shapes
/// 1 but for the axis
fn places_there(dims: [usize; 4], axis: usize, device: &Device) -> Tensor<4> {
    let last = dims[axis] - 1;
    let count = |place: usize| 1.0 + f32::from(place > 0) + f32::from(place < last);
    let counts: Vec<f32> = (0..=last).map(count).collect();
    let mut shape = [1; 4];
    shape[axis] = dims[axis];
    Tensor::from_data(TensorData::new(counts, shape), device)
}
