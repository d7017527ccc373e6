//! A text encoder that others trained and that stays as it is: that of ByT5 (arXiv 2105.13626), whose tokens are bytes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::t5::{CONFIG_FILE, T5Config, T5Encoder};
use super::{NOTHING, STRIDE};
use crate::error::{Error, Result};

/// Stands after every text.
const END: i32 = 1;
/// Stands where there is none.
const PADDING: i32 = 0;
/// The token of byte 0.
const FIRST_BYTE: i32 = 3;
/// What ByT5 calls the maker of its tokens.
const TOKENIZER: &str = "ByT5Tokenizer";
/// Kinds of tokens of its published encoders; those beyond the bytes have no text.
const PUBLISHED_TOKENS: usize = 384;
const FEWEST_TOKENS: usize = FIRST_BYTE as usize + 256;

/// Tells an encoder from others, and where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderIdentity {
    /// The folder that it was read from.
    pub folder: PathBuf,
    /// Of its sizes and weights.
    pub fingerprint: String,
    /// Width of its states.
    pub width: usize,
}

impl EncoderIdentity {
    /// Reads the encoder again.
    ///
    /// # Errors
    /// As [`FrozenEncoder::load`], and [`Error::Mismatch`] where the folder holds another encoder.
    pub fn load(&self, device: &Device) -> Result<FrozenEncoder> {
        let encoder = FrozenEncoder::load(&self.folder, device)?;
        let text = |identity: &Self| format!("{} of width {}", identity.fingerprint, identity.width);
        let (expected, found) = (text(self), text(&encoder.identity));
        match expected == found {
            true => Ok(encoder),
            false => {
                Err(Error::mismatch(format!("text encoder in {}", self.folder.display()), expected, found))
            }
        }
    }
}

/// The encoder, ready to read.
#[derive(Debug)]
pub struct FrozenEncoder {
    network: T5Encoder,
    identity: EncoderIdentity,
}

impl FrozenEncoder {
    /// Reads the encoder in a folder as transformers saves it: `config.json` beside `model.safetensors` or `pytorch_model.bin`.
    ///
    /// # Errors
    /// Those of [`T5Config::read`] and [`T5Encoder::load`]; [`Error::File`] for one whose tokens are not bytes.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        let config = T5Config::read(folder)?;
        expect_bytes(&config).map_err(|reason| Error::file(folder.join(CONFIG_FILE), reason))?;
        let network = T5Encoder::load(folder, &config, device)?;
        let identity = EncoderIdentity {
            folder: folder.to_owned(),
            fingerprint: network.fingerprint().to_owned(),
            width: network.width(),
        };
        Ok(Self { network, identity })
    }

    /// Tells it from others.
    pub fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    /// The states of texts: that of a text's end, which knows of all of it and is at none of its places, then those of its bytes. What follows up to
    /// `length`, more than any text has bytes, means nothing.
    ///
    /// Every text is read by itself, and one that is there twice once: its states do not depend on the others, and none waits for the longest.
    ///
    /// # Shapes
    /// → `[B, length, d]`
    pub fn states(&self, texts: &[&str], length: usize) -> Tensor<3> {
        let mut read: HashMap<&str, Tensor<3>> = HashMap::new();
        let states = texts
            .iter()
            .map(|&text| read.entry(text).or_insert_with(|| self.states_of(text, length)).clone());
        Tensor::cat(states.collect(), 0)
    }

    /// # Shapes
    /// → `[1, length, d]`
    fn states_of(&self, text: &str, length: usize) -> Tensor<3> {
        let (count, device) = (text.len(), self.network.device());
        let padded = (count + 1).next_multiple_of(STRIDE);
        let mut tokens = vec![PADDING; padded];
        tokens.iter_mut().zip(text.bytes()).for_each(|(token, byte)| *token = FIRST_BYTE + i32::from(byte));
        tokens[count] = END;
        let nothing: Vec<f32> = (0..padded).map(|at| if at <= count { 0.0 } else { NOTHING }).collect();
        let states = self.network.forward(
            Tensor::from_data(TensorData::new(tokens, [1, padded]), &device),
            Tensor::from_data(TensorData::new(nothing, [1, padded]), &device),
        );
        let mut order = vec![count as i32; length];
        order.iter_mut().skip(1).zip(0..count as i32).for_each(|(place, at)| *place = at);
        states.select(1, Tensor::<1, Int>::from_data(order.as_slice(), &device))
    }
}

fn expect_bytes(config: &T5Config) -> Result<(), String> {
    let are_bytes = match config.tokenizer_class.as_deref() {
        Some(class) => class == TOKENIZER,
        None => config.vocab_size == PUBLISHED_TOKENS,
    };
    if are_bytes && config.vocab_size >= FEWEST_TOKENS {
        return Ok(());
    }
    let class = config.tokenizer_class.as_deref().unwrap_or("a tokenizer that it does not name");
    let count = config.vocab_size;
    Err(format!(
        "it reads {count} kinds of tokens that {class} makes; of T5's encoders only those that read bytes (ByT5) can be used"
    ))
}
