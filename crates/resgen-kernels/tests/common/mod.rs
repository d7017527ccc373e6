//! The devices that tests run on.

use burn::tensor::Device;

/// The CPU, and what the features of this crate add to it.
pub fn devices() -> Vec<Device> {
    #[allow(unused_mut)] // without such a feature nothing is added
    let mut devices = vec![Device::flex()];
    #[cfg(feature = "vulkan")]
    devices.push(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice));
    #[cfg(feature = "wgpu")]
    devices.push(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice));
    #[cfg(feature = "cuda")]
    devices.push(Device::cuda(0));
    devices
}
