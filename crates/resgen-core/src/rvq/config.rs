//! How codebooks learn: the settings.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a vector learns from the latents that it takes part in encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Learning {
    /// Plain RVQ (arXiv 2203.01941): what the depths before it leave of them.
    #[default]
    Plain,
    /// Probabilistic RVQ (arXiv 2404.02781): codes are hidden causes of a latent z ~ N(Σe, σ²I), and a vector learns what *all* other
    /// decoded depths leave, the later ones too. There, with the others as they are, the variational bound of log p(z) is highest,
    /// whatever σ.
    Probabilistic,
}

/// Settings of codebook learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodebookConfig {
    /// What vectors learn.
    pub learning: Learning,
    /// Decay of the moving averages, per step.
    pub decay: f64,
    /// A code whose average use per step falls below this is moved to a current residual.
    pub revive_below: f64,
    /// Share of rows that are quantized to a random depth only, so that one tokenizer serves several.
    pub depth_dropout: f64,
    /// Weight of the commitment loss.
    pub commitment: f64,
    /// Lloyd iterations of the k-means that places the first vectors.
    pub kmeans_iterations: usize,
}

impl Default for CodebookConfig {
    fn default() -> Self {
        Self {
            learning: Learning::Plain,
            decay: 0.99,
            revive_below: 0.05,
            depth_dropout: 0.3,
            commitment: 0.25,
            kmeans_iterations: 10,
        }
    }
}

impl CodebookConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        let share = |key: &str, value: f64| match (0.0..=1.0).contains(&value) {
            true => Ok(()),
            false => Err(Error::config(
                format!("tokenizer.codebook.{key}"),
                format!("expected 0 to 1, found {value}"),
            )),
        };
        share("decay", self.decay)?;
        share("depth_dropout", self.depth_dropout)?;
        for (key, value) in [("revive_below", self.revive_below), ("commitment", self.commitment)] {
            if !(value >= 0.0 && value.is_finite()) {
                let reason = format!("expected a number of at least 0, found {value}");
                return Err(Error::config(format!("tokenizer.codebook.{key}"), reason));
            }
        }
        Ok(())
    }
}
