//! The `[model]` section of an experiment.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::condition::{FrozenEncoder, TextConfig};
use crate::error::{Error, Result, nearest};
use crate::head::MixtureConfig;
use crate::model::{NetworkConfig, NetworkKind};
use crate::nn::transformer::TrunkConfig;
use crate::schedule::MaskingSchedule;
use crate::tokenizer::QuantizerConfig;

/// The generator: the `[model]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Which generator.
    pub kind: NetworkKind,
    /// A named size of the trunk, or its numbers.
    pub trunk: TrunkSize,
    /// The mixture, of generators that predict embeddings.
    pub head: MixtureConfig,
    /// Blocks of the transformer along the depth: at least 1 for `rq-transformer`, 0 for the others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth_layers: usize,
    /// How texts are read, of generators that speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextConfig<PathBuf>>,
    /// The most positions of a recording, of generators that speak; longer ones are not learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<usize>,
    /// How many tokens are masked in training.
    #[serde(default = "ModelConfig::default_schedule")]
    pub schedule: MaskingSchedule,
    /// Share of signals trained without their class.
    #[serde(default = "ModelConfig::default_dropout")]
    pub condition_dropout: f64,
    /// Share of signals of whose beginning a part, up to half, is known whole, to the last code. Masks drawn token by token never show that, and
    /// what speaks after a prompt sees nothing else.
    #[serde(default)]
    pub prompt_share: f64,
    /// Standard deviation of the noise on the embeddings to predict, in units of their scale (embedding_scales): z ~ N(Σe, σ²I), as
    /// in the likelihood's bound. Embeddings are sums of few vectors, that is points; without noise a mixture
    /// gains without end by narrowing on points, and its loss says less and less about what it knows.
    #[serde(default = "ModelConfig::default_target_noise")]
    pub target_noise: f32,
}

impl ModelConfig {
    fn default_schedule() -> MaskingSchedule {
        MaskingSchedule::Cosine
    }

    fn default_dropout() -> f64 {
        0.1
    }

    fn default_target_noise() -> f32 {
        0.1
    }

    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(self.target_noise >= 0.0 && self.target_noise.is_finite()) {
            let reason = format!("expected a number of at least 0, found {}", self.target_noise);
            return Err(Error::config("model.target_noise", reason));
        }
        self.trunk.resolve()?.validate()?;
        self.head.validate()?;
        self.text.as_ref().map_or(Ok(()), TextConfig::validate)?;
        let shares = [("condition_dropout", self.condition_dropout), ("prompt_share", self.prompt_share)];
        for (key, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::config(format!("model.{key}"), format!("expected 0 to 1, found {share}")));
            }
        }
        Ok(())
    }

    /// The sizes of the network for a quantizer's codes of so many classes, at most `positions` in a signal; `encoder` is what was loaded of the
    /// frozen encoder that texts are read with.
    ///
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn sizes(
        &self,
        (quantizer, positions): (QuantizerConfig, usize),
        classes: usize,
        embedding_scales: Vec<f32>,
        encoder: Option<&FrozenEncoder>,
    ) -> Result<NetworkConfig> {
        self.validate()?;
        let sizes = NetworkConfig {
            kind: self.kind,
            depth_layers: self.depth_layers,
            vocabulary: quantizer.vocabulary,
            trunk: self.trunk.resolve()?,
            head: self.head,
            positions,
            depth: quantizer.depth,
            latent: quantizer.latent,
            classes,
            text: self.text.as_ref().map(|text| text.with(encoder)),
            embedding_scales,
        };
        sizes.validate()?;
        Ok(sizes)
    }
}

/// A trunk by name or by numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a size such as \"s\", or { width = …, layers = …, heads = … }")]
pub enum TrunkSize {
    /// One of [`TrunkConfig::SIZES`].
    Named(String),
    /// Width, layers and heads.
    Custom(TrunkConfig),
}

impl TrunkSize {
    /// # Errors
    /// [`Error::Config`] for a name that is none.
    pub fn resolve(&self) -> Result<TrunkConfig> {
        match self {
            Self::Custom(config) => Ok(*config),
            Self::Named(name) => {
                let found = TrunkConfig::SIZES.iter().find(|(known, _)| known == name);
                found.map(|(_, config)| *config).ok_or_else(|| {
                    let known = TrunkConfig::SIZES.map(|(known, _)| known).join(", ");
                    let hint = nearest(name, TrunkConfig::SIZES.iter().map(|(known, _)| *known));
                    Error::config("model.trunk", format!("unknown size `{name}`{hint}; known: {known}"))
                })
            }
        }
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}
