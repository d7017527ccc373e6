//! BigVGAN beside the code that its authors published, with weights of its own: `peers/vocoder/make_golden.py` made the files.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::nn::Precision;
use resgen_core::signal::mel::{Mel, MelConfig, MelTransform};
use resgen_core::vocoder::{BigVgan, Vocoder};
use resgen_kernels::snake::{anti_aliased_snake, low_pass, reference};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bigvgan").join(name)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn golden(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(file("golden.safetensors")).unwrap();
    floats(SafeTensors::deserialize(&bytes).unwrap().tensor(name).unwrap().data())
}

fn load(name: &str) -> BigVgan {
    BigVgan::load(file(name), &Device::flex()).unwrap()
}

fn sound(generator: &BigVgan, name: &str, bins: usize) -> Vec<f32> {
    let mel = Mel { bins, values: golden(&format!("{name}.mel")) };
    generator.sound(&mel).unwrap().into_samples()
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Copies a generator to a folder of its own, with a changed config and weights.
fn changed(
    name: &str,
    config: impl Fn(&str) -> String,
    keep: impl Fn(&str, &mut Vec<f32>) -> bool,
) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(file(name).join("config.json")).unwrap();
    std::fs::write(folder.path().join("config.json"), config(&text)).unwrap();
    let bytes = std::fs::read(file(name).join("weights.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .filter_map(|(name, view)| {
            let mut values = floats(view.data());
            let is_kept = keep(name, &mut values);
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            is_kept.then(|| (name.to_owned(), view.shape().to_vec(), bytes))
        })
        .collect();
    let views = kept
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let path = folder.path().join("weights.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    (folder, path)
}

#[test]
fn the_activation_is_the_published_one() {
    assert!(worst(&low_pass(), &golden("activation.filter")) < 1e-7);
    let tensor = |values: Vec<f32>| {
        let count = values.len();
        Tensor::<1>::from_data(TensorData::new(values, [count]), &Device::flex())
    };
    let x = tensor(golden("activation.in")).reshape([1, 23, 7]);
    let frequency = tensor(golden("activation.alpha")).exp();
    let amplitude = tensor(golden("activation.beta")).exp().recip();
    for body in [anti_aliased_snake, reference::anti_aliased_snake] {
        let found = body(x.clone(), frequency.clone(), amplitude.clone()).try_into_vec_as::<f32>().unwrap();
        let error = worst(&found, &golden("activation.out"));
        // Squares of sines of numbers up to 20, which f32 holds to 1e-6, three times as loud; outputs up to 16, which it holds to 1e-6 too.
        assert!(error < 2e-5, "{error}");
    }
}

#[test]
fn sounds_are_those_of_the_published_code() {
    let clamped = sound(&load("clamped/weights.safetensors"), "clamped", 80);
    assert!(clamped.iter().any(|sample| *sample == 1.0 || *sample == -1.0), "nothing is cut off");
    // The published code gives in f32 what it gives in f64 but for 2e-6; sums in another order may be off ten times as far.
    let error = worst(&clamped, &golden("clamped.sound"));
    assert!(error < 2e-5, "{error}");
    let error = worst(&sound(&load("bent/weights.safetensors"), "bent", 10), &golden("bent.sound"));
    assert!(error < 2e-5, "{error}");
}

#[test]
fn a_checkpoint_is_what_a_safetensors_file_of_the_same_tensors_is() {
    let of = |name: &str| sound(&load(&format!("clamped/{name}")), "clamped", 80);
    let safetensors = of("weights.safetensors");
    assert_eq!(of("bigvgan_generator.pt"), safetensors);
    // Without weight norm the weights were multiplied out by PyTorch.
    assert!(worst(&of("folded.safetensors"), &safetensors) < 2e-5);
}

#[test]
fn rounded_weights_give_nearly_the_same_sound() {
    let exact = sound(&load("bent/weights.safetensors"), "bent", 10);
    let rounded = sound(&load("bent/weights.safetensors").in_precision(Precision::Bf16), "bent", 10);
    let error = worst(&rounded, &exact);
    // 8 significant bits, of sums that are up to 1 at the end.
    assert!(error > 1e-4 && error < 0.1, "{error}");
}

#[test]
fn a_vocoder_is_refused_for_other_spectrograms() {
    let vocoder = Vocoder::BigVgan(Box::new(load("clamped/weights.safetensors")));
    let own = MelConfig { rate: 16_000, ..MelConfig::bigvgan(22_050) };
    vocoder.check(&own).unwrap();
    let refused = |mel: MelConfig, what: &[&str]| {
        let message = vocoder.check(&mel).unwrap_err().to_string();
        assert!(what.iter().all(|part| message.contains(part)), "{message}");
        Vocoder::default().check(&mel).unwrap();
    };
    let stft = || own.stft.clone();
    refused(MelConfig { rate: 24_000, ..own.clone() }, &["samples a second", "24000", "16000"]);
    refused(MelConfig { bins: 100, ..own.clone() }, &["bins", "100", "80"]);
    refused(MelConfig { lowest: 20.0, ..own.clone() }, &["lowest", "20.0", "0.0"]);
    refused(MelConfig { highest: 7600.0, ..own.clone() }, &["highest", "7600.0", "8000.0"]);
    refused(MelConfig { floor: 1e-7, ..own.clone() }, &["floor", "1e-7", "1e-5"]);
    let of = |stft| MelConfig { stft, ..own.clone() };
    refused(of(resgen_core::signal::mel::StftConfig { hop: 128, ..stft() }), &["hop", "128", "256"]);
    refused(of(resgen_core::signal::mel::StftConfig { window: 512, ..stft() }), &["window", "512", "1024"]);
    refused(of(resgen_core::signal::mel::StftConfig { size: 2048, ..stft() }), &["size", "2048", "1024"]);

    let transform = MelTransform::new(own.clone()).unwrap();
    let mel = Mel { bins: 80, values: golden("clamped.mel") };
    let sound = vocoder.sound(&transform, &mel).unwrap();
    assert_eq!((sound.rate(), sound.samples().len()), (16_000, 6 * 256));
    assert_eq!(vocoder.sounds(&transform, &[mel.clone(), mel.clone()]).unwrap(), [sound.clone(), sound]);
    let none = Mel { bins: 80, values: vec![] };
    assert!(vocoder.sound(&transform, &none).unwrap().samples().is_empty());
    let wrong = Mel { bins: 40, values: mel.values.clone() };
    assert!(vocoder.sound(&transform, &wrong).unwrap_err().to_string().contains("expected 80, found 40"));
    let other = MelTransform::new(MelConfig::bigvgan(24_000)).unwrap();
    assert!(vocoder.sound(&other, &mel).is_err());
    let broken = Mel { values: vec![f32::NAN; 160], ..mel };
    assert!(vocoder.sound(&transform, &broken).unwrap_err().to_string().contains("no number"));
}

#[test]
fn the_documented_section_is_that_of_the_published_generator() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/speech.md")).unwrap();
    let (_, section) = page.split_once("```toml\n[tokenizer.mel]\n").unwrap();
    let (section, _) = section.split_once("```").unwrap();
    assert_eq!(toml::from_str::<MelConfig>(section).unwrap(), MelConfig::bigvgan(24_000));
}

#[test]
fn what_does_not_belong_together_is_named() {
    let refused = |path: &Path, what: &[&str]| {
        let message = BigVgan::load(path, &Device::flex()).err().unwrap().to_string();
        assert!(what.iter().all(|part| message.contains(part)), "{message}");
    };
    let same = |text: &str| text.to_owned();
    let (_folder, path) = changed("bent", same, |name, _| !name.starts_with("conv_post"));
    refused(&path, &["weights.safetensors", "`conv_post.bias` is missing"]);
    let (_folder, path) = changed("bent", same, |_, values| {
        values[0] = f32::NAN;
        true
    });
    refused(&path, &["weights.safetensors", "no numbers"]);
    let (_folder, path) = changed("bent", same, |name, values| {
        values.iter_mut().filter(|_| name.ends_with("original1")).for_each(|value| *value = 0.0);
        true
    });
    refused(&path, &["conv_pre", "without direction"]);
    let (_folder, path) = changed("bent", same, |name, values| {
        values.iter_mut().filter(|_| name.ends_with("lowpass.filter")).for_each(|value| *value *= 0.9);
        true
    });
    refused(&path, &["lowpass.filter", "another filter"]);
    let (_folder, path) =
        changed("bent", |text| text.replace("\"num_mels\": 10", "\"num_mels\": 11"), |_, _| true);
    refused(&path, &["conv_pre.parametrizations.weight.original1", "[12, 11, 7]", "[12, 10, 7]"]);
    let fewer = |text: &str| text.replace("[3, 5]", "[3]").replace("[[1, 3], [2, 1]]", "[[1, 3]]");
    let (_folder, path) = changed("bent", fewer, |_, _| true);
    refused(&path, &["resblocks.1", "weights.safetensors"]);
    let biased = |text: &str| text.replace("{\"resblock\"", "{\"use_bias_at_final\": false, \"resblock\"");
    let (_folder, path) = changed("bent", biased, |_, _| true);
    refused(&path, &["`conv_post.bias` has no place"]);
    std::fs::remove_file(path.with_file_name("config.json")).unwrap();
    refused(&path, &["config.json: there is no such file"]);
    refused(&path.with_file_name("gone.pt"), &["gone.pt"]);
}
