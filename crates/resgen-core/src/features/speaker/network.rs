//! The network, and its sizes.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::convnext::{Narrowing, Norm};
use crate::nn::parameters::{self, NamedTensors};
use crate::nn::precision::project;
use crate::signal::mel::ListenerConfig;

/// Added to variances: the slope of a square root at 0 has no end.
const LEAST_VARIANCE: f32 = 1e-5;
/// The shortest vector that has a direction.
const LEAST_LENGTH: f32 = 1e-6;

/// The sizes of a [`SpeakerNetwork`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerConfig {
    /// How recordings become spectrograms.
    #[serde(default)]
    pub listener: ListenerConfig,
    /// Frames of a piece of speech in training; what is shorter is repeated up to it, in use too.
    pub segment: usize,
    /// Channels per level.
    pub channels: Vec<usize>,
    /// Frames that each level joins to one.
    pub joins: Vec<usize>,
    /// Blocks per level.
    pub blocks: usize,
    /// Width of the embedding.
    pub embedding: usize,
}

impl SpeakerConfig {
    /// Frames that become one before they are pooled.
    fn joined(&self) -> usize {
        self.joins.iter().product()
    }

    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        let wrong = |key: &str, reason: String| Err(Error::config(format!("encoder.{key}"), reason));
        let within = |key: &str, value: usize, low: usize, high: usize| match (low..=high).contains(&value) {
            true => Ok(()),
            false => wrong(key, format!("expected {low} to {high}, found {value}")),
        };
        self.listener.validate("encoder.listener")?;
        within("channels", self.channels.len(), 1, 8)?;
        for &channels in &self.channels {
            within("channels", channels, 4, 4096)?;
        }
        if self.joins.len() != self.channels.len() {
            let (levels, found) = (self.channels.len(), self.joins.len());
            return wrong(
                "joins",
                format!("expected {levels}, one for each level of channels, found {found}"),
            );
        }
        for &join in &self.joins {
            within("joins", join, 1, 64)?;
        }
        within("blocks", self.blocks, 1, 64)?;
        within("embedding", self.embedding, 2, 4096)?;
        within("segment", self.segment, self.joined(), 1 << 16)
    }
}

/// The network, with a direction for each speaker that it learns from.
#[derive(Module, Debug)]
pub struct SpeakerNetwork {
    narrowing: Vec<Narrowing>,
    norm: Norm,
    embed: Linear,
    speakers: Param<Tensor<2>>, // [E, speakers]
    joins: Vec<usize>,
}

impl SpeakerNetwork {
    /// A fresh network.
    pub fn new(builder: &mut Builder, config: &SpeakerConfig, speakers: usize) -> Self {
        let SpeakerConfig { listener, channels, joins, blocks, embedding, .. } = config;
        let deepest = channels.last().copied().unwrap_or(0);
        Self {
            narrowing: Narrowing::levels(builder, listener.mel.bins, channels, joins, *blocks),
            norm: Norm::new(builder, deepest),
            embed: builder.linear(2 * deepest, *embedding),
            speakers: builder.normal([*embedding, speakers], 1.0 / (*embedding as f32).sqrt()),
            joins: joins.clone(),
        }
    }

    /// The network with weights of a file.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Mismatch`] where sizes and weights do not fit each other.
    pub fn load(
        config: &SpeakerConfig,
        speakers: usize,
        tensors: &NamedTensors,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        parameters::load(Self::new(&mut Builder::blank(device), config, speakers), tensors, "")
    }

    /// What voices are: vectors of length 1. Last frames that are too few to be joined to one are left out.
    ///
    /// # Shapes
    /// spectrograms, normalised, `[B, T, bins]` → `[B, E]`
    pub fn embeddings(&self, mels: Tensor<3>) -> Tensor<2> {
        let joined: usize = self.joins.iter().product();
        let frames = mels.dims()[1] / joined * joined;
        let mels = mels.narrow(1, 0, frames);
        let x = self.narrowing.iter().zip(&self.joins).fold(mels, |x, (level, &join)| level.forward(x, join));
        let x = self.norm.forward(x); // [B, T', C]
        let mean = x.clone().mean_dim(1);
        let variance = (x - mean.clone()).square().mean_dim(1);
        let pooled = Tensor::cat(vec![mean, (variance + LEAST_VARIANCE).sqrt()], 2); // [B, 1, 2·C]
        directions(project(&self.embed, pooled.squeeze_dim(1)), 1)
    }

    /// The cosines between embeddings and the speakers that the network learns from.
    ///
    /// # Shapes
    /// `[B, E]` → `[B, speakers]`
    pub fn cosines(&self, embeddings: Tensor<2>) -> Tensor<2> {
        embeddings.matmul(directions(self.speakers.val(), 0))
    }
}

/// Vectors along `axis`, made 1 long.
fn directions(vectors: Tensor<2>, axis: usize) -> Tensor<2> {
    let lengths = (vectors.clone().square().sum_dim(axis) + LEAST_LENGTH * LEAST_LENGTH).sqrt();
    vectors / lengths
}

#[cfg(test)]
pub(super) mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::nn::parameters::{names_and_shapes, take_gradients};

    pub fn config() -> SpeakerConfig {
        toml::from_str("segment = 32\nchannels = [8, 12]\njoins = [4, 2]\nblocks = 1\nembedding = 6").unwrap()
    }

    fn waves(shape: [usize; 3]) -> Tensor<3> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * 0.37).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn numbers(tensor: Tensor<2>) -> Vec<f32> {
        tensor.try_into_vec_as().unwrap()
    }

    #[test]
    fn an_embedding_has_length_one_and_does_not_depend_on_the_batch() {
        let network = SpeakerNetwork::new(&mut Builder::new(1, &Device::flex()), &config(), 3);
        let mels = waves([5, 43, 100]);
        let together = numbers(network.embeddings(mels.clone()));
        for (one, embedding) in together.chunks_exact(6).enumerate() {
            let alone = numbers(network.embeddings(mels.clone().narrow(0, one, 1)));
            assert_eq!(alone, embedding);
            let length: f32 = embedding.iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-5, "{length}");
        }
        assert_ne!(together[..6], together[6..12]);
        // The last three frames are too few to be joined to one.
        assert_eq!(numbers(network.embeddings(mels.narrow(1, 0, 40))), together);
    }

    #[test]
    fn a_speakers_own_direction_has_cosine_one() {
        let mut network = SpeakerNetwork::new(&mut Builder::new(1, &Device::flex()), &config(), 2);
        let embedding = network.embeddings(waves([1, 32, 100])); // [1, E]
        let opposite = embedding.clone().neg() * 3.0;
        let speakers = Tensor::cat(vec![embedding.clone() * 0.5, opposite], 0).transpose();
        network.speakers = Param::from_tensor(speakers);
        let cosines = numbers(network.cosines(embedding));
        assert!((cosines[0] - 1.0).abs() < 1e-5 && (cosines[1] + 1.0).abs() < 1e-5, "{cosines:?}");
    }

    #[test]
    fn gradients_reach_every_parameter() {
        let network = SpeakerNetwork::new(&mut Builder::new(1, &Device::flex().autodiff()), &config(), 3);
        let cosines = network.cosines(network.embeddings(waves([2, 32, 100]).autodiff()));
        let mut gradients = (cosines - 0.3).square().sum().backward();
        for (gradient, (name, _)) in
            take_gradients(&network, &mut gradients).into_iter().zip(names_and_shapes(&network))
        {
            let sum = gradient.abs().sum().into_scalar::<f32>();
            assert!(sum > 0.0 && sum.is_finite(), "{name}: {sum}");
        }
    }

    #[test]
    fn sizes_out_of_range_are_named() {
        let key = |change: fn(&mut SpeakerConfig)| {
            let mut config = config();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        config().validate().unwrap();
        assert!(key(|config| config.joins = vec![2]).contains("`encoder.joins`"));
        assert!(key(|config| config.segment = 7).contains("`encoder.segment`: expected 8 to"));
        assert!(key(|config| config.embedding = 1).contains("`encoder.embedding`"));
        assert!(key(|config| config.channels = vec![]).contains("`encoder.channels`"));
        assert!(key(|config| config.listener.spread = 0.0).contains("`encoder.listener.spread`"));
    }
}
