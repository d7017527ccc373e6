//! By what reconstructions are compared with their signals.

use std::io::ErrorKind;

use burn::tensor::{Device, Tensor};

use super::losses::{LossConfig, LpipsLossConfig};
use super::scalar;
use crate::error::{Error, Result};
use crate::features::Lpips;

/// The weighted sum of the reconstruction losses.
pub(super) struct Objective {
    l1: f64,
    l2: f64,
    perceptual: Option<(Lpips, f64)>,
}

/// How far reconstructions are from their signals.
pub(super) struct Comparison {
    /// The weighted sum, `[1]`, with the graph of the reconstructions.
    pub loss: Tensor<1>,
    /// Mean squared error.
    pub squared: f64,
    /// Mean LPIPS distance, where it is configured.
    pub lpips: Option<f64>,
}

impl Objective {
    /// Reads the LPIPS networks, where they are configured.
    pub fn new(losses: &LossConfig, device: &Device) -> Result<Self> {
        let perceptual = match &losses.lpips {
            Some(config) => Some((load(config, device)?, config.weight)),
            None => None,
        };
        Ok(Self { l1: losses.l1, l2: losses.l2, perceptual })
    }

    /// # Shapes
    /// `[B, C, h, w]` twice
    pub fn compare(&self, reconstruction: Tensor<4>, signals: Tensor<4>) -> Result<Comparison> {
        let error = reconstruction.clone() - signals.clone();
        let squared = error.clone().square().mean();
        let mut loss = squared.clone() * self.l2 + error.abs().mean() * self.l1;
        let mut lpips = None;
        if let Some((network, weight)) = &self.perceptual {
            let distance = network.distance(reconstruction, signals)?.mean();
            lpips = Some(scalar(&distance)?);
            loss = loss + distance * *weight;
        }
        Ok(Comparison { loss, squared: scalar(&squared)?, lpips })
    }
}

/// A file that is not there is the likeliest mistake: weights of that size come with no program.
fn load(config: &LpipsLossConfig, device: &Device) -> Result<Lpips> {
    let files = [
        ("trunk", Some(&config.trunk), "torchvision's VGG16 state dict (`features.0.weight`, …)"),
        ("heads", config.heads.as_ref(), "the linear heads of the lpips package (`lin0.model.1.weight`, …)"),
    ];
    for (key, path, content) in files {
        let Some(path) = path else { continue };
        let found = std::fs::metadata(path);
        if found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            let with_heads = match (key, &config.heads) {
                ("trunk", None) => {
                    " and, unless losses.lpips.heads names another file, the linear heads of the lpips package (`lin0.model.1.weight`, …)"
                }
                _ => "",
            };
            let reason = format!(
                "there is no file {}; it should hold {content}{with_heads}. Leave out [losses.lpips] to train without",
                path.display()
            );
            return Err(Error::config(format!("losses.lpips.{key}"), reason));
        }
    }
    Lpips::load(&config.trunk, config.heads.as_deref(), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_with_what_it_should_hold() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |config: LpipsLossConfig| load(&config, &Device::flex()).unwrap_err().to_string();
        let absent = dir.path().join("vgg16.pth");
        let text = refusal(LpipsLossConfig { weight: 1.0, trunk: absent.clone(), heads: None });
        for part in ["`losses.lpips.trunk`", "vgg16.pth", "VGG16", "linear heads", "train without"] {
            assert!(text.contains(part), "{text}");
        }
        let present = dir.path().join("trunk");
        std::fs::write(&present, "not weights").unwrap();
        let text = refusal(LpipsLossConfig { weight: 1.0, trunk: present.clone(), heads: Some(absent) });
        assert!(text.contains("`losses.lpips.heads`") && text.contains("lin0.model.1.weight"), "{text}");
        let error = load(&LpipsLossConfig { weight: 1.0, trunk: present, heads: None }, &Device::flex());
        assert!(matches!(error, Err(Error::File { .. })));
    }
}
