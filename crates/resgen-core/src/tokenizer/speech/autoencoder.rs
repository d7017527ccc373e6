//! The network between spectrograms and latents: ConvNeXt blocks along time, several frames joined to one at each level.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::SpeechTokenizerConfig;
use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::convnext::{ConvNext, Narrowing, Norm, through};
use crate::nn::precision::project;
use crate::signal::Picture;
use crate::signal::mel::picture;
use crate::tokenizer::Autoencode;

/// Of the decoder: frames are worked on, then become more; the last level leaves that to the last layer.
#[derive(Module, Debug)]
struct Widening {
    blocks: Vec<ConvNext>,
    split: Option<Linear>,
}

/// Spectrograms to latents and back.
#[derive(Module, Debug)]
pub struct MelAutoencoder {
    narrowing: Vec<Narrowing>,
    norm: Norm,
    to_latents: Linear,
    from_latents: Linear,
    widening: Vec<Widening>, // deepest level first
    last_norm: Norm,
    last: Linear,
    joins: Vec<usize>,
}

impl Autoencode for MelAutoencoder {
    type Config = SpeechTokenizerConfig;
    const FIDELITY: &'static str = "mel_error";
    const FIDELITY_LABEL: &'static str = "error of the spectrogram in dB";

    fn new(builder: &mut Builder, config: &SpeechTokenizerConfig) -> Self {
        let SpeechTokenizerConfig { channels, joins, blocks, .. } = config;
        let bins = config.mel.bins;
        let levels = channels.len();
        let narrowing = Narrowing::levels(builder, bins, channels, joins, *blocks);
        let deepest = channels[levels - 1];
        let (norm, to_latents) = (Norm::new(builder, deepest), builder.linear(deepest, config.latent));
        let from_latents = builder.linear(config.latent, deepest);
        let widening = (0..levels)
            .rev()
            .map(|level| {
                let blocks = ConvNext::stack(builder, channels[level], *blocks, levels * blocks);
                let split = level
                    .checked_sub(1)
                    .map(|next| builder.linear(channels[level], channels[next] * joins[level]));
                Widening { blocks, split }
            })
            .collect();
        Self {
            narrowing,
            norm,
            to_latents,
            from_latents,
            widening,
            last_norm: Norm::new(builder, channels[0]),
            last: builder.linear(channels[0], bins * joins[0]),
            joins: joins.clone(),
        }
    }

    fn encode(&self, signals: Tensor<4>) -> Tensor<3> {
        let frames = signals.squeeze_dim::<3>(1); // [B, T, bins]
        let x =
            self.narrowing.iter().zip(&self.joins).fold(frames, |x, (level, &join)| level.forward(x, join));
        project(&self.to_latents, self.norm.forward(x))
    }

    /// # Shapes
    /// `[B, L, H]` → `[B, 1, T/join, C]`
    fn features(&self, latents: Tensor<3>) -> Tensor<4> {
        let mut x = project(&self.from_latents, latents);
        for (level, &join) in self.widening.iter().zip(self.joins.iter().rev()) {
            x = through(&level.blocks, x);
            if let Some(split) = &level.split {
                let [batch, frames, _] = x.dims();
                let made = project(split, x);
                let width = made.dims()[2] / join;
                x = made.reshape([batch, frames * join, width]);
            }
        }
        self.last_norm.forward(x).unsqueeze_dim(1)
    }

    fn to_signals(&self, features: Tensor<4>) -> Tensor<4> {
        let [batch, _, frames, _] = features.dims();
        let made = project(&self.last, features); // [B, 1, T/join, bins·join]
        let bins = made.dims()[3] / self.joins[0];
        made.reshape([batch, 1, frames * self.joins[0], bins])
    }

    fn last_gradient_norm(features: Tensor<4>, signals: Tensor<4>) -> Result<f64> {
        let [batch, _, rows, channels] = features.dims();
        let [signals_in_batch, one, frames, bins] = signals.dims();
        let join = frames / rows.max(1);
        if join == 0 || [signals_in_batch, one, frames] != [batch, 1, join * rows] {
            let expected = format!("[{batch}, 1, T, bins] for features of {rows} frames");
            return Err(Error::mismatch(
                "gradient of the spectrogram",
                expected,
                format!("{:?}", signals.dims()),
            ));
        }
        let features = features.without_autodiff().reshape([batch * rows, channels]);
        let wanted = signals.without_autodiff().reshape([batch * rows, join * bins]);
        let gradient = features.transpose().matmul(wanted); // [C, join·bins]
        let square: f32 = gradient.square().sum().try_into_scalar().map_err(Error::device)?;
        Ok(f64::from(square).sqrt())
    }

    /// Root mean square in dB.
    fn fidelity(config: &SpeechTokenizerConfig, squared_error: f64) -> f64 {
        squared_error.sqrt() * f64::from(config.spread) * config.mel.decibels()
    }

    /// As [`Mel::picture`](crate::signal::mel::Mel::picture), of normalised spectrograms.
    fn pictures(signals: Tensor<4>) -> Result<Vec<Picture>> {
        let [_, _, frames, bins] = signals.dims();
        let values = signals.try_into_vec_as::<f32>().map_err(Error::device)?;
        values.chunks_exact(frames * bins).map(|values| picture(values, bins, -2.0..=2.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::nn::parameters::{names_and_shapes, take_gradients};
    use crate::rvq::Codebooks;
    use crate::signal::mel::{Mel, MelConfig};
    use crate::tokenizer::SpeechTokenizer;
    use crate::tokenizer::adversarial::{SignalGradients, adaptive_weight};

    fn config() -> SpeechTokenizerConfig {
        let text = "segment = 16\nchannels = [8, 12]\njoins = [2, 4]\nblocks = 1\nlatent = 4\nvocabulary = 8\ndepth = 2";
        let config: SpeechTokenizerConfig = toml::from_str(text).unwrap();
        SpeechTokenizerConfig { mel: MelConfig { bins: 10, ..MelConfig::speech() }, ..config }
    }

    fn waves<const D: usize>(shape: [usize; D], pace: f32) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * pace).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn frames_become_positions_and_come_back() {
        let network = MelAutoencoder::new(&mut Builder::new(1, &Device::flex()), &config());
        for frames in [8, 16, 40] {
            let latents = network.encode(waves([3, 1, frames, 10], 0.3));
            assert_eq!(latents.dims(), [3, frames / 8, 4]);
            assert_eq!(network.decode(latents).dims(), [3, 1, frames, 10]);
        }
    }

    #[test]
    fn gradients_reach_every_parameter() {
        let network = MelAutoencoder::new(&mut Builder::new(1, &Device::flex().autodiff()), &config());
        let signals = waves([2, 1, 16, 10], 0.3);
        let made = network.decode(network.encode(signals.autodiff()));
        let mut gradients = made.square().sum().backward();
        for (gradient, (name, _)) in
            take_gradients(&network, &mut gradients).into_iter().zip(names_and_shapes(&network))
        {
            assert!(gradient.abs().sum().into_scalar::<f32>() > 0.0, "{name}");
        }
    }

    #[test]
    fn the_adaptive_weight_is_what_autodiff_gives() {
        let device = Device::flex().autodiff();
        let network = MelAutoencoder::new(&mut Builder::new(1, &device), &config());
        let losses = |made: Tensor<4>| [(made.clone() - 0.3).square().mean(), -(made.tanh() * 0.1).mean()];
        let norm = |which: usize| {
            let loss = losses(network.decode(waves([2, 2, 4], 0.9).autodiff()))[which].clone();
            let gradients = take_gradients(&network, &mut loss.backward());
            let at = names_and_shapes(&network).iter().position(|(name, _)| name == "last.weight").unwrap();
            f64::from(gradients[at].clone().square().sum().into_scalar::<f32>()).sqrt()
        };
        let features = network.features(waves([2, 2, 4], 0.9).autodiff()).without_autodiff();
        let made = network.to_signals(features.clone().autodiff()).without_autodiff();
        let leaf = made.autodiff().require_grad();
        let [reconstruction, adversarial] =
            losses(leaf.clone()).map(|loss| leaf.grad(&loss.backward()).unwrap());
        let gradients = SignalGradients { reconstruction, adversarial };
        let found = adaptive_weight::<MelAutoencoder>(features, gradients, 1e4).unwrap();
        let expected = norm(0) / (norm(1) + 1e-4);
        assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
    }

    #[test]
    fn a_spectrogram_of_any_length_has_codes() {
        let mut builder = Builder::new(1, &Device::flex());
        let network = MelAutoencoder::new(&mut builder, &config());
        let books = Codebooks::new(builder.normal([2, 8, 4], 0.5).val(), 2).unwrap();
        let tokenizer = SpeechTokenizer::new(config(), network, books).unwrap();
        let mel = Mel { bins: 10, values: vec![-4.0; 21 * 10] };
        let codes = tokenizer.encode_mel(&mel, 1).unwrap();
        assert_eq!((codes.batch(), codes.positions(), codes.depth()), (1, 3, 2));
        let back = tokenizer.decode_mels(&codes).unwrap();
        assert_eq!((back.len(), back[0].frames(), back[0].bins), (1, 24, 10));
        assert!(back[0].values.iter().all(|value| *value >= tokenizer.config().mel.floor.ln()));
        assert!(tokenizer.encode_mel(&Mel { bins: 10, values: vec![] }, 1).is_err());
        assert!(tokenizer.encode_mel(&Mel { bins: 9, values: vec![0.0; 90] }, 1).is_err());
        let loaded = SpeechTokenizer::load(config(), &tokenizer.tensors(), "", &Device::flex()).unwrap();
        assert_eq!(loaded.encode_mel(&mel, 1).unwrap().values(), codes.values());
    }
}
