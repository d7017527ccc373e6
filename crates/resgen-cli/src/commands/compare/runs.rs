//! The models of a comparison: trained here, or taken.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use burn::tensor::Device;
use resgen_core::compare::{Contender, Study};
use resgen_core::data::TokenCache;
use resgen_core::model::{AnyNetwork, NetworkConfig, NetworkKind, parameter_count};
use resgen_core::nn::parameters::fingerprint;
use resgen_core::sample::Preset;
use resgen_core::tokenizer::TokenizerConfig;
use resgen_core::train::generator::Generator;
use resgen_core::train::run::Outcome;
use resgen_core::{Error, Result};

use super::{points, run_name};
use crate::commands::train::{class_names, train};
use crate::commands::training::{RunArguments, naming_config};
use crate::context::Context;
use crate::model;

/// What a generator is before it is trained, or as it was.
#[derive(Clone, PartialEq)]
struct Plan {
    network: NetworkConfig,
    preset: Preset,
    classes: Vec<String>,
}

/// What each generator is, and how many parameters it has, once it is known that it can be trained and drawn from.
///
/// # Errors
/// Where a config, a token cache, a tokenizer or a model cannot be read, a config is not right, models of a generator or the classes
/// of two differ, or a point of the grid is out of range.
pub fn sizes(study: &Study, context: &Context) -> anyhow::Result<Vec<(NetworkKind, usize)>> {
    let device = context.device()?;
    let mut first: Option<Vec<String>> = None;
    let mut sizes = Vec::new();
    for contender in &study.generators {
        let plan = match contender.models.is_empty() {
            true => {
                let plan = naming_config(&study.config, to_train(study, contender, &device));
                plan.with_context(|| contender.name.clone())?
            }
            false => trained(contender, &device)?,
        };
        let network = &plan.network;
        for point in points(study.grid_of(contender), plan.preset, network.kind) {
            let reason =
                |error| Error::config("grid", format!("{}, {}: {error}", contender.name, point.name));
            point.preset.validate(network.positions * network.depth).map_err(reason)?;
        }
        sizes.push((network.kind, parameter_count(network)));
        if *first.get_or_insert_with(|| plan.classes.clone()) != plan.classes {
            let reason =
                format!("`{}` has other classes than `{}`", contender.name, study.generators[0].name);
            return Err(Error::config("generators", reason).into());
        }
    }
    Ok(sizes)
}

fn to_train(study: &Study, contender: &Contender, device: &Device) -> Result<Plan> {
    let experiment = study.experiment(contender, study.seeds[0])?;
    let tokenizer = model::tokenizer(&experiment.codes.tokenizer, device)?;
    let cache = TokenCache::open(&experiment.codes.cache)?;
    cache.expect_tokenizer(&fingerprint(&tokenizer.tensors()), tokenizer.config())?;
    let classes = class_names(&cache);
    let scales = vec![1.0; tokenizer.config().depth + 1];
    let network = experiment.model.sizes(
        (tokenizer.config().quantizer(), tokenizer.config().positions()),
        classes.len(),
        scales,
        None,
    )?;
    Ok(Plan { network, preset: experiment.sample, classes })
}

/// Of models that are taken: all of one make.
fn trained(contender: &Contender, device: &Device) -> Result<Plan> {
    let mut plan: Option<Plan> = None;
    for path in &contender.models {
        let Generator { header, .. } = model::generator::<AnyNetwork>(path, device)?;
        let mut found = Plan { network: header.model, preset: header.preset, classes: header.classes };
        let first = plan.get_or_insert_with(|| found.clone());
        // Scales are measured on the codes of each training.
        found.network.embedding_scales.clone_from(&first.network.embedding_scales);
        if found != *first {
            let what = format!("sizes, classes and settings of {}", path.display());
            return Err(Error::mismatch(what, "those of the generator's first model", "others"));
        }
    }
    plan.ok_or_else(|| Error::argument("models", "expected at least one, found none"))
}

/// The model of each seed; none where the training was asked to stop.
///
/// # Errors
/// Whatever a training reports.
pub fn models(
    study: &Study,
    contender: &Contender,
    out: &Path,
    context: &Context,
) -> anyhow::Result<Option<Vec<PathBuf>>> {
    if !contender.models.is_empty() {
        return Ok(Some(contender.models.clone()));
    }
    let mut models = Vec::new();
    for &seed in &study.seeds {
        eprintln!("{}, seed {seed}", contender.name);
        let experiment = study.experiment(contender, seed)?;
        let run = RunArguments::going_on(out.join("runs").join(run_name(contender, seed)));
        match naming_config(&study.config, train(&experiment, &run, context))? {
            Outcome::Finished { model, .. } => models.push(model),
            Outcome::Stopped { .. } => return Ok(None),
        }
    }
    Ok(Some(models))
}
