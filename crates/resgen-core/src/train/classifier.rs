//! How a classifier of a user's own pictures learns: cross-entropy on their classes.

use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::config::{DataConfig, Experiment};
use super::recognition::{Recognition, RecognitionLearner};
use super::run::RunConfig;
use crate::error::Result;
use crate::features::{Classifier, ClassifierConfig, ClassifierHeader, ClassifierKind};
use crate::nn::Builder;

/// A classifier in training.
pub type ClassifierLearner = RecognitionLearner<ClassifierExperiment>;

/// Everything that makes a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierExperiment {
    /// Licence of the resulting weights.
    pub licence: String,
    /// Pictures.
    pub data: DataConfig,
    /// Sizes.
    pub features: ClassifierConfig,
    /// The run.
    pub train: RunConfig,
}

impl Experiment for ClassifierExperiment {
    fn validate(&self) -> Result<()> {
        self.features.validate()?;
        self.train.validate()
    }
}

impl Recognition for ClassifierExperiment {
    type Network = Classifier;
    type Header = ClassifierHeader;
    const EXAMPLE: &'static str = "picture";
    const CLASSES: &'static str = "classes";
    const SIZES: &'static str = "features";
    const PREFIX: &'static str = "classifier.";

    fn run(&self) -> &RunConfig {
        &self.train
    }

    fn network(&self, builder: &mut Builder, classes: usize) -> Classifier {
        Classifier::new(builder, &self.features, classes)
    }

    fn judge(
        &self,
        network: &Classifier,
        values: Vec<f32>,
        classes: &Tensor<2, Int>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (count, side) = (classes.dims()[0], self.features.resolution);
        let pixels = Tensor::from_data(TensorData::new(values, [count, 3, side, side]), &classes.device());
        let logits = network.forward(pixels).logits;
        (logits.clone(), logits)
    }

    fn header(&self, classes: &[String], step: u64) -> ClassifierHeader {
        ClassifierHeader {
            kind: ClassifierKind::Classifier,
            features: self.features.clone(),
            classes: classes.to_vec(),
            heldout_accuracy: None,
            step,
            licence: self.licence.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}
