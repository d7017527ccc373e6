//! Generators over RVQ codes, of two ways along the sequence times two ways along the depth:
//!
//! | | collective embedding | code by code |
//! |---|---|---|
//! | masked | [`Resgen`] | [`Maskgit`] |
//! | position by position | [`ArResgen`] | [`RqTransformer`] |

mod any;
mod config;
mod masked;
mod sequential;

pub use any::{AnyNetwork, Stored, parameter_count, with_any_network};
pub use config::{NetworkConfig, NetworkKind};
pub use masked::{Masked, Maskgit, Resgen};
pub use sequential::{ArResgen, RqTransformer, Sequential};

use std::sync::Arc;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Int, Tensor};

use crate::condition::{Condition, FrozenEncoder, TextEncoder};
use crate::head::{CategoricalHead, DepthTransformer, MixtureHead};
use crate::nn::Builder;
use crate::nn::cross::Said;
use crate::nn::transformer::{Modulations, Trunk, TrunkConfig};

/// One of the four, for what does not depend on which: training, files.
pub trait Network: Module + ModuleDisplay {
    /// Which one.
    const KIND: NetworkKind;
    /// What makes codes of hidden states.
    type Head: NetworkHead;

    /// A fresh network.
    fn new(builder: &mut Builder, config: NetworkConfig) -> Self;
    /// The sizes.
    fn config(&self) -> &NetworkConfig;
    /// The head.
    fn head(&self) -> &Self::Head;
    /// The label that stands for no condition.
    fn no_condition(&self) -> usize;
    /// The weights of `before`, a network of the same sizes but for its classes and, at the end, missing blocks; see
    /// [`ClassCondition::continued`](crate::condition::ClassCondition::continued) and
    /// [`Trunk::continued`](crate::nn::transformer::Trunk::continued).
    #[must_use]
    fn continued(self, before: Self, known: &[Option<usize>]) -> Self;
    /// This network with the frozen encoder that its sizes name, if they do. That is none of its parameters: it is not trained, not averaged and not
    /// written to files, and until it is there no text can be read.
    #[must_use]
    fn reading_with(self, encoder: Option<Arc<FrozenEncoder>>) -> Self;
    /// What reads texts, of generators that speak.
    fn reader(&self) -> Option<&TextEncoder>;
    /// What the trunk hears of classes, `[B]`, and of what is said; it does not depend on the codes.
    fn hearing(&self, labels: Tensor<1, Int>, said: Option<&Said>) -> Modulations;
    /// What the head is given at every position.
    ///
    /// # Shapes
    /// embeddings of the codes that may be seen, divided by the last embedding scale, `[B, L, H]`; masked codes per position `[B, L]`, which
    /// those that go position by position do not look at → `[B·L, d]`
    fn shown(&self, embeddings: Tensor<3>, masked: Tensor<2, Int>, modulations: &Modulations) -> Tensor<2>;

    /// What the trunk hears of a condition, texts when they are expected.
    fn modulations(&self, condition: &Condition) -> Modulations {
        let said = self.reader().zip(condition.texts.as_ref()).map(|(reader, texts)| reader.forward(texts));
        self.hearing(condition.labels.clone(), said.as_ref())
    }
}

/// The network that reads texts and the trunk that listens to it, where the config has texts.
fn listening(builder: &mut Builder, config: &NetworkConfig, trunk: Trunk) -> (Option<TextEncoder>, Trunk) {
    let Some(text) = &config.text else { return (None, trunk) };
    let width = config.trunk.width;
    let texts = TextEncoder::new(builder, text, width, config.latent);
    (Some(texts), trunk.listening(builder, &config.trunk, width))
}

/// What makes codes of a trunk's hidden states.
pub trait NetworkHead: Module + ModuleDisplay + Sync {
    /// Whether it draws codes, and not embeddings.
    const DRAWS_CODES: bool;

    /// A fresh head.
    fn new(builder: &mut Builder, config: &NetworkConfig) -> Self;
}

impl NetworkHead for MixtureHead {
    const DRAWS_CODES: bool = false;

    fn new(builder: &mut Builder, config: &NetworkConfig) -> Self {
        config.head.init(builder, config.trunk.width, config.latent)
    }
}

impl NetworkHead for CategoricalHead {
    const DRAWS_CODES: bool = true;

    fn new(builder: &mut Builder, config: &NetworkConfig) -> Self {
        Self::new(builder, config.trunk.width, config.depth, config.vocabulary)
    }
}

impl NetworkHead for DepthTransformer {
    const DRAWS_CODES: bool = true;

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
            text: None,
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
