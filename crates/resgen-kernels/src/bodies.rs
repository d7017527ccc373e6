//! Whether an operation's own body runs, or its reference.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor};

/// What an operation has bodies of its own for, all of them in f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bodies {
    /// The CPU.
    Cpu,
    /// The CPU, where it tracks gradients too.
    CpuWithGradients,
    /// The CPU and cards.
    CpuAndCards,
}

impl Bodies {
    /// Whether one of them works on `x`.
    pub(crate) fn work_on<const D: usize>(self, x: &Tensor<D>) -> bool {
        let device = match self {
            Self::CpuWithGradients => x.device().without_autodiff(),
            Self::Cpu | Self::CpuAndCards => x.device(),
        };
        let is_theirs = match device.as_dispatch() {
            DispatchDevice::Flex(_) => true,
            #[cfg(feature = "gpu")]
            DispatchDevice::Cube(_) => self == Self::CpuAndCards,
            _ => false,
        };
        is_theirs && x.dtype() == DType::F32
    }
}
