//! Generators that are told a text: they learn to say it, and samplers keep their promises with texts of any length, whoever reads them.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::condition::{Saying, TextConfig};
use resgen_core::head::{MixtureConfig, MixtureLoss, ScaleKind};
use resgen_core::model::{ArResgen, Maskgit, Network, NetworkConfig, NetworkKind, Resgen, RqTransformer};
use resgen_core::nn::transformer::TrunkConfig;
use resgen_core::nn::{Builder, parameters};
use resgen_core::random::{Purpose, index_below, stream};
use resgen_core::rvq::{Codebooks, Codes};
use resgen_core::sample::{Preset, Request, Samples as _};
use resgen_core::schedule::MaskingSchedule;
use resgen_core::train::generator::{Objective, Trainable};
use resgen_core::train::tokens::TokenBatch;
use resgen_core::train::weights::{Gradient, OptimizerConfig, Weights};
use resgen_core::workers::Workers;

const LETTERS: [char; 3] = ['a', 'b', 'c'];
const MOST: usize = 6;
const DEPTH: usize = 2;
const BATCH: usize = 32;

/// Texts are read by a network of their own.
fn learned() -> TextConfig {
    TextConfig { layers: 1, most: MOST, encoder: None }
}

/// Texts are read by a frozen encoder, one that knows nothing: `peers/text/make_golden.py` drew its weights.
fn frozen(layers: usize) -> TextConfig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/t5/gated");
    let config = TextConfig { layers, most: MOST, encoder: Some(folder) };
    config.with(config.load(&Device::flex()).unwrap().as_deref())
}

fn config(kind: NetworkKind, text: TextConfig) -> NetworkConfig {
    NetworkConfig {
        kind,
        trunk: TrunkConfig { width: 32, layers: 2, heads: 2 },
        head: MixtureConfig { components: 12, rank: 2, scale: ScaleKind::Vector, loss: MixtureLoss::Nll },
        depth_layers: usize::from(kind == NetworkKind::RqTransformer),
        positions: MOST,
        depth: DEPTH,
        latent: 2,
        vocabulary: LETTERS.len(),
        classes: 1,
        text: Some(text),
        embedding_scales: vec![1.0, 0.5, 1.3],
    }
}

/// Three corners of a large triangle, and of a small one.
fn books() -> Codebooks {
    let values = vec![1.5f32, 0.0, -0.75, 1.3, -0.75, -1.3, 0.5, 0.0, -0.25, 0.43, -0.25, -0.43];
    let vectors = Tensor::from_data(TensorData::new(values, [DEPTH, LETTERS.len(), 2]), &Device::flex());
    Codebooks::new(vectors, DEPTH).unwrap()
}

/// A text of `length` letters and the codes that say it: a position a letter.
fn said(length: usize, draw: &mut impl FnMut(usize) -> usize) -> (String, Vec<u16>) {
    let letters: Vec<usize> = (0..length).map(|_| draw(LETTERS.len())).collect();
    let codes = letters.iter().flat_map(|&letter| [letter as u16, ((letter + 1) % 3) as u16]);
    (letters.iter().map(|&letter| LETTERS[letter]).collect(), codes.collect())
}

/// A position a letter.
fn saying(text: &str) -> Saying {
    Saying::new(text, text.len())
}

/// Texts of one length, as batches of speech are.
fn batch(step: u64) -> TokenBatch {
    let mut rng = stream(1, Purpose::Synthetic, 0, step);
    let mut draw = |below| index_below(&mut rng, below);
    let length = 3 + draw(MOST - 2);
    let (texts, codes): (Vec<String>, Vec<Vec<u16>>) = (0..BATCH).map(|_| said(length, &mut draw)).unzip();
    let codes = Codes::new(codes.concat(), length, DEPTH, LETTERS.len()).unwrap();
    TokenBatch {
        codes,
        classes: vec![0; BATCH],
        texts: texts.iter().map(|text| saying(text)).collect(),
        first: 0,
    }
}

/// How many positions each letter takes in the language of [`drawl`].
const TAKEN: [usize; 3] = [1, 2, 3];

/// Texts of two letters, of which the later ones in the alphabet take longer; all are as long as the longest.
fn drawl(step: u64) -> TokenBatch {
    const LETTERS_SAID: usize = 2;
    let positions = LETTERS_SAID * TAKEN[2];
    let mut rng = stream(4, Purpose::Synthetic, 0, step);
    let (mut texts, mut codes) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        let letters: Vec<usize> = (0..LETTERS_SAID).map(|_| index_below(&mut rng, LETTERS.len())).collect();
        let said: Vec<u16> = letters
            .iter()
            .flat_map(|&letter| [letter as u16, ((letter + 1) % 3) as u16].repeat(TAKEN[letter]))
            .collect();
        let text: String = letters.iter().map(|&letter| LETTERS[letter]).collect();
        texts.push(Saying::new(text, said.len() / DEPTH));
        codes.extend(said.iter().copied().chain(std::iter::repeat(0)).take(positions * DEPTH));
    }
    let codes = Codes::new(codes, positions, DEPTH, LETTERS.len()).unwrap();
    TokenBatch { codes, classes: vec![0; BATCH], texts, first: 0 }
}

fn fresh<M: Network>(text: TextConfig) -> M {
    let encoder = text.load(&Device::flex()).unwrap();
    M::new(&mut Builder::new(3, &Device::flex()), config(M::KIND, text)).reading_with(encoder)
}

fn trained<M: Trainable>(text: TextConfig, steps: u64) -> M {
    trained_on(batch, text, steps)
}

fn trained_on<M: Trainable>(batch: impl Fn(u64) -> TokenBatch, text: TextConfig, steps: u64) -> M {
    let (workers, books) = (Workers::new(1).unwrap(), books());
    let schedule = MaskingSchedule::Cosine;
    let objective =
        Objective { schedule, condition_dropout: 0.1, prompt_share: 0.0, target_noise: 0.1, seed: 2 };
    let mut weights =
        Weights::new(fresh::<M>(text), OptimizerConfig { average_decay: 0.98, ..Default::default() });
    for step in 0..steps {
        let masters = weights.model().clone().train();
        let scored = objective.score(&masters, &books, step, &batch(step)).unwrap();
        let gradients = parameters::take_gradients(&masters, &mut scored.whole().backward());
        let rate = 4e-3 * (1.0 - step as f64 / steps as f64);
        weights.update(Gradient::mean(gradients, scored.count, &workers).unwrap(), rate, &workers).unwrap();
    }
    weights.averaged()
}

fn request(texts: &[&str]) -> Request {
    Request {
        classes: vec![0; texts.len()],
        texts: texts.iter().map(|&text| saying(text)).collect(),
        positions: Some(texts[0].len()),
        seed: 7,
        ..Request::default()
    }
}

/// The share of codes that say what was asked for, of texts of every length.
fn share_said<M: Trainable>(model: &M) -> f64 {
    let books = books();
    let preset = Preset { steps: 6, guidance: 1.5, ..Preset::default() };
    let sampler = model.sampler(&books, preset).unwrap();
    let mut rng = stream(5, Purpose::Synthetic, 1, 0);
    let mut draw = |below| index_below(&mut rng, below);
    let (mut right, mut all) = (0, 0);
    for length in 3..=MOST {
        let (texts, expected): (Vec<String>, Vec<Vec<u16>>) =
            (0..20).map(|_| said(length, &mut draw)).unzip();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let codes = sampler.sample(&request(&texts)).unwrap();
        let expected = expected.concat();
        right += codes.values().iter().zip(&expected).filter(|(a, b)| a == b).count();
        all += expected.len();
    }
    right as f64 / all as f64
}

#[test]
fn generators_learn_to_say_what_they_are_told() {
    // Chance is a third. The letter of a position is the one at its place in the text.
    for (kind, share) in [
        (NetworkKind::Maskgit, share_said(&trained::<Maskgit>(learned(), 250))),
        (NetworkKind::Resgen, share_said(&trained::<Resgen>(learned(), 500))),
        (NetworkKind::ArResgen, share_said(&trained::<ArResgen>(learned(), 400))),
    ] {
        assert!(share > 0.8, "{}: {share}", kind.name());
    }
}

#[test]
fn a_generator_learns_to_say_what_a_frozen_encoder_reads() {
    for layers in [0, 1] {
        let share = share_said(&trained::<Maskgit>(frozen(layers), 250));
        assert!(share > 0.8, "{layers} layers: {share}");
    }
}

#[test]
fn it_is_learned_when_each_letter_is_said() {
    let model = trained_on::<Maskgit>(drawl, learned(), 300);
    let (reader, books, device) = (model.reader().unwrap(), books(), Device::flex());
    let batch = drawl(1000);
    let positions = batch.codes.positions();
    let signal = books.decode(batch.codes.to_tensor(&device).reshape([BATCH * positions, DEPTH]));
    let texts = batch.condition(&device).texts.unwrap();
    let heard = reader.aligned(&texts, signal.reshape([BATCH, positions, 2])).unwrap().0.places;
    let expected = reader.forward(&texts).places;
    let length = heard.dims()[1];
    let [heard, expected] = [heard, expected].map(|places| places.try_into_vec_as::<f32>().unwrap());
    let mut worst = [0f32; 2];
    for (signal, saying) in batch.texts.iter().enumerate() {
        let mut start = 0.0;
        for (at, letter) in saying.text.chars().enumerate() {
            let taken = TAKEN[LETTERS.iter().position(|known| *known == letter).unwrap()] as f32;
            for (worst, places) in worst.iter_mut().zip([&heard, &expected]) {
                *worst = worst.max((places[signal * length + 1 + at] - start - taken / 2.0).abs());
            }
            start += taken;
        }
    }
    // A letter that is expected to take as long as the others would be off by more than a position. Two of one kind can only be told apart by how
    // long they usually take.
    assert!(worst[0] < 0.4 && worst[1] < 0.4, "{worst:?}");
}

/// A few steps, so that texts are heard at all.
fn speaks<M: Trainable>() {
    let (model, books) = (trained::<M>(frozen(0), 5), books());
    // Of the encoder's 24 coordinates each has a vector; the encoder itself is no part of what is trained and kept.
    let of_texts: Vec<_> = parameters::names_and_shapes(&model)
        .into_iter()
        .filter(|(name, _)| name.starts_with("texts."))
        .collect();
    let expected = [
        ("texts.table", vec![24, 32]),
        ("texts.norm.gain", vec![32]),
        ("texts.norm.bias", vec![32]),
        ("texts.times.weight", vec![32, 1]),
        ("texts.times.bias", vec![1]),
    ];
    let of_texts: Vec<_> =
        of_texts.into_iter().filter(|(name, _)| !name.starts_with("texts.aligner.")).collect();
    assert_eq!(of_texts, expected.map(|(name, shape)| (name.to_owned(), shape)));
    let sampler = model.sampler(&books, Preset { steps: 4, ..Preset::default() }).unwrap();
    let positions = Some(5);
    let alone = sampler.sample(&Request { positions, ..request(&["abcab"]) }).unwrap();
    let beside = sampler.sample(&Request { positions, ..request(&["abcab", "é"]) }).unwrap();
    assert_eq!(alone.signal(0), beside.signal(0));
}

#[test]
fn all_kinds_of_generators_hear_a_frozen_encoder() {
    speaks::<Resgen>();
    speaks::<Maskgit>();
    speaks::<ArResgen>();
    speaks::<RqTransformer>();
}

#[test]
fn a_sample_is_the_same_beside_a_longer_text() {
    let (model, books) = (trained::<Resgen>(learned(), 20), books());
    let sampler = model.sampler(&books, Preset { steps: 4, ..Preset::default() }).unwrap();
    let positions = Some(5);
    let alone = sampler.sample(&Request { positions, ..request(&["abcab"]) }).unwrap();
    let beside = sampler.sample(&Request { positions, ..request(&["abcab", "aaaaaa"]) }).unwrap();
    assert_eq!(alone.signal(0), beside.signal(0));
    let other = sampler.sample(&Request { seed: 8, positions, ..request(&["abcab"]) }).unwrap();
    assert_ne!(alone.signal(0), other.signal(0));
}

#[test]
fn what_cannot_be_said_is_refused() {
    let (model, books) = (fresh::<Resgen>(learned()), books());
    let sampler = model.sampler(&books, Preset { steps: 4, ..Preset::default() }).unwrap();
    let refusal = |request: Request| sampler.sample(&request).unwrap_err().to_string();
    assert!(refusal(request(&["abcabca"])).contains("positions"));
    let long = Request { positions: Some(4), ..request(&["abcabca"]) };
    assert!(refusal(long).contains("one has 7 bytes, the generator reads at most 6"));
    let one = Request { classes: vec![0, 0], ..request(&["abc"]) };
    assert!(refusal(one).contains("texts"));
    assert!(refusal(Request { positions: Some(0), ..request(&["abc"]) }).contains("positions"));
    let mute = Resgen::new(
        &mut Builder::new(3, &Device::flex()),
        NetworkConfig { text: None, ..config(NetworkKind::Resgen, learned()) },
    );
    let sampler = mute.sampler(&books, Preset { steps: 4, ..Preset::default() }).unwrap();
    let refused = sampler.sample(&request(&["abc"])).unwrap_err().to_string();
    assert!(refused.contains("does not speak"), "{refused}");
}
