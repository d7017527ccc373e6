//! What samples are measured with, and what was measured before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use resgen_core::Error;
use resgen_core::compare::{Grid, Measure, Point, Run, Scored};
use resgen_core::data::set::RECORD;
use resgen_core::data::{PictureSet, SetOptions};
use resgen_core::eval::images::{MeasureOptions, compare};
use resgen_core::eval::likelihood::LikelihoodOptions;
use resgen_core::eval::manifest::{Findings, Manifest, Measured, SetKind, SetRecord};
use resgen_core::eval::reference::Reference;
use resgen_core::features::{Extractor, ExtractorIdentity, InceptionResize};
use resgen_core::nn::Precision;
use resgen_core::schedule::MaskingSchedule;
use resgen_core::workers::Workers;

use super::points;
use crate::commands::eval::images::{extractor, looked_at};
use crate::commands::eval::loss::{bits_per_token, codes_for};
use crate::commands::sample::Order;
use crate::context::{Batch, Context};
use crate::progress::TerminalProgress;
use crate::signals;

/// How often a step of the reverse process is drawn for each signal.
const ROUNDS: u64 = 2;

/// Looks at samples.
pub struct Judge<'a> {
    measure: &'a Measure,
    extractor: Extractor,
    reference: Reference,
    options: MeasureOptions,
    workers: Workers,
    device: Device,
    batch: Batch,
    stop: Arc<AtomicBool>,
}

impl<'a> Judge<'a> {
    /// Opens what samples are measured with.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn open(measure: &'a Measure, context: &Context) -> anyhow::Result<Self> {
        let extractor = extractor(&measure.extractor, InceptionResize::default(), context)?;
        if let Some(floor) = &measure.floor {
            PictureSet::open(floor, SetOptions::default())?.spread(measure.samples)?;
        }
        if let Some(codes) = &measure.codes {
            resgen_core::data::TokenCache::open(codes)?;
        }
        let (options, workers) = (MeasureOptions::default(), Workers::new(context.at_once())?);
        let reference = Reference::open(
            &measure.reference,
            &extractor,
            SetOptions::default(),
            &options,
            &workers,
            &mut TerminalProgress::default(),
        )?;
        let (device, batch) = (context.device()?, context.batch(None));
        let stop = signals::stop_flag()?;
        Ok(Self { measure, extractor, reference, options, workers, device, batch, stop })
    }

    /// The network that looks.
    pub fn extractor(&self) -> &ExtractorIdentity {
        self.extractor.identity()
    }

    /// What real pictures reach in place of samples.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn floor(&self) -> anyhow::Result<Vec<Measured>> {
        let Some(path) = &self.measure.floor else { return Ok(Vec::new()) };
        let set = PictureSet::open(path, SetOptions::default())?.spread(self.measure.samples)?;
        Ok(self.look_at(&set)?.findings.results)
    }

    /// Draws the samples of a model at every point and measures them, and its likelihood; none where it is asked to stop.
    ///
    /// # Errors
    /// Where the model cannot be read, a point is out of range, or the folder cannot be written.
    pub fn run(&self, model: &Path, seed: u64, folder: &Path, grid: &Grid) -> anyhow::Result<Option<Run>> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let exact = Order::of(model, Precision::F32, seed, &self.device)?;
        let likelihood = self.likelihood(&exact, &folder.join("likelihood.json"))?;
        let order = Order::of(model, self.measure.precision, seed, &self.device)?;
        let kind = order.generator.header.model.kind;
        let mut scored = Vec::new();
        for point in points(grid, order.generator.header.preset, kind) {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let results = self.point(&order, &point, &folder.join(point.folder()))?;
            scored.push(Scored { point, results });
        }
        Ok(Some(Run {
            seed,
            model: model.to_owned(),
            fingerprint: order.fingerprint.clone(),
            steps: order.generator.header.step,
            likelihood,
            points: scored,
        }))
    }

    fn point(&self, order: &Order, point: &Point, folder: &Path) -> anyhow::Result<Vec<Measured>> {
        let kept = folder.with_added_extension("json");
        let made_by = without_path(order.record(point.preset)?);
        if let Some(before) = kept_before(&kept).filter(|_| folder.join(RECORD).exists()) {
            let Findings { samples, reference, extractor, results, .. } = before.findings;
            let is_current = samples.count == self.measure.samples
                && samples.made_by.map(without_path) == Some(made_by)
                && reference.fingerprint == self.reference.record().fingerprint
                && extractor.as_ref() == Some(self.extractor());
            if is_current {
                return Ok(results);
            }
        }
        let classes = order.generator.header.classes.len();
        let labels: Vec<usize> = (0..self.measure.samples).map(|index| index % classes).collect();
        eprintln!("{}", folder.display());
        order.draw_into(folder, &labels, point.preset, None, self.batch)?;
        let manifest = self.look_at(&PictureSet::open(folder, SetOptions::default())?)?;
        manifest.save(&kept)?;
        Ok(manifest.findings.results)
    }

    fn look_at(&self, set: &PictureSet) -> anyhow::Result<Manifest> {
        let mut progress = TerminalProgress::default();
        let samples = looked_at(set, &self.extractor, &self.options, &self.workers, &mut progress)?;
        let record = samples.record().clone();
        Ok(Manifest::new(Findings {
            extractor: Some(self.extractor().clone()),
            settings: self.options.by_name(),
            samples: record,
            reference: self.reference.record().clone(),
            results: compare(samples, &self.reference, None, &self.options)?,
        }))
    }

    fn likelihood(&self, order: &Order, kept: &Path) -> anyhow::Result<Option<Measured>> {
        let Some(path) = &self.measure.codes else { return Ok(None) };
        let (cache, codes, classes) = codes_for(&order.generator, path)?;
        let options = LikelihoodOptions {
            steps: codes.positions() * codes.depth(),
            schedule: MaskingSchedule::Cosine,
            target_noise: 0.1,
            rounds: ROUNDS,
            seed: 0,
        };
        let settings: BTreeMap<String, String> =
            [("options", format!("{options:?}")), ("resgen", env!("CARGO_PKG_VERSION").to_owned())]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        if let Some(before) = kept_before(kept) {
            let Findings { samples, reference, results, settings: known, .. } = before.findings;
            let is_current = samples.fingerprint == order.fingerprint
                && reference.fingerprint == cache.fingerprint()
                && known == settings;
            if is_current {
                return Ok(results.first().copied());
            }
        }
        let measured = bits_per_token(&order.generator, (&codes, &classes), &options, &self.workers)?;
        let record = |path: PathBuf, kind, fingerprint| SetRecord {
            path,
            kind,
            count: measured.count,
            size: None,
            fingerprint,
            made_by: None,
        };
        let manifest = Manifest::new(Findings {
            extractor: None,
            settings,
            samples: record(order.model().to_owned(), SetKind::Model, order.fingerprint.clone()),
            reference: record(path.clone(), SetKind::Codes, cache.fingerprint()),
            results: vec![measured],
        });
        manifest.save(kept)?;
        Ok(Some(measured))
    }
}

/// What was measured before, where it can be read.
fn kept_before(path: &Path) -> Option<Manifest> {
    match Manifest::load(path) {
        Ok(found) => Some(found),
        Err(_) if !path.exists() => None,
        Err(error) => {
            eprintln!("note: measured again: {error}");
            None
        }
    }
}

/// How samples were made, wherever the model lay: its fingerprint tells which it is.
fn without_path(mut record: serde_json::Value) -> serde_json::Value {
    if let Some(record) = record.as_object_mut() {
        record.remove("model");
    }
    record
}
