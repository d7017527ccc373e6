//! How long each point takes, all of them in turns: what slows the machine down for a while slows all of them.

use std::time::Instant;

use resgen_core::Result;
use resgen_core::compare::{Contest, Point, Study, Timing};
use resgen_core::progress::Progress;
use resgen_core::sample::{Preset, sampler};
use resgen_core::train::generator::Generator;

use crate::commands::sample::Drawing;
use crate::context::{Batch, Context};
use crate::model;
use crate::progress::TerminalProgress;

/// Times every point of the first run of each generator, several times.
///
/// # Errors
/// Where a model cannot be read or does not sample.
pub fn time(contests: &mut [Contest], study: &Study, context: &Context) -> anyhow::Result<()> {
    let device = context.device()?;
    let mut generators: Vec<Generator> = Vec::new();
    for contest in contests.iter_mut() {
        let run = &contest.runs[0];
        let generator: Generator = model::generator(&run.model, &device)?;
        contest.timings = run.points.iter().map(|scored| untimed(&generator, &scored.point)).collect();
        generators.push(generator.in_precision(study.measure.precision));
    }
    let batch = study.measure.timing_batch;
    let rounds = study.measure.timing_rounds;
    let points: usize = contests.iter().map(|contest| contest.timings.len()).sum();
    let mut progress = TerminalProgress::default();
    progress.begin("timing", 0, ((rounds + 1) * points) as u64);
    let mut done = 0;
    // The first round only warms up.
    for round in 0..=rounds {
        for (contest, generator) in contests.iter_mut().zip(&generators) {
            for (timing, scored) in contest.timings.iter_mut().zip(&contest.runs[0].points) {
                let seconds = drawn(generator, scored.point.preset, batch)?;
                if round > 0 {
                    timing.seconds.push(seconds / batch as f64);
                }
                done += 1;
                progress.step(done, "");
            }
        }
    }
    progress.end();
    Ok(())
}

/// What sampling at a point takes, but for the time.
fn untimed(generator: &Generator, point: &Point) -> Timing {
    let config = &generator.header.model;
    let (passes, depth_steps) = match (config.kind.is_sequential(), config.kind.draws_codes()) {
        (false, _) => (point.preset.steps, 0),
        (true, false) => (config.positions, 0),
        (true, true) => (config.positions, config.positions * config.depth),
    };
    Timing { point: point.name.clone(), seconds: Vec::new(), passes, depth_steps }
}

/// Seconds for the codes of one batch.
fn drawn(generator: &Generator, preset: Preset, count: usize) -> Result<f64> {
    let sampler = sampler(&generator.model, generator.tokenizer.books(), preset)?;
    let batch = Batch { most: count, at_once: 1 };
    let drawing = Drawing { sampler: &*sampler, seed: 0, batch, known: None };
    let classes = generator.header.classes.len();
    let labels: Vec<usize> = (0..count).map(|sample| sample % classes).collect();
    let start = Instant::now();
    drawing.batches(&labels, Ok, |_| Ok(()))?;
    Ok(start.elapsed().as_secs_f64())
}
