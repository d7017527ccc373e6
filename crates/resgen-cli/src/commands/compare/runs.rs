//! The models of a comparison: trained here, or taken.

use std::path::{Path, PathBuf};

use resgen_core::compare::{Contender, Study};
use resgen_core::data::TokenCache;
use resgen_core::model::{NetworkKind, parameter_count};
use resgen_core::train::generator::Generator;
use resgen_core::train::run::Outcome;

use super::run_name;
use crate::commands::train::{class_names, train};
use crate::commands::training::{RunArguments, naming_config};
use crate::context::Context;
use crate::model;

/// What each generator is, and how many parameters it has.
///
/// # Errors
/// Where a config, a token cache, a tokenizer or a model cannot be read, or a config is not right.
pub fn sizes(study: &Study, context: &Context) -> anyhow::Result<Vec<(NetworkKind, usize)>> {
    let device = context.device()?;
    let mut sizes = Vec::new();
    for contender in &study.generators {
        let Some(path) = contender.models.first() else {
            let experiment = naming_config(&study.config, study.experiment(contender, study.seeds[0]))?;
            let tokenizer = model::tokenizer(&experiment.codes.tokenizer, &device)?;
            let classes = class_names(&TokenCache::open(&experiment.codes.cache)?).len();
            let scales = vec![1.0; tokenizer.config().depth + 1];
            let config = experiment.model.sizes(tokenizer.config(), classes, scales);
            let config = naming_config(&study.config, config)?;
            sizes.push((config.kind, parameter_count(&config)));
            continue;
        };
        let found: Generator = model::generator(path, &device)?;
        let config = &found.header.model;
        sizes.push((config.kind, parameter_count(config)));
    }
    Ok(sizes)
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
