//! Weights are not stored: both sides make them of their names.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::features::{Inception, InceptionFeatures, InceptionResize, Lpips};
use safetensors::{Dtype, tensor::TensorView};

use super::{Golden, assert_near};

/// Number `index` of the tensor `name`, in [−1, 1).
fn value(seed: u32, index: u32) -> f64 {
    let mut mixed = index.wrapping_mul(2_654_435_761).wrapping_add(seed);
    mixed ^= mixed >> 16;
    mixed = mixed.wrapping_mul(0x7feb_352d);
    mixed ^= mixed >> 15;
    mixed = mixed.wrapping_mul(0x846c_a68b);
    mixed ^= mixed >> 16;
    f64::from(mixed) / f64::from(1u32 << 31) - 1.0
}

/// FNV-1a.
fn seed_of(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn made(name: &str, shape: &[usize]) -> Vec<f32> {
    let inputs: usize = shape[1..].iter().product();
    let seed = seed_of(name);
    let of = |v: f64| match name {
        _ if name.starts_with("lin") => v.abs(),
        _ if name.ends_with("running_var") => 1.0 + 0.2 * v,
        _ if name.ends_with("bn.weight") => 1.0 + 0.1 * v,
        _ if name.ends_with("bn.bias") || name.ends_with("running_mean") => 0.1 * v,
        _ if name.ends_with("bias") => 0.05 * v,
        _ => v * (6.0 / inputs as f64).sqrt(),
    };
    (0..shape.iter().product::<usize>() as u32).map(|index| of(value(seed, index)) as f32).collect()
}

/// A safetensors file of made weights.
fn file_of(shapes: &[(String, Vec<usize>)]) -> tempfile::NamedTempFile {
    let bytes: BTreeMap<&String, (&Vec<usize>, Vec<u8>)> = shapes
        .iter()
        .map(|(name, shape)| {
            (name, (shape, made(name, shape).iter().flat_map(|value| value.to_le_bytes()).collect()))
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), safetensors::serialize(views, None).unwrap()).unwrap();
    file
}

/// The layers of the network as torchvision names them: name, outputs, inputs, kernel.
fn inception_shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![("fc.weight".into(), vec![1008, 2048]), ("fc.bias".into(), vec![1008])];
    let mut layer = |name: &str, outputs: usize, inputs: usize, kernel: [usize; 2]| {
        shapes.push((format!("{name}.conv.weight"), vec![outputs, inputs, kernel[0], kernel[1]]));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            shapes.push((format!("{name}.bn.{part}"), vec![outputs]));
        }
    };
    for (name, outputs, inputs, taps) in [
        ("Conv2d_1a_3x3", 32, 3, 3),
        ("Conv2d_2a_3x3", 32, 32, 3),
        ("Conv2d_2b_3x3", 64, 32, 3),
        ("Conv2d_3b_1x1", 80, 64, 1),
        ("Conv2d_4a_3x3", 192, 80, 3),
    ] {
        layer(name, outputs, inputs, [taps, taps]);
    }
    for (block, input, pool) in [("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)] {
        for (name, outputs, inputs, taps) in [
            ("branch1x1", 64, input, 1),
            ("branch5x5_1", 48, input, 1),
            ("branch5x5_2", 64, 48, 5),
            ("branch3x3dbl_1", 64, input, 1),
            ("branch3x3dbl_2", 96, 64, 3),
            ("branch3x3dbl_3", 96, 96, 3),
            ("branch_pool", pool, input, 1),
        ] {
            layer(&format!("{block}.{name}"), outputs, inputs, [taps, taps]);
        }
    }
    layer("Mixed_6a.branch3x3", 384, 288, [3, 3]);
    layer("Mixed_6a.branch3x3dbl_1", 64, 288, [1, 1]);
    layer("Mixed_6a.branch3x3dbl_2", 96, 64, [3, 3]);
    layer("Mixed_6a.branch3x3dbl_3", 96, 96, [3, 3]);
    for (block, width) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
        for (name, outputs, inputs, kernel) in [
            ("branch1x1", 192, 768, [1, 1]),
            ("branch7x7_1", width, 768, [1, 1]),
            ("branch7x7_2", width, width, [1, 7]),
            ("branch7x7_3", 192, width, [7, 1]),
            ("branch7x7dbl_1", width, 768, [1, 1]),
            ("branch7x7dbl_2", width, width, [7, 1]),
            ("branch7x7dbl_3", width, width, [1, 7]),
            ("branch7x7dbl_4", width, width, [7, 1]),
            ("branch7x7dbl_5", 192, width, [1, 7]),
            ("branch_pool", 192, 768, [1, 1]),
        ] {
            layer(&format!("{block}.{name}"), outputs, inputs, kernel);
        }
    }
    layer("Mixed_7a.branch3x3_1", 192, 768, [1, 1]);
    layer("Mixed_7a.branch3x3_2", 320, 192, [3, 3]);
    layer("Mixed_7a.branch7x7x3_1", 192, 768, [1, 1]);
    layer("Mixed_7a.branch7x7x3_2", 192, 192, [1, 7]);
    layer("Mixed_7a.branch7x7x3_3", 192, 192, [7, 1]);
    layer("Mixed_7a.branch7x7x3_4", 192, 192, [3, 3]);
    for (block, input) in [("Mixed_7b", 1280), ("Mixed_7c", 2048)] {
        for (name, outputs, inputs, kernel) in [
            ("branch1x1", 320, input, [1, 1]),
            ("branch3x3_1", 384, input, [1, 1]),
            ("branch3x3_2a", 384, 384, [1, 3]),
            ("branch3x3_2b", 384, 384, [3, 1]),
            ("branch3x3dbl_1", 448, input, [1, 1]),
            ("branch3x3dbl_2", 384, 448, [3, 3]),
            ("branch3x3dbl_3a", 384, 384, [1, 3]),
            ("branch3x3dbl_3b", 384, 384, [3, 1]),
            ("branch_pool", 192, input, [1, 1]),
        ] {
            layer(&format!("{block}.{name}"), outputs, inputs, kernel);
        }
    }
    shapes
}

/// The stored pictures: two of 37 × 53, two of 64 × 64, and one of 350 × 301 that is stored at half its size.
fn pictures(golden: &Golden) -> Vec<(Vec<u8>, [usize; 2])> {
    let stored = |name: &str| {
        let (shape, levels) = golden.levels(&format!("picture.{name}"));
        (levels, [shape[0], shape[1]])
    };
    let (half, [height, width]) = stored("large.half");
    let (tall, wide) = (2 * height, 2 * width - 1);
    let at = |row: usize, column: usize| &half[(row / 2 * width + column / 2) * 3..][..3];
    let large =
        (0..tall).flat_map(|row| (0..wide).flat_map(move |column| at(row, column))).copied().collect();
    let mut all: Vec<_> = ["small.0", "small.1", "square.0", "square.1"].map(stored).into();
    all.push((large, [tall, wide]));
    all
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// The largest difference from every `step`-th number found, relative to the largest magnitude expected.
fn difference(found: &[f32], step: usize, expected: &[f32]) -> f32 {
    assert_eq!(found.len(), step * expected.len());
    let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
    let pairs = found.iter().step_by(step).zip(expected);
    pairs.fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn weights_are_made_as_in_python() {
    let inception = Golden::load("metrics-inception.safetensors");
    let lpips = Golden::load("metrics-lpips.safetensors");
    for (golden, name, shape) in [
        (&inception, "Conv2d_1a_3x3.conv.weight", vec![32, 3, 3, 3]),
        (&inception, "Mixed_7c.branch_pool.bn.running_var", vec![192]),
        (&lpips, "features.0.weight", vec![64, 3, 3, 3]),
        (&lpips, "lin0.model.1.weight", vec![1, 64, 1, 1]),
    ] {
        assert_eq!(made(name, &shape)[..8], golden.floats(&format!("weight.{name}")).1, "{name}");
    }
}

#[test]
fn pictures_are_resized_as_by_the_three_packages() {
    let golden = Golden::load("metrics-inception.safetensors");
    let pictures = pictures(&golden);
    for (name, resize) in RESIZES {
        for (picture, (levels, size)) in [("small.0", &pictures[0]), ("large", &pictures[4])] {
            let (shape, expected) = golden.floats(&format!("resized.{name}.{picture}"));
            let whole = resize.resized(levels, *size);
            let sampled: Vec<f32> = (0..299)
                .step_by(23)
                .flat_map(|row| (0..299).step_by(29).map(move |column| (row, column)))
                .flat_map(|(row, column)| whole[(row * 299 + column) * 3..][..3].to_vec())
                .collect();
            assert_eq!(sampled.len(), shape.iter().product::<usize>());
            let worst = difference(&sampled, 1, &expected);
            assert!(worst < 2e-6, "{name} of {picture}: {worst}");
        }
    }
}

const RESIZES: [(&str, InceptionResize); 3] = [
    ("tf1-bilinear", InceptionResize::Tf1Bilinear),
    ("pytorch-bilinear", InceptionResize::PytorchBilinear),
    ("pil-bicubic", InceptionResize::PilBicubic),
];

#[test]
fn inception_sees_what_its_ports_see() {
    let golden = Golden::load("metrics-inception.safetensors");
    let file = file_of(&inception_shapes());
    for (name, resize) in RESIZES {
        let network = Inception::load(file.path(), resize, &Device::flex()).unwrap();
        let seen: Vec<InceptionFeatures> =
            pictures(&golden).iter().map(|(levels, size)| network.look(levels, *size)).collect();
        let all = |part: fn(&InceptionFeatures) -> Tensor<2>| {
            seen.iter().flat_map(|features| numbers(part(features))).collect::<Vec<f32>>()
        };
        let expected = |what: &str| golden.floats(&format!("{what}.{name}")).1;
        let pooled = expected("pooled");
        let step = 5 * Inception::WIDTH / pooled.len();
        let worst = difference(&all(|features| features.pooled.clone()), step, &pooled);
        assert!(worst < 2e-6, "{name}: pooled features {worst}");
        if resize == InceptionResize::Tf1Bilinear {
            let worst = difference(&all(|features| features.logits.clone()), 1, &expected("unbiased"));
            assert!(worst < 3e-6, "logits {worst}");
            let worst = difference(&all(|features| features.spatial.clone()), 1, &expected("spatial"));
            assert!(worst < 1e-5, "spatial features {worst}");
        }
    }
}

#[test]
fn weights_of_another_network_are_named() {
    let file = file_of(&[("features.0.weight".into(), vec![64, 3, 3, 3])]);
    let text =
        Inception::load(file.path(), InceptionResize::default(), &Device::flex()).err().unwrap().to_string();
    assert!(text.contains("tensor `Conv2d_1a_3x3.conv.weight` is missing"), "{text}");
    let mut shapes = inception_shapes();
    shapes
        .iter_mut()
        .filter(|(name, _)| name == "fc.weight")
        .for_each(|(_, shape)| *shape = vec![1000, 2048]);
    let file = file_of(&shapes);
    let text =
        Inception::load(file.path(), InceptionResize::default(), &Device::flex()).err().unwrap().to_string();
    assert!(text.contains("tensor `fc.weight`: expected [1008, 2048], found [1000, 2048]"), "{text}");
}

#[test]
fn lpips_is_that_of_its_authors() {
    let golden = Golden::load("metrics-lpips.safetensors");
    let widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512];
    let layers = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
    let mut shapes = Vec::new();
    let mut inputs = 3;
    for (layer, outputs) in layers.into_iter().zip(widths) {
        shapes.push((format!("features.{layer}.weight"), vec![outputs, inputs, 3, 3]));
        shapes.push((format!("features.{layer}.bias"), vec![outputs]));
        inputs = outputs;
    }
    for (stage, width) in [64, 128, 256, 512, 512].into_iter().enumerate() {
        shapes.push((format!("lin{stage}.model.1.weight"), vec![1, width, 1, 1]));
    }
    let lpips = Lpips::load(file_of(&shapes).path(), None, &Device::flex()).unwrap();
    for name in ["64x64", "37x53"] {
        let picture = |which: &str| {
            let (shape, levels) = golden.levels(&format!("{which}.{name}"));
            let values: Vec<f32> = levels.iter().map(|level| f32::from(*level) / 127.5 - 1.0).collect();
            let data = TensorData::new(values, [1, shape[0], shape[1], 3]);
            Tensor::<4>::from_data(data, &Device::flex()).permute([0, 3, 1, 2])
        };
        let found = numbers(lpips.distance(picture("first"), picture("second")).unwrap())[0];
        assert_near(f64::from(found), golden.number(&format!("lpips.{name}")), 5e-7, name);
    }
}
