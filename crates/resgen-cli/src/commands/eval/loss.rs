//! `eval loss`: a generator's training loss on codes that it was not trained on.

use std::path::{Path, PathBuf};

use resgen_core::Error;
use resgen_core::data::TokenCache;
use resgen_core::eval::distribution::Estimate;
use resgen_core::eval::held_out_loss;
use resgen_core::eval::manifest::{Findings, Manifest, Measured, Metric, SetKind, SetRecord, tables};
use resgen_core::nn::parameters::fingerprint;
use resgen_core::schedule::MaskingSchedule;
use resgen_core::train::generator::Objective;
use resgen_core::workers::Workers;

use crate::commands::train::{class_names, labelled_codes};
use crate::context::Context;
use crate::model;
use crate::named::{PrecisionArgument, parser};
use crate::progress::TerminalProgress;

/// Arguments of `eval loss`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen tokenize --tokenizer runs/tokenizer --data heldout/ --out heldout-codes/
  resgen eval loss runs/model --codes heldout-codes/

The loss is that of training, in nats per position with masked codes, of the averaged weights and with every class
shown. Compare it only between models of the same codes, schedule and target noise.")]
pub struct Arguments {
    /// A generator: its model file, or the folder of its run.
    model: PathBuf,
    /// Token cache of pictures that it was not trained on, made by its tokenizer.
    #[arg(long, value_name = "DIR")]
    codes: PathBuf,
    /// How often every signal is masked anew.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rounds: u64,
    /// Seed of masks and noise.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// How many tokens are masked: cosine, circle, linear or square.
    #[arg(long, default_value = "cosine", value_name = "SCHEDULE",
        value_parser = parser::<MaskingSchedule>(&["cosine", "circle", "linear", "square"]))]
    schedule: MaskingSchedule,
    /// The standard deviation of the noise on what is predicted, as model.target_noise in configs.
    #[arg(long, default_value_t = 0.1, value_name = "SIGMA", value_parser = noise, allow_negative_numbers = true)]
    target_noise: f32,
    #[command(flatten)]
    precision: PrecisionArgument,
    /// Where to write the results, as JSON with all that they depend on.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn noise(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(sigma) if sigma.is_finite() && sigma >= 0.0 => Ok(sigma),
        _ => Err("expected a number of at least 0".into()),
    }
}

/// Measures.
///
/// # Errors
/// Where model or codes cannot be read, or do not fit each other.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let (generator, tensors) = model::generator_and_tensors(&arguments.model, &context.device()?)?;
    let weights = fingerprint(&tensors);
    drop(tensors);
    let cache = TokenCache::open(&arguments.codes)?;
    cache.expect_tokenizer(&fingerprint(&generator.tokenizer.tensors()), generator.tokenizer.config())?;
    let (codes, classes) = labelled_codes(&cache)?;
    let places = places(&class_names(&cache), &generator.header.classes)?;
    let classes: Vec<usize> = classes.into_iter().map(|class| places[class]).collect();
    let objective = Objective {
        schedule: arguments.schedule,
        condition_dropout: 0.0,
        target_noise: arguments.target_noise,
        seed: arguments.seed,
    };
    let precision = arguments.precision.precision.unwrap_or_default();
    let generator = generator.in_precision(precision);
    let workers = Workers::new(context.at_once())?;
    let mut progress = TerminalProgress::default();
    let found =
        held_out_loss(&generator, (&codes, &classes), &objective, arguments.rounds, &workers, &mut progress)?;
    drop(progress);
    let record = |path: &Path, kind, fingerprint, made_by| SetRecord {
        path: path.to_owned(),
        kind,
        count: found.signals,
        size: None,
        fingerprint,
        made_by,
    };
    let settings = [
        ("schedule", serde_json::to_string(&objective.schedule)?.replace('"', "")),
        ("target noise", objective.target_noise.to_string()),
        ("masked anew", format!("{} times", found.rounds)),
        ("seed", objective.seed.to_string()),
    ];
    let made_by = Some(serde_json::json!({ "precision": precision, "step": generator.header.step }));
    let manifest = Manifest::new(Findings {
        extractor: None,
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        samples: record(&arguments.model, SetKind::Model, weights, made_by),
        reference: record(&arguments.codes, SetKind::Codes, cache.fingerprint(), None),
        results: vec![
            Measured::whole(Metric::HeldOutLoss, found.loss, found.signals),
            Measured::whole(Metric::UsedComponents, Estimate::plain(found.used_components), found.signals),
        ],
    });
    if let Some(out) = &arguments.out {
        manifest.save(out)?;
    }
    context.output.print(&manifest, |manifest| {
        tables(&[(arguments.model.display().to_string(), manifest.clone())]).trim_end().to_owned()
    })
}

/// Where the model has each class of a cache.
fn places(names: &[String], known: &[String]) -> resgen_core::Result<Vec<usize>> {
    let place = |name: &String| known.iter().position(|known| known == name);
    let missing = |name| Error::mismatch("class of the codes", "one of the model's", name);
    names.iter().map(|name| place(name).ok_or_else(|| missing(name))).collect()
}
