//! Tiny generators of all four kinds trained end to end: they must learn which codes belong to which class, and resume exactly.

use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::eval::held_out_loss;
use resgen_core::head::{MixtureConfig, MixtureLoss, ScaleKind};
use resgen_core::model::{AnyNetwork, ArResgen, Maskgit, NetworkKind, Resgen, RqTransformer, Stored};
use resgen_core::nn::transformer::TrunkConfig;
use resgen_core::nn::{Builder, Precision, parameters};
use resgen_core::progress::Silent;
use resgen_core::random::{Purpose, index_below, stream};
use resgen_core::rvq::{Codebooks, Codes, Sharing};
use resgen_core::sample::{Preset, Request};
use resgen_core::schedule::MaskingSchedule;
use resgen_core::tokenizer::image::Autoencoder;
use resgen_core::tokenizer::{Autoencode, ImageTokenizer, ImageTokenizerConfig, TokenizerConfig};
use resgen_core::train::generator::{
    Generator, GeneratorLearner, GeneratorParts, ModelConfig, Objective, Trainable, TrunkSize,
    embedding_scales,
};
use resgen_core::train::log::ScalarTable;
use resgen_core::train::model_file::ModelFile;
use resgen_core::train::rate::{Decay, RateConfig};
use resgen_core::train::run::{Outcome, RunConfig, RunContext, run};
use resgen_core::train::tokens::TokenSource;
use resgen_core::workers::Workers;

const DEPTH: usize = 2;
const VOCABULARY: usize = 8;
const LATENT: usize = 4;
const POSITIONS: usize = 4;
const STEPS: u64 = 300;
const NOISE: f32 = 0.1;

fn config() -> ImageTokenizerConfig {
    let mut config: ImageTokenizerConfig = toml::from_str(
        "resolution = 16\nchannels = [4, 4, 4, 4]\nblocks = 1\nlatent = 4\nvocabulary = 8\ndepth = 2\n",
    )
    .unwrap();
    config.sharing = Sharing::Separate;
    config
}

/// A tokenizer whose coarse codes lie far from each other and whose fine codes lie near.
fn tokenizer() -> ImageTokenizer {
    let device = Device::flex();
    let mut rng = stream(5, Purpose::Synthetic, 0, 0);
    let vectors: Vec<f32> = (0..DEPTH * VOCABULARY * LATENT)
        .map(|index| {
            let size = if index < VOCABULARY * LATENT { 1.0 } else { 0.25 };
            size * resgen_core::random::normal(&mut rng)
        })
        .collect();
    let vectors = TensorData::new(vectors, [DEPTH, VOCABULARY, LATENT]);
    let books = Codebooks::new(Tensor::from_data(vectors, &device), DEPTH).unwrap();
    let autoencoder = Autoencoder::new(&mut Builder::new(0, &device), &config());
    ImageTokenizer::new(config(), autoencoder, books).unwrap()
}

/// The coarse codes of each class; the fine codes are free.
const COARSE: [[u16; POSITIONS]; 2] = [[0, 3, 5, 6], [7, 1, 2, 4]];

fn data() -> (Codes, Vec<usize>) {
    let classes: Vec<usize> = (0..64).map(|index| index % 2).collect();
    let mut rng = stream(6, Purpose::Synthetic, 0, 0);
    let values = classes
        .iter()
        .flat_map(|&class| COARSE[class])
        .flat_map(|coarse| [coarse, index_below(&mut rng, VOCABULARY) as u16])
        .collect();
    (Codes::new(values, POSITIONS, DEPTH, VOCABULARY).unwrap(), classes)
}

fn run_config() -> RunConfig {
    RunConfig {
        steps: STEPS,
        batch: 16,
        micro_batches: 2,
        seed: 4,
        checkpoint_every: 7,
        keep: 2,
        preview_every: 0,
        rate: RateConfig { peak: 3e-3, warmup: 20, decay: Decay::Cosine, floor: 0.05 },
        optimizer: Default::default(),
        precision: Precision::F32,
    }
}

fn learner<M: Trainable>(config: &RunConfig) -> GeneratorLearner<M> {
    let tokenizer = tokenizer();
    let model = ModelConfig {
        kind: M::KIND,
        depth_layers: usize::from(M::KIND == NetworkKind::RqTransformer),
        trunk: TrunkSize::Custom(TrunkConfig { width: 32, layers: 2, heads: 2 }),
        head: MixtureConfig { components: 16, rank: 2, scale: ScaleKind::Vector, loss: MixtureLoss::Nll },
        text: None,
        positions: None,
        schedule: MaskingSchedule::Cosine,
        condition_dropout: 0.1,
        prompt_share: 0.0,
        target_noise: NOISE,
    };
    let parts = GeneratorParts {
        embedding_scales: embedding_scales(tokenizer.books(), &data().0).unwrap(),
        positions: tokenizer.config().positions(),
        speech: None,
        tokenizer,
        classes: vec!["first".into(), "second".into()],
        preset: Preset { steps: 4, guidance: 1.0, ..Preset::default() },
        licence: "none".into(),
    };
    GeneratorLearner::new(model, parts, config, &Device::flex()).unwrap()
}

/// Trains in `folder`; `stop_at` asks to stop once that many steps are done.
fn train<M: Trainable>(
    folder: &std::path::Path,
    config: &RunConfig,
    workers: usize,
) -> (GeneratorLearner<M>, Outcome) {
    let (codes, classes) = data();
    let mut source =
        TokenSource::new(codes, classes, config.seed, config.batch, config.micro_batches).unwrap();
    let mut learner = learner(config);
    let stop = AtomicBool::new(false);
    let context =
        RunContext { folder, config: serde_json::Value::Null, progress: &mut Silent, stop: &stop, workers };
    let outcome = run(&mut learner, &mut source, config, context).unwrap();
    (learner, outcome)
}

/// A standard normal for every target, the best that can be said without looking at one: 5.68 nats. And how far below that a
/// generator of embeddings must come.
const EMBEDDINGS: [f64; 2] = [LATENT as f64 / 2.0 * 2.837_877, 3.0];
/// One code as likely as another, ln 8. Half of all codes are free, so that no more than half of it can go.
const CODES: [f64; 2] = [2.079_442, 0.5];

#[test]
fn learns_the_codes_of_each_class() {
    check_learning::<Resgen>(Precision::F32, EMBEDDINGS);
}

#[test]
fn learns_as_much_with_products_in_bf16() {
    check_learning::<Resgen>(Precision::Bf16, EMBEDDINGS);
}

#[test]
fn maskgit_learns_them_too() {
    check_learning::<Maskgit>(Precision::F32, CODES);
}

#[test]
fn and_ar_resgen() {
    check_learning::<ArResgen>(Precision::F32, EMBEDDINGS);
}

#[test]
fn and_rq_transformer() {
    check_learning::<RqTransformer>(Precision::F32, CODES);
}

fn check_learning<M: Trainable + Stored>(precision: Precision, [blind, gain]: [f64; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let (learner, outcome) = train::<M>(folder.path(), &RunConfig { precision, ..run_config() }, 2);
    assert!(matches!(outcome, Outcome::Finished { .. }));

    let losses = ScalarTable::read(folder.path().join("log.csv")).unwrap().series("loss");
    let mean = |part: &[(u64, f64)]| part.iter().map(|(_, loss)| loss).sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..5]), mean(&losses[losses.len() - 30..]));
    assert!((first - blind).abs() < 1.5, "starts at {first}, not near {blind}");
    assert!(last < blind - gain, "{last} is not {gain} nats below {blind}");

    // Samples must have the coarse codes of the class they were asked for; chance is one in eight.
    let (model, tokenizer) = (precision.of(learner.averaged()), tokenizer());
    let preset = Preset { steps: 4, guidance: 1.0, choice_temperature: 5.0, ..Preset::default() };
    let sampler = model.sampler(tokenizer.books(), preset).unwrap();
    let classes: Vec<usize> = (0..40).map(|index| index % 2).collect();
    let drawn = sampler.sample(&Request { classes: classes.clone(), seed: 1, ..Request::default() }).unwrap();
    let right = classes
        .iter()
        .enumerate()
        .flat_map(|(sample, &class)| {
            (0..POSITIONS).map(move |position| (sample, position, COARSE[class][position]))
        })
        .filter(|&(sample, position, coarse)| drawn.signal(sample)[position * DEPTH] == coarse)
        .count();
    assert!(right >= 144, "{right} of 160 coarse codes belong to the class");

    let file = ModelFile::load(folder.path().join("model.safetensors")).unwrap();
    let generator =
        Generator::<AnyNetwork>::from_file(&file, &Device::flex()).unwrap().in_precision(precision);
    assert_eq!(generator.model.sizes().kind, M::KIND);
    let (codes, classes) = data();
    let swapped: Vec<usize> = classes.iter().map(|class| 1 - class).collect();
    let (right, wrong) = (loss(&generator, &codes, &classes, 1), loss(&generator, &codes, &swapped, 1));
    assert!((right - last).abs() < 0.5, "{right} by itself and {last} in training, of the same codes");
    assert!(wrong > right + 1.0, "{wrong} for the wrong classes and {right} for the right ones");
    assert_eq!(loss(&generator, &codes, &classes, 3), right, "another loss with more workers");
}

/// The mean of eight rounds over codes of certain classes.
fn loss(generator: &Generator, codes: &Codes, classes: &[usize], workers: usize) -> f64 {
    let schedule = MaskingSchedule::Cosine;
    let objective =
        Objective { schedule, condition_dropout: 0.0, prompt_share: 0.0, target_noise: NOISE, seed: 1 };
    let workers = Workers::new(workers).unwrap();
    held_out_loss(generator, &(codes, classes), &objective, 8, &workers, &mut Silent).unwrap().loss.value
}

#[test]
fn resumes_to_the_same_weights_on_any_number_of_workers() {
    let config = RunConfig { steps: 17, ..run_config() };
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (straight, _) = train::<Resgen>(whole.path(), &config, 1);
    // The first run leaves its checkpoint of step 14 behind; the second starts there, as after a kill.
    train::<Resgen>(parts.path(), &config, 2);
    std::fs::remove_dir_all(parts.path().join("checkpoints/step-000000017")).unwrap();
    std::fs::remove_file(parts.path().join("model.safetensors")).unwrap();
    let (resumed, _) = train::<Resgen>(parts.path(), &config, 2);
    let prints =
        [&straight, &resumed].map(|learner| parameters::fingerprint(&parameters::read(&learner.averaged())));
    assert_eq!(prints[0], prints[1]);
    let files =
        [&whole, &parts].map(|folder| std::fs::read(folder.path().join("model.safetensors")).unwrap());
    assert!(files[0] == files[1], "the model files differ");
}
