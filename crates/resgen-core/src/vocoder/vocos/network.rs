//! The network: ConvNeXt blocks along time at the spectrogram's own rate, and for every frame the magnitudes and phases of its Fourier
//! coefficients. The inverse transform, which needs no weights, does the rest.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::VocosConfig;
use crate::nn::Builder;
use crate::nn::convnext::{ConvNext, Norm};
use crate::nn::precision::project;

/// Frames that the first layer sees.
const KERNEL: usize = 7;
/// The largest magnitude: what is beyond is a mistake of the first steps.
const LOUDEST: f64 = 100.0;

/// Mel spectrogram to spectrum.
#[derive(Module, Debug)]
pub struct VocosNetwork {
    enter: Linear,
    norm_in: Norm,
    blocks: Vec<ConvNext>,
    norm_out: Norm,
    out: Linear, // logarithms of magnitudes, then phases
}

impl VocosNetwork {
    /// A fresh network.
    pub fn new(builder: &mut Builder, config: &VocosConfig) -> Self {
        let (width, mel) = (config.width, &config.listener.mel);
        Self {
            enter: builder.linear(KERNEL * mel.bins, width),
            norm_in: Norm::new(builder, width),
            blocks: (0..config.blocks).map(|_| ConvNext::new(builder, width, config.blocks)).collect(),
            norm_out: Norm::new(builder, width),
            out: builder.linear(width, 2 * mel.stft.coefficients()),
        }
    }

    /// Real and imaginary parts of the coefficients of each frame.
    ///
    /// # Shapes
    /// normalised spectrogram `[B, T, bins]` → `[B, T, 2·coefficients]`
    pub fn forward(&self, mels: Tensor<3>) -> Tensor<3> {
        let x = self.norm_in.forward(project(&self.enter, neighbourhoods(mels)));
        let x = self.norm_out.forward(self.blocks.iter().fold(x, |x, block| block.forward(x)));
        let spectrum = project(&self.out, x);
        let coefficients = spectrum.dims()[2] / 2;
        let magnitudes = spectrum.clone().narrow(2, 0, coefficients).clamp_max(LOUDEST.ln()).exp();
        let phases = spectrum.narrow(2, coefficients, coefficients);
        Tensor::cat(vec![magnitudes.clone() * phases.clone().cos(), magnitudes * phases.sin()], 2)
    }
}

/// Every frame with those around it; the first and the last stand for what is beyond.
///
/// # Shapes
/// `[B, T, C]` → `[B, T, KERNEL·C]`
fn neighbourhoods(x: Tensor<3>) -> Tensor<3> {
    let frames = x.dims()[1];
    let edge = |frame: usize| x.clone().narrow(1, frame, 1).repeat_dim(1, KERNEL / 2);
    let padded = Tensor::cat(vec![edge(0), x.clone(), edge(frames - 1)], 1);
    Tensor::cat((0..KERNEL).map(|at| padded.clone().narrow(1, at, frames)).collect(), 2)
}
