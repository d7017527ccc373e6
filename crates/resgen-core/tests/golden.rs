//! What an independent implementation gives for the same weights and inputs: `peers/torch/make_golden.py` made the
//! files in `tests/golden`, in double precision.
//!
//! Tolerances are shares of the largest magnitude in a tensor (for gradients, in all of them, since some are zero
//! but for rounding). The script found that its own single precision differs from double by at most 7e-7; other
//! orders of summation and our exponential (1e-7) leave a few times that.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use resgen_core::condition::Condition;
use resgen_core::head::MixtureLoss;
use resgen_core::model::{Network, NetworkConfig, Resgen};
use resgen_core::nn::Builder;
use resgen_core::nn::parameters::{self, NamedTensors};
use resgen_core::rvq::{Codebooks, Codes, Learning, quantize};
use resgen_core::sample::{Known, Preset, Request, Unmasker};
use resgen_core::tokenizer::{ImageTokenizer, ImageTokenizerConfig};
use resgen_core::train::weights::{Gradient, OptimizerConfig, Weights};
use resgen_core::workers::Workers;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const FORWARD: f32 = 5e-6;
const GRADIENT: f32 = 1e-5;

/// The device that is tested: the CPU, or what a feature of this crate names.
fn device() -> Device {
    #[cfg(feature = "cuda")]
    return Device::cuda(0);
    #[cfg(all(feature = "wgpu", not(feature = "cuda")))]
    return Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    Device::flex()
}

/// One of the files.
struct Golden {
    tensors: BTreeMap<String, TensorData>,
    metadata: std::collections::HashMap<String, String>,
}

impl Golden {
    fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let shape = view.shape().to_vec();
            let data = match view.dtype() {
                safetensors::Dtype::F32 => {
                    let values =
                        view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                    TensorData::new(values.collect::<Vec<_>>(), shape)
                }
                safetensors::Dtype::I64 => {
                    let values =
                        view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()));
                    TensorData::new(values.collect::<Vec<_>>(), shape)
                }
                other => panic!("{name}: {other:?}"),
            };
            (name, data)
        };
        let tensors =
            safetensors::SafeTensors::deserialize(&bytes).unwrap().tensors().into_iter().map(tensor);
        Self { tensors: tensors.collect(), metadata: metadata.metadata().clone().unwrap() }
    }

    fn described<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_str(&self.metadata[key]).unwrap()
    }

    fn floats<const D: usize>(&self, name: &str) -> Tensor<D> {
        Tensor::from_data(self.tensors[name].clone(), &device())
    }

    fn integers<const D: usize>(&self, name: &str) -> Tensor<D, Int> {
        Tensor::from_data(self.tensors[name].clone(), &device())
    }

    /// The tensors whose names begin with `prefix`, without it.
    fn under(&self, prefix: &str) -> NamedTensors {
        let named = self.tensors.iter().filter_map(|(name, data)| Some((name.strip_prefix(prefix)?, data)));
        named.map(|(name, data)| (name.to_owned(), data.clone())).collect()
    }

    fn expect<const D: usize>(&self, name: &str, found: Tensor<D>, tolerance: f32) {
        assert_eq!(found.dims().to_vec(), self.tensors[name].shape().to_vec(), "{name}");
        let found = found.try_into_vec_as::<f32>().unwrap();
        let off = compare(name, &found, &values(&self.tensors[name]), tolerance, 0.0);
        assert_eq!(off, None);
    }

    /// Every tensor under `prefix` against a module's, in the order of its parameters.
    fn expect_all(
        &self,
        prefix: &str,
        names: &[(String, Vec<usize>)],
        found: Vec<Tensor<1>>,
        tolerance: f32,
    ) {
        let expected = self.under(prefix);
        assert_eq!(expected.len(), names.len(), "{prefix}");
        let largest = expected.values().flat_map(values).fold(0f32, |most, value| most.max(value.abs()));
        let off = names.iter().zip(found).filter_map(|((name, _), found)| {
            let found = found.try_into_vec_as::<f32>().unwrap();
            compare(&format!("{prefix}{name}"), &found, &values(&expected[name]), tolerance, largest)
        });
        assert_eq!(off.collect::<Vec<_>>(), Vec::<String>::new());
    }
}

fn values(data: &TensorData) -> Vec<f32> {
    data.iter::<f32>().collect()
}

/// What is off by more than `tolerance` of the largest magnitude.
fn compare(name: &str, found: &[f32], expected: &[f32], tolerance: f32, least_size: f32) -> Option<String> {
    assert_eq!(found.len(), expected.len(), "{name}");
    let size = expected.iter().fold(least_size, |most, value| most.max(value.abs()));
    let pairs = found.iter().zip(expected).filter(|(a, b)| a != b);
    let worst =
        pairs.map(|(a, b)| (a - b).abs()).fold(0f32, |most, off| if off <= most { most } else { off });
    let is_near = worst <= tolerance * size;
    (!is_near).then(|| format!("{name} is off by {:e} of {size}", worst / size))
}

fn generator(golden: &Golden, loss: MixtureLoss) -> Resgen {
    let mut config: NetworkConfig = golden.described("config");
    config.head.loss = loss;
    config.validate().unwrap();
    let blank = Resgen::new(&mut Builder::blank(&device()), config);
    parameters::load(blank, &golden.under("weight."), "").unwrap()
}

const GENERATORS: [&str; 2] = ["generator", "generator-scalar"];

#[test]
fn a_forward_pass_gives_the_twins_mixtures() {
    for file in GENERATORS {
        let golden = Golden::load(file);
        let model = generator(&golden, MixtureLoss::Nll);
        let out = model.forward(
            golden.floats("visible"),
            golden.integers("masked"),
            &Condition { labels: golden.integers("labels"), texts: None },
        );
        golden.expect("log_density", model.head().log_density(&out, golden.floats("target")), FORWARD);
        golden.expect("logits", out.logits, FORWARD);
        golden.expect("mixer", out.mixer, FORWARD);
        golden.expect("shift", out.shift, FORWARD);
        golden.expect("log_scale", out.log_scale, FORWARD);
    }
}

#[test]
fn both_losses_and_all_their_gradients_are_the_twins() {
    for file in GENERATORS {
        let golden = Golden::load(file);
        for (kind, loss) in [("nll", MixtureLoss::Nll), ("split", MixtureLoss::Split)] {
            let model = generator(&golden, loss).train();
            let visible = golden.floats("visible").autodiff();
            let out = model.forward(
                visible,
                golden.integers("masked"),
                &Condition { labels: golden.integers("labels"), texts: None },
            );
            let (target, weight) = (golden.floats::<2>("target"), golden.floats::<1>("weight"));
            let loss = model.head().score(&out, target.autodiff(), weight.autodiff()).loss;
            golden.expect(&format!("loss.{kind}"), loss.clone(), FORWARD);
            let gradients = parameters::take_gradients(&model, &mut loss.backward());
            let names = parameters::names_and_shapes(&model);
            golden.expect_all(&format!("gradient.{kind}."), &names, gradients, GRADIENT);
        }
    }
}

#[test]
fn two_updates_move_weights_and_average_as_the_twins() {
    for file in GENERATORS {
        let golden = Golden::load(file);
        let model = generator(&golden, MixtureLoss::Nll);
        let names = parameters::names_and_shapes(&model);
        let workers = Workers::new(2).unwrap();
        let gradients = golden.under("gradient.nll.");
        let mut weights = Weights::new(model, golden.described::<OptimizerConfig>("optimizer"));
        for _ in 0..2 {
            let flat = names.iter().map(|(name, _)| {
                let values = values(&gradients[name]);
                Tensor::from_data(values.as_slice(), &device())
            });
            let gradient = Gradient::mean(flat.collect(), 1.0, &workers).unwrap();
            weights.update(gradient, golden.described("learning_rate"), &workers).unwrap();
        }
        golden.expect_all("updated.", &names, parameters::flat(weights.model()), FORWARD);
        golden.expect_all("average.", &names, parameters::flat(&weights.averaged()), FORWARD);
    }
}

/// One run of `sampling.safetensors`.
#[derive(Deserialize)]
struct Run {
    seed: u64,
    first_index: u64,
    classes: Vec<usize>,
    preset: Preset,
    known: Option<KnownMask>,
}

#[derive(Deserialize)]
struct KnownMask {
    masked: Vec<usize>,
}

#[test]
fn whole_samples_are_the_twins_code_for_code() {
    let golden = Golden::load("sampling");
    let model = generator(&golden, MixtureLoss::Nll);
    let books = Codebooks::new(golden.floats("codebooks"), model.config().depth).unwrap();
    for (index, run) in golden.described::<Vec<Run>>("runs").into_iter().enumerate() {
        let codes = |name: String| Codes::from_tensor(golden.integers(&name), books.vocabulary()).unwrap();
        let known = run
            .known
            .map(|known| Known { codes: codes(format!("known_codes.{index}")), masked: known.masked });
        let sampler = Unmasker::new(&model, &books, run.preset).unwrap();
        let (seed, first_index) = (run.seed, run.first_index);
        let drawn = sampler
            .sample(&Request { classes: run.classes, seed, first_index, known, ..Request::default() })
            .unwrap();
        assert_eq!(drawn, codes(format!("codes.{index}")), "run {index}");
    }
}

fn tokenizer(golden: &Golden) -> ImageTokenizer {
    let config: ImageTokenizerConfig = golden.described("config");
    ImageTokenizer::load(config, &golden.under("weight."), "", &device()).unwrap()
}

#[test]
fn pictures_become_the_twins_codes_and_codes_its_pictures() {
    let golden = Golden::load("tokenizer");
    let tokenizer = tokenizer(&golden);
    let latents = tokenizer.autoencoder().encoder.forward(golden.floats("pixels"));
    golden.expect("latents", latents, FORWARD);
    let codes = tokenizer.encode(golden.floats("pixels")).unwrap();
    let expected = Codes::from_tensor(golden.integers("codes"), tokenizer.config().vocabulary).unwrap();
    assert_eq!(codes, expected);
    golden.expect("decoded", tokenizer.decode(&codes).unwrap(), FORWARD);
    golden.expect("decoded.1", tokenizer.decode(&codes.truncated(1).unwrap()).unwrap(), FORWARD);
}

#[test]
fn a_tokenizers_gradients_pass_the_quantizer_as_the_twins() {
    let golden = Golden::load("tokenizer");
    let tokenizer = tokenizer(&golden);
    let model = tokenizer.autoencoder().clone().train();
    let pixels = golden.floats::<4>("pixels").autodiff();
    let latents = model.encoder.forward(pixels.clone()); // [B, L, H]
    let shape = latents.dims();
    let quantized =
        quantize(latents.flatten(0, 1), tokenizer.books(), Some(golden.integers("kept")), Learning::Plain);
    golden.expect("commitment", quantized.commitment.clone(), FORWARD);
    let straight = quantized.latents.reshape(shape);
    golden.expect("straight", straight.clone(), FORWARD);
    let error = model.decoder.forward(straight) - pixels;
    let loss = error.clone().abs().mean() * 0.5 + error.square().mean() + quantized.commitment * 0.25;
    golden.expect("loss", loss.clone(), FORWARD);
    let gradients = parameters::take_gradients(&model, &mut loss.backward());
    golden.expect_all("gradient.", &parameters::names_and_shapes(&model), gradients, GRADIENT);
}
