//! The tensors of a file that others trained, asked for by name and shape.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};

use super::parameters::{self, NamedTensors};
use super::pretrained::read_weights;
use crate::error::{Error, Result};

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

    /// The names of its tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// What is wrong with the file.
    pub fn error(&self, reason: impl ToString) -> Error {
        Error::file(&self.path, reason)
    }

    /// # Errors
    /// [`Error::File`] where there is none of that name.
    pub fn find(&self, name: &str) -> Result<&TensorData> {
        self.tensors.get(name).ok_or_else(|| self.error(format!("tensor `{name}` is missing")))
    }

    /// # Errors
    /// [`Error::File`] names the tensor that is missing or has another shape.
    pub fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        Ok(Tensor::from_data(self.of_shape(name, shape)?.clone(), &self.device))
    }

    /// The values of a tensor, row by row.
    ///
    /// # Errors
    /// [`Error::File`] names the tensor that is missing, has another shape or holds what is no number.
    pub fn values<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<&[f32]> {
        let values: &[f32] = self.of_shape(name, shape)?.as_slice().map_err(|error| self.error(error))?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(self.error(format!("tensor `{name}` holds values that are no numbers"))),
        }
    }

    fn of_shape<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<&TensorData> {
        let data = self.find(name)?;
        let found = data.shape().as_slice();
        match found == shape {
            true => Ok(data),
            false => Err(self.error(format!("tensor `{name}`: expected {shape:?}, found {found:?}"))),
        }
    }
}
