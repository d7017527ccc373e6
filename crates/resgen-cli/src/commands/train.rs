//! `train`: a generator on a token cache.

use std::path::Path;

use burn::tensor::Device;
use resgen_core::data::speech::SpeechCache;
use resgen_core::data::{TokenCache, spread};
use resgen_core::model::{ArResgen, Maskgit, NetworkKind, Resgen, RqTransformer};
use resgen_core::nn::parameters::fingerprint;
use resgen_core::rvq::Codes;
use resgen_core::text::Pace;
use resgen_core::tokenizer::{Autoencode, ImageTokenizer, SpeechTokenizer, TokenizerConfig};
use resgen_core::train::config::GeneratorExperiment;
use resgen_core::train::generator::{
    Generator, GeneratorLearner, GeneratorParts, SpeechParts, Trainable, embedding_scales,
};
use resgen_core::train::learner::BatchSource;
use resgen_core::train::run::Outcome;
use resgen_core::train::speech::SpeechSource;
use resgen_core::train::tokens::{TokenBatch, TokenSource};
use resgen_core::{Error, Result};

use crate::commands::training::{RunArguments, TrainingArguments};
use crate::context::Context;
use crate::model::{self, AnyTokenizer};

/// Signals that the scales of embeddings are measured on.
const MEASURED: usize = 1024;
/// The class of signals that have none.
const ONLY_CLASS: &str = "all";
/// The most positions of a recording where the config does not say.
const MOST_POSITIONS: usize = 256;
/// Recordings that previews say again.
const PREVIEWED: usize = 4;

/// Examples of `train`.
pub const EXAMPLES: &str = "\
Examples:
  resgen train --config model.toml --out runs/model
  resgen train --config model.toml --out runs/small --set model.trunk=tiny --set train.steps=2000
  resgen train --config model.toml --out runs/model --resume
  resgen train --config model.toml --out runs/tuned --set init=runs/model
  resgen train --config model.toml --out runs/deeper --set init=runs/model --set model.trunk='{ width = 192, layers = 9, heads = 3 }'

Ctrl-C writes a checkpoint and ends the program; a second one ends it at once.
A run goes on only with the config it began with; train.checkpoint_every, train.preview_every, train.keep
and licence may change.";

/// Trains a generator.
///
/// # Errors
/// Where config, cache and tokenizer do not fit each other, and whatever the training reports.
pub fn run(arguments: &TrainingArguments, context: &Context) -> anyhow::Result<()> {
    let experiment: GeneratorExperiment = arguments.load()?;
    let outcome = arguments.naming_config(train(&experiment, &arguments.run, context))?;
    context.output.print(&outcome, |outcome| arguments.run.text(outcome))
}

/// Trains whichever generator an experiment describes.
///
/// # Errors
/// As [`run`].
pub fn train(
    experiment: &GeneratorExperiment,
    run: &RunArguments,
    context: &Context,
) -> anyhow::Result<Outcome> {
    match experiment.model.kind {
        NetworkKind::Resgen => train_kind::<Resgen>(experiment, run, context),
        NetworkKind::Maskgit => train_kind::<Maskgit>(experiment, run, context),
        NetworkKind::ArResgen => train_kind::<ArResgen>(experiment, run, context),
        NetworkKind::RqTransformer => train_kind::<RqTransformer>(experiment, run, context),
    }
}

fn train_kind<M: Trainable>(
    experiment: &GeneratorExperiment,
    run: &RunArguments,
    context: &Context,
) -> anyhow::Result<Outcome> {
    match model::any_tokenizer(&experiment.codes.tokenizer, &context.device()?)? {
        AnyTokenizer::Image(tokenizer) => train_on_pictures::<M>(experiment, *tokenizer, run, context),
        AnyTokenizer::Speech(tokenizer) => train_on_speech::<M>(experiment, *tokenizer, run, context),
    }
}

fn train_on_pictures<M: Trainable>(
    experiment: &GeneratorExperiment,
    tokenizer: ImageTokenizer,
    run: &RunArguments,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let of_speech = [
        ("model.text", experiment.model.text.is_some()),
        ("model.positions", experiment.model.positions.is_some()),
        ("codes.pairs", experiment.codes.pairs > 0.0),
    ];
    if let Some((key, _)) = of_speech.iter().find(|(_, is_given)| *is_given) {
        return Err(Error::config(*key, "the codes are of pictures, which do not speak").into());
    }
    run.prepare_folder(experiment)?;
    let cache = TokenCache::open(&experiment.codes.cache)?;
    cache.expect_tokenizer(&fingerprint(&tokenizer.tensors()), tokenizer.config())?;
    let parts = GeneratorParts {
        embedding_scales: embedding_scales(tokenizer.books(), &some_codes(&cache)?)?,
        positions: tokenizer.config().positions(),
        speech: None,
        tokenizer,
        classes: class_names(&cache),
        preset: experiment.sample,
        licence: experiment.licence.clone(),
    };
    let (codes, classes) = labelled_codes(&cache)?;
    let settings = &experiment.train;
    let mut source = TokenSource::new(codes, classes, settings.seed, settings.batch, settings.micro_batches)?;
    learn(experiment, parts, (&mut source, model::generator::<M>), run, context)
}

fn train_on_speech<M: Trainable>(
    experiment: &GeneratorExperiment,
    tokenizer: SpeechTokenizer,
    run: &RunArguments,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let Some(text) = &experiment.model.text else {
        let reason = "the codes are of speech: it says how their texts are read";
        return Err(Error::config("model.text", reason).into());
    };
    run.prepare_folder(experiment)?;
    let cache = SpeechCache::open(&experiment.codes.cache)?;
    if cache.tokenizer() != fingerprint(&tokenizer.tensors()) {
        let expected = experiment.codes.tokenizer.display().to_string();
        return Err(Error::mismatch("tokenizer of the codes", expected, "another").into());
    }
    let limits = (experiment.model.positions.unwrap_or(MOST_POSITIONS), text.most);
    let spoken = cache.spoken();
    let mut usable = cache.by_length(limits.0, limits.1)?.0.concat();
    usable.sort_unstable();
    let some = |count| spread(usable.len(), count).map(|at| usable[at]);
    let measured: Vec<usize> = some(MEASURED).collect();
    let previewed = some(PREVIEWED).map(|at| (spoken[at].saying(), spoken[at].positions));
    let parts = GeneratorParts {
        embedding_scales: embedding_scales(tokenizer.books(), &cache.positions(&measured)?)?,
        positions: limits.0,
        speech: Some(SpeechParts {
            pace: Pace::of(spoken.iter().map(|spoken| (&*spoken.text, spoken.spoken))),
            previewed: previewed.collect(),
        }),
        tokenizer,
        classes: vec![ONLY_CLASS.into()],
        preset: experiment.sample,
        licence: experiment.licence.clone(),
    };
    let mut source = SpeechSource::new(cache, limits, experiment.codes.pairs, &experiment.train)?;
    let encoder = text.encoder.as_deref();
    let before = |path: &Path, device: &Device| Ok(model::speech_generator(path, encoder, device)?.0);
    learn::<M, _>(experiment, parts, (&mut source, before), run, context)
}

/// Trains on what a source gives; `before` reads the generator that a config names to begin with.
fn learn<M: Trainable, A: Autoencode>(
    experiment: &GeneratorExperiment,
    parts: GeneratorParts<A>,
    (source, before): (
        &mut dyn BatchSource<Batch = TokenBatch>,
        impl Fn(&Path, &Device) -> Result<Generator<M, A>>,
    ),
    run: &RunArguments,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let (device, settings) = (context.device()?, &experiment.train);
    let mut learner = GeneratorLearner::<M, A>::new(experiment.model.clone(), parts, settings, &device)?;
    // A run that goes on has its weights in its checkpoints.
    let has_begun = run.has_begun()?;
    if let Some(path) = experiment.init.as_ref().filter(|_| !has_begun) {
        let begun = learner.start_from(before(path, &device)?);
        begun.map_err(|error| Error::file(model::file_of(path), error))?;
    }
    run.outcome(&mut learner, source, (experiment, settings), context)
}

/// Codes spread evenly over the cache.
fn some_codes(cache: &TokenCache) -> resgen_core::Result<Codes> {
    cache.codes(&spread(cache.len(), MEASURED).collect::<Vec<_>>())
}

/// Names of the classes, one where signals have none.
pub fn class_names(cache: &TokenCache) -> Vec<String> {
    match cache.classes() {
        [] => vec![ONLY_CLASS.into()],
        classes => classes.to_vec(),
    }
}

/// All codes of a cache, and the class of each signal.
///
/// # Errors
/// None for a cache that has been opened.
pub fn labelled_codes(cache: &TokenCache) -> resgen_core::Result<(Codes, Vec<usize>)> {
    let signals: Vec<usize> = (0..cache.len()).collect();
    let classes = signals.iter().map(|&signal| cache.class_of(signal).map(|class| class as usize));
    Ok((cache.codes(&signals)?, classes.collect::<resgen_core::Result<_>>()?))
}
