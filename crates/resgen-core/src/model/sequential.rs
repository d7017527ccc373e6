//! Generators that go from position to position: each sees those before it.
//!
//! Position i sees the embedding `Σ_j e(codes[i−1,j]; j)` of the one before, projected to width d (the first sees a learned vector in its place), and
//! a learned embedding of the position. The sum passes through DiT blocks conditioned on the class. Of the hidden state of a position
//! - [`ArResgen`] makes a mixture of Gaussians over `Σ_j e(codes[i,j]; j)`, the collective embedding of all its codes, as CLaM-TTS does
//!   (arXiv 2404.02781): L passes;
//! - [`RqTransformer`] (arXiv 2203.01941) has a second transformer draw one code after another: L passes of the one and L·D steps of the other.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};
use resgen_kernels::Sight;

use super::{Network, NetworkConfig, NetworkHead, NetworkKind, listening};
use crate::condition::{ClassCondition, FrozenEncoder, TextEncoder};
use crate::head::{DepthTransformer, MixtureHead};
use crate::nn::Builder;
use crate::nn::cross::Said;
use crate::nn::precision::project;
use crate::nn::transformer::{Memory, Modulations, Trunk};

/// Position by position, with collective embeddings.
pub type ArResgen = Sequential<MixtureHead>;
/// Position by position, code by code.
pub type RqTransformer = Sequential<DepthTransformer>;

/// The network.
#[derive(Module, Debug)]
pub struct Sequential<H> {
    previous: Linear,
    start: Param<Tensor<2>>,     // [1, d]
    positions: Param<Tensor<2>>, // [L, d]
    condition: ClassCondition,
    texts: Option<TextEncoder>,
    trunk: Trunk,
    head: H,
    #[module(skip)]
    config: NetworkConfig,
}

impl<H: NetworkHead> Network for Sequential<H> {
    const KIND: NetworkKind = if H::DRAWS_CODES { NetworkKind::RqTransformer } else { NetworkKind::ArResgen };
    type Head = H;

    fn new(builder: &mut Builder, config: NetworkConfig) -> Self {
        let width = config.trunk.width;
        let network = Self {
            previous: builder.linear(config.latent, width),
            start: builder.normal([1, width], 0.5),
            positions: builder.normal([config.positions, width], 0.5),
            condition: ClassCondition::new(builder, config.classes, width),
            texts: None,
            trunk: Trunk::new(builder, &config.trunk, Sight::Past),
            head: H::new(builder, &config),
            config,
        };
        let (texts, trunk) = listening(builder, &network.config, network.trunk);
        Self { texts, trunk, ..network }
    }

    fn continued(self, before: Self, known: &[Option<usize>]) -> Self {
        let condition = self.condition.continued(&before.condition, known);
        let trunk = self.trunk.continued(before.trunk);
        Self { condition, trunk, config: self.config, ..before }
    }

    fn reading_with(self, encoder: Option<Arc<FrozenEncoder>>) -> Self {
        Self { texts: self.texts.map(|texts| texts.reading_with(encoder)), ..self }
    }

    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn head(&self) -> &H {
        &self.head
    }

    fn no_condition(&self) -> usize {
        self.condition.nothing()
    }

    fn reader(&self) -> Option<&TextEncoder> {
        self.texts.as_ref()
    }

    fn hearing(&self, labels: Tensor<1, Int>, said: Option<&Said>) -> Modulations {
        self.trunk.modulations(self.condition.forward(labels), said)
    }

    fn shown(&self, embeddings: Tensor<3>, _: Tensor<2, Int>, modulations: &Modulations) -> Tensor<2> {
        self.hidden(embeddings, modulations)
    }
}

impl<H: NetworkHead> Sequential<H> {
    /// What the head is given at every position, where all codes are known.
    ///
    /// # Shapes
    /// embeddings of all codes of each position, divided by the last embedding scale, `[B, L, H]` → `[B·L, d]`
    pub fn hidden(&self, embeddings: Tensor<3>, modulations: &Modulations) -> Tensor<2> {
        let [batch, length, _] = embeddings.dims();
        let start = self.start.val().unsqueeze_dim::<3>(0).repeat_dim(0, batch); // [B, 1, d]
        let previous = match length {
            1 => start,
            _ => Tensor::cat(vec![start, project(&self.previous, embeddings.narrow(1, 0, length - 1))], 1),
        };
        let x = previous + self.positions.val().narrow(0, 0, length).unsqueeze_dim::<3>(0);
        self.trunk.forward(x, modulations).flatten(0, 1)
    }

    /// Nothing yet of `batch` signals of so many positions.
    pub fn memory(&self, batch: usize, positions: usize, device: &Device) -> Memory {
        self.trunk.memory(batch, positions, device)
    }

    /// [`Sequential::hidden`] at one position; those before it have been here, in order. `previous` is the embedding of all codes of the
    /// one before, divided by the last embedding scale, and nobody looks at it at position 0.
    ///
    /// # Shapes
    /// `[B, H]` → `[B, d]`
    pub fn next(
        &self,
        previous: Tensor<2>,
        modulations: &Modulations,
        memory: &mut Memory,
        position: usize,
    ) -> Tensor<2> {
        let [batch, _] = previous.dims();
        let previous = match position {
            0 => self.start.val().repeat_dim(0, batch),
            _ => project(&self.previous, previous),
        };
        let x = previous + self.positions.val().narrow(0, position, 1);
        self.trunk.next(x, modulations, memory, position)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::super::testing;
    use super::*;
    use crate::condition::Condition;

    #[test]
    fn position_by_position_is_all_at_once() {
        let device = Device::flex();
        let config = testing::config(NetworkKind::ArResgen);
        let [positions, latent] = [config.positions, config.latent];
        let model = testing::stirred(ArResgen::new(&mut Builder::new(1, &device), config));
        let embeddings = Tensor::<3>::random([2, positions, latent], Distribution::Normal(0.0, 1.0), &device);
        let modulations = model.modulations(&Condition::of_classes([0, 1], &device));
        let all = model.hidden(embeddings.clone(), &modulations).reshape([2, positions, 16]);
        let mut memory = model.memory(2, positions, &device);
        for position in 0..positions {
            let previous = embeddings.clone().narrow(1, position.saturating_sub(1), 1).squeeze_dim(1);
            let one = model.next(previous, &modulations, &mut memory, position);
            let expected = all.clone().narrow(1, position, 1).squeeze_dim::<2>(1);
            let worst = (one - expected).abs().max().into_scalar::<f32>();
            assert!(worst < 1e-5, "{worst} at position {position}");
        }
    }

    #[test]
    fn a_position_does_not_see_its_own_codes_or_later_ones() {
        let device = Device::flex();
        let config = testing::config(NetworkKind::ArResgen);
        let model = testing::stirred(ArResgen::new(&mut Builder::new(1, &device), config.clone()));
        let modulations = model.modulations(&Condition::of_classes([0], &device));
        let hidden = |last: f32| {
            let mut values = vec![1.0; config.positions * config.latent];
            values[2 * config.latent..].fill(last);
            let data = burn::tensor::TensorData::new(values, [1, config.positions, config.latent]);
            model.hidden(Tensor::from_data(data, &device), &modulations)
        };
        let changed = (hidden(1.0) - hidden(2.0)).abs().max_dim(1).try_into_vec_as::<f32>().unwrap();
        assert!(changed[..3].iter().all(|change| *change == 0.0) && changed[3] > 0.0, "{changed:?}");
    }
}
