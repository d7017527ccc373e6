//! The models of a comparison: trained here, or taken.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use resgen_core::compare::{Contender, Study};
use resgen_core::data::TokenCache;
use resgen_core::model::{NetworkConfig, NetworkKind, parameter_count};
use resgen_core::sample::Preset;
use resgen_core::train::generator::Generator;
use resgen_core::train::run::Outcome;
use resgen_core::{Error, Result};

use super::{points, run_name};
use crate::commands::train::{class_names, train};
use crate::commands::training::{RunArguments, naming_config};
use crate::context::Context;
use crate::model;

/// What each generator is, and how many parameters it has, once it is known that it can be trained and drawn from.
///
/// # Errors
/// Where a config, a token cache, a tokenizer or a model cannot be read, a config is not right, or a point of the grid is out of range.
pub fn sizes(study: &Study, context: &Context) -> anyhow::Result<Vec<(NetworkKind, usize)>> {
    let device = context.device()?;
    let size = |contender: &Contender| {
        let (config, preset) = match contender.models.first() {
            Some(path) => {
                let found: Generator = model::generator(path, &device)?;
                (found.header.model, found.header.preset)
            }
            None => naming_config(&study.config, to_train(study, contender, &device))?,
        };
        for point in points(study.grid_of(contender), preset, config.kind) {
            let reason =
                |error| Error::config("grid", format!("{}, {}: {error}", contender.name, point.name));
            point.preset.validate(config.positions * config.depth).map_err(reason)?;
        }
        Ok((config.kind, parameter_count(&config)))
    };
    study.generators.iter().map(size).collect()
}

/// The network of a generator that is not trained yet, and the settings of its sampler.
fn to_train(study: &Study, contender: &Contender, device: &Device) -> Result<(NetworkConfig, Preset)> {
    let experiment = study.experiment(contender, study.seeds[0])?;
    let tokenizer = model::tokenizer(&experiment.codes.tokenizer, device)?;
    let classes = class_names(&TokenCache::open(&experiment.codes.cache)?).len();
    let scales = vec![1.0; tokenizer.config().depth + 1];
    Ok((experiment.model.sizes(tokenizer.config(), classes, scales)?, experiment.sample))
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
