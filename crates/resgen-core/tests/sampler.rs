//! The masked sampler's promises, over a grid of its settings, with small networks of random weights: ResGen and MaskGIT.

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::head::{CategoricalHead, MixtureConfig, MixtureHead, MixtureLoss, ScaleKind};
use resgen_core::model::{Masked, Network, NetworkConfig, NetworkHead, NetworkKind};
use resgen_core::nn::transformer::TrunkConfig;
use resgen_core::nn::{Builder, parameters};
use resgen_core::random::{Purpose, fill_normal, stream};
use resgen_core::rvq::{Codebooks, Codes};
use resgen_core::sample::{FillsMasks, GuidanceOn, Known, Preset, Request, Unmasker};
use resgen_core::schedule::{MaskingSchedule, Ramp};

const POSITIONS: usize = 9;
const DEPTH: usize = 4;
const VOCABULARY: usize = 16;
const LATENT: usize = 3;
const CLASSES: usize = 5;

fn noise(count: usize, index: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    fill_normal(&mut values, &mut stream(3, Purpose::Synthetic, index, 0));
    values
}

/// Random weights everywhere, so that every input matters: a fresh network ignores its class.
fn model<H: NetworkHead>() -> Masked<H> {
    model_of(TrunkConfig { width: 16, layers: 2, heads: 2 })
}

fn model_of<H: NetworkHead>(trunk: TrunkConfig) -> Masked<H> {
    let device = Device::flex();
    let config = NetworkConfig {
        kind: NetworkKind::Resgen, // what the head is, is said by its type
        depth_layers: 0,
        vocabulary: VOCABULARY,
        trunk,
        head: MixtureConfig { components: 6, rank: 2, scale: ScaleKind::Vector, loss: MixtureLoss::Nll },
        positions: POSITIONS,
        depth: DEPTH,
        latent: LATENT,
        classes: CLASSES,
        text: None,
        embedding_scales: vec![1.0, 0.3, 0.6, 0.9, 1.5],
    };
    let model = Masked::<H>::new(&mut Builder::new(1, &device), config);
    let disturbed = parameters::flat(&model)
        .into_iter()
        .enumerate()
        .map(|(index, values)| {
            let count = values.dims()[0];
            let noise = TensorData::new(noise(count, index as u64), [count]);
            values + Tensor::<1>::from_data(noise, &device) * (0.4 / (trunk.width as f32).sqrt())
        })
        .collect();
    parameters::with_flat(model, disturbed)
}

fn books() -> Codebooks {
    let vectors = TensorData::new(noise(DEPTH * VOCABULARY * LATENT, 1000), [DEPTH, VOCABULARY, LATENT]);
    Codebooks::new(Tensor::from_data(vectors, &Device::flex()), DEPTH).unwrap()
}

fn request(classes: Vec<usize>, first_index: u64) -> Request {
    Request { classes, seed: 11, first_index, ..Request::default() }
}

/// Every combination of settings that the tests go over.
fn presets() -> Vec<Preset> {
    let mut presets = Vec::new();
    for steps in [1, 2, 5, 16, POSITIONS * DEPTH] {
        for temperature in [0.0, 1.0] {
            for guidance in [1.0, 3.0] {
                for schedule in MaskingSchedule::ALL {
                    for choice_temperature in [0.0, 10.0] {
                        presets.push(Preset {
                            steps,
                            schedule,
                            guidance,
                            guidance_ramp: Ramp::Linear,
                            temperature,
                            choice_temperature,
                            ..Preset::default()
                        });
                    }
                }
            }
        }
    }
    presets
}

#[test]
fn every_token_is_revealed_exactly_once_and_then_kept() {
    reveals_every_token_once(&model::<MixtureHead>());
    reveals_every_token_once(&model::<CategoricalHead>());
}

fn reveals_every_token_once<H: FillsMasks>(model: &Masked<H>) {
    let books = books();
    for preset in presets() {
        let sampler = Unmasker::new(model, &books, preset).unwrap();
        let mut before: Option<(Codes, Vec<Vec<usize>>)> = None;
        let mut steps = 0;
        let last = sampler
            .sample_with(&request(vec![0, 3], 0), |codes, masked| {
                steps += 1;
                let total: usize = masked[0].iter().sum();
                assert_eq!(total, masked[1].iter().sum::<usize>(), "{preset:?}");
                if let Some((old, old_masked)) = &before {
                    assert!(total < old_masked[0].iter().sum::<usize>(), "{preset:?} revealed nothing");
                    for (sample, masks) in old_masked.iter().enumerate() {
                        for (position, &hidden) in masks.iter().enumerate() {
                            assert!(masked[sample][position] <= hidden, "{preset:?} hid a token again");
                            let kept = position * DEPTH..(position + 1) * DEPTH - hidden;
                            assert_eq!(
                                old.signal(sample)[kept.clone()],
                                codes.signal(sample)[kept],
                                "{preset:?}"
                            );
                        }
                    }
                }
                before = Some((codes.clone(), masked.to_vec()));
                Ok(())
            })
            .unwrap();
        let (codes, masked) = before.unwrap();
        assert_eq!(steps, preset.steps);
        assert!(masked.iter().flatten().all(|&k| k == 0), "{preset:?} left tokens masked");
        assert_eq!(codes, last);
    }
}

#[test]
fn known_codes_never_change() {
    keeps_known_codes(&model::<MixtureHead>());
    keeps_known_codes(&model::<CategoricalHead>());
}

fn keeps_known_codes<H: FillsMasks>(model: &Masked<H>) {
    let books = books();
    let codes = Codes::new(
        (0..POSITIONS * DEPTH).map(|i| (i * 7 % VOCABULARY) as u16).collect(),
        POSITIONS,
        DEPTH,
        VOCABULARY,
    )
    .unwrap();
    let masks = [
        (0..POSITIONS).map(|position| position % (DEPTH + 1)).collect::<Vec<_>>(),
        vec![DEPTH - 1; POSITIONS], // variation: the coarsest code of every position is kept
        (0..POSITIONS).map(|position| if position < 3 { DEPTH } else { 0 }).collect(), // inpainting
        vec![0; POSITIONS],
    ];
    for masked in masks {
        for preset in presets().into_iter().step_by(3) {
            let known = Some(Known { codes: codes.clone(), masked: masked.clone() });
            let sampler = Unmasker::new(model, &books, preset).unwrap();
            let drawn = sampler.sample(&Request { known, ..request(vec![1, 2], 0) }).unwrap();
            for sample in 0..2 {
                for (position, &hidden) in masked.iter().enumerate() {
                    let kept = position * DEPTH..(position + 1) * DEPTH - hidden;
                    assert_eq!(drawn.signal(sample)[kept.clone()], codes.signal(0)[kept], "{preset:?}");
                }
            }
        }
    }
}

#[test]
fn where_nothing_is_asked_for_known_codes_may_be_hidden() {
    hides_known_codes(&model::<MixtureHead>());
    hides_known_codes(&model::<CategoricalHead>());
}

fn hides_known_codes<H: FillsMasks>(model: &Masked<H>) {
    let books = books();
    // A scale of 0 leaves what is predicted where nothing is asked for.
    let drawn = |guidance_on: GuidanceOn, known: u16| {
        let preset = Preset {
            steps: 4,
            guidance: 0.0,
            guidance_ramp: Ramp::Constant,
            guidance_on,
            ..Preset::default()
        };
        let codes = Codes::new(vec![known; POSITIONS * DEPTH], POSITIONS, DEPTH, VOCABULARY).unwrap();
        let masked = (0..POSITIONS).map(|position| if position < 3 { position } else { DEPTH }).collect();
        let request = Request { known: Some(Known { codes, masked }), ..request(vec![1, 2], 0) };
        let codes = Unmasker::new(model, &books, preset).unwrap().sample(&request).unwrap();
        assert_eq!(codes.signal(0)[..DEPTH], vec![known; DEPTH]);
        [0, 1].map(|sample| codes.signal(sample)[3 * DEPTH..].to_vec())
    };
    assert_eq!(drawn(GuidanceOn::Everything, 1), drawn(GuidanceOn::Everything, 2));
    assert_ne!(drawn(GuidanceOn::Condition, 1), drawn(GuidanceOn::Condition, 2));
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    for guidance in [1.0, 2.5] {
        same_in_any_batch(&model::<MixtureHead>(), Preset { steps: 7, guidance, ..Preset::default() });
        same_in_any_batch(&model::<CategoricalHead>(), Preset { steps: 7, guidance, ..Preset::default() });
    }
}

/// Products of this size are cut into blocks, and how could depend on the number of rows.
#[test]
fn nor_does_that_of_a_wide_network() {
    let wide = model_of::<MixtureHead>(TrunkConfig { width: 768, layers: 1, heads: 12 });
    same_in_any_batch(&wide, Preset { steps: 3, guidance: 2.0, ..Preset::default() });
}

fn same_in_any_batch<H: FillsMasks>(model: &Masked<H>, preset: Preset) {
    let (books, classes) = (books(), [0, 1, 2, 3, 4, 0, 1, 2]);
    let sampler = Unmasker::new(model, &books, preset).unwrap();
    let together = sampler.sample(&request(classes.to_vec(), 0)).unwrap();
    for size in [1, 3] {
        for (batch, part) in classes.chunks(size).enumerate() {
            let drawn = sampler.sample(&request(part.to_vec(), (batch * size) as u64)).unwrap();
            for sample in 0..part.len() {
                assert_eq!(drawn.signal(sample), together.signal(batch * size + sample), "batch of {size}");
            }
        }
    }
}

#[test]
fn seed_class_and_index_each_matter() {
    depends_on_seed_class_and_index(&model::<MixtureHead>());
    depends_on_seed_class_and_index(&model::<CategoricalHead>());
}

fn depends_on_seed_class_and_index<H: FillsMasks>(model: &Masked<H>) {
    let books = books();
    let sampler = Unmasker::new(model, &books, Preset::default()).unwrap();
    let one = sampler.sample(&request(vec![0], 0)).unwrap();
    assert_eq!(one, sampler.sample(&request(vec![0], 0)).unwrap());
    assert_ne!(one, sampler.sample(&request(vec![1], 0)).unwrap());
    assert_ne!(one, sampler.sample(&request(vec![0], 1)).unwrap());
    assert_ne!(one, sampler.sample(&Request { seed: 12, ..request(vec![0], 0) }).unwrap());
}

#[test]
fn settings_out_of_range_are_named() {
    let (model, books) = (model::<MixtureHead>(), books());
    let fails = |preset: Preset| {
        Unmasker::new(&model, &books, preset).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let good = Preset::default();
    assert_eq!(fails(good), "");
    assert_eq!(fails(Preset { steps: 0, ..good }), "steps: expected 1 to 36 (positions × depth), found 0");
    assert_eq!(fails(Preset { steps: 37, ..good }), "steps: expected 1 to 36 (positions × depth), found 37");
    assert!(fails(Preset { temperature: -1.0, ..good }).starts_with("temperature: expected"));
    assert!(fails(Preset { top_p: 0.0, ..good }).starts_with("top_p: expected"));
    assert!(fails(Preset { guidance: f64::NAN, ..good }).starts_with("guidance: expected"));
    let sampler = Unmasker::new(&model, &books, good).unwrap();
    let error = sampler.sample(&request(vec![CLASSES + 1], 0)).unwrap_err().to_string();
    assert!(error.starts_with("class: expected at most 5"), "{error}");
}
