//! Sets of pictures measured against each other, as a network sees them.
//!
//! 1. Every picture of both sets passes the network once; means and covariances grow as they come.
//! 2. Features of at most [`MeasureOptions::kept`] pictures stay in memory, for what needs pairs of pictures.
//! 3. Each metric is a function of those, with an interval from groups of the samples.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::distribution::{
    Estimate, Frechet, GroupedMoments, Manifold, Moments, Rows, ScoreSplits, kernel_distance,
};
use super::manifest::{Measured, Metric, SetKind, SetRecord};
use super::nearest::{NearestDistances, near_copies};
use crate::data::archive::Archive;
use crate::data::{Levels, PictureSet, SetOptions};
use crate::error::{Error, Result};
use crate::features::{Extractor, Seen};
use crate::progress::Progress;
use crate::workers::Workers;

/// Pictures that a worker looks at together.
const BATCH: usize = 32;

/// What is measured, and from how much.
#[derive(Clone, Copy, Debug)]
pub struct MeasureOptions {
    /// k of precision and recall.
    pub neighbours: usize,
    /// Parts of the samples that scores are taken of.
    pub splits: usize,
    /// Groups of the samples that intervals come from.
    pub groups: usize,
    /// The most pictures of a set whose features stay in memory, spread evenly over it.
    pub kept: usize,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self { neighbours: 3, splits: 10, groups: 10, kept: 50_000 }
    }
}

/// What a network saw in a set.
pub struct SetFeatures {
    record: SetRecord,
    moments: GroupedMoments,
    spatial: GroupedMoments,
    kept: Rows,
    scores: Option<ScoreSplits>,
    classes: ClassSums,
}

/// Sums over classes, for consistency and diversity.
#[derive(Clone, Debug, Default)]
struct ClassSums {
    labelled: usize,
    right: usize,
    groups: BTreeMap<u32, (usize, Vec<f64>)>, // pictures of a class, Σ x
    squares: f64,                             // Σ |x|²
}

impl SetFeatures {
    /// Looks at every picture of a set.
    ///
    /// # Errors
    /// Those of the set and of the network; [`Error::Argument`] names the first picture whose features are not finite.
    pub fn of(
        extractor: &Extractor,
        set: &PictureSet,
        options: &MeasureOptions,
        workers: &Workers,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        progress.begin(&format!("looking at {}", set.path().display()), 0, set.count() as u64);
        let classes = class_places(set, extractor);
        let mut growing = Growing::new(set, options);
        let mut waiting: Vec<Levels> = Vec::new();
        let mut look = |waiting: &mut Vec<Levels>, growing: &mut Growing| {
            let batches = std::mem::take(waiting);
            let seen =
                workers.run(batches, |_, batch| Ok((extractor.look(&batch.levels, batch.size)?, batch)))?;
            for (seen, batch) in seen {
                growing.add(seen, &batch, &classes, extractor)?;
            }
            progress.step(growing.seen as u64, "");
            Ok::<(), Error>(())
        };
        set.for_each(BATCH, |batch| {
            waiting.push(batch);
            if waiting.len() < workers.count() {
                return Ok(());
            }
            look(&mut waiting, &mut growing)
        })?;
        look(&mut waiting, &mut growing)?;
        progress.end();
        growing.finish(set)
    }

    /// What is written down of the set.
    pub fn record(&self) -> &SetRecord {
        &self.record
    }

    /// Features of some of the pictures.
    pub fn kept(&self) -> &Rows {
        &self.kept
    }
}

/// The class of the network for each class of a set; none where the network does not know it. Labels of an archive are numbers
/// of the network's own classes.
fn class_places(set: &PictureSet, extractor: &Extractor) -> Vec<Option<u32>> {
    let known = extractor.classes();
    match set.is_archive() {
        true => (0..known.len() as u32).map(Some).collect(),
        false => {
            let place =
                |name: &String| known.iter().position(|known| known == name).map(|place| place as u32);
            set.classes().iter().map(place).collect()
        }
    }
}

/// Features as they come.
struct Growing {
    parts: Option<(GroupedMoments, GroupedMoments, ScoreSplits)>,
    kept: Vec<f32>,
    width: usize,
    keep: usize,
    classes: ClassSums,
    hash: Sha256,
    size: [usize; 2],
    seen: usize,
    total: usize,
    options: MeasureOptions,
}

impl Growing {
    fn new(set: &PictureSet, options: &MeasureOptions) -> Self {
        Self {
            parts: None,
            kept: Vec::new(),
            width: 0,
            keep: set.count().min(options.kept),
            classes: ClassSums::default(),
            hash: Sha256::new(),
            size: [0, 0],
            seen: 0,
            total: set.count(),
            options: *options,
        }
    }

    fn add(
        &mut self,
        seen: Seen,
        batch: &Levels,
        classes: &[Option<u32>],
        extractor: &Extractor,
    ) -> Result<()> {
        let count = batch.labels.len();
        let [width, spatial, logits] =
            [&seen.pooled, &seen.spatial, &seen.logits].map(|all| all.len() / count);
        (self.width, self.size) = (width, batch.size);
        let (groups, splits) = (self.options.groups, self.options.splits.min(self.total));
        if self.parts.is_none() {
            let scores = ScoreSplits::new(logits, splits, self.total)?;
            let moments = |width| GroupedMoments::new(width, groups);
            self.parts = Some((moments(width), moments(spatial), scores));
        }
        let (moments, of_places, scores) = self.parts.as_mut().expect("just made");
        let first = self.seen;
        let naming = |error| match error {
            Error::Argument { name, reason } => Error::Argument {
                name,
                reason: format!("of pictures {first} to {}: {reason}", first + count - 1),
            },
            other => other,
        };
        moments.add(&seen.pooled).map_err(naming)?;
        of_places.add(&seen.spatial).map_err(naming)?;
        scores.add(&seen.logits)?;
        for (index, features) in seen.pooled.chunks_exact(width).enumerate() {
            // Spread evenly: picture i is kept where ⌊i·keep/total⌋ moves on.
            let place = self.seen + index;
            if (place + 1) * self.keep / self.total > place * self.keep / self.total {
                self.kept.extend(features);
            }
            let Some(label) = batch.labels[index] else { continue };
            self.classes.add(label, features);
            let known = classes.get(label as usize).copied().flatten();
            if let Some(class) = known.filter(|_| !extractor.classes().is_empty()) {
                self.classes.judge(class, &seen.logits[index * logits..][..logits]);
            }
        }
        self.hash.update(&batch.levels);
        self.seen += count;
        Ok(())
    }

    fn finish(self, set: &PictureSet) -> Result<SetFeatures> {
        let Some((moments, spatial, scores)) = self.parts else {
            return Err(Error::argument("pictures", "expected some, found none"));
        };
        let fingerprint: String =
            self.hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let record = SetRecord {
            path: set.path().to_owned(),
            kind: if set.is_archive() { SetKind::Archive } else { SetKind::Folder },
            count: self.seen,
            size: Some(self.size),
            fingerprint,
            made_by: None,
        };
        let kept = Rows::new(self.kept, self.width)?;
        Ok(SetFeatures { record, moments, spatial, kept, scores: Some(scores), classes: self.classes })
    }
}

impl ClassSums {
    fn add(&mut self, label: u32, features: &[f32]) {
        let (count, sums) = self.groups.entry(label).or_insert_with(|| (0, vec![0.0; features.len()]));
        *count += 1;
        sums.iter_mut().zip(features).for_each(|(sum, value)| *sum += f64::from(*value));
        self.squares += features.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
    }

    fn judge(&mut self, class: u32, logits: &[f32]) {
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(place, _)| place as u32);
        self.labelled += 1;
        self.right += usize::from(best == Some(class));
    }

    /// The mean squared distance of a picture's features from the mean of its class.
    fn spread(&self) -> Option<f64> {
        let free: usize = self.groups.values().map(|(count, _)| count - 1).sum();
        let means: f64 = self
            .groups
            .values()
            .map(|(count, sums)| sums.iter().map(|sum| sum * sum).sum::<f64>() / *count as f64)
            .sum();
        (free > 0).then(|| (self.squares - means) / free as f64)
    }
}

/// The share of a set's pictures whose class a classifier tells.
///
/// # Errors
/// Those of the set and of the network; [`Error::Argument`] where no picture has a class that the network knows.
pub fn class_accuracy(
    extractor: &Extractor,
    set: &PictureSet,
    workers: &Workers,
    progress: &mut dyn Progress,
) -> Result<f64> {
    let options = MeasureOptions { kept: 1, ..MeasureOptions::default() };
    let seen = SetFeatures::of(extractor, set, &options, workers, progress)?;
    match seen.classes.labelled {
        0 => Err(Error::argument("pictures", "none has a class that the network knows")),
        labelled => Ok(seen.classes.right as f64 / labelled as f64),
    }
}

/// What samples are compared with.
pub struct Reference {
    record: SetRecord,
    moments: Moments,
    spatial: Option<Moments>,
    kept: Option<Rows>,
    spread: Option<f64>,
}

impl Reference {
    /// Of a set that was looked at.
    pub fn of(features: SetFeatures) -> Self {
        let SetFeatures { record, moments, spatial, kept, classes, .. } = features;
        let (moments, spatial, spread) = (moments.whole(), Some(spatial.whole()), classes.spread());
        Self { record, moments, spatial, kept: Some(kept), spread }
    }

    /// Of a folder or an archive, which may hold statistics (`mu`, `sigma`, `mu_s`, `sigma_s`) beside pictures or in place of
    /// them. Statistics are those of Inception; another network looks at the pictures alone.
    ///
    /// # Errors
    /// Those of [`PictureSet::open`], [`SetFeatures::of`] and [`Archive`]; [`Error::Mismatch`] for statistics of another width.
    pub fn open(
        path: &std::path::Path,
        extractor: &Extractor,
        set: SetOptions,
        options: &MeasureOptions,
        workers: &Workers,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(Error::io(path))?;
        if about.is_dir() {
            let set = PictureSet::open(path, set)?;
            return Ok(Self::of(SetFeatures::of(extractor, &set, options, workers, progress)?));
        }
        let mut archive = Archive::open(path)?;
        let has_pictures = archive.contains(crate::data::archive::PICTURES);
        let takes_statistics = archive.contains("mu") && (extractor.is_inception() || !has_pictures);
        let seen = match has_pictures {
            true => {
                let set = PictureSet::open(path, set)?;
                Some(Self::of(SetFeatures::of(extractor, &set, options, workers, progress)?))
            }
            false => None,
        };
        if !takes_statistics {
            return seen.ok_or_else(|| {
                Error::file(path, "holds neither pictures (`arr_0`) nor statistics (`mu` and `sigma`)")
            });
        }
        let (moments, mut hash) = statistics(&mut archive, "mu", "sigma")?;
        if moments.width() != extractor.identity().width {
            let what = format!("width of the statistics in {}", path.display());
            return Err(Error::mismatch(what, extractor.identity().width, moments.width()));
        }
        let spatial = match archive.contains("mu_s") {
            true => {
                let (moments, more) = statistics(&mut archive, "mu_s", "sigma_s")?;
                hash += &more;
                Some(moments)
            }
            false => None,
        };
        let record = SetRecord {
            path: path.to_owned(),
            kind: SetKind::Statistics,
            count: seen.as_ref().map_or(0, |seen| seen.record.count),
            size: seen.as_ref().and_then(|seen| seen.record.size),
            fingerprint: hash[..32.min(hash.len())].into(),
            made_by: None,
        };
        let (kept, spread) = seen.map_or((None, None), |seen| (seen.kept, seen.spread));
        Ok(Self { record, moments, spatial, kept, spread })
    }

    /// What is written down of it.
    pub fn record(&self) -> &SetRecord {
        &self.record
    }
}

/// Moments of an archive, and a hash of them.
fn statistics(archive: &mut Archive, mean: &str, covariance: &str) -> Result<(Moments, String)> {
    let ((_, mean), (_, covariance)) = (archive.doubles(mean)?, archive.doubles(covariance)?);
    let mut hash = Sha256::new();
    mean.iter().chain(&covariance).for_each(|value| hash.update(value.to_le_bytes()));
    let hash = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let moments = Moments::from_statistics(mean, covariance);
    Ok((moments.map_err(|error| Error::file(archive.path(), error))?, hash))
}

/// Measures samples against a reference, and training pictures where distances to those are wanted too.
///
/// # Errors
/// As the metrics: too few pictures, or features of different widths.
pub fn compare(
    samples: SetFeatures,
    reference: &Reference,
    training: Option<&NearestDistances>,
    options: &MeasureOptions,
) -> Result<Vec<Measured>> {
    let mut results = Vec::new();
    let mut push = |metric: Metric, estimate: Estimate, count: usize| {
        results.push(Measured { metric, estimate, count });
    };
    let count = samples.record.count;
    push(Metric::FrechetDistance, Frechet::to(&reference.moments)?.of_groups(&samples.moments)?, count);
    if let Some(spatial) = &reference.spatial {
        push(Metric::SpatialFrechetDistance, Frechet::to(spatial)?.of_groups(&samples.spatial)?, count);
    }
    if let Some(scores) = &samples.scores {
        push(Metric::Score, scores.score()?, count);
    }
    if let Some(kept) = &reference.kept {
        let count = samples.kept.count();
        push(Metric::KernelDistance, kernel_distance(&samples.kept, kept, options.groups)?, count);
        let neighbours = options.neighbours;
        push(Metric::Precision, Manifold::of(kept, neighbours)?.share_of(&samples.kept)?, count);
        push(Metric::Recall, Manifold::of(&samples.kept, neighbours)?.share_of(kept)?, count);
    }
    let ClassSums { labelled, right, .. } = samples.classes;
    if labelled > 0 {
        push(Metric::ClassConsistency, Estimate::share(right as f64 / labelled as f64, labelled), labelled);
    }
    if let Some((own, other)) = samples.classes.spread().zip(reference.spread.filter(|spread| *spread > 0.0))
    {
        push(Metric::ClassDiversity, Estimate::plain(own / other), count);
    }
    if let (Some(training), Some(_)) = (training, &reference.kept) {
        push(Metric::NearCopies, near_copies(training)?, training.of_samples().len());
    }
    Ok(results)
}

impl SetFeatures {
    /// With the record of what made the set.
    #[must_use]
    pub fn made_by(mut self, made_by: Option<serde_json::Value>) -> Self {
        self.record.made_by = made_by;
        self
    }
}

impl Reference {
    /// Features of some of its pictures, where it has pictures.
    pub fn kept(&self) -> Option<&Rows> {
        self.kept.as_ref()
    }
}
