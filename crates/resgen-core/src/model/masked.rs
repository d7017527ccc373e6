//! Generators that fill in masked codes: all positions see each other.
//!
//! Per position i with k_i masked codes, the network sees
//! 1. the visible embedding `Σ_{j < D−k_i} e(codes[i,j]; j)`, projected to width d,
//! 2. a learned embedding of k_i (k_i = D is the mask token),
//! 3. a learned embedding of the position,
//!
//! and passes the sum through DiT blocks conditioned on the class. Of the hidden state of a position
//! - [`Resgen`] (arXiv 2412.10208) makes a mixture of Gaussians over `Σ_{j ≥ D−k_i} e(codes[i,j]; j)`, the collective embedding of its masked
//!   codes: neither its size nor the number of passes grows with D;
//! - [`Maskgit`] (after arXiv 2202.04200) makes logits over every code by itself.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Int, Tensor};
use resgen_kernels::Sight;

use super::{Network, NetworkConfig, NetworkHead, NetworkKind, listening};
use crate::condition::{ClassCondition, Condition, FrozenEncoder, TextEncoder};
use crate::head::{CategoricalHead, MixtureHead, MixtureOutput};
use crate::nn::Builder;
use crate::nn::cross::Said;
use crate::nn::precision::project;
use crate::nn::transformer::{Modulations, Trunk};

/// Masked, with collective embeddings.
pub type Resgen = Masked<MixtureHead>;
/// Masked, every code by itself.
pub type Maskgit = Masked<CategoricalHead>;

/// The network.
#[derive(Module, Debug)]
pub struct Masked<H> {
    visible: Linear,
    masked: Param<Tensor<2>>,    // [D + 1, d]
    positions: Param<Tensor<2>>, // [L, d]
    condition: ClassCondition,
    texts: Option<TextEncoder>,
    trunk: Trunk,
    head: H,
    #[module(skip)]
    config: NetworkConfig,
}

impl<H: NetworkHead> Network for Masked<H> {
    const KIND: NetworkKind = if H::DRAWS_CODES { NetworkKind::Maskgit } else { NetworkKind::Resgen };
    type Head = H;

    fn new(builder: &mut Builder, config: NetworkConfig) -> Self {
        let width = config.trunk.width;
        let network = Self {
            visible: builder.linear(config.latent, width),
            masked: builder.normal([config.depth + 1, width], 0.5),
            positions: builder.normal([config.positions, width], 0.5),
            condition: ClassCondition::new(builder, config.classes, width),
            texts: None,
            trunk: Trunk::new(builder, &config.trunk, Sight::All),
            head: H::new(builder, &config),
            config,
        };
        let (texts, trunk) = listening(builder, &network.config, network.trunk);
        Self { texts, trunk, ..network }
    }

    fn continued(self, before: Self, known: &[Option<usize>]) -> Self {
        let condition = self.condition.continued(&before.condition, known);
        let trunk = self.trunk.continued(before.trunk);
        Self { condition, trunk, config: self.config, ..before }
    }

    fn reading_with(self, encoder: Option<Arc<FrozenEncoder>>) -> Self {
        Self { texts: self.texts.map(|texts| texts.reading_with(encoder)), ..self }
    }

    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn head(&self) -> &H {
        &self.head
    }

    fn no_condition(&self) -> usize {
        self.condition.nothing()
    }

    fn reader(&self) -> Option<&TextEncoder> {
        self.texts.as_ref()
    }

    fn hearing(&self, labels: Tensor<1, Int>, said: Option<&Said>) -> Modulations {
        self.trunk.modulations(self.condition.forward(labels), said)
    }

    fn shown(&self, embeddings: Tensor<3>, masked: Tensor<2, Int>, modulations: &Modulations) -> Tensor<2> {
        self.hidden(self.embed(embeddings, masked), modulations)
    }
}

impl<H: NetworkHead> Masked<H> {
    /// What the trunk sees of the codes.
    ///
    /// # Shapes
    /// visible embeddings divided by the last embedding scale `[B, l, H]`, l at most L, masked codes per position `[B, L]` (0 to D) → `[B, l, d]`
    pub fn embed(&self, visible: Tensor<3>, masked: Tensor<2, Int>) -> Tensor<3> {
        let [batch, length, _] = visible.dims();
        let width = self.config.trunk.width;
        let masked = self.masked.val().select(0, masked.flatten(0, 1)).reshape([batch, length, width]);
        let positions = self.positions.val().narrow(0, 0, length).unsqueeze_dim::<3>(0); // [1, L, d]
        project(&self.visible, visible) + masked + positions
    }

    /// What the head is given.
    ///
    /// # Shapes
    /// embedded `[B, L, d]` → `[B·L, d]`
    pub fn hidden(&self, embedded: Tensor<3>, modulations: &Modulations) -> Tensor<2> {
        self.trunk.forward(embedded, modulations).flatten(0, 1)
    }
}

impl Resgen {
    /// The mixture at every position.
    ///
    /// # Shapes
    /// as in [`Masked::embed`] → parameters of B·L mixtures
    pub fn forward(
        &self,
        visible: Tensor<3>,
        masked: Tensor<2, Int>,
        condition: &Condition,
    ) -> MixtureOutput {
        self.mixtures(self.embed(visible, masked), &self.modulations(condition))
    }

    /// The last part of [`Resgen::forward`].
    ///
    /// # Shapes
    /// embedded `[B, L, d]` → parameters of B·L mixtures
    pub fn mixtures(&self, embedded: Tensor<3>, modulations: &Modulations) -> MixtureOutput {
        self.head.forward(self.hidden(embedded, modulations))
    }
}

impl Maskgit {
    /// Logits over all codes of every position, masked or not.
    ///
    /// # Shapes
    /// embedded `[B, L, d]` → `[B·L, D, V]`
    pub fn logits(&self, embedded: Tensor<3>, modulations: &Modulations) -> Tensor<3> {
        self.head.logits(self.hidden(embedded, modulations))
    }
}
