//! What a tokenizer's training logs.

use crate::train::log::{Panel, Scale};

/// Names of the scalars of a step. Those of [`Measured`] come first, in its order.
pub(super) const fn columns(fidelity: &'static str) -> [&'static str; 12] {
    [
        "loss",
        fidelity,
        "commitment",
        "lpips",
        "adversarial",
        "discriminator",
        "adaptive_weight",
        "least_perplexity",
        "perplexity",
        "revived",
        "gradient_norm",
        "learning_rate",
    ]
}

/// What a micro-batch, or several in sum, measured; none where a loss took no part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measured {
    /// Reconstruction and commitment: all that is minimised but for the adversarial loss, whose zero says
    /// nothing.
    pub loss: f64,
    pub fidelity: f64,
    pub commitment: Option<f64>,
    pub lpips: Option<f64>,
    pub adversarial: Option<f64>,
    pub discriminator: Option<f64>,
    pub adaptive_weight: Option<f64>,
}

impl Measured {
    /// The values in the order of [`columns`].
    pub fn values(&self) -> [Option<f64>; 7] {
        [
            Some(self.loss),
            Some(self.fidelity),
            self.commitment,
            self.lpips,
            self.adversarial,
            self.discriminator,
            self.adaptive_weight,
        ]
    }

    /// The sum over micro-batches, which all measured the same things.
    pub fn plus(self, next: Self) -> Self {
        let add = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
        Self {
            loss: self.loss + next.loss,
            fidelity: self.fidelity + next.fidelity,
            commitment: add(self.commitment, next.commitment),
            lpips: add(self.lpips, next.lpips),
            adversarial: add(self.adversarial, next.adversarial),
            discriminator: add(self.discriminator, next.discriminator),
            adaptive_weight: add(self.adaptive_weight, next.adaptive_weight),
        }
    }
}

/// How the columns are grouped in the curves.
pub(super) fn panels(fidelity: &'static str, label: &'static str) -> Vec<Panel> {
    vec![
        Panel::of("Reconstruction", label, &[fidelity], Scale::Linear),
        Panel::of("Losses", "loss", &["loss", "commitment", "lpips"], Scale::Log),
        // The generator's loss may be negative.
        Panel::of("Adversary", "loss", &["adversarial", "discriminator"], Scale::Linear),
        Panel::of("Adaptive weight", "factor", &["adaptive_weight"], Scale::Log),
        Panel::of("Codes in use", "perplexity", &["perplexity", "least_perplexity"], Scale::Linear),
        Panel::of("Gradient", "norm before clipping", &["gradient_norm"], Scale::Log),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_is_a_column() {
        let columns = columns("psnr");
        for column in panels("psnr", "PSNR in dB").iter().flat_map(|panel| &panel.columns) {
            assert!(columns.contains(&column.as_str()), "{column}");
        }
    }

    #[test]
    fn the_sum_has_no_value_where_a_loss_took_no_part() {
        let part =
            |loss, lpips| Measured { loss, lpips: Some(lpips), commitment: None, ..Measured::default() };
        let sum = part(1.0, 4.0).plus(part(2.0, 8.0)).values();
        assert_eq!(sum, [Some(3.0), Some(0.0), None, Some(12.0), None, None, None]);
    }
}
