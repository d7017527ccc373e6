//! What was found, for programs as JSON and for people as Markdown.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::effects::effects;
use super::study::{Point, Study};
use crate::atomic::write_atomically;
use crate::error::{Error, Result};
use crate::eval::distribution::{Estimate, RunningMean};
use crate::eval::manifest::{Measured, Metric};
use crate::features::ExtractorIdentity;
use crate::model::NetworkKind;

/// What points are chosen by: the lower the better.
const CRITERION: Metric = Metric::FrechetDistance;

/// What the tables show of samples.
const SHOWN: [Metric; 6] = [
    Metric::FrechetDistance,
    Metric::KernelDistance,
    Metric::Precision,
    Metric::Recall,
    Metric::ClassConsistency,
    Metric::ClassDiversity,
];

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the program.
    pub resgen: String,
    /// Seconds since 1970 when it ended.
    pub unix_time: u64,
    /// What was asked.
    pub study: Study,
    /// The network that looked.
    pub extractor: ExtractorIdentity,
    /// Real pictures in place of samples.
    pub floor: Vec<Measured>,
    /// What each generator reached.
    pub contests: Vec<Contest>,
}

/// One generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contest {
    /// What it is called.
    pub name: String,
    /// Which of the four it is.
    pub kind: NetworkKind,
    /// Numbers in its network, the tokenizer's not among them.
    pub parameters: usize,
    /// One for each seed.
    pub runs: Vec<Run>,
    /// One for each point.
    pub timings: Vec<Timing>,
}

/// One training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Seed of the training and of the samples.
    pub seed: u64,
    /// The model.
    pub model: PathBuf,
    /// Of its weights.
    pub fingerprint: String,
    /// Steps of its training.
    pub steps: u64,
    /// Bits per code, or a bound of them.
    pub likelihood: Option<Measured>,
    /// What its samples reached.
    pub points: Vec<Scored>,
}

/// What samples with the settings of a point reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The settings.
    pub point: Point,
    /// What was measured.
    pub results: Vec<Measured>,
}

/// How long sampling took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Name of the point.
    pub point: String,
    /// Seconds per sample, of each round.
    pub seconds: Vec<f64>,
    /// Passes of the transformer along the sequence for a batch.
    pub passes: usize,
    /// Steps of the transformer along the depth for a batch.
    pub depth_steps: usize,
}

impl Timing {
    /// The median of the rounds.
    pub fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            count if count % 2 == 1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        }
    }
}

impl Run {
    fn value(&self, point: &str, metric: Metric) -> Option<f64> {
        let scored = self.points.iter().find(|scored| scored.point.name == point)?;
        scored.results.iter().find(|result| result.metric == metric).map(|result| result.estimate.value)
    }
}

impl Contest {
    /// The mean over all runs, with an interval from how much they differ.
    pub fn across(&self, point: &str, metric: Metric) -> Option<Estimate> {
        mean(self.runs.iter().filter_map(|run| run.value(point, metric)))
    }

    /// The likelihood over all runs.
    pub fn likelihood(&self) -> Option<(Metric, Estimate)> {
        let metric = self.runs.iter().find_map(|run| run.likelihood)?.metric;
        let values = self.runs.iter().filter_map(|run| run.likelihood).map(|found| found.estimate.value);
        mean(values).map(|estimate| (metric, estimate))
    }

    /// Names of the points.
    pub fn points(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().take(1).flat_map(|run| &run.points).map(|scored| scored.point.name.as_str())
    }

    /// The point with the lowest Fréchet distance, in the mean over all runs.
    pub fn best(&self) -> Option<&str> {
        let distance = |point: &str| self.across(point, CRITERION).map_or(f64::INFINITY, |found| found.value);
        self.points().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// The timing of a point.
    pub fn timing(&self, point: &str) -> Option<&Timing> {
        self.timings.iter().find(|timing| timing.point == point)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<Estimate> {
    let mut mean = RunningMean::default();
    values.for_each(|value| mean.add(value));
    mean.estimate()
}

impl Report {
    /// Writes it as JSON, atomically.
    ///
    /// # Errors
    /// [`Error::Io`] names the path.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::file(path, error))?;
        write_atomically(path, |writer| writer.write_all(&text))
    }

    /// Reads what [`Report::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name the path.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(Error::io(path))?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::file(path, format!("no report of a comparison: {error}")))
    }

    /// All that was found, as Markdown.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let measure = &self.study.measure;
        let seeds = self.study.seeds.len();
        writeln!(
            text,
            "{} samples a point against {}, seen by {} {}. Means over trainings with {seeds} seeds; in brackets 95 % intervals from \
             how much these differ. Each generator stands with the point of its grid that has the lowest {}. Seconds a sample: medians \
             of {} rounds in turns, {} samples at once, codes alone.\n",
            measure.samples,
            measure.reference.display(),
            self.extractor.name,
            &self.extractor.fingerprint[..self.extractor.fingerprint.len().min(8)],
            self.title(CRITERION),
            measure.timing_rounds,
            measure.timing_batch,
        )?;
        self.write_best(text)?;
        self.write_effects(text)?;
        self.write_points(text)
    }

    fn title(&self, metric: Metric) -> &'static str {
        metric.title(self.extractor.is_inception())
    }

    fn write_best(&self, text: &mut String) -> std::fmt::Result {
        write!(text, "| generator | parameters | settings |")?;
        SHOWN.iter().try_for_each(|&metric| write!(text, " {} |", self.title(metric)))?;
        writeln!(text, " bits per code | passes | s a sample |")?;
        writeln!(text, "|---|---:|---|{}---:|---:|---:|", "---:|".repeat(SHOWN.len()))?;
        for contest in &self.contests {
            let Some(best) = contest.best() else { continue };
            write!(text, "| {} | {} | {best} |", contest.name, contest.parameters)?;
            self.write_results(text, contest, best)?;
            let likelihood = contest.likelihood().map_or_else(String::new, |(metric, estimate)| {
                let sign = if metric == Metric::BitsPerTokenBound { "≤ " } else { "" };
                format!("{sign}{}", estimate.shown(3))
            });
            write!(text, " {likelihood} |")?;
            write_timing(text, contest.timing(best))?;
        }
        if !self.floor.is_empty() {
            write!(text, "| real pictures (intervals from pictures) | | |")?;
            for metric in SHOWN {
                let found = self.floor.iter().find(|result| result.metric == metric);
                let shown = found.map_or_else(String::new, |found| found.estimate.shown(metric.digits()));
                write!(text, " {shown} |")?;
            }
            writeln!(text, " | | |")?;
        }
        Ok(())
    }

    fn write_results(&self, text: &mut String, contest: &Contest, point: &str) -> std::fmt::Result {
        SHOWN.iter().try_for_each(|&metric| {
            let found = contest.across(point, metric);
            write!(text, " {} |", found.map_or_else(String::new, |found| found.shown(metric.digits())))
        })
    }

    fn write_effects(&self, text: &mut String) -> std::fmt::Result {
        let at_best = |kind, metric| -> Vec<f64> {
            let mut of_kind = self.contests.iter().filter(|contest| contest.kind == kind);
            // Of two of a kind none stands for it.
            let (Some(contest), None) = (of_kind.next(), of_kind.next()) else { return Vec::new() };
            let best = contest.best().unwrap_or_default();
            contest.runs.iter().filter_map(|run| run.value(best, metric)).collect()
        };
        let found: Vec<_> = SHOWN
            .iter()
            .filter_map(|&metric| effects(|kind| at_best(kind, metric)).map(|found| (metric, found)))
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        writeln!(
            text,
            "\n## Where the difference comes from\n\nThe four kinds are two choices: masked in place of position by position, and collective embeddings in \
             place of code by code. What each changes in the mean over the other, and how much more the second does where the first is made \
             (interaction).\n"
        )?;
        writeln!(text, "| | masked | collective | interaction |\n|---|---:|---:|---:|")?;
        found.iter().try_for_each(|(metric, found)| {
            let shown = [found.masked, found.collective, found.interaction]
                .map(|estimate| signed(&estimate, metric.digits()));
            writeln!(text, "| {} | {} |", self.title(*metric), shown.join(" | "))
        })
    }

    fn write_points(&self, text: &mut String) -> std::fmt::Result {
        write!(text, "\n## Every point\n\n| generator | settings |")?;
        SHOWN.iter().try_for_each(|&metric| write!(text, " {} |", self.title(metric)))?;
        writeln!(text, " passes | s a sample |\n|---|---|{}---:|---:|", "---:|".repeat(SHOWN.len()))?;
        for contest in &self.contests {
            for point in contest.points() {
                write!(text, "| {} | {point} |", contest.name)?;
                self.write_results(text, contest, point)?;
                write_timing(text, contest.timing(point))?;
            }
        }
        Ok(())
    }
}

fn write_timing(text: &mut String, timing: Option<&Timing>) -> std::fmt::Result {
    match timing {
        Some(timing) => {
            let steps = match timing.depth_steps {
                0 => String::new(),
                steps => format!(" and {steps} along the depth"),
            };
            writeln!(text, " {}{steps} | {:.4} |", timing.passes, timing.median())
        }
        None => writeln!(text, " | |"),
    }
}

/// A difference: with its sign, and its interval after it.
fn signed(estimate: &Estimate, digits: usize) -> String {
    match estimate.interval {
        Some([low, high]) => format!("{:+.digits$} ({low:+.digits$} to {high:+.digits$})", estimate.value),
        None => format!("{:+.digits$}", estimate.value),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sample::Preset;

    /// Four generators with two runs and two points each.
    pub fn report() -> Report {
        use NetworkKind::{ArResgen, Maskgit, Resgen, RqTransformer};
        let study = toml::from_str(
            "config = \"model.toml\"\nseeds = [1, 2]\ngenerators = []\n\
             [measure]\nsamples = 20\nreference = \"heldout\"\nextractor = \"features\"\n",
        );
        let contest = |(kind, distance): (NetworkKind, f64)| Contest {
            name: kind.name().into(),
            kind,
            parameters: 1000,
            runs: [1, 2].map(|seed| run(seed, distance)).into(),
            timings: ["a", "b"].map(|point| timing(point, distance)).into(),
        };
        Report {
            resgen: "0".into(),
            unix_time: 0,
            study: study.unwrap(),
            extractor: ExtractorIdentity {
                name: "classifier".into(),
                fingerprint: "0123456789".into(),
                input: "crop".into(),
                width: 8,
            },
            floor: vec![Measured::whole(CRITERION, Estimate::plain(0.5), 20)],
            contests: [(Resgen, 4.0), (Maskgit, 7.0), (ArResgen, 9.0), (RqTransformer, 10.0)]
                .map(contest)
                .into(),
        }
    }

    fn run(seed: u64, distance: f64) -> Run {
        let scored = |name: &str, more: f64| Scored {
            point: Point { name: name.into(), preset: Preset::default() },
            results: vec![Measured::whole(CRITERION, Estimate::plain(distance + more + seed as f64), 20)],
        };
        Run {
            seed,
            model: "model".into(),
            fingerprint: String::new(),
            steps: 10,
            likelihood: None,
            points: vec![scored("a", 1.0), scored("b", 0.0)],
        }
    }

    fn timing(point: &str, seconds: f64) -> Timing {
        let seconds = vec![seconds, 100.0, seconds / 2.0, seconds];
        Timing { point: point.into(), seconds, passes: 16, depth_steps: 0 }
    }

    #[test]
    fn the_best_point_is_told_with_what_it_took() {
        let report = report();
        assert_eq!(report.contests[0].best(), Some("b"));
        let found = report.contests[0].across("b", CRITERION).unwrap();
        assert_eq!((found.value, found.standard_error), (5.5, Some(0.5)));
        assert_eq!(report.contests[0].timings[0].median(), 4.0);
        let text = report.text();
        // One degree of freedom: 12.7 standard errors.
        assert!(text.contains("| resgen | 1000 | b | 5.500 (-0.853–11.853) |"), "{text}");
        assert!(text.contains("| real pictures (intervals from pictures) | | | 0.500 |"), "{text}");
        assert!(text.contains("| FD | -4.000 ("), "{text}");
        assert!(text.contains("| resgen | a | 6.500"), "{text}");
    }

    #[test]
    fn reports_come_back_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let written = report();
        written.save(&path).unwrap();
        assert_eq!(Report::load(&path).unwrap(), written);
        std::fs::write(&path, "{}").unwrap();
        assert!(Report::load(&path).unwrap_err().to_string().contains("no report of a comparison"));
    }
}
