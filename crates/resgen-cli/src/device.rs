//! `--device`: where tensors live.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use burn::tensor::Device;
use resgen_core::error::nearest;
use resgen_core::{Error, Result};

/// A device as named on the command line: `cpu`, `cuda`, `cuda:1`, `vulkan`, `vulkan:1`, `wgpu`, `wgpu:1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor.
    Cpu,
    /// The NVIDIA card of that number.
    Cuda(usize),
    /// The graphics card of that number, or the best there is, through Vulkan with SPIR-V.
    Vulkan(Option<usize>),
    /// The same through whatever the system has (Vulkan, Metal, DirectX) with WGSL.
    Wgpu(Option<usize>),
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
            ("vulkan", number) => Ok(Self::Vulkan(number)),
            ("wgpu", number) => Ok(Self::Wgpu(number)),
            _ => {
                let hint = nearest(name, ["cpu", "cuda", "vulkan", "wgpu"]);
                Err(format!("expected cpu, cuda[:N], vulkan[:N] or wgpu[:N]{hint}"))
            }
        }
    }
}

impl Display for DeviceChoice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, number) = match *self {
            Self::Cpu => ("cpu", None),
            Self::Cuda(number) => ("cuda", Some(number)),
            Self::Vulkan(number) => ("vulkan", number),
            Self::Wgpu(number) => ("wgpu", number),
        };
        match number {
            Some(number) => write!(f, "{name}:{number}"),
            None => f.write_str(name),
        }
    }
}

impl DeviceChoice {
    /// The device itself.
    ///
    /// # Errors
    /// [`Error::Argument`] where this program was built without it, [`Error::Device`] where it does not answer.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Cuda(number) => cuda(number),
            Self::Vulkan(number) => vulkan(number),
            Self::Wgpu(number) => wgpu(number),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> Result<Device> {
    answering("cuda", || Device::cuda(number))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_number: usize) -> Result<Device> {
    Err(left_out("cuda"))
}

#[cfg(feature = "vulkan")]
fn vulkan(number: Option<usize>) -> Result<Device> {
    use burn::tensor::DeviceKind;
    answering("vulkan", || Device::vulkan(number.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(_number: Option<usize>) -> Result<Device> {
    Err(left_out("vulkan"))
}

#[cfg(feature = "wgpu")]
fn wgpu(number: Option<usize>) -> Result<Device> {
    use burn::tensor::DeviceKind;
    answering("wgpu", || Device::wgpu(number.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(_number: Option<usize>) -> Result<Device> {
    Err(left_out("wgpu"))
}

/// Has what is found out about a card (the fastest variants of kernels, and their compiled code) kept in the user's
/// cache, so that the next run begins with it. Settings of CubeCL's own, in its file or environment, come first.
#[cfg(feature = "gpu")]
fn keep_tuning() {
    use cubecl::config::cache::CacheConfig;
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Global;
    }
    config.compilation.cache = true;
    // Where it is already set, a device was opened before.
    CubeClRuntimeConfig::try_set(config);
}

/// The device, once it has computed something. Where there is no card or no driver, the backend panics.
#[cfg(feature = "gpu")]
fn answering(name: &str, open: impl FnOnce() -> Device + std::panic::UnwindSafe) -> Result<Device> {
    use burn::tensor::Tensor;
    keep_tuning();
    let said = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let tried = std::panic::catch_unwind(|| {
        let device = open();
        let sum = Tensor::<1>::ones([2], &device).sum().try_into_scalar::<f32>();
        sum.map(|_| device).map_err(|error| format!("{error:?}"))
    });
    std::panic::set_hook(said);
    let opened = tried.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned())
    });
    opened.map_err(|reason| {
        let reason = reason.lines().next().unwrap_or_default();
        Error::Device(format!("`{name}` does not answer; is there a card with its driver? ({reason})"))
    })
}

#[cfg(not(all(feature = "cuda", feature = "vulkan", feature = "wgpu")))]
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
        assert_eq!(parse("vulkan:2"), Ok(DeviceChoice::Vulkan(Some(2))));
        assert_eq!(parse("vulkan"), Ok(DeviceChoice::Vulkan(None)));
        assert_eq!(parse("wgpu:0"), Ok(DeviceChoice::Wgpu(Some(0))));
        assert!(parse("cuda:one").unwrap_err().contains("`one`"));
        assert!(parse("cudo").unwrap_err().contains("did you mean `cuda`?"));
        assert!(parse("cpu:1").is_err());
        for name in ["cpu", "cuda:1", "vulkan", "vulkan:2", "wgpu"] {
            assert_eq!(parse(name).unwrap().to_string(), name);
        }
    }
}
