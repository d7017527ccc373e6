//! Training: one loop, its optimizer, its checkpoints and its logs.

pub mod checkpoint;
pub mod classifier;
pub mod config;
pub mod generator;
pub mod learner;
pub mod log;
pub mod model_file;
pub mod preview;
pub mod rate;
pub mod recognition;
pub mod resume;
pub mod run;
pub mod signals;
pub mod speakers;
pub mod speech;
pub mod tokenizer;
pub mod tokens;
pub mod vocoder;
pub mod weights;

use burn::tensor::Tensor;

use crate::error::{Error, Result};

/// The value of a tensor of one element.
fn scalar(tensor: &Tensor<1>) -> Result<f64> {
    let value = tensor.clone().try_into_scalar::<f32>();
    value.map(f64::from).map_err(Error::device)
}
