//! `--device`: where tensors live.

use std::str::FromStr;

use burn::tensor::Device;
use resgen_core::error::nearest;
use resgen_core::{Error, Result};

/// A device as named on the command line: `cpu`, `cuda`, `cuda:1`, `vulkan`, `vulkan:1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor.
    Cpu,
    /// The NVIDIA card of that number.
    Cuda(usize),
    /// The graphics card of that number.
    Vulkan(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => {
                (name, Some(number.parse().map_err(|_| format!("`{number}` is not a device's number"))?))
            }
            None => (text, None),
        };
        match (name, number) {
            ("cpu", None) => Ok(Self::Cpu),
            ("cpu", Some(_)) => Err("there is one `cpu`, without a number".into()),
            ("cuda", number) => Ok(Self::Cuda(number.unwrap_or(0))),
            ("vulkan", number) => Ok(Self::Vulkan(number.unwrap_or(0))),
            _ => {
                let hint = nearest(name, ["cpu", "cuda", "vulkan"]);
                Err(format!("expected cpu, cuda[:N] or vulkan[:N]{hint}"))
            }
        }
    }
}

impl DeviceChoice {
    /// The device itself.
    ///
    /// # Errors
    /// [`Error::Argument`] where this program was built without it.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Cuda(number) => cuda(number),
            Self::Vulkan(number) => vulkan(number),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> Result<Device> {
    Ok(Device::cuda(number))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_number: usize) -> Result<Device> {
    Err(left_out("cuda"))
}

#[cfg(feature = "vulkan")]
fn vulkan(number: usize) -> Result<Device> {
    Ok(Device::vulkan(burn::tensor::DeviceKind::DiscreteGpu(number)))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(_number: usize) -> Result<Device> {
    Err(left_out("vulkan"))
}

#[cfg(not(all(feature = "cuda", feature = "vulkan")))]
fn left_out(name: &str) -> Error {
    let reason = format!(
        "this program was built without `{name}`; build it with \
         `cargo build --release -p resgen-cli --features {name}`"
    );
    Error::argument("--device", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_with_or_without_a_number() {
        let parse = |text: &str| text.parse::<DeviceChoice>();
        assert_eq!(parse("cpu"), Ok(DeviceChoice::Cpu));
        assert_eq!(parse("cuda"), Ok(DeviceChoice::Cuda(0)));
        assert_eq!(parse("vulkan:2"), Ok(DeviceChoice::Vulkan(2)));
        assert!(parse("cuda:one").unwrap_err().contains("`one`"));
        assert!(parse("cudo").unwrap_err().contains("did you mean `cuda`?"));
        assert!(parse("cpu:1").is_err());
    }
}
