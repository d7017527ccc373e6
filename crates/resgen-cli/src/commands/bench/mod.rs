//! `bench`: how long the parts of the program take, one case at a time.
//!
//! `bench/run` puts these cases beside a PyTorch twin, in alternation; alone they compare two machines, or two versions
//! of this program on one.

mod loading;
mod mixture;
mod prepare;
mod quantizer;
mod sampling;
mod scaling;
mod tokenizer;
mod training;

use std::io::BufRead;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use burn::tensor::Device;
use resgen_core::nn::Operation;
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::named::PrecisionArgument;
use crate::output;

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen bench prepare --out bench-models/
  resgen bench sample bench-models/generator-s.safetensors --batch 8
  resgen bench train bench-models/generator-s.safetensors --batch 32 --rounds 3

Every case runs once to warm up and then --rounds times.")]
pub struct Arguments {
    /// How often a case is measured.
    #[arg(long, global = true, default_value = "5", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Measure once for every line on stdin instead, and answer each with a line of JSON: for a program that
    /// measures several in turn.
    #[arg(long, global = true)]
    on_request: bool,
    /// Compute an operation with the framework's operations instead of a body of its own, to find out what that brings; may be
    /// given several times.
    #[arg(long, global = true, value_name = "OPERATION", value_parser = operation)]
    without: Vec<Operation>,
    #[command(flatten)]
    precision: PrecisionArgument,
    #[command(subcommand)]
    case: CaseCommand,
}

fn operation(text: &str) -> Result<Operation, String> {
    let is_named = |operation: &Operation| operation.to_string() == text;
    Operation::ALL.into_iter().find(is_named).ok_or_else(|| {
        let names: Vec<String> = Operation::ALL.iter().map(Operation::to_string).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// What is measured.
#[derive(Debug, clap::Subcommand)]
enum CaseCommand {
    /// Write models of random weights for the other cases: trunks S, B and L, tokenizers of 64 and 256 pixels.
    Prepare {
        /// The folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Draw codes from a generator, without decoding them.
    Sample(sampling::Arguments),
    /// Draw codes with a network of random weights, of any size.
    SampleRandom(sampling::RandomArguments),
    /// How the time of a sample grows with the batch, the steps, the depth, the positions and the width.
    Scaling(scaling::Arguments),
    /// A training step of a generator.
    Train(training::Arguments),
    /// Pictures to codes.
    TokenizerEncode(tokenizer::Arguments),
    /// Codes to pictures.
    TokenizerDecode(tokenizer::Arguments),
    /// A training step of a tokenizer, with pixel losses and quantization.
    TokenizerTrain(tokenizer::Arguments),
    /// Residual quantization of random vectors.
    RvqEncode(quantizer::Arguments),
    /// The mixture's loss and its gradient.
    Mixture(mixture::Arguments),
    /// Batches of pictures from a folder.
    Load(loading::Arguments),
}

/// Something that can be done again and again.
trait Case {
    /// Does it once. What a device computes must be done when this returns.
    ///
    /// # Errors
    /// Where it cannot be done.
    fn run(&mut self) -> anyhow::Result<()>;
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    rounds: Vec<f64>,
    median_ms: f64,
}

/// Measures.
///
/// # Errors
/// Where the case cannot be set up or done.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let precision = arguments.precision.precision.unwrap_or_default();
    if matches!(arguments.case, CaseCommand::Scaling(_)) && !arguments.without.is_empty() {
        bail!("--without is not for `scaling`, which measures other processes");
    }
    Operation::switch_off(&arguments.without);
    // Not opened where other processes will.
    let device = || context.device();
    let mut case: Box<dyn Case> = match &arguments.case {
        CaseCommand::Prepare { out } => return prepare::write_models(out, context),
        CaseCommand::Sample(case) => {
            return sampling::run(case, context, precision, |case| measure(case, arguments, context));
        }
        CaseCommand::SampleRandom(case) => {
            return sampling::run_random(case, context, precision, |case| measure(case, arguments, context));
        }
        CaseCommand::Scaling(case) => return scaling::run(case, arguments.rounds, precision, context),
        CaseCommand::Train(case) => Box::new(training::Training::new(case, context, precision, &device()?)?),
        CaseCommand::TokenizerEncode(case) => {
            Box::new(tokenizer::Encoding::new(case, context, precision, &device()?)?)
        }
        CaseCommand::TokenizerDecode(case) => {
            Box::new(tokenizer::Decoding::new(case, context, precision, &device()?)?)
        }
        CaseCommand::TokenizerTrain(case) => {
            Box::new(tokenizer::Training::new(case, context, precision, &device()?)?)
        }
        CaseCommand::RvqEncode(case) => Box::new(quantizer::Encoding::new(case, &device()?)?),
        CaseCommand::Mixture(case) => Box::new(mixture::Loss::new(case, context, &device()?)?),
        CaseCommand::Load(case) => Box::new(loading::Loading::new(case, context)?),
    };
    measure(case.as_mut(), arguments, context)
}

fn measure(case: &mut dyn Case, arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    case.run()?;
    if arguments.on_request {
        return answer_requests(case);
    }
    let rounds = (0..arguments.rounds).map(|_| timed(case)).collect::<anyhow::Result<Vec<f64>>>()?;
    let mut sorted = rounds.clone();
    sorted.sort_by(f64::total_cmp);
    let measured = Measured { median_ms: sorted[sorted.len() / 2], rounds };
    context.output.print(&measured, |measured| {
        let rounds: Vec<String> = measured.rounds.iter().map(|ms| format!("{ms:.1}")).collect();
        format!("{:.1} ms (median of {})", measured.median_ms, rounds.join(", "))
    })
}

fn answer_requests(case: &mut dyn Case) -> anyhow::Result<()> {
    output::raw(&format!("{}\n", json!({ "ready": true })))?;
    for line in std::io::stdin().lock().lines() {
        line?;
        output::raw(&format!("{}\n", json!({ "ms": timed(case)? })))?;
    }
    Ok(())
}

/// Milliseconds.
fn timed(case: &mut dyn Case) -> anyhow::Result<f64> {
    let start = Instant::now();
    case.run()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// Waits until the device has done what it was given.
fn wait(device: &Device) -> resgen_core::Result<()> {
    device.sync().map_err(resgen_core::Error::device)
}
