//! The encoder of T5 (arXiv 1910.10683) and of T5 v1.1, whose feed-forward layers are gated (arXiv 2002.05202), read from what transformers saves:
//! 1. every token has a vector,
//! 2. in every block attention, then a feed-forward layer, each of a norm of what came before and added to it. Nothing has a bias; products of queries and
//!    keys are not scaled, and to them is added what a head knows of the distance, the same in all blocks,
//! 3. a norm after the last block.
//!
//! Shape legend: B texts · S tokens · d width · h heads · c width of a head.

mod config;
mod distance;

pub use config::{Activation, CONFIG_FILE, T5Config};

use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::nn::RmsNorm;
use burn::tensor::activation::{relu, softmax};
use burn::tensor::module::linear;
use burn::tensor::{Device, Int, Tensor};
use distance::Distances;
use resgen_kernels::gelu_tanh;
use sha2::{Digest, Sha256};

use crate::digest;
use crate::error::{Error, Result};
use crate::nn::NamedWeights;

/// Files of weights, of which the first is read that is there.
const WEIGHT_FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// Names of the table of tokens: the decoder's is the same, and is kept under one of them or both.
const TABLES: [&str; 2] = ["shared.weight", "encoder.embed_tokens.weight"];

/// The frozen network: its weights are plain tensors.
#[derive(Debug)]
pub struct T5Encoder {
    table: Tensor<2>, // [V, d]
    distances: Distances,
    blocks: Vec<Block>,
    norm: RmsNorm,
    fingerprint: String,
}

impl T5Encoder {
    /// Reads the weights in a folder; those of a decoder that are there too are left alone.
    ///
    /// # Errors
    /// [`Error::File`] where there are no weights, or names the tensor that is missing or has another shape; and those of
    /// [`read_weights`](crate::nn::pretrained::read_weights).
    pub fn load(folder: &Path, config: &T5Config, device: &Device) -> Result<Self> {
        let path = weight_file(folder)?;
        let mut weights = Reader { weights: NamedWeights::read(&path, device)?, hash: hash_of(config) };
        let table = TABLES.into_iter().find(|name| weights.weights.contains(name)).unwrap_or(TABLES[0]);
        let table = weights.tensor(table, [config.vocab_size, config.d_model])?;
        let distances = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
        let kinds = [config.relative_attention_num_buckets, config.num_heads];
        let distances =
            Distances::new(weights.tensor(distances, kinds)?, config.relative_attention_max_distance);
        let activation =
            config.activation().map_err(|reason| Error::file(folder.join(CONFIG_FILE), reason))?;
        let blocks = (0..config.num_layers).map(|layer| Block::read(&mut weights, layer, config, activation));
        Ok(Self {
            table,
            distances,
            blocks: blocks.collect::<Result<_>>()?,
            norm: norm(&mut weights, "encoder.final_layer_norm", config)?,
            fingerprint: digest::short(weights.hash),
        })
    }

    /// Of sizes and weights, the same whatever file they are in.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Width d of the states.
    pub fn width(&self) -> usize {
        self.table.dims()[1]
    }

    /// Where its tensors are.
    pub fn device(&self) -> Device {
        self.table.device()
    }

    /// The states of tokens.
    ///
    /// # Shapes
    /// tokens `[B, S]`; 0 or, where a text has ended, a number far below it, `[B, S]` → `[B, S, d]`
    pub fn forward(&self, tokens: Tensor<2, Int>, nothing: Tensor<2>) -> Tensor<3> {
        let [batch, length] = tokens.dims();
        let x = self.table.clone().select(0, tokens.flatten(0, 1)).reshape([batch, length, self.width()]);
        let added = self.distances.between(length) + nothing.unsqueeze_dims(&[1, 2]); // [B, h, S, S]
        self.norm.forward(self.blocks.iter().fold(x, |x, block| block.forward(x, &added)))
    }
}

/// # Errors
/// [`Error::File`] where there is none.
fn weight_file(folder: &Path) -> Result<PathBuf> {
    let found = WEIGHT_FILES.into_iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| Error::file(folder, format!("expected a file {}", WEIGHT_FILES.join(" or "))))
}

/// A hash that has seen what the weights' shapes do not tell.
fn hash_of(config: &T5Config) -> Sha256 {
    let T5Config { num_heads, relative_attention_max_distance, layer_norm_epsilon, .. } = config;
    let sizes = format!("{num_heads} {relative_attention_max_distance} {layer_norm_epsilon:e}");
    Sha256::new_with_prefix(sizes)
}

/// Weights that are asked for in one order, and a hash of those that were.
struct Reader {
    weights: NamedWeights,
    hash: Sha256,
}

impl Reader {
    fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        let tensor = self.weights.tensor(name, shape)?;
        self.hash.update(format!("{shape:?}"));
        self.hash.update(self.weights.find(name)?.as_bytes());
        Ok(tensor)
    }

    /// The matrix of an affine layer without bias, which is kept as `[output, input]`.
    ///
    /// # Shapes
    /// → `[input, output]`
    fn matrix(&mut self, name: &str, [input, output]: [usize; 2]) -> Result<Tensor<2>> {
        let matrix = self.tensor(&format!("{name}.weight"), [output, input])?.transpose();
        // Anew, so that its rows lie together for every product.
        Ok(Tensor::from_data(matrix.into_data(), self.weights.device()))
    }
}

/// Attention, then a feed-forward layer.
#[derive(Debug)]
struct Block {
    attention: Attention,
    feed_forward: FeedForward,
}

impl Block {
    fn read(weights: &mut Reader, layer: usize, config: &T5Config, activation: Activation) -> Result<Self> {
        let name = format!("encoder.block.{layer}.layer");
        Ok(Self {
            attention: Attention::read(weights, &format!("{name}.0"), config)?,
            feed_forward: FeedForward::read(weights, &format!("{name}.1"), config, activation)?,
        })
    }

    fn forward(&self, x: Tensor<3>, added: &Tensor<4>) -> Tensor<3> {
        self.feed_forward.forward(self.attention.forward(x, added))
    }
}

#[derive(Debug)]
struct Attention {
    norm: RmsNorm,
    query: Tensor<2>, // [d, h·c]
    key: Tensor<2>,
    value: Tensor<2>,
    out: Tensor<2>, // [h·c, d]
    heads: usize,
}

impl Attention {
    fn read(weights: &mut Reader, name: &str, config: &T5Config) -> Result<Self> {
        let [outside, inside] = [config.d_model, config.num_heads * config.d_kv];
        let mut matrix = |part: &str, sizes| weights.matrix(&format!("{name}.SelfAttention.{part}"), sizes);
        Ok(Self {
            query: matrix("q", [outside, inside])?,
            key: matrix("k", [outside, inside])?,
            value: matrix("v", [outside, inside])?,
            out: matrix("o", [inside, outside])?,
            norm: norm(weights, &format!("{name}.layer_norm"), config)?,
            heads: config.num_heads,
        })
    }

    /// # Shapes
    /// `[B, S, d]`, what is added to products `[B, h, S, S]` → `[B, S, d]`
    fn forward(&self, x: Tensor<3>, added: &Tensor<4>) -> Tensor<3> {
        let normed = self.norm.forward(x.clone());
        let by_heads = |matrix: &Tensor<2>| self.by_heads(linear(normed.clone(), matrix.clone(), None));
        let products = by_heads(&self.query).matmul(by_heads(&self.key).swap_dims(2, 3)); // [B, h, S, S]
        let mixed = softmax(products + added.clone(), 3).matmul(by_heads(&self.value)); // [B, h, S, c]
        let [batch, heads, length, width] = mixed.dims();
        let mixed = mixed.swap_dims(1, 2).reshape([batch, length, heads * width]);
        x + linear(mixed, self.out.clone(), None)
    }

    /// # Shapes
    /// `[B, S, h·c]` → `[B, h, S, c]`
    fn by_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, length, width] = x.dims();
        x.reshape([batch, length, self.heads, width / self.heads]).swap_dims(1, 2)
    }
}

#[derive(Debug)]
struct FeedForward {
    norm: RmsNorm,
    widen: Tensor<2>,        // [d, w]
    gate: Option<Tensor<2>>, // as T5 v1.1 has it; otherwise what is below zero is cut off
    narrow: Tensor<2>,       // [w, d]
}

impl FeedForward {
    fn read(weights: &mut Reader, name: &str, config: &T5Config, activation: Activation) -> Result<Self> {
        let [outside, inside] = [config.d_model, config.d_ff];
        let mut matrix = |part: &str, sizes| weights.matrix(&format!("{name}.DenseReluDense.{part}"), sizes);
        let (widen, gate) = match activation {
            Activation::Relu => (matrix("wi", [outside, inside])?, None),
            Activation::GatedGelu => {
                (matrix("wi_1", [outside, inside])?, Some(matrix("wi_0", [outside, inside])?))
            }
        };
        let narrow = matrix("wo", [inside, outside])?;
        Ok(Self { norm: norm(weights, &format!("{name}.layer_norm"), config)?, widen, gate, narrow })
    }

    /// # Shapes
    /// `[B, S, d]` → `[B, S, d]`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.norm.forward(x.clone());
        let wide = linear(normed.clone(), self.widen.clone(), None);
        let wide = match &self.gate {
            Some(gate) => gelu_tanh(linear(normed, gate.clone(), None)) * wide,
            None => relu(wide),
        };
        x + linear(wide, self.narrow.clone(), None)
    }
}

/// Division by the root of the mean square, then a gain.
fn norm(weights: &mut Reader, name: &str, config: &T5Config) -> Result<RmsNorm> {
    let gain = weights.tensor(&format!("{name}.weight"), [config.d_model])?;
    Ok(RmsNorm { gamma: Param::from_tensor(gain), epsilon: config.layer_norm_epsilon })
}
