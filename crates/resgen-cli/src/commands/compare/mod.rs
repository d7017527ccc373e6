//! `compare`: generators trained, sampled, measured and timed beside each other.
//!
//! 1. Everything that the file names is opened, and the networks' sizes compared, before anything is trained.
//! 2. Every generator is trained with every seed; a folder of a run that stopped goes on.
//! 3. Every run draws samples at every point of its grid, and these are measured; what lies there of before is taken.
//! 4. All points are timed in turns.
//! 5. The report is written: tables, a plot, samples side by side, and everything as JSON.

mod judge;
mod runs;
mod side_by_side;
mod timing;

use std::path::{Path, PathBuf};

use resgen_core::Error;
use resgen_core::atomic::write_atomically;
use resgen_core::compare::{Contender, Contest, Grid, Point, Report, Study, draw_quality_and_time};
use resgen_core::model::NetworkKind;
use resgen_core::sample::Preset;

use crate::commands::training::naming_config;
use crate::context::Context;
use judge::Judge;

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  resgen compare configs/letters-comparison.toml --out comparisons/letters

Trains every generator of the file with every seed (or takes trained ones), draws samples at every point of its grid, measures and
times them, and writes report.md, report.json, quality-and-time.png and samples.png. Stopped at any moment, the same command goes
on; what is done is taken as it is, as long as it was done with the same models and settings.")]
pub struct Arguments {
    /// The comparison, a TOML file.
    file: PathBuf,
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Compares.
///
/// # Errors
/// Where the file, or what it names, cannot be read, or networks are not alike in size; whatever trainings report.
pub fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<()> {
    let study = naming_config(&arguments.file, Study::load(&arguments.file))?;
    let sizes = naming_config(&arguments.file, runs::sizes(&study, context))?;
    for (contender, (kind, parameters)) in study.generators.iter().zip(&sizes) {
        eprintln!("{}: {}, {parameters} parameters", contender.name, kind.name());
    }
    let counts: Vec<usize> = sizes.iter().map(|(_, parameters)| *parameters).collect();
    naming_config(&arguments.file, study.expect_alike(&counts))?;
    let judge = Judge::open(&study.measure, context)?;

    // All are trained before any is measured: what takes longest is done first.
    let mut models = Vec::new();
    for contender in &study.generators {
        let Some(found) = runs::models(&study, contender, &arguments.out, context)? else {
            return stopped();
        };
        models.push(found);
    }
    let floor = judge.floor()?;
    let mut contests = Vec::new();
    for ((contender, models), (kind, parameters)) in study.generators.iter().zip(&models).zip(sizes) {
        let mut runs = Vec::new();
        for (&seed, model) in study.seeds.iter().zip(models) {
            let folder = samples_folder(&arguments.out, contender, seed);
            match judge.run(model, seed, &folder, study.grid_of(contender))? {
                Some(run) => runs.push(run),
                None => return stopped(),
            }
        }
        let name = contender.name.clone();
        contests.push(Contest { name, kind, parameters, runs, timings: Vec::new() });
    }
    timing::time(&mut contests, &study, context)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let report = Report {
        resgen: env!("CARGO_PKG_VERSION").into(),
        unix_time: now.map_or(0, |now| now.as_secs()),
        extractor: judge.extractor().clone(),
        floor,
        contests,
        study,
    };
    write(&report, &arguments.out)?;
    context.output.print(&report, |report| {
        format!("{}\n{}", report.text().trim_end(), arguments.out.join("report.md").display())
    })
}

fn stopped() -> anyhow::Result<()> {
    eprintln!("stopped; the same command goes on");
    Ok(())
}

/// Where the samples of a run are.
fn samples_folder(out: &Path, contender: &Contender, seed: u64) -> PathBuf {
    out.join("samples").join(run_name(contender, seed))
}

/// A training's name as a folder's.
fn run_name(contender: &Contender, seed: u64) -> String {
    format!("{}-{seed}", contender.folder())
}

fn write(report: &Report, out: &Path) -> anyhow::Result<()> {
    report.save(&out.join("report.json"))?;
    let mut text = String::from("# Comparison\n\n");
    text += &report.text();
    let plot = out.join("quality-and-time.png");
    match draw_quality_and_time(report, &plot) {
        Ok(()) => text += "\n![Quality and time](quality-and-time.png)\n",
        Err(error @ Error::Argument { .. }) => eprintln!("note: no plot: {error}"),
        Err(error) => return Err(error.into()),
    }
    text += "\n![Samples at the best points, the first seed](samples.png)\n";
    write_atomically(out.join("report.md"), |writer| writer.write_all(text.as_bytes()))?;
    Ok(side_by_side::draw(report, out)?.save_png(out.join("samples.png"))?)
}

/// Whether a generator has steps, and whether it draws embeddings, decide which settings it has.
fn points(grid: &Grid, preset: Preset, kind: NetworkKind) -> Vec<Point> {
    grid.points(preset, kind.is_sequential(), kind.draws_codes())
}
