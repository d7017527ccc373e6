//! Triangular filters on the mel scale.

use serde::{Deserialize, Serialize};

use super::MelConfig;

/// Which mel scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MelScale {
    /// Linear up to 1 kHz, logarithmic above (Slaney's Auditory Toolbox): librosa's default.
    Slaney,
    /// 2595·log₁₀(1 + f/700): torchaudio's default.
    Htk,
}

/// How high the triangles are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterNorm {
    /// 1.
    None,
    /// 2 divided by their width in Hz, so that all have the same area.
    Slaney,
}

/// Slaney's scale: mels of 1 kHz, where it becomes logarithmic, Hz of a mel below, and the logarithm of a mel above.
const KNEE: f64 = 15.0;
const KNEE_HZ: f64 = 1000.0;
const LINEAR_HZ: f64 = 200.0 / 3.0;
const LOG_STEP: f64 = 0.068_751_777_420_949_12; // ln(6.4) / 27

impl MelScale {
    /// The mels of a frequency in Hz.
    pub fn mels(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            Self::Slaney if hz < KNEE_HZ => hz / LINEAR_HZ,
            Self::Slaney => KNEE + (hz / KNEE_HZ).ln() / LOG_STEP,
        }
    }

    /// The frequency of so many mels, in Hz.
    pub fn hz(self, mels: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (10f64.powf(mels / 2595.0) - 1.0),
            Self::Slaney if mels < KNEE => mels * LINEAR_HZ,
            Self::Slaney => KNEE_HZ * ((mels - KNEE) * LOG_STEP).exp(),
        }
    }
}

/// The filters, of which each sees a few neighbouring coefficients.
pub struct MelFilters {
    coefficients: usize,
    /// The first coefficient that a filter sees, and its weights from there on.
    filters: Vec<(usize, Vec<f32>)>,
}

impl MelFilters {
    /// The filters of a configuration.
    pub fn new(config: &MelConfig) -> Self {
        let coefficients = config.stft.coefficients();
        let (low, high) = (config.scale.mels(config.lowest), config.scale.mels(config.highest));
        let step = (high - low) / (config.bins + 1) as f64;
        let corner = |index: usize| config.scale.hz(low + step * index as f64);
        let hz_of =
            |coefficient: usize| coefficient as f64 * f64::from(config.rate) / config.stft.size as f64;
        let filters = (0..config.bins)
            .map(|bin| {
                let (left, centre, right) = (corner(bin), corner(bin + 1), corner(bin + 2));
                let height = match config.norm {
                    FilterNorm::None => 1.0,
                    FilterNorm::Slaney => 2.0 / (right - left),
                };
                let weight = |coefficient: usize| {
                    let hz = hz_of(coefficient);
                    let rising = (hz - left) / (centre - left);
                    let falling = (right - hz) / (right - centre);
                    (rising.min(falling).max(0.0) * height) as f32
                };
                let first = (0..coefficients).find(|&at| weight(at) > 0.0).unwrap_or(0);
                let weights = (first..coefficients).map(weight).take_while(|&weight| weight > 0.0).collect();
                (first, weights)
            })
            .collect();
        Self { coefficients, filters }
    }

    /// The filters as a matrix.
    ///
    /// # Shapes
    /// `[bins, coefficients]`, row-major
    pub fn matrix(&self) -> Vec<f32> {
        let mut matrix = vec![0.0; self.filters.len() * self.coefficients];
        for (row, (first, weights)) in matrix.chunks_exact_mut(self.coefficients).zip(&self.filters) {
            row[*first..first + weights.len()].copy_from_slice(weights);
        }
        matrix
    }

    /// What the filters make of one frame.
    ///
    /// # Shapes
    /// strengths `[coefficients]` → `[bins]`
    pub fn apply(&self, strengths: &[f32], bins: &mut [f32]) {
        for (value, (first, weights)) in bins.iter_mut().zip(&self.filters) {
            let seen = &strengths[*first..first + weights.len()];
            *value = seen.iter().zip(weights).map(|(strength, weight)| strength * weight).sum();
        }
    }

    /// The turned-round filters: every coefficient gets from each bin what it gave.
    ///
    /// # Shapes
    /// `[bins]` → `[coefficients]`
    pub fn apply_transposed(&self, bins: &[f32], strengths: &mut [f32]) {
        strengths.fill(0.0);
        for (&value, (first, weights)) in bins.iter().zip(&self.filters) {
            for (strength, weight) in strengths[*first..].iter_mut().zip(weights) {
                *strength += weight * value;
            }
        }
    }
}
