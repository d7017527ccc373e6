//! The sizes of a T5 encoder, as transformers writes them beside the weights.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// The file with the sizes.
pub const CONFIG_FILE: &str = "config.json";
/// The only value of `model_type` that can be read.
const MODEL_TYPE: &str = "t5";
/// The largest of every size but the number of tokens.
const MOST: usize = 1 << 16;

/// Sizes by their names in the file; what only the decoder and training need is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct T5Config {
    /// Kinds of tokens V.
    pub vocab_size: usize,
    /// Width d of the states.
    pub d_model: usize,
    /// Width of a head's keys and values, whatever the heads' number.
    pub d_kv: usize,
    /// Width between the layers of a feed-forward layer.
    pub d_ff: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Heads of attention.
    pub num_heads: usize,
    /// Kinds of distances that heads tell apart, a half of them for tokens behind and a half for those ahead.
    #[serde(default = "T5Config::default_buckets")]
    pub relative_attention_num_buckets: usize,
    /// The distance from which on all are the same.
    #[serde(default = "T5Config::default_distance")]
    pub relative_attention_max_distance: usize,
    /// Added to mean squares in norms.
    #[serde(default = "T5Config::default_epsilon")]
    pub layer_norm_epsilon: f64,
    /// How feed-forward layers are made: `relu`, or `gated-gelu` since T5 v1.1.
    #[serde(default = "T5Config::default_feed_forward")]
    pub feed_forward_proj: String,
    /// The nonlinearity, where the file says it on top of that.
    #[serde(default)]
    pub dense_act_fn: Option<String>,
    /// And whether it is a gate.
    #[serde(default)]
    pub is_gated_act: Option<bool>,
    /// What makes tokens of texts.
    #[serde(default)]
    pub tokenizer_class: Option<String>,
}

/// What is between the layers of a feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `gelu_tanh(x)·y`, with a layer of its own for y.
    GatedGelu,
}

impl T5Config {
    fn default_buckets() -> usize {
        32
    }

    fn default_distance() -> usize {
        128
    }

    fn default_epsilon() -> f64 {
        1e-6
    }

    fn default_feed_forward() -> String {
        "relu".into()
    }

    /// Reads the sizes of the encoder in a folder.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no such file; [`Error::File`] for what is no config, or one of another model or of sizes that cannot be.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG_FILE);
        let text = std::fs::read(&path).map_err(Error::io(&path))?;
        Self::parse(&text).map_err(|reason| Error::file(&path, reason))
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let unreadable = |error| format!("not the config of a T5 encoder: {error}");
        let value: Value = serde_json::from_slice(text).map_err(unreadable)?;
        let model_type = value.get("model_type").and_then(Value::as_str).unwrap_or("missing");
        if model_type != MODEL_TYPE {
            return Err(format!("expected the config of a T5 encoder, found model_type {model_type}"));
        }
        let config: Self = serde_json::from_value(value).map_err(unreadable)?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), String> {
        let sizes = [
            ("d_model", self.d_model),
            ("d_kv", self.d_kv),
            ("d_ff", self.d_ff),
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("relative_attention_num_buckets", self.relative_attention_num_buckets),
            ("relative_attention_max_distance", self.relative_attention_max_distance),
        ];
        if let Some((key, size)) = sizes.iter().find(|(_, size)| !(1..=MOST).contains(size)) {
            return Err(format!("{key}: expected 1 to {MOST}, found {size}"));
        }
        let (kinds, farthest) = (self.relative_attention_num_buckets, self.relative_attention_max_distance);
        // A half for each side; of that a half, rounded down, for the nearest distances.
        if kinds < 4 || !kinds.is_multiple_of(2) || farthest <= kinds / 4 {
            return Err(format!("there cannot be {kinds} kinds of distances up to {farthest}"));
        }
        if !(0.0..1.0).contains(&self.layer_norm_epsilon) {
            return Err(format!("layer_norm_epsilon: expected 0 to 1, found {}", self.layer_norm_epsilon));
        }
        self.activation().map(|_| ())
    }

    /// What is between the layers of a feed-forward layer.
    ///
    /// # Errors
    /// For any other than the two that T5 has had.
    pub fn activation(&self) -> Result<Activation, String> {
        let (gate, named) = match self.feed_forward_proj.split_once('-') {
            Some((gate, named)) => (gate == "gated", named),
            None => (false, &*self.feed_forward_proj),
        };
        // T5 v1.1's name for it is older than the name of the approximation that it means.
        let named = if gate && named == "gelu" { "gelu_new" } else { named };
        let is_gated = self.is_gated_act.unwrap_or(gate);
        match (is_gated, self.dense_act_fn.as_deref().unwrap_or(named)) {
            (false, "relu") => Ok(Activation::Relu),
            (true, "gelu_new") => Ok(Activation::GatedGelu),
            (false, other) => Err(format!("expected relu or gated gelu_new between layers, found {other}")),
            (true, other) => {
                Err(format!("expected relu or gated gelu_new between layers, found gated {other}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As published with ByT5-small, less what is the decoder's.
    fn published() -> Value {
        json!({
            "architectures": ["T5ForConditionalGeneration"], "d_ff": 3584, "d_kv": 64, "d_model": 1472, "eos_token_id": 1,
            "feed_forward_proj": "gated-gelu", "layer_norm_epsilon": 1e-6, "model_type": "t5", "num_heads": 6, "num_layers": 12,
            "pad_token_id": 0, "relative_attention_num_buckets": 32, "tie_word_embeddings": false,
            "tokenizer_class": "ByT5Tokenizer", "vocab_size": 384
        })
    }

    fn parsed(config: &Value) -> Result<T5Config, String> {
        T5Config::parse(config.to_string().as_bytes())
    }

    fn with(key: &str, value: Value) -> Value {
        let mut config = published();
        config[key] = value;
        config
    }

    #[test]
    fn what_a_file_leaves_out_is_as_it_was_when_it_was_written() {
        let config = parsed(&published()).unwrap();
        assert_eq!((config.d_model, config.num_heads * config.d_kv), (1472, 384));
        assert_eq!(config.relative_attention_max_distance, 128);
        assert_eq!(config.activation(), Ok(Activation::GatedGelu));
        let mut first = published();
        first.as_object_mut().unwrap().remove("feed_forward_proj");
        assert_eq!(parsed(&first).unwrap().activation(), Ok(Activation::Relu));
        // What newer files say on top.
        let mut newer = first;
        newer["dense_act_fn"] = "gelu_new".into();
        newer["is_gated_act"] = true.into();
        assert_eq!(parsed(&newer).unwrap().activation(), Ok(Activation::GatedGelu));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = |key: &str, value: Value| parsed(&with(key, value)).unwrap_err();
        assert!(refused("model_type", "bert".into()).contains("found model_type bert"));
        assert!(refused("model_type", Value::Null).contains("found model_type missing"));
        assert!(refused("feed_forward_proj", "gated-silu".into()).contains("found gated silu"));
        assert!(refused("feed_forward_proj", "gelu".into()).contains("found gelu"));
        assert!(refused("num_heads", 0.into()).contains("num_heads: expected 1 to 65536, found 0"));
        assert!(refused("d_model", "wide".into()).contains("not the config of a T5 encoder"));
        assert!(refused("relative_attention_num_buckets", 31.into()).contains("31 kinds of distances"));
        assert!(refused("relative_attention_max_distance", 8.into()).contains("up to 8"));
        assert!(refused("layer_norm_epsilon", 2.into()).contains("layer_norm_epsilon"));
        assert!(T5Config::parse(b"{").unwrap_err().contains("not the config of a T5 encoder"));
    }
}
