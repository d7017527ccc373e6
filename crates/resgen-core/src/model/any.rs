//! Any of the four generators, for files and samplers that learn only at run time which one it is.

use burn::tensor::Device;

use super::{ArResgen, Maskgit, Network, NetworkConfig, NetworkKind, Resgen, RqTransformer};
use crate::error::Result;
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::{Builder, Precision};

/// One of the four.
#[derive(Clone, Debug)]
pub enum AnyNetwork {
    /// See there.
    Resgen(Resgen),
    /// See there.
    Maskgit(Maskgit),
    /// See there.
    ArResgen(ArResgen),
    /// See there.
    RqTransformer(RqTransformer),
}

/// Does the same with whichever network it is.
#[macro_export]
#[doc(hidden)]
macro_rules! with_any_network {
    ($any:expr, $network:ident => $body:expr) => {
        match $any {
            $crate::model::AnyNetwork::Resgen($network) => $body,
            $crate::model::AnyNetwork::Maskgit($network) => $body,
            $crate::model::AnyNetwork::ArResgen($network) => $body,
            $crate::model::AnyNetwork::RqTransformer($network) => $body,
        }
    };
}

pub use with_any_network;

impl AnyNetwork {
    /// A fresh network, of the kind that its sizes say.
    pub fn new(builder: &mut Builder, config: NetworkConfig) -> Self {
        match config.kind {
            NetworkKind::Resgen => Self::Resgen(Network::new(builder, config)),
            NetworkKind::Maskgit => Self::Maskgit(Network::new(builder, config)),
            NetworkKind::ArResgen => Self::ArResgen(Network::new(builder, config)),
            NetworkKind::RqTransformer => Self::RqTransformer(Network::new(builder, config)),
        }
    }
}

/// How many numbers a network of these sizes learns.
pub fn parameter_count(config: &NetworkConfig) -> usize {
    let blank = AnyNetwork::new(&mut Builder::blank(&Device::flex()), config.clone());
    let shapes = with_any_network!(&blank, network => parameters::names_and_shapes(network));
    shapes.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
}

/// A network that can be read from a file: one of the four, or whichever the file holds.
pub trait Stored: Sized {
    /// Builds it from tensors whose names begin with `prefix`, and from the frozen encoder that its sizes name, if they do.
    ///
    /// # Errors
    /// [`crate::Error::Mismatch`] where sizes and tensors do not fit each other, or the file holds another kind; those of
    /// [`EncoderIdentity::load`](crate::condition::EncoderIdentity::load).
    fn load(config: &NetworkConfig, tensors: &NamedTensors, prefix: &str, device: &Device) -> Result<Self>;

    /// The sizes.
    fn sizes(&self) -> &NetworkConfig;

    /// With weights rounded to a precision.
    #[must_use]
    fn in_precision(self, precision: Precision) -> Self;
}

impl<M: Network> Stored for M {
    fn load(config: &NetworkConfig, tensors: &NamedTensors, prefix: &str, device: &Device) -> Result<Self> {
        if config.kind != M::KIND {
            return Err(crate::Error::mismatch("kind of generator", M::KIND.name(), config.kind.name()));
        }
        let network = M::new(&mut Builder::blank(device), config.clone());
        let network = parameters::load(network, tensors, prefix)?;
        let encoder = config.text.as_ref().map(|text| text.load(device)).transpose()?;
        Ok(network.reading_with(encoder.flatten()))
    }

    fn sizes(&self) -> &NetworkConfig {
        self.config()
    }

    fn in_precision(self, precision: Precision) -> Self {
        precision.of(self)
    }
}

impl Stored for AnyNetwork {
    fn load(config: &NetworkConfig, tensors: &NamedTensors, prefix: &str, device: &Device) -> Result<Self> {
        Ok(match config.kind {
            NetworkKind::Resgen => Self::Resgen(Stored::load(config, tensors, prefix, device)?),
            NetworkKind::Maskgit => Self::Maskgit(Stored::load(config, tensors, prefix, device)?),
            NetworkKind::ArResgen => Self::ArResgen(Stored::load(config, tensors, prefix, device)?),
            NetworkKind::RqTransformer => Self::RqTransformer(Stored::load(config, tensors, prefix, device)?),
        })
    }

    fn sizes(&self) -> &NetworkConfig {
        with_any_network!(self, network => network.config())
    }

    fn in_precision(self, precision: Precision) -> Self {
        match self {
            Self::Resgen(network) => Self::Resgen(precision.of(network)),
            Self::Maskgit(network) => Self::Maskgit(precision.of(network)),
            Self::ArResgen(network) => Self::ArResgen(precision.of(network)),
            Self::RqTransformer(network) => Self::RqTransformer(precision.of(network)),
        }
    }
}
