//! The tensors of a file that others trained, asked for by name and shape.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::pretrained::read_weights;

/// The tensors of one file. What they become are plain tensors: no gradient is kept for them.
pub struct NamedWeights {
    path: PathBuf,
    tensors: NamedTensors,
    device: Device,
}

impl NamedWeights {
    /// # Errors
    /// Those of [`read_weights`].
    pub fn read(path: &Path, device: &Device) -> Result<Self> {
        let device = device.clone().without_autodiff();
        Ok(Self { path: path.to_owned(), tensors: read_weights(path)?, device })
    }

    /// Where its tensors go.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Of all its tensors; see [`parameters::fingerprint`].
    pub fn fingerprint(&self) -> String {
        parameters::fingerprint(&self.tensors)
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// # Errors
    /// [`Error::File`] where there is none of that name.
    pub fn find(&self, name: &str) -> Result<&TensorData> {
        self.tensors.get(name).ok_or_else(|| Error::file(&self.path, format!("tensor `{name}` is missing")))
    }

    /// # Errors
    /// [`Error::File`] names the tensor that is missing or has another shape.
    pub fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        let data = self.find(name)?;
        let found = data.shape().as_slice();
        if found != shape {
            let reason = format!("tensor `{name}`: expected {shape:?}, found {found:?}");
            return Err(Error::file(&self.path, reason));
        }
        Ok(Tensor::from_data(data.clone(), &self.device))
    }
}
