//! `eval loss` and `eval likelihood`: a generator's training loss on codes that it was not trained on, and the bits it needs for them.

use std::path::{Path, PathBuf};

use resgen_core::Error;
use resgen_core::data::TokenCache;
use resgen_core::data::speech::SpeechCache;
use resgen_core::eval::distribution::Estimate;
use resgen_core::eval::likelihood::{LikelihoodOptions, likelihood};
use resgen_core::eval::manifest::{Findings, Manifest, Measured, Metric, SetKind, SetRecord, tables};
use resgen_core::eval::{HeldOutCodes, held_out_loss};
use resgen_core::model::{AnyNetwork, NetworkKind, Stored, with_any_network};
use resgen_core::nn::parameters::fingerprint;
use resgen_core::rvq::Codes;
use resgen_core::schedule::MaskingSchedule;
use resgen_core::tokenizer::Autoencode;
use resgen_core::train::generator::{Generator, Objective};
use resgen_core::workers::Workers;

use crate::commands::train::{class_names, labelled_codes};
use crate::context::Context;
use crate::model::{self, AnyGenerator};
use crate::named::{PrecisionArgument, TextEncoderArgument, parser};
use crate::progress::TerminalProgress;

/// Arguments of `eval loss`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen tokenize --tokenizer runs/tokenizer --data heldout/ --out heldout-codes/
  resgen eval loss runs/model --codes heldout-codes/

The loss is that of training, in nats per position with masked codes, of the averaged weights and with every class or text
shown. Compare it only between models of the same codes, schedule and target noise.")]
pub struct Arguments {
    #[command(flatten)]
    codes: CodesArguments,
    /// How often every signal is masked anew.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rounds: u64,
    #[command(flatten)]
    encoder: TextEncoderArgument,
}

/// Arguments of `eval likelihood`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  resgen eval likelihood runs/model --codes heldout-codes/ --steps 32

Bits per code, of the averaged weights and with every class shown. RQ-Transformer's are exact, those of the other generators
a bound from above: compare bounds only of the same kind, steps and schedule.")]
pub struct LikelihoodArguments {
    #[command(flatten)]
    codes: CodesArguments,
    /// Steps of the reverse process, for masked generators. By default one for every token, where the bound is tightest.
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// How many steps are drawn for each signal.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rounds: u64,
}

/// What is measured, and on what.
#[derive(Debug, clap::Args)]
struct CodesArguments {
    /// A generator: its model file, or the folder of its run.
    model: PathBuf,
    /// Token cache of what it was not trained on, made by its tokenizer.
    #[arg(long, value_name = "DIR")]
    codes: PathBuf,
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

/// What was measured.
struct Subject {
    kind: NetworkKind,
    step: u64,
    /// Fingerprint of its weights.
    weights: String,
    /// That of the codes.
    codes: String,
    signals: usize,
}

impl Subject {
    fn new<A: Autoencode>(
        generator: &Generator<AnyNetwork, A>,
        [weights, codes]: [String; 2],
        signals: usize,
    ) -> Self {
        Self { kind: generator.model.sizes().kind, step: generator.header.step, weights, codes, signals }
    }
}

impl CodesArguments {
    /// Writes and prints what was found with settings beyond those of all.
    fn report(
        &self,
        subject: &Subject,
        settings: &[(&str, String)],
        results: Vec<Measured>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let record = |path: &Path, kind, fingerprint: &str, made_by| SetRecord {
            path: path.to_owned(),
            kind,
            count: subject.signals,
            size: None,
            fingerprint: fingerprint.to_owned(),
            made_by,
        };
        let own = [
            ("schedule", serde_json::to_string(&self.schedule)?.replace('"', "")),
            ("target noise", self.target_noise.to_string()),
            ("seed", self.seed.to_string()),
        ];
        let settings = own.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), value.clone()));
        let made_by = Some(serde_json::json!({
            "kind": subject.kind,
            "precision": self.precision.precision.unwrap_or_default(),
            "step": subject.step,
        }));
        let manifest = Manifest::new(Findings {
            extractor: None,
            settings: settings.collect(),
            samples: record(&self.model, SetKind::Model, &subject.weights, made_by),
            reference: record(&self.codes, SetKind::Codes, &subject.codes, None),
            results,
        });
        if let Some(out) = &self.out {
            manifest.save(out)?;
        }
        context.output.print(&manifest, |manifest| {
            tables(&[(self.model.display().to_string(), manifest.clone())]).trim_end().to_owned()
        })
    }
}

fn noise(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(sigma) if sigma.is_finite() && sigma >= 0.0 => Ok(sigma),
        _ => Err("expected a number of at least 0".into()),
    }
}

/// Measures the loss.
///
/// # Errors
/// Where model or codes cannot be read, or do not fit each other.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let asked = &arguments.codes;
    let encoder = arguments.encoder.text_encoder.as_deref();
    let (generator, tensors) = model::any_generator(&asked.model, encoder, &context.device()?)?;
    let weights = fingerprint(&tensors);
    match generator {
        AnyGenerator::Image(generator) => {
            let (cache, codes, classes) = codes_for(&generator, &asked.codes)?;
            let fingerprints = [weights, cache.fingerprint()];
            measure(arguments, *generator, &(&codes, &classes[..]), fingerprints, context).map(|_| ())
        }
        AnyGenerator::Speech(generator) => {
            let cache = SpeechCache::open(&asked.codes)?;
            if cache.tokenizer() != fingerprint(&generator.tokenizer.tensors()) {
                let what = format!("tokenizer of {}", asked.codes.display());
                return Err(Error::mismatch(what, "the generator's own", "another").into());
            }
            let fingerprints = [weights, cache.fingerprint()];
            let taken = measure(arguments, *generator, &cache, fingerprints, context)?;
            let all = cache.spoken().len();
            if taken < all {
                let count = all - taken;
                eprintln!(
                    "note: {count} of {all} recordings are longer or say more than the generator takes"
                );
            }
            Ok(())
        }
    }
}

/// Measures the loss on the signals that the generator can take, and says how many these are.
fn measure<A: Autoencode>(
    arguments: &Arguments,
    generator: Generator<AnyNetwork, A>,
    codes: &impl HeldOutCodes,
    fingerprints: [String; 2],
    context: &Context,
) -> anyhow::Result<usize> {
    let asked = &arguments.codes;
    let objective = Objective {
        schedule: asked.schedule,
        condition_dropout: 0.0,
        prompt_share: 0.0,
        target_noise: asked.target_noise,
        seed: asked.seed,
    };
    let generator = generator.in_precision(asked.precision.precision.unwrap_or_default());
    let workers = Workers::new(context.at_once())?;
    let mut progress = TerminalProgress::default();
    let found = held_out_loss(&generator, codes, &objective, arguments.rounds, &workers, &mut progress)?;
    drop(progress);
    let subject = Subject::new(&generator, fingerprints, found.signals);
    let [loss, watched] = match subject.kind.draws_codes() {
        true => [Metric::HeldOutTokenLoss, Metric::TokenAccuracy],
        false => [Metric::HeldOutLoss, Metric::UsedComponents],
    };
    let results = vec![
        Measured::whole(loss, found.loss, found.signals),
        Measured::whole(watched, Estimate::plain(found.watched), found.signals),
    ];
    asked.report(&subject, &[("masked anew", format!("{} times", found.rounds))], results, context)?;
    Ok(found.signals)
}

/// Measures the likelihood.
///
/// # Errors
/// As [`run`], and for a generator that speaks.
pub fn run_likelihood(arguments: &LikelihoodArguments, context: &Context) -> anyhow::Result<()> {
    let asked = &arguments.codes;
    let (generator, tensors) = model::generator_and_tensors(&asked.model, &context.device()?)?;
    let (cache, codes, classes) = codes_for(&generator, &asked.codes)?;
    let generator: Generator = generator.in_precision(asked.precision.precision.unwrap_or_default());
    let total = codes.positions() * codes.depth();
    let options = LikelihoodOptions {
        steps: arguments.steps.map_or(total, |steps| steps as usize),
        schedule: asked.schedule,
        target_noise: asked.target_noise,
        rounds: arguments.rounds,
        seed: asked.seed,
    };
    let workers = Workers::new(context.at_once())?;
    let found = bits_per_token(&generator, (&codes, &classes), &options, &workers)?;
    let settings = [("steps", options.steps.to_string()), ("rounds", options.rounds.to_string())];
    let fingerprints = [fingerprint(&tensors), cache.fingerprint()];
    asked.report(&Subject::new(&generator, fingerprints, classes.len()), &settings, vec![found], context)
}

/// The bits that a generator needs for a code, or a bound of them.
///
/// # Errors
/// As [`likelihood`].
pub fn bits_per_token(
    generator: &Generator,
    codes: (&Codes, &[usize]),
    options: &LikelihoodOptions,
    workers: &Workers,
) -> resgen_core::Result<Measured> {
    let books = generator.tokenizer.books();
    let found = with_any_network!(&generator.model, model => {
        likelihood(model, books, codes, options, workers, &mut TerminalProgress::default())
    })?;
    let metric = if found.is_exact { Metric::BitsPerToken } else { Metric::BitsPerTokenBound };
    Ok(Measured::whole(metric, found.bits_per_token, found.signals))
}

/// A token cache with its codes, and with the number that a generator has for the class of each signal.
///
/// # Errors
/// Where it is not of the generator's tokenizer, or has a class that the generator does not know.
pub fn codes_for(generator: &Generator, path: &Path) -> resgen_core::Result<(TokenCache, Codes, Vec<usize>)> {
    let cache = TokenCache::open(path)?;
    cache.expect_tokenizer(&fingerprint(&generator.tokenizer.tensors()), generator.tokenizer.config())?;
    let (codes, classes) = labelled_codes(&cache)?;
    let places = places(&class_names(&cache), &generator.header.classes)?;
    let classes = classes.into_iter().map(|class| places[class]).collect();
    Ok((cache, codes, classes))
}

/// Where the model has each class of a cache.
fn places(names: &[String], known: &[String]) -> resgen_core::Result<Vec<usize>> {
    let place = |name: &String| known.iter().position(|known| known == name);
    let missing = |name| Error::mismatch("class of the codes", "one of the model's", name);
    names.iter().map(|name| place(name).ok_or_else(|| missing(name))).collect()
}
