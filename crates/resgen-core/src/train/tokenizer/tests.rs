use super::*;
use crate::nn::parameters;
use crate::rvq::{Learning, quantize};
use crate::tokenizer::adversarial::generator_loss;
use crate::tokenizer::image::Autoencoder;

const LOSSES: &str = "quantize_from = 0\n[adversarial]\nweight = 0.3\nstart_step = 2\nbalance = \"fixed\"\n[adversarial.discriminator]\nchannels = 4\nlayers = 2";

fn learner(losses: &str) -> TokenizerLearner<Autoencoder> {
    let config = toml::from_str(
        "resolution = 16\nstem = 2\nchannels = [8, 8]\nblocks = 1\nlatent = 4\nvocabulary = 8\ndepth = 2\ncodebook = { depth_dropout = 0.0 }",
    );
    let run = toml::from_str("steps = 40\nbatch = 4\nseed = 5").unwrap();
    let losses = toml::from_str(losses).unwrap();
    TokenizerLearner::new(config.unwrap(), losses, &run, "none".into(), Vec::new(), &Device::flex()).unwrap()
}

fn waves() -> Vec<f32> {
    (0..4 * 3 * 16 * 16).map(|i| (i as f32 * 0.7).sin()).collect()
}

fn batch() -> SignalBatch {
    SignalBatch { values: waves(), classes: Vec::new(), first: 0 }
}

/// The same pictures at every step.
struct Constant;

impl BatchSource for Constant {
    type Batch = SignalBatch;

    fn batches(&mut self, _step: u64) -> Result<Vec<SignalBatch>> {
        Ok(vec![batch()])
    }
}

#[test]
fn one_backward_pass_gives_the_gradient_of_all_losses() {
    let mut learner = learner(LOSSES);
    learner.prepare(0, &mut Constant).unwrap().unwrap();
    let part = learner.part(2, batch()).unwrap();

    let model = burn::module::Module::train(learner.weights.model().clone());
    let pixels = learner.signals(waves()).unwrap();
    let latents = model.encoder.forward(pixels.clone().autodiff()); // [B, L, H]
    let shape = latents.dims();
    let quantized = quantize(latents.flatten(0, 1), learner.codebooks.books(), None, Learning::Plain);
    let reconstruction = model.decoder.forward(quantized.latents.reshape(shape));
    let discriminator = learner.adversary.as_ref().unwrap().weights.model();
    let adversarial = generator_loss(discriminator.logits(reconstruction.clone()));
    let found = learner.objective.compare(reconstruction, pixels).unwrap();
    let loss = found.loss + adversarial * 0.3 + quantized.commitment * learner.config.codebook.commitment;
    let expected = parameters::take_gradients(&model, &mut loss.backward());
    for (found, expected) in part.gradients.into_iter().zip(expected) {
        let scale = expected.clone().abs().max().into_scalar::<f32>().max(1e-3);
        let difference: f32 = (found - expected).abs().max().into_scalar();
        // Rounding: the sums run in another order.
        assert!(difference < 1e-4 * scale, "{difference} of {scale}");
    }
}

#[test]
fn the_adversary_waits_for_its_step_and_for_the_quantizer() {
    let acts = |losses: &str, step| {
        let mut learner = learner(losses);
        learner.prepare(0, &mut Constant).unwrap();
        let part = learner.part(step, batch()).unwrap();
        assert_eq!(part.discriminator.is_some(), part.measured.discriminator.is_some());
        part.discriminator.is_some()
    };
    assert!(!acts(LOSSES, 1) && acts(LOSSES, 2));
    assert!(!acts(&LOSSES.replace("quantize_from = 0", "quantize_from = 9"), 2));
    assert!(!acts(&LOSSES.replace("weight = 0.3", "weight = 0.0"), 2));
    assert!(!acts("quantize_from = 0", 2));
}

#[test]
fn the_discriminator_moves_at_its_own_rate_and_is_restored() {
    // The size of AdamW's first step is the rate, whatever the gradient.
    let workers = Workers::new(2).unwrap();
    let moved = |rate: &str| {
        let mut learner = learner(&format!("{LOSSES}\nrate = {rate}"));
        learner.prepare(0, &mut Constant).unwrap();
        let before = learner.state();
        let part = learner.part(2, batch()).unwrap();
        assert!(matches!(learner.apply(2, part, 1e-3, &workers).unwrap(), Applied::Updated(_)));
        let after = learner.state();
        let values = |state: &NamedTensors| -> Vec<f32> {
            state["discriminator.weight.first.bias"].iter::<f32>().collect()
        };
        let distances = values(&after).into_iter().zip(values(&before)).map(|(a, b)| (a - b).abs());
        let distance = distances.fold(0.0, f32::max);
        learner.restore(&before).unwrap();
        assert_eq!(values(&learner.state()), values(&before));
        distance
    };
    assert!((moved("1.0") - 1e-3).abs() < 1e-5);
    assert!((moved("0.25") - 2.5e-4).abs() < 1e-5);
}

#[test]
fn a_state_without_the_discriminator_is_refused_and_changes_nothing() {
    let mut with = learner(LOSSES);
    let before = with.state();
    let text = with.restore(&learner("quantize_from = 0").state()).unwrap_err().to_string();
    assert!(text.contains("discriminator."), "{text}");
    assert_eq!(with.state(), before);
}
