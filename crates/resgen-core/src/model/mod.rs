//! Generators over RVQ codes, of two ways along the sequence times two ways along the depth:
//!
//! | | collective embedding | code by code |
//! |---|---|---|
//! | masked | [`Resgen`] | [`Maskgit`] |
//! | position by position | [`ArResgen`] | [`RqTransformer`] |

mod config;
mod masked;
mod sequential;

pub use config::{NetworkConfig, NetworkKind};
pub use masked::{Masked, Maskgit, Resgen};
pub use sequential::{ArResgen, RqTransformer, Sequential};

use burn::module::{Module, ModuleDisplay};

use crate::head::{CategoricalHead, DepthTransformer, MixtureHead};
use crate::nn::Builder;
use crate::nn::transformer::TrunkConfig;

/// What makes codes of a trunk's hidden states.
pub trait NetworkHead: Module + ModuleDisplay {
    /// A fresh head.
    fn new(builder: &mut Builder, config: &NetworkConfig) -> Self;
}

impl NetworkHead for MixtureHead {
    fn new(builder: &mut Builder, config: &NetworkConfig) -> Self {
        config.head.init(builder, config.trunk.width, config.latent)
    }
}

impl NetworkHead for CategoricalHead {
    fn new(builder: &mut Builder, config: &NetworkConfig) -> Self {
        Self::new(builder, config.trunk.width, config.depth, config.vocabulary)
    }
}

impl NetworkHead for DepthTransformer {
    fn new(builder: &mut Builder, config: &NetworkConfig) -> Self {
        let sizes = TrunkConfig { layers: config.depth_layers, ..config.trunk };
        Self::new(builder, &sizes, config.latent, config.depth, config.vocabulary)
    }
}

#[cfg(test)]
mod testing {
    use burn::module::{Module, ModuleMapper, Param};
    use burn::tensor::{Distribution, Tensor};

    use super::{NetworkConfig, NetworkKind};
    use crate::head::{MixtureConfig, MixtureLoss, ScaleKind};
    use crate::nn::transformer::TrunkConfig;

    /// Four positions of two codes of three.
    pub fn config(kind: NetworkKind) -> NetworkConfig {
        NetworkConfig {
            kind,
            trunk: TrunkConfig { width: 16, layers: 2, heads: 2 },
            head: MixtureConfig { components: 4, rank: 2, scale: ScaleKind::Vector, loss: MixtureLoss::Nll },
            depth_layers: usize::from(kind == NetworkKind::RqTransformer),
            positions: 4,
            depth: 2,
            latent: 5,
            vocabulary: 3,
            classes: 2,
            embedding_scales: vec![1.0; 3],
        }
    }

    struct Stir;

    impl ModuleMapper for Stir {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|values| values.clone() + values.random_like(Distribution::Normal(0.0, 0.1)))
        }
    }

    /// With no weight at zero: what begins as the identity shows nothing.
    pub fn stirred<M: Module>(model: M) -> M {
        model.map(&mut Stir)
    }
}
