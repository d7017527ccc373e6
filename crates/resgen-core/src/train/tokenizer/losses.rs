//! What a tokenizer's training minimises: the `[losses]` section.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::features::Lpips;
use crate::tokenizer::adversarial::AdversarialConfig;

/// Weights of the losses: the `[losses]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Mean absolute error of the pixels.
    pub l1: f64,
    /// Mean squared error of the pixels.
    pub l2: f64,
    /// Steps before the quantizer takes part; the codebooks are then placed by k-means.
    pub quantize_from: u64,
    /// A perceptual distance; none where the section is left out.
    pub lpips: Option<LpipsLossConfig>,
    /// A discriminator; none where the section is left out.
    pub adversarial: Option<AdversarialConfig>,
}

/// LPIPS as a loss: the `[losses.lpips]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LpipsLossConfig {
    /// Weight of the distance.
    #[serde(default = "LpipsLossConfig::default_weight")]
    pub weight: f64,
    /// File of torchvision's VGG16 state dict, safetensors or PyTorch.
    pub trunk: PathBuf,
    /// File of the linear heads of the authors' `lpips` package; the trunk's file where it is left out.
    #[serde(default)]
    pub heads: Option<PathBuf>,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { l1: 0.5, l2: 1.0, quantize_from: 500, lpips: None, adversarial: None }
    }
}

impl LossConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range, or does not go with pictures of `resolution`
    /// pixels a side or a training of `steps` steps.
    pub fn validate(&self, resolution: usize, steps: u64) -> Result<()> {
        if self.quantize_from >= steps {
            let reason = format!("expected less than train.steps = {steps}, found {}", self.quantize_from);
            return Err(Error::config("losses.quantize_from", reason));
        }
        for (key, value) in [("l1", self.l1), ("l2", self.l2)] {
            if !(value >= 0.0 && value.is_finite()) {
                let reason = format!("expected a number of at least 0, found {value}");
                return Err(Error::config(format!("losses.{key}"), reason));
            }
        }
        if self.l1 == 0.0 && self.l2 == 0.0 && self.lpips.is_none() {
            return Err(Error::config("losses.l2", "expected more than 0 where no other loss is"));
        }
        if let Some(lpips) = &self.lpips {
            lpips.validate(resolution)?;
        }
        self.adversarial.map_or(Ok(()), |adversarial| adversarial.validate(resolution))
    }
}

impl LpipsLossConfig {
    fn default_weight() -> f64 {
        1.0
    }

    fn validate(&self, resolution: usize) -> Result<()> {
        if !(self.weight > 0.0 && self.weight.is_finite()) {
            let reason = format!(
                "expected a number of more than 0, found {}; leave out [losses.lpips] to train without",
                self.weight
            );
            return Err(Error::config("losses.lpips.weight", reason));
        }
        if resolution < Lpips::MIN_SIDE {
            let reason =
                format!("takes pictures of at least {} pixels a side, not {resolution}", Lpips::MIN_SIDE);
            return Err(Error::config("losses.lpips", reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> LossConfig {
        toml::from_str(text).unwrap()
    }

    fn refusal(text: &str, resolution: usize) -> String {
        parsed(text).validate(resolution, 1000).unwrap_err().to_string()
    }

    #[test]
    fn the_optional_losses_are_absent_by_default_and_have_sections() {
        assert_eq!(parsed(""), LossConfig::default());
        assert!(parsed("").lpips.is_none() && parsed("").adversarial.is_none());
        let text = "l1 = 0.0\n[lpips]\ntrunk = \"vgg16.pth\"\n[adversarial]\nstart_step = 7\n[adversarial.discriminator]\nlayers = 2\nrate = 0.5";
        let losses = parsed(text);
        losses.validate(64, 1000).unwrap();
        assert_eq!(losses.lpips.map(|lpips| (lpips.weight, lpips.heads)), Some((1.0, None)));
        let adversarial = losses.adversarial.unwrap();
        assert_eq!((adversarial.start_step, adversarial.discriminator.rate), (7, 0.5));
        assert!(toml::from_str::<LossConfig>("[lpips]\nweight = 1.0").is_err());
    }

    #[test]
    fn errors_name_the_dotted_key() {
        for (text, key) in [
            ("l1 = -1.0", "`losses.l1`"),
            ("l1 = 0.0\nl2 = 0.0", "`losses.l2`"),
            ("[lpips]\nweight = 0.0\ntrunk = \"a\"", "`losses.lpips.weight`"),
            ("[adversarial]\nweight = -1.0", "`losses.adversarial.weight`"),
            ("[adversarial.discriminator]\nlayers = 0", "`losses.adversarial.discriminator.layers`"),
            ("[adversarial.discriminator]\nrate = 0.0", "`losses.adversarial.discriminator.rate`"),
        ] {
            let refused = refusal(text, 64);
            assert!(refused.contains(key), "{refused}");
        }
        assert!(refusal("[lpips]\ntrunk = \"a\"", 8).contains("`losses.lpips`"));
    }
}
