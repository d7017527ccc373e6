//! What a sample costs as the batch, the steps, the depth, the positions and the width grow, one at a time.
//!
//! Every size runs in a process of its own, so that its memory can be told. Those of one axis are started together and
//! then measured in turn, so that a machine that is slow for a while is slow for all of them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use resgen_core::Error;
use resgen_core::atomic::write_atomically;
use resgen_core::eval::{Growth, draw_growths};
use resgen_core::model::NetworkKind;
use resgen_core::nn::{Precision, instructions};
use resgen_core::progress::Progress;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::named::kind_parser;
use crate::progress::TerminalProgress;

/// What grows: its name, the option of `bench sample-random` that says it, and its sizes.
const AXES: [(&str, &str, &[u32]); 5] = [
    ("batch B", "batch", &[1, 2, 4, 8, 16, 32]),
    ("steps T", "steps", &[4, 8, 16, 32, 64]),
    ("depth D", "depth", &[4, 8, 16, 32, 72]),
    ("positions L", "positions", &[64, 128, 256, 512, 1024]),
    ("width d", "width", &[128, 256, 384, 512, 768]),
];

/// The sizes of what does not grow.
const BASE: [(&str, u32); 5] = [("batch", 1), ("steps", 16), ("depth", 8), ("positions", 64), ("width", 384)];

/// Arguments of `bench scaling`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder for `scaling.json` and `scaling.png`. Axes that are there already are not measured again.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Measure this axis alone; may be given several times.
    #[arg(long, value_name = "AXIS", value_parser = ["batch", "steps", "depth", "positions", "width"])]
    axis: Vec<String>,
    /// The generator to measure; may be given several times. By default resgen.
    #[arg(long, value_name = "KIND", default_value = "resgen", value_parser = kind_parser())]
    kind: Vec<NetworkKind>,
    /// The size of an axis while others grow, such as width=768; may be given several times.
    #[arg(long, value_name = "AXIS=SIZE", value_parser = base_size)]
    base: Vec<(&'static str, u32)>,
}

fn base_size(text: &str) -> Result<(&'static str, u32), String> {
    let names = BASE.map(|(name, _)| name);
    let (name, size) = text.split_once('=').ok_or("expected AXIS=SIZE")?;
    let name = names
        .into_iter()
        .find(|known| *known == name)
        .ok_or_else(|| format!("expected one of {}, found `{name}`", names.join(", ")))?;
    Ok((name, size.parse().map_err(|_| format!("`{size}` is not a size"))?))
}

/// What was measured so far.
#[derive(Debug, Serialize, Deserialize)]
struct Scaling {
    settings: Settings,
    axes: Vec<AxisCosts>,
}

/// What a measurement must share with others to be shown beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    version: String,
    /// Another number for another build.
    program: u64,
    processor: String,
    options: Vec<String>,
    precision: Precision,
    rounds: u32,
    base: BTreeMap<String, u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AxisCosts {
    name: String,
    points: Vec<PointCost>,
    /// Of seconds per sample over size: least squares of the logarithms.
    exponent: Option<f64>,
    /// Between the two largest sizes.
    last_exponent: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PointCost {
    size: u32,
    /// Of a whole batch, one a round.
    ms: Vec<f64>,
    /// Median over the batch.
    ms_per_sample: f64,
    /// The most memory the process held, where the system tells.
    peak_bytes: Option<u64>,
}

/// Measures what is missing, writes and draws all.
///
/// # Errors
/// Where the folder cannot be written, or holds what was measured with other settings.
pub fn run(
    arguments: &Arguments,
    rounds: u32,
    precision: Precision,
    context: &Context,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.out).map_err(Error::io(&arguments.out))?;
    let path = arguments.out.join("scaling.json");
    let settings = Settings {
        version: env!("CARGO_PKG_VERSION").into(),
        program: program()?,
        processor: processor(),
        options: context.options().to_vec(),
        precision,
        rounds,
        base: BASE
            .into_iter()
            .chain(arguments.base.iter().copied())
            .map(|(n, s)| (n.to_owned(), s))
            .collect(),
    };
    let mut scaling = match std::fs::read(&path) {
        Ok(found) => {
            serde_json::from_slice::<Scaling>(&found).with_context(|| format!("{}", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Scaling { settings: settings.clone(), axes: Vec::new() }
        }
        Err(error) => return Err(Error::io(&path)(error).into()),
    };
    if scaling.settings != settings {
        bail!("{} was measured with {:?}, not with {settings:?}", path.display(), scaling.settings);
    }
    let mut progress = TerminalProgress::default();
    let is_asked =
        |option: &str| arguments.axis.is_empty() || arguments.axis.iter().any(|axis| axis == option);
    let axes: Vec<_> = AXES.into_iter().filter(|(_, option, _)| is_asked(option)).collect();
    progress.begin("measuring", 0, (axes.len() * arguments.kind.len()) as u64);
    let kinds = arguments.kind.iter().flat_map(|&kind| axes.iter().map(move |axis| (kind, *axis)));
    for (done, (kind, (axis, option, sizes))) in kinds.enumerate() {
        let name = match kind {
            NetworkKind::Resgen => axis.to_owned(),
            kind => format!("{axis}, {}", kind.name()),
        };
        if scaling.axes.iter().all(|axis| axis.name != name) {
            let (points, name) = (measure_axis(kind, option, sizes, &scaling.settings)?, name.clone());
            scaling.axes.push(AxisCosts::of(name, points));
            let record = serde_json::to_vec_pretty(&scaling)?;
            write_atomically(&path, |writer| writer.write_all(&record))?;
        }
        progress.step(done as u64 + 1, &name);
    }
    progress.end();
    let growths: Vec<Growth> = scaling.axes.iter().map(AxisCosts::growth).collect();
    draw_growths(&growths, &arguments.out.join("scaling.png"))?;
    context.output.print(&scaling, |scaling| scaling.axes.iter().map(AxisCosts::text).collect())
}

fn program() -> anyhow::Result<u64> {
    let path = std::env::current_exe().context("the path of this program")?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&std::fs::read(&path).map_err(Error::io(&path))?);
    Ok(hasher.finish())
}

/// Its name, where the system tells, and what it multiplies with.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    format!("{} ({})", name.map_or(std::env::consts::ARCH, |(_, name)| name), instructions())
}

fn measure_axis(
    kind: NetworkKind,
    option: &str,
    sizes: &[u32],
    settings: &Settings,
) -> anyhow::Result<Vec<PointCost>> {
    let precision = serde_json::to_value(settings.precision)?;
    let common = ["--precision", precision.as_str().unwrap_or_default(), "--on-request"].map(String::from);
    let mut samplers = Vec::new();
    for &size in sizes {
        let sized = settings.base.iter().flat_map(|(other, &base)| {
            let value = if other == option { size } else { base };
            [format!("--{other}"), value.to_string()]
        });
        let kind = ["--kind".to_owned(), kind.name().to_owned()];
        let words = sized.chain(kind).chain(common.clone()).chain(settings.options.clone());
        samplers.push(Sampler::start(words.collect())?);
    }
    let mut times = vec![Vec::new(); sizes.len()];
    for _ in 0..settings.rounds {
        for (sampler, times) in samplers.iter_mut().zip(&mut times) {
            times.push(sampler.measure()?);
        }
    }
    let points = samplers.iter().zip(sizes).zip(times).map(|((sampler, &size), ms)| {
        let mut sorted = ms.clone();
        sorted.sort_by(f64::total_cmp);
        let samples = if option == "batch" { size } else { settings.base["batch"] };
        let ms_per_sample = sorted[sorted.len() / 2] / f64::from(samples);
        PointCost { size, ms, ms_per_sample, peak_bytes: sampler.peak_bytes() }
    });
    Ok(points.collect())
}

impl AxisCosts {
    fn of(name: String, points: Vec<PointCost>) -> Self {
        let mut axis = Self { name, points, exponent: None, last_exponent: None };
        let growth = axis.growth();
        (axis.exponent, axis.last_exponent) = (growth.exponent(), growth.last_exponent());
        axis
    }

    fn growth(&self) -> Growth {
        let seconds = |point: &PointCost| (f64::from(point.size), point.ms_per_sample / 1e3);
        Growth {
            size: self.name.clone(),
            cost: "seconds per sample".into(),
            points: self.points.iter().map(seconds).collect(),
        }
    }

    fn text(&self) -> String {
        let points = self.points.iter().map(|point| {
            let memory =
                point.peak_bytes.map_or("–".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
            format!("{:>12} {:>10.1} ms per sample {memory:>10}\n", point.size, point.ms_per_sample)
        });
        let exponent = |exponent: Option<f64>| exponent.map_or("–".into(), |p| format!("{p:.2}"));
        let (all, last) = (exponent(self.exponent), exponent(self.last_exponent));
        format!("{}: exponent {all}, at the end {last}\n{}", self.name, points.collect::<String>())
    }
}

/// A process that draws a batch whenever it is asked to.
struct Sampler {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A line of its answers.
#[derive(Deserialize)]
struct Answer {
    ms: Option<f64>,
}

impl Sampler {
    /// Starts it; it has drawn once when this returns.
    fn start(options: Vec<String>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the path of this program")?;
        let mut process = Command::new(program)
            .args(["bench", "sample-random"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("another process of this program")?;
        let requests = process.stdin.take().context("its stdin")?;
        let answers = BufReader::new(process.stdout.take().context("its stdout")?);
        let mut sampler = Self { process, requests, answers };
        sampler.answer()?;
        Ok(sampler)
    }

    /// Milliseconds of a batch.
    fn measure(&mut self) -> anyhow::Result<f64> {
        self.requests.write_all(b"run\n").context("a request")?;
        self.answer()?.ms.context("an answer without a time")
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("an answer")?;
        if line.is_empty() {
            bail!("a process that was to be measured ended: {}", self.process.wait()?);
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn peak_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // It would end by itself once its stdin is closed, but after the batch it is at.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
