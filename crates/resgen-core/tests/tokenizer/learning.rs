//! A tokenizer learns what its pictures are made of.

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::tokenizer::{ImageTokenizer, ImageTokenizerConfig};
use resgen_core::train::log::ScalarTable;
use resgen_core::train::model_file::ModelFile;
use resgen_core::train::run::Outcome;
use resgen_core::train::tokenizer::TokenizerHeader;

use crate::Training;
use crate::rectangles::{SIDE, picture};

/// A step that no training here reaches: its pictures are held out.
const HELD_OUT: u64 = 1 << 40;

fn held_out(count: usize) -> Tensor<4> {
    let values: Vec<f32> = (0..count).flat_map(|index| picture(index as u64, HELD_OUT)).collect();
    Tensor::from_data(TensorData::new(values, [count, 3, SIDE, SIDE]), &Device::flex())
}

fn mean_square(difference: Tensor<4>) -> f32 {
    difference.square().mean().into_scalar()
}

#[test]
fn a_tiny_tokenizer_beats_every_constant_picture() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training::new(
        "steps = 160\nbatch = 16\nmicro_batches = 2\nrate = { peak = 5e-3, warmup = 10 }\noptimizer = { average_decay = 0.9 }",
        "quantize_from = 60",
    );
    let trained = training.run(folder.path());
    let Outcome::Finished { model, skipped, .. } = trained.outcome else { panic!("{:?}", trained.outcome) };
    assert!(skipped.is_empty(), "{skipped:?}");
    assert!(trained.notes.iter().any(|note| note.contains("k-means")), "{:?}", trained.notes);

    let file = ModelFile::<TokenizerHeader<ImageTokenizerConfig>>::load(model).unwrap();
    let tokenizer = ImageTokenizer::load(file.header.tokenizer, &file.tensors, "", &Device::flex()).unwrap();
    let pixels = held_out(64);
    let decoded = tokenizer.decode(&tokenizer.encode(pixels.clone()).unwrap()).unwrap();
    let error = mean_square(decoded - pixels.clone());
    // The mean of the held-out pictures themselves is the best that one picture for all of them can be.
    let constant = mean_square(pixels.clone().mean_dim(0) - pixels);
    assert!(error < 0.5 * constant, "{error} against {constant}");

    let table = ScalarTable::read(folder.path().join("log.csv")).unwrap();
    assert_eq!(table.rows().len(), 160);
    assert_eq!(table.series("commitment").len(), 100);
    for column in ["lpips", "adversarial", "discriminator", "adaptive_weight"] {
        assert!(table.series(column).is_empty(), "{column}");
    }
}
