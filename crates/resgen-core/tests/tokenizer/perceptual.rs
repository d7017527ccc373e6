//! LPIPS as a loss, on a random trunk with few channels.

use std::path::Path;

use burn::tensor::TensorData;
use resgen_core::nn::parameters::NamedTensors;
use resgen_core::random::{Purpose, normal, stream};
use resgen_core::train::log::ScalarTable;
use resgen_core::train::model_file::{Storage, write};

use crate::Training;

const WIDTH: usize = 4;
/// The convolutions of VGG16 by stage.
const STAGES: [&[usize]; 5] = [&[0, 2], &[5, 7], &[10, 12, 14], &[17, 19, 21], &[24, 26, 28]];

fn write_random_network(path: &Path) {
    let mut rng = stream(5, Purpose::Init, 0, 0);
    let mut tensors = NamedTensors::new();
    for (stage, layers) in STAGES.iter().enumerate() {
        for layer in *layers {
            let input = if *layer == 0 { 3 } else { WIDTH };
            let weight = (0..WIDTH * input * 9).map(|_| 0.4 * normal(&mut rng)).collect::<Vec<f32>>();
            tensors.insert(format!("features.{layer}.weight"), TensorData::new(weight, [WIDTH, input, 3, 3]));
            let bias = (0..WIDTH).map(|_| 0.4 * normal(&mut rng)).collect::<Vec<f32>>();
            tensors.insert(format!("features.{layer}.bias"), TensorData::new(bias, [WIDTH]));
        }
        let head = TensorData::new(vec![1f32; WIDTH], [1, WIDTH, 1, 1]);
        tensors.insert(format!("lin{stage}.model.1.weight"), head);
    }
    write(path, &tensors, None, Storage::F32).unwrap();
}

#[test]
fn the_perceptual_distance_falls_alone_and_against_an_adversary() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("network.safetensors");
    write_random_network(&network);
    // Nothing but LPIPS tells the decoder what the pictures look like, and its network has random weights: the
    // distance falls slowly, but it falls.
    let losses = format!(
        "l1 = 0.0\nl2 = 0.0\nquantize_from = 20\n[lpips]\ntrunk = {:?}\n[adversarial]\nweight = 0.1\nstart_step = 60\n[adversarial.discriminator]\nchannels = 4\nlayers = 2",
        network.display().to_string()
    );
    let training = Training::new("steps = 100\nbatch = 8\nrate = { peak = 2e-3, warmup = 5 }", &losses);
    training.run(folder.path());
    let table = ScalarTable::read(folder.path().join("log.csv")).unwrap();
    let distances: Vec<f64> = table.series("lpips").into_iter().map(|(_, value)| value).collect();
    assert_eq!(distances.len(), 100);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let [start, alone, opposed] = [0..10, 50..60, 90..100].map(|range| mean(&distances[range]));
    assert!(alone < 0.9 * start && opposed < 0.85 * start, "{start} {alone} {opposed}");
    assert!(table.series("adaptive_weight").iter().all(|(_, weight)| *weight > 0.0));
}
