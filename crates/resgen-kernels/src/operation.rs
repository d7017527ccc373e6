//! The operations, and where they have bodies of their own.

use std::collections::HashSet;
use std::fmt;
use std::sync::OnceLock;

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor};

/// An operation of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`crate::gelu_tanh`]
    GeluTanh,
    /// [`crate::modulated_norm`]
    ModulatedNorm,
    /// [`crate::affine`]
    Affine,
    /// [`crate::affine_gelu`]
    AffineGelu,
    /// [`crate::attend`]
    Attend,
    /// [`crate::cross_attend`]
    CrossAttend,
    /// [`crate::memory::attend_next`]
    AttendNext,
    /// [`crate::convolve`]
    Convolve,
    /// [`crate::group_norm`]
    GroupNorm,
    /// [`crate::mixture::features`]
    Features,
    /// [`crate::mixture::log_likelihood`]
    LogLikelihood,
    /// [`crate::mixture::posterior_mass`]
    PosteriorMass,
    /// [`crate::optimizer::square_sum`]
    SquareSum,
    /// [`crate::optimizer::adamw`]
    AdamW,
    /// [`crate::quantizer::quantize`]
    Quantize,
    /// [`crate::quantizer::embed`]
    Embed,
    /// [`crate::sampling::choose_components`]
    ChooseComponents,
    /// [`crate::sampling::reveal_counts`]
    RevealCounts,
    /// [`crate::snake::anti_aliased_snake`]
    AntiAliasedSnake,
}

/// Those that compute by their references wherever they run.
static SWITCHED_OFF: OnceLock<HashSet<Operation>> = OnceLock::new();

impl Operation {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::GeluTanh,
        Self::ModulatedNorm,
        Self::Affine,
        Self::AffineGelu,
        Self::Attend,
        Self::CrossAttend,
        Self::AttendNext,
        Self::Convolve,
        Self::GroupNorm,
        Self::Features,
        Self::LogLikelihood,
        Self::PosteriorMass,
        Self::SquareSum,
        Self::AdamW,
        Self::Quantize,
        Self::Embed,
        Self::ChooseComponents,
        Self::RevealCounts,
        Self::AntiAliasedSnake,
    ];

    /// Makes the given operations compute by their references from now on, to find out what their bodies bring. It counts only
    /// before any operation has run, and once.
    pub fn switch_off(operations: &[Self]) {
        let _ = SWITCHED_OFF.set(operations.iter().copied().collect());
    }

    /// Whether a body of its own works on `x`.
    pub(crate) fn has_body_for<const D: usize>(self, x: &Tensor<D>) -> bool {
        let device = if self.has_gradient() { x.device().without_autodiff() } else { x.device() };
        let is_theirs = match device.as_dispatch() {
            DispatchDevice::Flex(_) => true,
            #[cfg(feature = "gpu")]
            DispatchDevice::Cube(_) => self.runs_on_cards(),
            _ => false,
        };
        is_theirs && x.dtype() == DType::F32 && !SWITCHED_OFF.get_or_init(HashSet::new).contains(&self)
    }

    /// Whether its body has a backward pass.
    fn has_gradient(self) -> bool {
        match self {
            Self::GeluTanh | Self::ModulatedNorm | Self::Affine | Self::AffineGelu => true,
            Self::Attend | Self::CrossAttend => true,
            Self::Convolve | Self::GroupNorm | Self::Features | Self::LogLikelihood => true,
            Self::AttendNext | Self::PosteriorMass | Self::SquareSum | Self::AdamW => false,
            Self::Quantize | Self::Embed | Self::ChooseComponents | Self::RevealCounts => false,
            Self::AntiAliasedSnake => false,
        }
    }

    #[cfg(feature = "gpu")]
    fn runs_on_cards(self) -> bool {
        matches!(self, Self::Quantize | Self::Embed | Self::ChooseComponents | Self::RevealCounts)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::GeluTanh => "gelu-tanh",
            Self::ModulatedNorm => "modulated-norm",
            Self::Affine => "affine",
            Self::AffineGelu => "affine-gelu",
            Self::Attend => "attend",
            Self::CrossAttend => "cross-attend",
            Self::AttendNext => "attend-next",
            Self::Convolve => "convolve",
            Self::GroupNorm => "group-norm",
            Self::Features => "features",
            Self::LogLikelihood => "log-likelihood",
            Self::PosteriorMass => "posterior-mass",
            Self::SquareSum => "square-sum",
            Self::AdamW => "adamw",
            Self::Quantize => "quantize",
            Self::Embed => "embed",
            Self::ChooseComponents => "choose-components",
            Self::RevealCounts => "reveal-counts",
            Self::AntiAliasedSnake => "anti-aliased-snake",
        })
    }
}
