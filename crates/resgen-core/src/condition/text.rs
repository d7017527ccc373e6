//! Texts as conditions: their UTF-8 bytes, as ByT5 has them (arXiv 2105.13626), through a small network that is trained along; or the states that a
//! [frozen encoder](super::frozen) has of them, projected, through as small a network or none.

use std::path::PathBuf;
use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::module::linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::alignment::{Aligned, Aligner, Ending, Expected};
use super::frozen::{EncoderIdentity, FrozenEncoder};
use super::{NOTHING, STRIDE};
use crate::error::{Error, Result};
use crate::nn::Builder;
use crate::nn::convnext::{ConvNext, Norm};
use crate::nn::cross::Said;
use crate::nn::precision::project;
use crate::text;

/// Stands before every text, and alone where there is none.
const START: i32 = 256;
/// Kinds of tokens: bytes and the start.
const TOKENS: usize = 257;

/// How many times as long as usual, or as short, a byte may take.
const LONGEST: f64 = 6.0;

/// How texts are read. An experiment names the folder of a frozen encoder, a model file what was found in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextConfig<E = EncoderIdentity> {
    /// Blocks that are trained along; with a frozen encoder there may be none.
    #[serde(default)]
    pub layers: usize,
    /// The longest text, in bytes.
    pub most: usize,
    /// The frozen encoder, where there is one.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub encoder: Option<E>,
}

fn none<E>() -> Option<E> {
    None
}

impl<E> TextConfig<E> {
    /// # Errors
    /// [`Error::Config`] names the value that is out of range.
    pub fn validate(&self) -> Result<()> {
        let fewest = usize::from(self.encoder.is_none());
        let sizes = [("layers", self.layers, fewest, 64), ("most", self.most, 1, 1 << 14)];
        for (key, value, least, most) in sizes {
            if !(least..=most).contains(&value) {
                let reason = format!("expected {least} to {most}, found {value}");
                return Err(Error::config(format!("model.text.{key}"), reason));
            }
        }
        Ok(())
    }
}

impl TextConfig<PathBuf> {
    /// Loads the frozen encoder, if one is named.
    ///
    /// # Errors
    /// As [`FrozenEncoder::load`].
    pub fn load(&self, device: &Device) -> Result<Option<Arc<FrozenEncoder>>> {
        self.encoder.as_ref().map(|folder| FrozenEncoder::load(folder, device).map(Arc::new)).transpose()
    }

    /// As a model file has it, with what was loaded.
    pub fn with(&self, encoder: Option<&FrozenEncoder>) -> TextConfig {
        let encoder = encoder.map(|encoder| encoder.identity().clone());
        TextConfig { layers: self.layers, most: self.most, encoder }
    }
}

impl TextConfig {
    /// Loads the frozen encoder, if there is one.
    ///
    /// # Errors
    /// As [`EncoderIdentity::load`].
    pub fn load(&self, device: &Device) -> Result<Option<Arc<FrozenEncoder>>> {
        self.encoder.as_ref().map(|encoder| encoder.load(device).map(Arc::new)).transpose()
    }
}

/// What a signal says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saying {
    /// The text; an empty one says nothing.
    pub text: String,
    /// Positions that it is said in, from the first; silence follows.
    pub positions: usize,
    /// Positions that its first bytes are known to take; none, where that is not known.
    pub known: Vec<f32>,
}

impl Saying {
    /// A text in so many positions.
    pub fn new(text: impl Into<String>, positions: usize) -> Self {
        Self { text: text.into(), positions, known: Vec::new() }
    }

    /// Nothing, in so many positions.
    pub fn nothing(positions: usize) -> Self {
        Self::new("", positions)
    }
}

/// What the signals of a batch say.
#[derive(Clone, Debug)]
pub struct Texts {
    sayings: Vec<Saying>,
    positions: usize,
}

impl Texts {
    /// Of signals of so many positions.
    pub fn new(sayings: Vec<Saying>, positions: usize) -> Self {
        Self { sayings, positions }
    }

    fn texts(&self) -> Vec<&str> {
        self.sayings.iter().map(|saying| &*saying.text).collect()
    }
}

/// The texts of a batch on a device: before the bytes of each stands its start.
struct TextTokens {
    tokens: Tensor<2, Int>, // [B, S]
    times: Tensor<2>,       // [B, S], 0 where it is known or there is no text
    known: Tensor<2>,       // [B, S], positions that each is known to take
    said_in: Tensor<2>,     // [B, 1], positions that all take together
    nothing: Tensor<2>,     // [B, S]
    along: Tensor<2>,       // [B, L]
}

impl TextTokens {
    fn new(Texts { sayings, positions }: &Texts, device: &Device) -> Self {
        let longest = sayings.iter().map(|saying| saying.text.len()).max().unwrap_or(0) + 1;
        let length = longest.next_multiple_of(STRIDE);
        let shape = [sayings.len(), length];
        let (mut tokens, mut times, mut known) = (Vec::new(), Vec::new(), Vec::new());
        let (mut said_in, mut nothing, mut along) = (Vec::new(), Vec::new(), Vec::new());
        for saying in sayings {
            let text = &saying.text;
            let filling = length - text.len() - 1;
            tokens.push(START);
            tokens.extend(text.bytes().map(i32::from));
            tokens.extend(std::iter::repeat_n(START, filling));
            let first = saying.known.len();
            times.extend(std::iter::repeat_n(0.0, 1 + first));
            times.extend(&text::times(text)[first..]);
            times.extend(std::iter::repeat_n(0.0, filling));
            known.push(0.0);
            known.extend(&saying.known);
            known.extend(std::iter::repeat_n(0.0, length - 1 - first));
            said_in.push(saying.positions as f32);
            nothing.extend(std::iter::repeat_n(0.0, text.len() + 1));
            nothing.extend(std::iter::repeat_n(NOTHING, filling));
            along.extend((0..*positions).map(|position| position as f32 + 0.5));
        }
        let floats = |values: Vec<f32>, shape| Tensor::from_data(TensorData::new(values, shape), device);
        Self {
            tokens: Tensor::from_data(TensorData::new(tokens, shape), device),
            times: floats(times, shape),
            known: floats(known, shape),
            said_in: floats(said_in, [sayings.len(), 1]),
            nothing: floats(nothing, shape),
            along: floats(along, [sayings.len(), *positions]),
        }
    }

    /// Where the middle of each token is, in positions, when they take so many. What is no text is in the middle of all.
    ///
    /// # Shapes
    /// `[B, S]` → `[B, S]`
    fn places(&self, taken: Tensor<2>) -> Tensor<2> {
        let middle = self.said_in.clone() * 0.5; // [B, 1]
        let is_text = self.tokens.clone().not_equal_elem(START).float();
        (taken.clone().cumsum(1) - taken * 0.5 - middle.clone()) * is_text + middle
    }

    fn said(self, states: Tensor<3>, taken: Tensor<2>) -> Said {
        Said { places: self.places(taken), states, nothing: self.nothing, along: self.along }
    }
}

/// Reads texts.
#[derive(Module, Debug)]
pub struct TextEncoder {
    /// A vector for each kind of token, `[257, w]`; or for each coordinate of a frozen encoder's states, `[d, w]`.
    table: Param<Tensor<2>>,
    blocks: Vec<ConvNext>,
    norm: Norm,
    times: Linear, // [w, 1]
    aligner: Aligner,
    #[module(skip)]
    input: Input,
}

/// What the table is for.
#[derive(Clone, Debug)]
enum Input {
    Bytes,
    /// States of an encoder that is none of the network's parameters; none until it is given one.
    Frozen(Option<Arc<FrozenEncoder>>),
}

impl TextEncoder {
    /// Of states of width `width`, about signals of width `latent`. Where the config has a frozen encoder, it is to be [given](Self::reading_with) it.
    pub fn new(builder: &mut Builder, config: &TextConfig, width: usize, latent: usize) -> Self {
        let (table, input) = match &config.encoder {
            None => (builder.normal([TOKENS, width], 0.5), Input::Bytes),
            Some(encoder) => {
                // Xavier-uniform, as other projections are.
                let bound = (6.0 / (encoder.width + width) as f32).sqrt();
                (builder.uniform([encoder.width, width], bound), Input::Frozen(None))
            }
        };
        Self {
            table,
            blocks: (0..config.layers).map(|_| ConvNext::new(builder, width, config.layers)).collect(),
            norm: Norm::new(builder, width),
            times: builder.zero_linear(width, 1),
            aligner: Aligner::new(builder, latent, width),
            input,
        }
    }

    /// With the frozen encoder of its config; without one, if there is none.
    #[must_use]
    pub fn reading_with(self, encoder: Option<Arc<FrozenEncoder>>) -> Self {
        let input = match self.input {
            Input::Bytes => Input::Bytes,
            Input::Frozen(_) => Input::Frozen(encoder),
        };
        Self { input, ..self }
    }

    /// What the texts say, each byte when it is expected.
    ///
    /// # Panics
    /// Where the config has a frozen encoder and it was not given.
    pub fn forward(&self, texts: &Texts) -> Said {
        let (read, states) = self.read(texts);
        let taken = self.taken(&states, &read);
        read.said(states, taken)
    }

    /// What the texts say, each byte when it is said in `signal`; and what is to be learned of that, in nats a position: when it was, and to expect it
    /// then. A text with more bytes than there is room for is heard when it is expected.
    ///
    /// # Shapes
    /// signal `[B, L, H]`, loss `[1]`
    ///
    /// # Errors
    /// [`Error::Device`] where the device cannot be read.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn aligned(&self, texts: &Texts, signal: Tensor<3>) -> Result<(Said, Tensor<1>)> {
        let (read, states) = self.read(texts);
        let (taken, loss) = self.measured((texts, &read, &states), signal, Ending::Last)?;
        Ok((read.said(states, taken), loss))
    }

    /// Positions that bytes of a text take in a signal: of all of it, where the text is said in the positions of the signal, and where it is said in
    /// more, of the bytes before the one that the signal ends in.
    ///
    /// # Shapes
    /// signal `[1, L, H]`
    ///
    /// # Errors
    /// [`Error::Device`] where the device cannot be read.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn heard(&self, saying: Saying, signal: Tensor<3>) -> Result<Vec<f32>> {
        let positions = signal.dims()[1];
        let (bytes, is_whole) = (saying.text.len(), saying.positions <= positions);
        let texts = Texts::new(vec![saying], positions);
        let (read, states) = self.read(&texts);
        let ending = if is_whole { Ending::Last } else { Ending::Any };
        let (taken, _) = self.measured((&texts, &read, &states), signal, ending)?;
        let taken: Vec<f32> = taken.try_into_vec_as().map_err(Error::device)?;
        let taken = &taken[1..=bytes];
        // The byte in which the signal ends goes on after it.
        let mut left = positions as f32;
        let before = taken.iter().take_while(|&&byte| {
            left -= byte;
            is_whole || left > 0.5
        });
        Ok(before.copied().collect())
    }

    /// Positions that each token takes in a signal, and what is to be learned of that.
    ///
    /// # Shapes
    /// signal `[B, L, H]` → `[B, S]` and `[1]`
    fn measured(
        &self,
        (texts, read, states): (&Texts, &TextTokens, &Tensor<3>),
        signal: Tensor<3>,
        ending: Ending,
    ) -> Result<(Tensor<2>, Tensor<1>)> {
        let expected = self.taken(states, read); // [B, S]
        let places = read.places(expected.clone()).without_autodiff();
        let sizes = texts.sayings.iter().map(|saying| [saying.text.len(), saying.positions]).collect();
        let Aligned { taken, loss } =
            self.aligner.forward(signal, Expected { states, places, texts: sizes, ending })?;
        // Cross entropy of the shares of the signal that bytes take: nothing depends on how fast all of it is said.
        let shares = expected.clone().clamp_min(1e-6) / read.said_in.clone().clamp_min(1.0);
        let positions = taken.clone().sum().clamp_min(1.0);
        let surprise = (taken.clone() * shares.log()).sum().neg() / positions;
        let is_missing = taken.clone().sum_dim(1).equal_elem(0.0).float(); // [B, 1]
        let taken = taken + expected.without_autodiff() * is_missing;
        Ok((taken, loss + surprise))
    }

    /// The tokens of texts, and their states.
    ///
    /// # Shapes
    /// `[B, S, w]`
    fn read(&self, texts: &Texts) -> (TextTokens, Tensor<3>) {
        let table = self.table.val();
        let read = TextTokens::new(texts, &table.device());
        let TextTokens { tokens, nothing, .. } = &read;
        let [batch, length] = tokens.dims();
        let states = match &self.input {
            Input::Bytes => {
                let width = table.dims()[1];
                table.select(0, tokens.clone().flatten(0, 1)).reshape([batch, length, width])
            }
            Input::Frozen(encoder) => {
                let encoder = encoder.as_ref().expect("a frozen encoder that reads the texts");
                linear(encoder.states(&texts.texts(), length), table, None)
            }
        };
        // What is not there must not reach what is.
        let there = nothing.clone().equal_elem(0.0).float().unsqueeze_dim::<3>(2); // [B, S, 1]
        let after = |states: Tensor<3>, block: &ConvNext| block.forward(states) * there.clone();
        let states = self.norm.forward(self.blocks.iter().fold(states * there.clone(), after));
        (read, states)
    }

    /// Positions that each token is expected to take: a byte its usual time, or as many times that as the network has learned, so that all that are not
    /// known take what the known ones leave.
    ///
    /// # Shapes
    /// `[B, S, w]` → `[B, S]`
    fn taken(&self, states: &Tensor<3>, read: &TextTokens) -> Tensor<2> {
        let factors: Tensor<2> =
            (project(&self.times, states.clone()).tanh() * LONGEST.ln()).exp().squeeze_dim(2);
        let times = read.times.clone() * factors;
        let all = times.clone().sum_dim(1).clamp_min(1e-6); // [B, 1]
        let rest = (read.said_in.clone() - read.known.clone().sum_dim(1)).clamp_min(0.0);
        times / all * rest + read.known.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder() -> TextEncoder {
        TextEncoder::new(
            &mut Builder::new(1, &Device::flex()),
            &TextConfig { layers: 2, most: 40, encoder: None },
            8,
            5,
        )
    }

    fn said(texts: &[&str]) -> Texts {
        let saying = |text: &&str| Saying::new(*text, 3);
        Texts::new(texts.iter().map(saying).collect(), 4)
    }

    fn tokens(texts: &[&str]) -> TextTokens {
        TextTokens::new(&said(texts), &Device::flex())
    }

    fn states(texts: &[&str]) -> Tensor<3> {
        encoder().forward(&said(texts)).states
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
        let tokens = tokens(&["", "é"]);
        let tokens: Vec<i32> = tokens.tokens.try_into_vec_as().unwrap();
        assert_eq!(tokens[..2], [256, 256]);
        assert_eq!(tokens[16..20], [256, 0xC3, 0xA9, 256]);
    }

    #[test]
    fn bytes_take_the_positions_that_they_are_known_to_take() {
        let prompted = Saying { known: vec![1.0, 5.0], ..Saying::new("abcdef", 8) };
        let plain = Saying::new("abcdef", 8);
        let places: Vec<f32> =
            encoder().forward(&Texts::new(vec![prompted, plain], 8)).places.try_into_vec_as().unwrap();
        let near = |found: f32, expected: f32| (found - expected).abs() < 1e-6;
        let expected = [0.5, 3.5, 6.25, 6.75, 7.25, 7.75];
        assert!(places[1..7].iter().zip(expected).all(|(a, b)| near(*a, b)), "{places:?}");
        assert!((0..6).all(|at| near(places[16 + 1 + at], (at as f32 + 0.5) * 8.0 / 6.0)), "{places:?}");
    }

    #[test]
    fn places_go_from_the_beginning_to_the_end() {
        let texts = tokens(&["abcd", ""]);
        let places: Vec<f32> = encoder().forward(&said(&["abcd", ""])).places.try_into_vec_as().unwrap();
        let near =
            |found: &[f32], expected: &[f32]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(&places[..6], &[1.5, 0.375, 1.125, 1.875, 2.625, 1.5]), "{places:?}");
        assert!(places[16..].iter().all(|place| *place == 1.5));
        // A network that has learned that the second of two letters takes three times as long as the first.
        let mut slow = encoder();
        slow.times.weight =
            Param::from_tensor(Tensor::from_data(TensorData::new(vec![1f32; 8], [8, 1]), &Device::flex()));
        let states = TensorData::new(
            [0.0, 0.0, 3f32.ln() / 6f32.ln()].map(|x: f32| [x.atanh() / 8.0; 8]).concat(),
            [1, 3, 8],
        );
        let states = Tensor::from_data(states, &Device::flex());
        let row =
            |values: [f32; 3]| Tensor::from_data(TensorData::new(values.to_vec(), [1, 3]), &Device::flex());
        let read = TextTokens {
            times: row([0.0, 1.0, 1.0]),
            known: row([0.0; 3]),
            said_in: Tensor::full([1, 1], 4.0, &Device::flex()),
            ..tokens(&["ab"])
        };
        let taken: Vec<f32> = slow.taken(&states, &read).try_into_vec_as().unwrap();
        assert!(near(&taken, &[0.0, 1.0, 3.0]), "{taken:?}");
        let nothing: Vec<f32> = texts.nothing.try_into_vec_as().unwrap();
        assert_eq!(nothing[..6], [0.0, 0.0, 0.0, 0.0, 0.0, NOTHING]);
        assert_eq!(nothing[16..18], [0.0, NOTHING]);
        let along: Vec<f32> = texts.along.try_into_vec_as().unwrap();
        assert_eq!(along[..4], [0.5, 1.5, 2.5, 3.5]);
    }
}
