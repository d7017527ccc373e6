//! Texts as conditions: their UTF-8 bytes, as ByT5 has them (arXiv 2105.13626), through a small network that is trained along.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::convnext::{ConvNext, Norm};
use crate::nn::cross::Said;

/// Stands before every text, and alone where there is none.
const START: i32 = 256;
/// Kinds of tokens: bytes and the start.
const TOKENS: usize = 257;
/// Where a text has ended: weights of attention vanish.
const NOTHING: f32 = -1e9;
/// Texts of a batch are filled up to a multiple of this, so that shapes repeat.
const STRIDE: usize = 16;

/// Sizes of the network that reads texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextConfig {
    /// Blocks.
    pub layers: usize,
    /// The longest text, in bytes.
    pub most: usize,
}

impl TextConfig {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        for (key, value, most) in [("layers", self.layers, 64), ("most", self.most, 1 << 14)] {
            if !(1..=most).contains(&value) {
                let reason = format!("expected 1 to {most}, found {value}");
                return Err(Error::config(format!("model.text.{key}"), reason));
            }
        }
        Ok(())
    }
}

/// The texts of a batch on a device.
#[derive(Clone, Debug)]
pub struct TextTokens {
    tokens: Tensor<2, Int>, // [B, S]
    places: Tensor<2>,      // [B, S]
    nothing: Tensor<2>,     // [B, S]
    positions: usize,
}

impl TextTokens {
    /// Texts of signals of so many positions; an empty one says nothing.
    pub fn new(texts: &[&str], positions: usize, device: &Device) -> Self {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0) + 1;
        let length = longest.next_multiple_of(STRIDE);
        let shape = [texts.len(), length];
        let (mut tokens, mut places, mut nothing) = (Vec::new(), Vec::new(), Vec::new());
        for text in texts {
            let count = text.len();
            let filling = length - count - 1;
            tokens.push(START);
            tokens.extend(text.bytes().map(i32::from));
            tokens.extend(std::iter::repeat_n(START, filling));
            // The start is everywhere as near: in the middle.
            places.push(0.5);
            places.extend((0..count).map(|at| (at as f32 + 0.5) / count as f32));
            places.extend(std::iter::repeat_n(0.5, filling));
            nothing.extend(std::iter::repeat_n(0.0, count + 1));
            nothing.extend(std::iter::repeat_n(NOTHING, filling));
        }
        let floats = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, shape), device);
        Self {
            tokens: Tensor::from_data(TensorData::new(tokens, shape), device),
            places: floats(places),
            nothing: floats(nothing),
            positions,
        }
    }
}

/// Reads texts.
#[derive(Module, Debug)]
pub struct TextEncoder {
    table: Param<Tensor<2>>, // [257, w]
    blocks: Vec<ConvNext>,
    norm: Norm,
}

impl TextEncoder {
    /// Of states of width `width`.
    pub fn new(builder: &mut Builder, config: &TextConfig, width: usize) -> Self {
        Self {
            table: builder.normal([TOKENS, width], 0.5),
            blocks: (0..config.layers).map(|_| ConvNext::new(builder, width, config.layers)).collect(),
            norm: Norm::new(builder, width),
        }
    }

    /// What the texts say.
    pub fn forward(&self, texts: &TextTokens) -> Said {
        let [batch, length] = texts.tokens.dims();
        let rows = self.table.val().select(0, texts.tokens.clone().flatten(0, 1));
        let width = rows.dims()[1];
        // What is not there must not reach what is.
        let there = texts.nothing.clone().equal_elem(0.0).float().unsqueeze_dim::<3>(2); // [B, S, 1]
        let states = rows.reshape([batch, length, width]) * there.clone();
        let read = |states: Tensor<3>, block: &ConvNext| block.forward(states) * there.clone();
        let states = self.norm.forward(self.blocks.iter().fold(states, read));
        Said {
            states,
            places: texts.places.clone(),
            nothing: texts.nothing.clone(),
            positions: texts.positions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder() -> TextEncoder {
        TextEncoder::new(&mut Builder::new(1, &Device::flex()), &TextConfig { layers: 2, most: 40 }, 8)
    }

    fn states(texts: &[&str]) -> Tensor<3> {
        encoder().forward(&TextTokens::new(texts, 4, &Device::flex())).states
    }

    #[test]
    fn a_text_reads_the_same_beside_a_longer_one() {
        let alone = states(&["hello"]);
        let beside = states(&["hello", "a much longer text than the other one"]);
        assert_eq!((alone.dims(), beside.dims()), ([1, 16, 8], [2, 48, 8]));
        let both = [alone.narrow(1, 0, 6), beside.slice([0..1, 0..6, 0..8])];
        let [alone, beside] = both;
        assert!((alone - beside).abs().max().into_scalar::<f32>() < 1e-6);
    }

    #[test]
    fn every_byte_counts() {
        let difference = (states(&["hello"]) - states(&["hellp"])).abs().sum_dim(2);
        let difference: Vec<f32> = difference.try_into_vec_as().unwrap();
        assert!(difference[5] > 0.0 && difference[2..6].iter().all(|change| *change > 0.0));
        let tokens = TextTokens::new(&["", "é"], 4, &Device::flex());
        let tokens: Vec<i32> = tokens.tokens.try_into_vec_as().unwrap();
        assert_eq!(tokens[..2], [256, 256]);
        assert_eq!(tokens[16..20], [256, 0xC3, 0xA9, 256]);
    }

    #[test]
    fn places_go_from_the_beginning_to_the_end() {
        let texts = TextTokens::new(&["abcd", ""], 4, &Device::flex());
        let places: Vec<f32> = texts.places.try_into_vec_as().unwrap();
        assert_eq!(places[..5], [0.5, 0.125, 0.375, 0.625, 0.875]);
        let nothing: Vec<f32> = texts.nothing.try_into_vec_as().unwrap();
        assert_eq!(nothing[..6], [0.0, 0.0, 0.0, 0.0, 0.0, NOTHING]);
        assert_eq!(nothing[16..18], [0.0, NOTHING]);
    }
}
