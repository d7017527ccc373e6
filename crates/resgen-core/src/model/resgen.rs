//! ResGen (arXiv 2412.10208): predicts, for each position, the collective embedding of its masked codes.
//!
//! Per position i with k_i masked codes, the network sees
//! 1. the visible embedding `Σ_{j < D−k_i} e(codes[i,j]; j)`, projected to width d,
//! 2. a learned embedding of k_i (k_i = D is the mask token),
//! 3. a learned embedding of the position,
//!
//! passes the sum through DiT blocks conditioned on the class, and gives the parameters of a mixture of
//! Gaussians over `Σ_{j ≥ D−k_i} e(codes[i,j]; j)`. Neither its size nor the number of its passes grows
//! with D.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Int, Tensor};
use resgen_kernels::Sight;
use serde::{Deserialize, Serialize};

use crate::condition::ClassCondition;
use crate::error::{Error, Result};
use crate::head::{MixtureConfig, MixtureHead, MixtureOutput};
use crate::nn::Builder;
use crate::nn::precision::project;
use crate::nn::transformer::{Modulations, Trunk, TrunkConfig};

/// Sizes of a [`Resgen`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResgenConfig {
    /// The transformer.
    pub trunk: TrunkConfig,
    /// The mixture.
    pub head: MixtureConfig,
    /// Positions L.
    pub positions: usize,
    /// Quantizer depth D.
    pub depth: usize,
    /// Width H of a code vector.
    pub latent: usize,
    /// Number of classes C.
    pub classes: usize,
    /// Root mean square, per coordinate, of the collective embedding of the k deepest codes, for k = 0 to D
    /// (the first is not used). What the network predicts at a position with k masked codes is divided by the
    /// k-th: the last codes are far smaller than all of them together, and without this their likelihood,
    /// measured in small units, would drown that of the coarse ones. Visible embeddings are divided by the last.
    pub embedding_scales: Vec<f32>,
}

impl ResgenConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.trunk.validate()?;
        self.head.validate()?;
        let at_least_one = [
            ("positions", self.positions),
            ("depth", self.depth),
            ("latent", self.latent),
            ("classes", self.classes),
        ];
        for (key, value) in at_least_one {
            if value == 0 || value > 1 << 20 {
                return Err(Error::config(
                    format!("model.{key}"),
                    format!("expected 1 to 2^20, found {value}"),
                ));
            }
        }
        let scales = &self.embedding_scales;
        if scales.len() != self.depth + 1 || scales.iter().any(|scale| !(1e-6..1e6).contains(scale)) {
            let reason = format!("expected {} positive numbers, found {scales:?}", self.depth + 1);
            return Err(Error::config("model.embedding_scales", reason));
        }
        Ok(())
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Resgen {
    visible: Linear,
    masked: Param<Tensor<2>>,    // [D + 1, d]
    positions: Param<Tensor<2>>, // [L, d]
    condition: ClassCondition,
    trunk: Trunk,
    head: MixtureHead,
    #[module(skip)]
    config: ResgenConfig,
}

impl Resgen {
    /// A fresh network.
    pub fn new(builder: &mut Builder, config: ResgenConfig) -> Self {
        let (width, head) = (config.trunk.width, config.head);
        Self {
            visible: builder.linear(config.latent, width),
            masked: builder.normal([config.depth + 1, width], 0.5),
            positions: builder.normal([config.positions, width], 0.5),
            condition: ClassCondition::new(builder, config.classes, width),
            trunk: Trunk::new(builder, &config.trunk, Sight::All),
            head: head.init(builder, width, config.latent),
            config,
        }
    }

    /// The weights of `before`, a network of the same sizes but for its classes; see [`ClassCondition::continued`].
    pub fn continued(self, before: Self, known: &[Option<usize>]) -> Self {
        let condition = self.condition.continued(&before.condition, known);
        Self { condition, config: self.config, ..before }
    }

    /// The sizes.
    pub fn config(&self) -> &ResgenConfig {
        &self.config
    }

    /// The mixture head: densities and losses of what [`Resgen::forward`] gives.
    pub fn head(&self) -> &MixtureHead {
        &self.head
    }

    /// The label that stands for no condition.
    pub fn no_condition(&self) -> usize {
        self.condition.nothing()
    }

    /// The mixture at every position.
    ///
    /// # Shapes
    /// visible embeddings divided by the last embedding scale `[B, L, H]`, masked codes per position `[B, L]`
    /// (0 to D), labels `[B]` → parameters of B·L mixtures
    pub fn forward(
        &self,
        visible: Tensor<3>,
        masked: Tensor<2, Int>,
        labels: Tensor<1, Int>,
    ) -> MixtureOutput {
        self.mixtures(self.embed(visible, masked), &self.modulations(labels))
    }

    /// What the trunk sees of the codes; the first part of [`Resgen::forward`].
    ///
    /// # Shapes
    /// as there → `[B, L, d]`
    pub fn embed(&self, visible: Tensor<3>, masked: Tensor<2, Int>) -> Tensor<3> {
        let [batch, length, _] = visible.dims();
        let width = self.config.trunk.width;
        let masked = self.masked.val().select(0, masked.flatten(0, 1)).reshape([batch, length, width]);
        let positions = self.positions.val().unsqueeze_dim::<3>(0); // [1, L, d]
        project(&self.visible, visible) + masked + positions
    }

    /// What the trunk hears of the classes; it does not depend on the codes.
    ///
    /// # Shapes
    /// labels `[B]`
    pub fn modulations(&self, labels: Tensor<1, Int>) -> Modulations {
        self.trunk.modulations(self.condition.forward(labels))
    }

    /// The last part of [`Resgen::forward`].
    ///
    /// # Shapes
    /// embedded `[B, L, d]` → parameters of B·L mixtures
    pub fn mixtures(&self, embedded: Tensor<3>, modulations: &Modulations) -> MixtureOutput {
        let hidden = self.trunk.forward(embedded, modulations); // [B, L, d]
        self.head.forward(hidden.flatten(0, 1))
    }
}
