//! How a speaker encoder learns: cross-entropy on the speakers, by cosines with a margin (AM-softmax, arXiv 1801.05599). A piece must
//! be nearer to its own speaker than to any other by that much, so that voices are told apart that nobody trained on.

use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::config::{Experiment, SpeechDataConfig};
use super::recognition::{Recognition, RecognitionLearner};
use super::run::RunConfig;
use crate::error::{Error, Result};
use crate::features::speaker::SpeakerKind;
use crate::features::{SpeakerConfig, SpeakerHeader, SpeakerNetwork};
use crate::nn::Builder;

/// A speaker encoder in training.
pub type SpeakerLearner = RecognitionLearner<SpeakerExperiment>;

/// By how much a piece must be nearer to its own speaker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarginConfig {
    /// Taken from the cosine to the own speaker.
    pub margin: f64,
    /// What cosines are multiplied with to be logits.
    pub scale: f64,
}

impl Default for MarginConfig {
    fn default() -> Self {
        Self { margin: 0.2, scale: 30.0 }
    }
}

impl MarginConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.margin) {
            return Err(Error::config("loss.margin", format!("expected 0 to 1, found {}", self.margin)));
        }
        if !(1.0..=1000.0).contains(&self.scale) {
            return Err(Error::config("loss.scale", format!("expected 1 to 1000, found {}", self.scale)));
        }
        Ok(())
    }

    /// `scale · (cosine − margin)` for the own speaker, `scale · cosine` for all others.
    ///
    /// # Shapes
    /// cosines `[B, N]`, speakers `[B, 1]` → `[B, N]`
    fn logits(&self, cosines: Tensor<2>, speakers: Tensor<2, Int>) -> Tensor<2> {
        let [batch, count] = cosines.dims();
        let numbers = Tensor::<1, Int>::arange(0..count as i64, &speakers.device());
        let own = numbers.reshape([1, count]).expand([batch, count]).equal(speakers.expand([batch, count]));
        (cosines - own.float() * self.margin as f32) * self.scale as f32
    }
}

/// Everything that makes a speaker encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerExperiment {
    /// Licence of the resulting weights.
    pub licence: String,
    /// Recordings.
    pub data: SpeechDataConfig,
    /// Sizes.
    pub encoder: SpeakerConfig,
    /// The margin.
    pub loss: MarginConfig,
    /// The run.
    pub train: RunConfig,
}

impl Experiment for SpeakerExperiment {
    fn validate(&self) -> Result<()> {
        self.encoder.validate()?;
        self.loss.validate()?;
        self.train.validate()
    }
}

impl Recognition for SpeakerExperiment {
    type Network = SpeakerNetwork;
    type Header = SpeakerHeader;
    const EXAMPLE: &'static str = "piece";
    const CLASSES: &'static str = "speakers";
    const SIZES: &'static str = "encoder";
    const PREFIX: &'static str = "encoder.";

    fn run(&self) -> &RunConfig {
        &self.train
    }

    fn network(&self, builder: &mut Builder, speakers: usize) -> SpeakerNetwork {
        SpeakerNetwork::new(builder, &self.encoder, speakers)
    }

    fn judge(
        &self,
        network: &SpeakerNetwork,
        values: Vec<f32>,
        speakers: &Tensor<2, Int>,
    ) -> (Tensor<2>, Tensor<2>) {
        let shape = [speakers.dims()[0], self.encoder.segment, self.encoder.listener.mel.bins];
        let mels = Tensor::from_data(TensorData::new(values, shape), &speakers.device());
        let cosines = network.cosines(network.embeddings(mels));
        (self.loss.logits(cosines.clone(), speakers.clone()), cosines)
    }

    fn header(&self, speakers: &[String], step: u64) -> SpeakerHeader {
        SpeakerHeader {
            kind: SpeakerKind::SpeakerEncoder,
            encoder: self.encoder.clone(),
            speakers: speakers.to_vec(),
            heldout_equal_error_rate: None,
            heldout_nearer: None,
            step,
            licence: self.licence.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::super::recognition;
    use super::*;

    #[test]
    fn the_margin_is_taken_from_the_own_speaker_alone() {
        let device = Device::flex();
        let cosines = Tensor::from_data(TensorData::new(vec![0.5f32, -0.25, 0.75, 1.0], [2, 2]), &device);
        let loss = MarginConfig { margin: 0.25, scale: 8.0 };
        let logits = loss.logits(cosines, recognition::numbers(&[1, 0], &device));
        // 8·0.5, 8·(−0.25 − 0.25); 8·(0.75 − 0.25), 8·1.
        assert_eq!(logits.try_into_vec_as::<f32>().unwrap(), [4.0, -4.0, 4.0, 8.0]);
    }

    #[test]
    fn a_margin_out_of_range_is_named() {
        let refused = |margin, scale| MarginConfig { margin, scale }.validate().unwrap_err().to_string();
        assert!(refused(-0.1, 30.0).contains("`loss.margin`"));
        assert!(refused(f64::NAN, 30.0).contains("`loss.margin`"));
        assert!(refused(0.2, 0.0).contains("`loss.scale`"));
    }
}
