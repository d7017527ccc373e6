//! Whatever network pictures are measured with, and how to tell it from others.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::classifier::{Classifier, ClassifierConfig};
use super::inception::Inception;
use super::resize::InceptionResize;
use crate::digest;
use crate::error::{Error, Result};
use crate::nn::parameters::{NamedTensors, fingerprint};
use crate::signal::Picture;
use crate::signal::resize::center_crop;

/// How the SHA-256 of the published weights begins: their usual name, `pt_inception-2015-12-05-6726825d.pth`, says so.
const PUBLISHED: &str = "6726825d";

/// The name of the network that papers measure with.
const INCEPTION: &str = "inception-v3-2015-12-05";

/// What a classifier's model file says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierHeader {
    /// Always `classifier`.
    pub kind: ClassifierKind,
    /// Sizes.
    pub features: ClassifierConfig,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Share of held-out pictures whose class it told, where there were any.
    pub heldout_accuracy: Option<f64>,
    /// Training steps.
    pub step: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Version of the program that wrote the file.
    pub version: String,
}

/// Tells a classifier's file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassifierKind {
    /// The only value.
    Classifier,
}

/// Tells results of one network from those of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractorIdentity {
    /// `inception-v3-2015-12-05`, `classifier` or `speaker-encoder`.
    pub name: String,
    /// Of the weights.
    pub fingerprint: String,
    /// How pictures are brought to its size, or sounds become spectrograms.
    pub input: String,
    /// Width of the features.
    pub width: usize,
}

impl ExtractorIdentity {
    /// Whether results have the names of papers: FID, sFID, IS, KID.
    pub fn is_inception(&self) -> bool {
        self.name == INCEPTION
    }
}

/// A network to measure with.
pub struct Extractor {
    network: Network,
    identity: ExtractorIdentity,
}

enum Network {
    Inception(Box<Inception>),
    Classifier { network: Box<Classifier>, side: usize, classes: Vec<String>, device: Device },
}

/// What a network says of some pictures.
pub struct Seen {
    /// `[B, F]`
    pub pooled: Vec<f32>,
    /// `[B, S]`
    pub spatial: Vec<f32>,
    /// `[B, C]`
    pub logits: Vec<f32>,
}

impl Extractor {
    /// InceptionV3 from a file of its published weights.
    ///
    /// # Errors
    /// As [`Inception::load`].
    pub fn inception(path: &Path, resize: InceptionResize, device: &Device) -> Result<Self> {
        let network = Inception::load(path, resize, device)?;
        // Of the file, not of the tensors: that is what the published name tells.
        let mut hash = Sha256::new();
        hash.update(std::fs::read(path).map_err(Error::io(path))?);
        let hash = digest::short(hash);
        let input = serde_json::to_value(resize).map_err(|error| Error::file(path, error))?;
        let identity = ExtractorIdentity {
            name: INCEPTION.into(),
            fingerprint: hash,
            input: format!("{} to 299 × 299", input.as_str().unwrap_or("resized")),
            width: Inception::WIDTH,
        };
        Ok(Self { network: Network::Inception(Box::new(network)), identity })
    }

    /// A classifier that was trained here.
    ///
    /// # Errors
    /// As [`Classifier::load`].
    pub fn classifier(header: ClassifierHeader, tensors: &NamedTensors, device: &Device) -> Result<Self> {
        let ClassifierHeader { features, classes, .. } = header;
        let device = device.clone().without_autodiff();
        let network = Box::new(Classifier::load(&features, classes.len(), tensors, &device)?);
        let identity = ExtractorIdentity {
            name: "classifier".into(),
            fingerprint: fingerprint(tensors),
            input: format!("ADM's centre crop to {0} × {0}", features.resolution),
            width: features.width(),
        };
        let network = Network::Classifier { network, side: features.resolution, classes, device };
        Ok(Self { network, identity })
    }

    /// Tells it from others.
    pub fn identity(&self) -> &ExtractorIdentity {
        &self.identity
    }

    /// Whether distances measured with it are those that papers publish.
    pub fn is_published(&self) -> bool {
        self.is_inception() && self.identity.fingerprint.starts_with(PUBLISHED)
    }

    /// Whether it is Inception, with the published weights or others.
    pub fn is_inception(&self) -> bool {
        self.identity.is_inception()
    }

    /// Names of the classes that it tells apart; none of Inception's.
    pub fn classes(&self) -> &[String] {
        match &self.network {
            Network::Inception(_) => &[],
            Network::Classifier { classes, .. } => classes,
        }
    }

    /// Looks at pictures of one size.
    ///
    /// # Shapes
    /// levels of 0 to 255, `[B, h, w, 3]`
    ///
    /// # Errors
    /// [`Error::Argument`] where a picture cannot be brought to the network's size; [`Error::Device`].
    pub fn look(&self, levels: &[u8], size: [usize; 2]) -> Result<Seen> {
        let [pooled, spatial, logits] = match &self.network {
            Network::Inception(network) => {
                let seen = network.look(levels, size);
                [seen.pooled, seen.spatial, seen.logits]
            }
            Network::Classifier { network, side, device, .. } => {
                let picture = |levels: &[u8]| {
                    let picture = Picture::new(size[1] as u32, size[0] as u32, levels.to_vec())?;
                    Ok(match size == [*side; 2] {
                        true => picture.to_unit(),
                        false => center_crop(&picture, *side as u32)?.to_unit(),
                    })
                };
                let pictures = levels.par_chunks_exact(size[0] * size[1] * 3).map(picture);
                let pixels = pictures.collect::<Result<Vec<Vec<f32>>>>()?;
                let data = TensorData::new(pixels.concat(), [pixels.len(), 3, *side, *side]);
                let seen = network.forward(Tensor::from_data(data, device));
                [seen.pooled, seen.spatial, seen.logits]
            }
        };
        let numbers = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().map_err(Error::device);
        Ok(Seen { pooled: numbers(pooled)?, spatial: numbers(spatial)?, logits: numbers(logits)? })
    }
}
