//! The sizes of a generator's network, and which of the four it is.

use serde::{Deserialize, Serialize};

use crate::condition::TextConfig;
use crate::error::{Error, Result};
use crate::head::MixtureConfig;
use crate::nn::transformer::TrunkConfig;

/// The kinds of generator: two ways along the sequence times two ways along the depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// Masked, with collective embeddings.
    #[default]
    Resgen,
    /// Masked, every code by itself.
    Maskgit,
    /// Position by position, with collective embeddings.
    ArResgen,
    /// Position by position, code by code.
    RqTransformer,
}

impl NetworkKind {
    /// As it is written in configs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resgen => "resgen",
            Self::Maskgit => "maskgit",
            Self::ArResgen => "ar-resgen",
            Self::RqTransformer => "rq-transformer",
        }
    }

    /// Whether it goes position by position.
    pub fn is_sequential(self) -> bool {
        matches!(self, Self::ArResgen | Self::RqTransformer)
    }

    /// Whether it draws codes, and not embeddings.
    pub fn draws_codes(self) -> bool {
        matches!(self, Self::Maskgit | Self::RqTransformer)
    }
}

/// Sizes of a generator's network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Which generator.
    #[serde(default)]
    pub kind: NetworkKind,
    /// The transformer.
    pub trunk: TrunkConfig,
    /// The mixture, of generators that predict embeddings.
    pub head: MixtureConfig,
    /// Blocks of the transformer along the depth, of [`NetworkKind::RqTransformer`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth_layers: usize,
    /// Positions L; of generators that speak the most.
    pub positions: usize,
    /// Quantizer depth D.
    pub depth: usize,
    /// Width H of a code vector.
    pub latent: usize,
    /// Codes V of a depth. Files of generators that do not need it may leave it out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub vocabulary: usize,
    /// Number of classes C.
    pub classes: usize,
    /// How texts are read, of generators that speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextConfig>,
    /// Root mean square, per coordinate, of the collective embedding of the k deepest codes, for k = 0 to D
    /// (the first is not used). What the network predicts at a position with k masked codes is divided by the
    /// k-th: the last codes are far smaller than all of them together, and without this their likelihood,
    /// measured in small units, would drown that of the coarse ones. Visible embeddings are divided by the last.
    pub embedding_scales: Vec<f32>,
}

impl NetworkConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.trunk.validate()?;
        self.head.validate()?;
        self.text.as_ref().map_or(Ok(()), TextConfig::validate)?;
        if self.depth_layers > 1 << 10 || (self.kind == NetworkKind::RqTransformer) != (self.depth_layers > 0)
        {
            let reason =
                format!("a {} has not {} layers along the depth", self.kind.name(), self.depth_layers);
            return Err(Error::config("model.depth_layers", reason));
        }
        if self.kind.draws_codes() && self.vocabulary == 0 {
            return Err(Error::config("model.vocabulary", "expected at least 1, found 0"));
        }
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

fn is_zero(number: &usize) -> bool {
    *number == 0
}
