//! Generators that go position by position keep the promises of the masked sampler, and draw what they predict with all codes
//! known: small networks of random weights.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use resgen_core::condition::Condition;
use resgen_core::head::{MixtureConfig, MixtureLoss, ScaleKind};
use resgen_core::model::{ArResgen, Network, NetworkConfig, NetworkKind, RqTransformer, Sequential};
use resgen_core::nn::transformer::TrunkConfig;
use resgen_core::nn::{Builder, parameters};
use resgen_core::random::{Purpose, fill_normal, stream};
use resgen_core::rvq::{Codebooks, Codes};
use resgen_core::sample::{Autoregressor, DrawsPosition, Known, Preset, Request};

const POSITIONS: usize = 6;
const DEPTH: usize = 3;
const VOCABULARY: usize = 8;
const LATENT: usize = 4;
const CLASSES: usize = 3;

fn noise(count: usize, index: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    fill_normal(&mut values, &mut stream(3, Purpose::Synthetic, index, 0));
    values
}

fn config(kind: NetworkKind) -> NetworkConfig {
    NetworkConfig {
        kind,
        depth_layers: usize::from(kind == NetworkKind::RqTransformer),
        vocabulary: VOCABULARY,
        trunk: TrunkConfig { width: 16, layers: 2, heads: 2 },
        head: MixtureConfig { components: 6, rank: 2, scale: ScaleKind::Vector, loss: MixtureLoss::Nll },
        positions: POSITIONS,
        depth: DEPTH,
        latent: LATENT,
        classes: CLASSES,
        text: None,
        embedding_scales: vec![1.0, 0.6, 0.9, 1.5],
    }
}

/// Random weights everywhere, so that every input matters.
fn disturbed<M: Module>(model: M) -> M {
    let device = Device::flex();
    let values = parameters::flat(&model).into_iter().enumerate().map(|(index, values)| {
        let count = values.dims()[0];
        let noise = TensorData::new(noise(count, index as u64), [count]);
        values + Tensor::<1>::from_data(noise, &device) * 0.1
    });
    let values = values.collect();
    parameters::with_flat(model, values)
}

fn ar_resgen() -> ArResgen {
    disturbed(ArResgen::new(&mut Builder::new(1, &Device::flex()), config(NetworkKind::ArResgen)))
}

fn rq_transformer() -> RqTransformer {
    disturbed(RqTransformer::new(&mut Builder::new(1, &Device::flex()), config(NetworkKind::RqTransformer)))
}

fn books() -> Codebooks {
    let vectors = TensorData::new(noise(DEPTH * VOCABULARY * LATENT, 1000), [DEPTH, VOCABULARY, LATENT]);
    Codebooks::new(Tensor::from_data(vectors, &Device::flex()), DEPTH).unwrap()
}

fn request(classes: Vec<usize>, first_index: u64) -> Request {
    Request { classes, seed: 11, first_index, ..Request::default() }
}

fn drawn<H: DrawsPosition>(model: &Sequential<H>, preset: Preset, request: &Request) -> Codes {
    Autoregressor::new(model, &books(), preset).unwrap().sample(request).unwrap()
}

fn does_not_depend_on_its_batch<H: DrawsPosition>(model: &Sequential<H>) {
    for guidance in [1.0, 3.0] {
        let preset = Preset { guidance, ..Preset::default() };
        let together = drawn(model, preset, &request(vec![0, 2, 1], 5));
        for (sample, class) in [0, 2, 1].into_iter().enumerate() {
            let alone = drawn(model, preset, &request(vec![class], 5 + sample as u64));
            assert_eq!(alone.signal(0), together.signal(sample), "guidance {guidance}, sample {sample}");
        }
        assert_ne!(together.signal(0), together.signal(1));
        let other = Request { seed: 12, ..request(vec![0, 2, 1], 5) };
        assert_ne!(drawn(model, preset, &other), together);
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    does_not_depend_on_its_batch(&ar_resgen());
    does_not_depend_on_its_batch(&rq_transformer());
}

fn keeps_known_codes<H: DrawsPosition>(model: &Sequential<H>) {
    let values = (0..POSITIONS * DEPTH).map(|i| (i * 5 % VOCABULARY) as u16).collect();
    let codes = Codes::new(values, POSITIONS, DEPTH, VOCABULARY).unwrap();
    for masked in [vec![0, 1, 2, 3, 1, 0], vec![0; POSITIONS], vec![DEPTH; POSITIONS]] {
        let known = Some(Known { codes: codes.clone(), masked: masked.clone() });
        let found = drawn(model, Preset::default(), &Request { known, ..request(vec![0, 1], 0) });
        for sample in 0..2 {
            for (position, masked) in masked.iter().enumerate() {
                let kept = position * DEPTH..(position + 1) * DEPTH - masked;
                assert_eq!(found.signal(sample)[kept.clone()], codes.signal(0)[kept], "{position}");
            }
        }
        if masked == vec![DEPTH; POSITIONS] {
            assert_eq!(found, drawn(model, Preset::default(), &request(vec![0, 1], 0)));
        }
    }
}

#[test]
fn known_codes_never_change() {
    keeps_known_codes(&ar_resgen());
    keeps_known_codes(&rq_transformer());
}

/// Embeddings of whole positions `[B, L, H]`, scaled, and of the first codes `[B·L, D − 1, H]`.
fn embeddings(codes: &Codes, scale: f32) -> (Tensor<3>, Tensor<3>) {
    let (device, books) = (Device::flex(), books());
    let rows = codes.batch() * POSITIONS;
    let tensor = codes.to_tensor(&device).reshape([rows, DEPTH]);
    let visible = |count: i64| {
        let count = Tensor::<2, Int>::full([rows, 1], count, &device);
        books.visible_embedding(tensor.clone(), count).div_scalar(scale)
    };
    let partial = (1..DEPTH as i64).map(visible).collect();
    (visible(DEPTH as i64).reshape([codes.batch(), POSITIONS, LATENT]), Tensor::stack(partial, 1))
}

#[test]
fn the_surest_codes_are_those_that_all_codes_known_predict() {
    // Without guidance and with the largest logit taken, what is drawn with remembered keys and values is the
    // argmax of a pass over all positions and depths at once.
    let surest = Preset { guidance: 1.0, component_temperature: 0.0, temperature: 0.0, ..Preset::default() };
    let device = Device::flex();
    let condition = Condition::of_classes([0, 2], &device);

    let model = rq_transformer();
    let codes = drawn(&model, surest, &request(vec![0, 2], 0));
    let (whole, partial) = embeddings(&codes, 1.5);
    let logits = model.head().forward(model.hidden(whole, &model.modulations(&condition)), partial);
    let best = logits.argmax(2).reshape([2, POSITIONS, DEPTH]);
    assert_eq!(Codes::from_tensor(best, VOCABULARY).unwrap(), codes);

    let model = ar_resgen();
    let codes = drawn(&model, surest, &request(vec![0, 2], 0));
    let (whole, _) = embeddings(&codes, 1.5);
    let out = model.head().forward(model.hidden(whole, &model.modulations(&condition)));
    let best = out.logits.clone().argmax(1).squeeze_dim(1);
    let means = model.head().component_means(best, out.mixer.clone());
    let z = out.place(means, Tensor::zeros([2 * POSITIONS, LATENT], &device), 0.0) * 1.5;
    let best = books().encode(z).reshape([2, POSITIONS, DEPTH]);
    assert_eq!(Codes::from_tensor(best, VOCABULARY).unwrap(), codes);
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let (model, books) = (rq_transformer(), books());
    let sampler = Autoregressor::new(&model, &books, Preset::default()).unwrap();
    let text = sampler.sample(&request(vec![CLASSES + 1], 0)).unwrap_err().to_string();
    assert!(text.contains("expected at most 3 (no condition), found 4"), "{text}");
    assert_eq!(sampler.sample(&request(vec![], 0)).unwrap().batch(), 0);
    let wild = Preset { guidance: 5000.0, ..Preset::default() };
    assert!(Autoregressor::new(&model, &books, wild).is_err());
}
