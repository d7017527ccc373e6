//! Text encoders beside what transformers makes of the same weights and texts: `peers/text/make_golden.py` made the files. And what is no such encoder.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use resgen_core::condition::{FrozenEncoder, T5Config, T5Encoder};
use resgen_core::nn::pretrained::read_weights;
use resgen_core::train::model_file::{Storage, write};
use safetensors::SafeTensors;
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/t5").join(name)
}

fn texts() -> Vec<String> {
    std::fs::read_to_string(golden("texts.txt")).unwrap().lines().map(str::to_owned).collect()
}

/// A tensor of the golden file.
fn values(name: &str) -> TensorData {
    let bytes = std::fs::read(golden("states.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    let four = view.data().chunks_exact(4).map(|four| four.try_into().unwrap());
    let shape = view.shape().to_vec();
    match name {
        "tokens" => TensorData::new(four.map(i32::from_le_bytes).collect::<Vec<_>>(), shape),
        _ => TensorData::new(four.map(f32::from_le_bytes).collect::<Vec<_>>(), shape),
    }
}

fn tensor<const D: usize>(name: &str) -> Tensor<D> {
    Tensor::from_data(values(name), &Device::flex())
}

fn encoder(name: &str) -> T5Encoder {
    let folder = golden(name);
    T5Encoder::load(&folder, &T5Config::read(&folder).unwrap(), &Device::flex()).unwrap()
}

/// 0 where there is a token, far below it where there is none.
fn nothing(there: Tensor<2>) -> Tensor<2> {
    (there - 1.0) * 1e9
}

fn worst(a: Tensor<3>, b: Tensor<3>) -> f32 {
    (a - b).abs().max().into_scalar()
}

/// Both sides add up at most 40 numbers in f32, in another order, over two blocks; the largest state is 4.6. A wrong kind of distance, a scaled product or
/// the exact GELU in place of its approximation is seen a hundred times over.
const TOLERANCE: f32 = 2e-5;

#[test]
fn states_are_those_of_transformers() {
    let tokens = Tensor::<2, Int>::from_data(values("tokens"), &Device::flex());
    let there: Tensor<2> = tensor("there");
    for name in ["gated", "relu"] {
        let states = encoder(name).forward(tokens.clone(), nothing(there.clone()));
        // What stands where there is no token is nobody's business.
        let weight = there.clone().unsqueeze_dim::<3>(2);
        let error = worst(states * weight.clone(), tensor::<3>(name) * weight);
        assert!(error < TOLERANCE, "{name}: {error}");
    }
}

#[test]
fn a_text_reads_the_same_beside_a_longer_one() {
    let tokens = Tensor::<2, Int>::from_data(values("tokens"), &Device::flex());
    let (short, there) = (texts()[0].len() + 1, tensor::<2>("there"));
    let alone = tokens.clone().slice([0..1, 0..short]);
    for name in ["gated", "relu"] {
        let encoder = encoder(name);
        let beside = encoder.forward(tokens.clone(), nothing(there.clone()));
        let alone = encoder.forward(alone.clone(), Tensor::zeros([1, short], &Device::flex()));
        let error = worst(alone, beside.slice([0..1, 0..short]));
        assert!(error < TOLERANCE, "{name}: {error}");
    }
}

#[test]
fn bytes_are_read_with_the_end_first() {
    let encoder = FrozenEncoder::load(&golden("gated"), &Device::flex()).unwrap();
    let (texts, expected) = (texts(), tensor::<3>("gated"));
    let longest = texts.iter().map(String::len).max().unwrap() + 1;
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let found = encoder.states(&borrowed, longest.next_multiple_of(16));
    for (at, text) in texts.iter().enumerate() {
        let of_text =
            |states: &Tensor<3>, first, count| states.clone().slice([at..at + 1, first..first + count]);
        let count = text.len();
        assert!(worst(of_text(&found, 0, 1), of_text(&expected, count, 1)) < TOLERANCE, "the end of {text}");
        assert!(worst(of_text(&found, 1, count), of_text(&expected, 0, count)) < TOLERANCE, "{text}");
    }
    // Nothing but an end.
    let empty = encoder.states(&["", &texts[0]], 16);
    assert_eq!(empty.dims(), [2, 16, 24]);
    assert!(worst(empty.clone().slice([0..1, 0..1]), empty.slice([1..2, 0..1])) > 0.1);
}

/// A folder with a config and weights, changed.
struct Folder(tempfile::TempDir);

impl Folder {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(golden(name)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn with(self, key: &str, value: impl Into<Value>) -> Self {
        let path = self.path().join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config[key] = value.into();
        std::fs::write(&path, config.to_string()).unwrap();
        self
    }

    fn load(&self) -> resgen_core::Result<FrozenEncoder> {
        FrozenEncoder::load(self.path(), &Device::flex())
    }

    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        let text = self.load().unwrap_err().to_string();
        assert!(text.contains(self.path().to_str().unwrap()), "{text}");
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }
}

#[test]
fn what_is_no_encoder_of_bytes_is_refused() {
    let gone = FrozenEncoder::load(Path::new("/nowhere"), &Device::flex()).unwrap_err().to_string();
    assert!(gone.contains("/nowhere/config.json"), "{gone}");
    let gated = || Folder::of("gated");
    gated().with("model_type", "bert").refused(&["config.json", "model_type bert"]);
    gated().with("tokenizer_class", "T5Tokenizer").refused(&[
        "config.json",
        "384 kinds",
        "T5Tokenizer",
        "ByT5",
    ]);
    gated().with("tokenizer_class", Value::Null).load().unwrap();
    let other = gated().with("tokenizer_class", Value::Null).with("vocab_size", 32_128);
    other.refused(&["32128 kinds", "does not name"]);
    gated().with("vocab_size", 200).refused(&["200 kinds"]);
    gated().with("num_layers", 3).refused(&["model.safetensors", "encoder.block.2.", "is missing"]);
    gated().with("d_ff", 41).refused(&["DenseReluDense.wi_1.weight", "expected [41, 24], found [40, 24]"]);
    gated()
        .with("num_heads", 5)
        .refused(&["relative_attention_bias.weight", "expected [32, 5], found [32, 4]"]);
    let bare = gated();
    std::fs::remove_file(bare.path().join("model.safetensors")).unwrap();
    bare.refused(&["expected a file model.safetensors or pytorch_model.bin"]);
    let damaged = gated();
    std::fs::write(damaged.path().join("model.safetensors"), "no weights").unwrap();
    damaged.refused(&["model.safetensors"]);
}

#[test]
fn the_fingerprint_is_of_the_weights_whatever_file_they_are_in() {
    let original = Folder::of("relu");
    let identity = original.load().unwrap().identity().clone();
    identity.load(&Device::flex()).unwrap();

    // The same weights as another file, under the table's other name, with a decoder's beside.
    let mut weights = read_weights(original.path().join("pytorch_model.bin")).unwrap();
    weights.remove("shared.weight").unwrap();
    weights.insert("decoder.final_layer_norm.weight".into(), TensorData::new(vec![1f32; 24], [24]));
    std::fs::remove_file(original.path().join("pytorch_model.bin")).unwrap();
    let path = original.path().join("model.safetensors");
    write(&path, &weights, None, Storage::F32).unwrap();
    identity.load(&Device::flex()).unwrap();

    let refused = |folder: &Folder| {
        let text = identity.load(&Device::flex()).unwrap_err().to_string();
        assert!(
            text.contains(folder.path().to_str().unwrap()) && text.contains(&identity.fingerprint),
            "{text}"
        );
    };
    // A number among them, or one beside them that their shapes do not tell.
    let other = original.with("relative_attention_max_distance", 21);
    refused(&other);
    let other = other.with("relative_attention_max_distance", 20);
    identity.load(&Device::flex()).unwrap();
    let name = "encoder.block.1.layer.1.DenseReluDense.wo.weight";
    let mut values: Vec<f32> = weights[name].iter::<f32>().collect();
    values[7] += 1e-3;
    weights.insert(name.into(), TensorData::new(values, [24, 40]));
    write(&path, &weights, None, Storage::F32).unwrap();
    refused(&other);
}
