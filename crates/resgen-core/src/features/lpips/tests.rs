use super::*;
use crate::random::{Purpose, normal, stream};
use safetensors::{Dtype, tensor::TensorView};
use std::collections::BTreeMap;

type Values = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn saved(values: &Values) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = values
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    std::fs::write(file.path(), safetensors::serialize(views, None).unwrap()).unwrap();
    file
}

/// All tensors with `width` channels everywhere, the values given by name and index.
fn network(width: usize, mut value: impl FnMut(&str, usize) -> f32) -> Values {
    let mut shapes = Vec::new();
    for (stage, layers) in STAGES.iter().enumerate() {
        for &layer in *layers {
            let input = if layer == 0 { 3 } else { width };
            shapes.push((format!("features.{layer}.weight"), vec![width, input, 3, 3]));
            shapes.push((format!("features.{layer}.bias"), vec![width]));
        }
        shapes.push((format!("lin{stage}.model.1.weight"), vec![1, width, 1, 1]));
    }
    let fill = |(name, shape): (String, Vec<usize>)| {
        let values = (0..shape.iter().product()).map(|index| value(&name, index)).collect();
        (name, (shape, values))
    };
    shapes.into_iter().map(fill).collect()
}

fn random_network() -> Values {
    let mut rng = stream(5, Purpose::Init, 0, 0);
    network(4, |name, _| match name.starts_with("lin") {
        true => 1.0,
        false => 0.4 * normal(&mut rng),
    })
}

fn loaded(values: &Values) -> Lpips {
    Lpips::load(saved(values).path(), None, &Device::flex()).unwrap()
}

fn noise(seed: u64, shape: [usize; 4]) -> Tensor<4> {
    let mut rng = stream(seed, Purpose::Init, 0, 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| 0.5 * normal(&mut rng)).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn plain(x: Tensor<1>) -> Vec<f32> {
    x.try_to_vec_as().unwrap()
}

#[test]
fn the_first_stage_by_hand() {
    // Two channels that pass the scaled red and green on; only the first stage's head (1, 2) counts.
    // Index of weight [out, in, 3, 3] at the kernel's centre: (out·in_channels + in)·9 + 4.
    let values = network(2, |name, index| match name {
        "features.0.weight" if index == 4 || index == (3 + 1) * 9 + 4 => 1.0,
        "features.2.weight" if index == 4 || index == (2 + 1) * 9 + 4 => 1.0,
        "lin0.model.1.weight" => (index + 1) as f32,
        _ => 0.0,
    });
    // Scaled (0.3, 0.4) has the direction (0.6, 0.8), scaled (0.8, 0.6) the direction (0.8, 0.6): the
    // squared differences are 0.04 each, so a place costs 0.04·1 + 0.04·2. Half of the places differ.
    let colour = |red: f32, green: f32| {
        let values = vec![-0.030 + 0.458 * red, -0.088 + 0.448 * green, 0.7];
        Tensor::<4>::from_data(TensorData::new(values, [1, 3, 1, 1]), &Device::flex()).expand([1, 3, 16, 8])
    };
    let a = colour(0.3, 0.4).repeat_dim(3, 2);
    let b = Tensor::cat(vec![colour(0.8, 0.6), colour(0.3, 0.4)], 3);
    let distance = plain(loaded(&values).distance(a, b).unwrap())[0];
    assert!((distance - 0.06).abs() < 1e-6, "{distance}");
}

#[test]
fn it_is_zero_for_equals_symmetric_and_takes_odd_sizes() {
    let lpips = loaded(&random_network());
    let (a, b) = (noise(1, [2, 3, 19, 33]), noise(2, [2, 3, 19, 33]));
    assert_eq!(plain(lpips.distance(a.clone(), a.clone()).unwrap()), [0.0, 0.0]);
    let forth = plain(lpips.distance(a.clone(), b.clone()).unwrap());
    assert_eq!(forth, plain(lpips.distance(b, a).unwrap()));
    assert!(forth.iter().all(|distance| *distance > 0.01), "{forth:?}");
}

#[test]
fn the_gradient_reaches_both_pictures_and_is_finite_where_all_features_are_zero() {
    let lpips = loaded(&random_network());
    let (a, b) = (
        noise(1, [1, 3, 16, 16]).autodiff().require_grad(),
        noise(2, [1, 3, 16, 16]).autodiff().require_grad(),
    );
    let gradients = lpips.distance(a.clone(), b.clone()).unwrap().sum().backward();
    for picture in [&a, &b] {
        assert!(plain(picture.grad(&gradients).unwrap().abs().sum())[0] > 1e-3);
    }
    // Biases far below zero silence every feature.
    let silent = network(2, |name, _| if name.ends_with("bias") { -100.0 } else { 0.1 });
    let gradients = loaded(&silent).distance(a.clone(), b.without_autodiff()).unwrap().sum().backward();
    assert_eq!(plain(a.grad(&gradients).unwrap().abs().sum()), [0.0]);
}

#[test]
fn the_gradient_is_the_slope() {
    let lpips = loaded(&random_network());
    let (a, b) = (noise(1, [1, 3, 16, 16]), noise(2, [1, 3, 16, 16]));
    let along = noise(3, [1, 3, 16, 16]);
    let at = |step: f64| plain(lpips.distance(a.clone() + along.clone() * step, b.clone()).unwrap())[0];
    let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
    let leaf = a.clone().autodiff().require_grad();
    let gradient = leaf.grad(&lpips.distance(leaf.clone(), b.clone()).unwrap().sum().backward()).unwrap();
    let expected = plain((gradient * along.clone()).sum())[0];
    // Kinks of ReLU and pooling within the step cost a few per cent.
    assert!((slope - expected).abs() < 0.05 * expected.abs().max(0.1), "{slope} {expected}");
}

#[test]
fn heads_may_have_their_own_file_and_the_other_name() {
    let (heads, trunk): (Values, Values) =
        random_network().into_iter().partition(|(name, _)| name.starts_with("lin"));
    let heads: Values =
        heads.into_iter().map(|(name, values)| (name.replacen("lin", "lins.", 1), values)).collect();
    let (trunk, heads) = (saved(&trunk), saved(&heads));
    let split = Lpips::load(trunk.path(), Some(heads.path()), &Device::flex()).unwrap();
    let (a, b) = (noise(1, [1, 3, 16, 16]), noise(2, [1, 3, 16, 16]));
    let together = loaded(&random_network()).distance(a.clone(), b.clone()).unwrap();
    assert_eq!(plain(split.distance(a, b).unwrap()), plain(together));
    let text = Lpips::load(trunk.path(), None, &Device::flex()).unwrap_err().to_string();
    assert!(
        text.contains("`lin0.model.1.weight` is missing") && text.contains(trunk.path().to_str().unwrap()),
        "{text}"
    );
}

#[test]
fn errors_name_the_tensor_or_the_shape() {
    let mut values = random_network();
    values.remove("features.17.bias");
    let text = Lpips::load(saved(&values).path(), None, &Device::flex()).unwrap_err().to_string();
    assert!(text.contains("`features.17.bias` is missing"), "{text}");
    let mut values = random_network();
    values.insert("features.5.weight".into(), (vec![4, 1, 3, 3], vec![0.0; 36]));
    let text = Lpips::load(saved(&values).path(), None, &Device::flex()).unwrap_err().to_string();
    assert!(text.contains("`features.5.weight`: expected [4, 4, 3, 3], found [4, 1, 3, 3]"), "{text}");
    let lpips = loaded(&random_network());
    assert!(lpips.distance(noise(1, [1, 3, 16, 16]), noise(1, [1, 3, 16, 17])).is_err());
    assert!(lpips.distance(noise(1, [1, 3, 15, 16]), noise(1, [1, 3, 15, 16])).is_err());
}
