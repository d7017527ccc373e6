//! The file of a comparison: which generators, on what, measured how.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::Precision;
use crate::sample::Preset;
use crate::schedule::MaskingSchedule;
use crate::train::config::{self, Experiment, GeneratorExperiment};

/// The most points of a grid.
const MOST_POINTS: usize = 1000;

/// What is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// A config of `resgen train`, which all generators have in common.
    pub config: PathBuf,
    /// Values of it to replace for all, as `KEY=VALUE`.
    #[serde(default)]
    pub set: Vec<String>,
    /// Every generator is trained once with each of these.
    pub seeds: Vec<u64>,
    /// How far apart the largest and the smallest network may be, as a share of the smallest.
    #[serde(default = "Study::default_parameters_within")]
    pub parameters_within: f64,
    /// How samples are measured.
    pub measure: Measure,
    /// The settings to sample with.
    #[serde(default)]
    pub grid: Grid,
    /// What is compared.
    pub generators: Vec<Contender>,
}

/// How samples are measured: the `[measure]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Pictures drawn for every point, classes in turn.
    pub samples: usize,
    /// Real pictures to compare with; best those that training did not see.
    pub reference: PathBuf,
    /// The network to look with.
    pub extractor: PathBuf,
    /// Real pictures to measure in place of samples: what a perfect generator could reach.
    #[serde(default)]
    pub floor: Option<PathBuf>,
    /// A token cache that training did not see, for likelihoods.
    #[serde(default)]
    pub codes: Option<PathBuf>,
    /// Precision of sampling.
    #[serde(default)]
    pub precision: Precision,
    /// How often every point is timed, in turns with all others.
    #[serde(default = "Measure::default_rounds")]
    pub timing_rounds: usize,
    /// Samples that are drawn at once when it is timed.
    #[serde(default = "Measure::default_batch")]
    pub timing_batch: usize,
}

impl Measure {
    fn default_rounds() -> usize {
        5
    }

    fn default_batch() -> usize {
        8
    }
}

/// Settings of the sampler to try, each with each; what is not named is the config's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grid {
    /// Sampling steps, of masked generators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<usize>,
    /// Schedules of sampling, of masked generators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<MaskingSchedule>,
    /// Temperatures of the choice of tokens, of masked generators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choice_temperature: Vec<f64>,
    /// Guidance scales.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guidance: Vec<f64>,
    /// Scales of the noise within a component, where embeddings are drawn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub temperature: Vec<f64>,
    /// Temperatures of the choice of a component or code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub component_temperature: Vec<f64>,
    /// Numbers of the most probable components or codes that may be chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub top_k: Vec<NonZeroUsize>,
    /// Probability masses that may be chosen from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub top_p: Vec<f64>,
}

/// A point of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The settings that the grid names.
    pub name: String,
    /// All settings.
    pub preset: Preset,
}

/// One of the generators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contender {
    /// What it is called.
    pub name: String,
    /// Values to replace in the config, after those for all.
    #[serde(default)]
    pub set: Vec<String>,
    /// Trained models to take in place of a training, one for each seed.
    #[serde(default)]
    pub models: Vec<PathBuf>,
    /// Settings to sample with in place of those for all.
    #[serde(default)]
    pub grid: Option<Grid>,
}

impl Study {
    fn default_parameters_within() -> f64 {
        0.05
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Those of [`config::load`]; [`Error::Config`] names the key whose value is out of range.
    pub fn load(path: &Path) -> Result<Self> {
        let study: Self = config::load(path, &[])?;
        study.validate()?;
        Ok(study)
    }

    fn validate(&self) -> Result<()> {
        let nothing = |key: &str| Error::config(key, "expected at least one, found none");
        if self.seeds.is_empty() {
            return Err(nothing("seeds"));
        }
        if self.generators.is_empty() {
            return Err(nothing("generators"));
        }
        if self.seeds.iter().collect::<BTreeSet<_>>().len() < self.seeds.len() {
            return Err(Error::config("seeds", "a seed stands there twice"));
        }
        if !(self.parameters_within >= 0.0 && self.parameters_within.is_finite()) {
            let reason = format!("expected a share of at least 0, found {}", self.parameters_within);
            return Err(Error::config("parameters_within", reason));
        }
        let Measure { samples, timing_rounds, timing_batch, .. } = self.measure;
        let counts = [
            ("samples", samples, 4..=10_000_000),
            ("timing_rounds", timing_rounds, 1..=1000),
            ("timing_batch", timing_batch, 1..=65_536),
        ];
        for (key, value, range) in counts {
            if !range.contains(&value) {
                let reason = format!("expected {} to {}, found {value}", range.start(), range.end());
                return Err(Error::config(format!("measure.{key}"), reason));
            }
        }
        let mut folders = BTreeSet::new();
        for (index, contender) in self.generators.iter().enumerate() {
            contender.validate(index, self.seeds.len())?;
            if !folders.insert(contender.folder()) {
                let reason =
                    format!("`{}` and one before it have the same letters and digits", contender.name);
                return Err(Error::config(format!("generators[{index}].name"), reason));
            }
            if let Some(key) = self.grid_of(contender).repeated() {
                let reason = format!("`{}`: a value stands there twice", contender.name);
                return Err(Error::config(format!("grid.{key}"), reason));
            }
            let count = self.grid_of(contender).count();
            if count > MOST_POINTS {
                let reason = format!("`{}` has {count} points; at most {MOST_POINTS} can be", contender.name);
                return Err(Error::config("grid", reason));
            }
        }
        Ok(())
    }

    /// The config that a generator is trained with.
    ///
    /// # Errors
    /// Those of [`config::load`] and [`Experiment::validate`].
    pub fn experiment(&self, contender: &Contender, seed: u64) -> Result<GeneratorExperiment> {
        let mut set = [&self.set[..], &contender.set].concat();
        set.push(format!("train.seed={seed}"));
        let experiment: GeneratorExperiment = config::load(&self.config, &set)?;
        experiment.validate()?;
        Ok(experiment)
    }

    /// The grid of a generator.
    pub fn grid_of<'a>(&'a self, contender: &'a Contender) -> &'a Grid {
        contender.grid.as_ref().unwrap_or(&self.grid)
    }

    /// Makes sure that networks are alike in size; `parameters` is what each generator has.
    ///
    /// # Errors
    /// [`Error::Config`] names the largest and the smallest.
    pub fn expect_alike(&self, parameters: &[usize]) -> Result<()> {
        let named = || self.generators.iter().zip(parameters);
        let (Some(most), Some(least)) = (named().max_by_key(|one| one.1), named().min_by_key(|one| one.1))
        else {
            return Ok(());
        };
        if *most.1 as f64 > *least.1 as f64 * (1.0 + self.parameters_within) {
            let reason = format!(
                "`{}` has {} parameters and `{}` {}: more than {} % apart",
                most.0.name,
                most.1,
                least.0.name,
                least.1,
                (100.0 * self.parameters_within).round()
            );
            return Err(Error::config("parameters_within", reason));
        }
        Ok(())
    }
}

impl Contender {
    fn validate(&self, index: usize, seeds: usize) -> Result<()> {
        if self.folder().is_empty() {
            let reason = "expected a letter or a digit, found none";
            return Err(Error::config(format!("generators[{index}].name"), reason));
        }
        if !self.models.is_empty() && self.models.len() != seeds {
            let reason = format!("expected one for each of {seeds} seeds, found {}", self.models.len());
            return Err(Error::config(format!("generators[{index}].models"), reason));
        }
        if !self.models.is_empty() && !self.set.is_empty() {
            let reason = "models that are trained have no config to set values of";
            return Err(Error::config(format!("generators[{index}].set"), reason));
        }
        Ok(())
    }

    /// Its name as part of a file's.
    pub fn folder(&self) -> String {
        let lower = self.name.to_lowercase();
        let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
    }
}

impl Grid {
    /// The first list with a value that stands there twice: two points would have one folder.
    fn repeated(&self) -> Option<&'static str> {
        let lists = [
            ("steps", has_twice(&self.steps)),
            ("schedule", has_twice(&self.schedule)),
            ("choice_temperature", has_twice(&self.choice_temperature)),
            ("guidance", has_twice(&self.guidance)),
            ("temperature", has_twice(&self.temperature)),
            ("component_temperature", has_twice(&self.component_temperature)),
            ("top_k", has_twice(&self.top_k)),
            ("top_p", has_twice(&self.top_p)),
        ];
        lists.into_iter().find(|(_, is_repeated)| *is_repeated).map(|(key, _)| key)
    }

    fn count(&self) -> usize {
        let Self {
            steps,
            schedule,
            choice_temperature,
            guidance,
            temperature,
            component_temperature,
            top_k,
            top_p,
        } = self;
        let counts = [
            steps.len(),
            schedule.len(),
            choice_temperature.len(),
            guidance.len(),
            temperature.len(),
            component_temperature.len(),
            top_k.len(),
            top_p.len(),
        ];
        counts.iter().fold(1, |product, &count| product.saturating_mul(count.max(1)))
    }

    /// All points. Generators that go position by position have no steps, schedule and choice of tokens, those that draw codes
    /// no noise within a component.
    pub fn points(&self, preset: Preset, is_sequential: bool, draws_codes: bool) -> Vec<Point> {
        let mut points = vec![Point { name: String::new(), preset }];
        if !is_sequential {
            vary(&mut points, "steps", &self.steps, |preset, value| preset.steps = value);
            vary(&mut points, "schedule", &self.schedule, |preset, value| preset.schedule = value);
            let choice = |preset: &mut Preset, value| preset.choice_temperature = value;
            vary(&mut points, "choice", &self.choice_temperature, choice);
        }
        vary(&mut points, "guidance", &self.guidance, |preset, value| preset.guidance = value);
        if !draws_codes {
            vary(&mut points, "temperature", &self.temperature, |preset, value| preset.temperature = value);
        }
        let component = |preset: &mut Preset, value| preset.component_temperature = value;
        let name = if draws_codes { "code temperature" } else { "component temperature" };
        vary(&mut points, name, &self.component_temperature, component);
        vary(&mut points, "top-k", &self.top_k, |preset, value| preset.top_k = Some(value));
        vary(&mut points, "top-p", &self.top_p, |preset, value| preset.top_p = value);
        for point in &mut points {
            if point.name.is_empty() {
                point.name = "its own settings".into();
            }
        }
        points
    }
}

impl Point {
    /// Its name as a file's.
    pub fn folder(&self) -> String {
        self.name.replace(", ", "_").replace(' ', "-")
    }
}

fn has_twice<T: PartialEq>(values: &[T]) -> bool {
    values.iter().enumerate().any(|(at, value)| values[..at].contains(value))
}

fn vary<T: Copy + std::fmt::Debug>(
    points: &mut Vec<Point>,
    name: &str,
    values: &[T],
    set: impl Fn(&mut Preset, T),
) {
    if values.is_empty() {
        return;
    }
    let varied = |point: &Point| {
        let between = if point.name.is_empty() { "" } else { ", " };
        let of = |&value: &T| {
            let mut preset = point.preset;
            set(&mut preset, value);
            let value = format!("{value:?}").to_lowercase();
            Point { name: format!("{}{between}{name} {value}", point.name), preset }
        };
        values.iter().map(of).collect::<Vec<_>>()
    };
    *points = points.iter().flat_map(varied).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        config = "model.toml"
        seeds = [1, 2]
        grid = { steps = [4, 8], guidance = [1.0, 2.5] }
        [measure]
        samples = 20
        reference = "heldout"
        extractor = "features"
        [[generators]]
        name = "Res Gen"
        [[generators]]
        name = "RQ"
        set = ["model.kind=rq-transformer"]
    "#;

    fn load(text: &str) -> Result<Study> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Study::load(file.path())
    }

    #[test]
    fn grids_are_products_of_what_a_generator_has() {
        let study = load(TEXT).unwrap();
        let points = study.grid.points(Preset::default(), false, false);
        let names: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
        let expected = [
            "steps 4, guidance 1.0",
            "steps 4, guidance 2.5",
            "steps 8, guidance 1.0",
            "steps 8, guidance 2.5",
        ];
        assert_eq!(names, expected);
        assert_eq!((points[3].preset.steps, points[3].preset.guidance), (8, 2.5));
        assert_eq!(points[3].folder(), "steps-8_guidance-2.5");
        let points = study.grid.points(Preset::default(), true, true);
        assert_eq!(points.len(), 2);
        assert_eq!(points[1].preset, Preset { guidance: 2.5, ..Preset::default() });
        let own = Grid::default().points(Preset::default(), false, false);
        assert_eq!((own.len(), own[0].name.as_str()), (1, "its own settings"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |from: &str, to: &str| load(&TEXT.replace(from, to)).unwrap_err().to_string();
        for (from, to, expected) in [
            ("[1, 2]", "[]", "`seeds`: expected at least one"),
            ("[1, 2]", "[1, 1]", "`seeds`: a seed stands there twice"),
            ("samples = 20", "samples = 1", "`measure.samples`: expected 4 to 10000000, found 1"),
            ("\"RQ\"", "\"res-gen\"", "`generators[1].name`: `res-gen` and one before it"),
            ("\"RQ\"", "\"…\"", "`generators[1].name`: expected a letter or a digit"),
            ("set = [", "models = [", "`generators[1].models`: expected one for each of 2 seeds, found 1"),
            ("samples = 20", "sample = 20", "did you mean `samples`?"),
            ("steps = [4, 8]", "steps = [4, 8, 4]", "`grid.steps`: `Res Gen`: a value stands there twice"),
        ] {
            let text = wrong(from, to);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn networks_of_other_sizes_are_refused() {
        let study = load(TEXT).unwrap();
        study.expect_alike(&[100, 105]).unwrap();
        let text = study.expect_alike(&[106, 100]).unwrap_err().to_string();
        assert!(text.contains("`Res Gen` has 106 parameters and `RQ` 100: more than 5 % apart"), "{text}");
    }
}
