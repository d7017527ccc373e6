//! Sets of pictures measured against each other, as a network sees them.
//!
//! 1. Every picture of both sets passes the network once; means and covariances grow as they come.
//! 2. Features of at most [`MeasureOptions::kept`] pictures stay in memory, for what needs pairs of pictures.
//! 3. Each metric is a function of those, with an interval from groups of the samples.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::distribution::{
    Estimate, Frechet, GroupedMoments, Rows, ScoreSplits, kernel_distance, precision_and_recall,
};
use super::looking::look_at_all;
use super::manifest::{Measured, Metric, SetKind, SetRecord};
use super::nearest::{NearestDistances, near_copies};
use super::reference::Reference;
use crate::data::{Levels, PictureSet};
use crate::digest;
use crate::error::{Error, Result};
use crate::features::{Extractor, Seen};
use crate::progress::Progress;
use crate::workers::Workers;

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

impl MeasureOptions {
    /// Those that results depend on, for a manifest.
    pub fn by_name(&self) -> BTreeMap<String, String> {
        let Self { neighbours, splits, groups: _, kept } = self;
        let named = [("k", neighbours), ("splits", splits), ("pairs from at most", kept)];
        named.map(|(name, value)| (name.to_owned(), value.to_string())).into()
    }
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self { neighbours: 3, splits: 10, groups: 10, kept: 50_000 }
    }
}

/// What a network saw in a set.
pub struct SetFeatures {
    pub(super) record: SetRecord,
    pub(super) moments: GroupedMoments,
    pub(super) spatial: GroupedMoments,
    pub(super) kept: Rows,
    scores: ScoreSplits,
    pub(super) classes: ClassSums,
}

/// Sums over classes, for consistency and diversity.
#[derive(Clone, Debug, Default)]
pub(super) struct ClassSums {
    labelled: usize,
    right: usize,
    groups: BTreeMap<u32, (usize, Vec<f64>)>, // pictures of a class, Σ x
    squares: f64,                             // Σ |x|²
}

impl SetFeatures {
    /// Looks at every picture of a set.
    ///
    /// # Errors
    /// Those of the set and of the network; [`Error::Argument`] names the first picture with a feature that is not finite.
    pub fn of(
        extractor: &Extractor,
        set: &PictureSet,
        options: &MeasureOptions,
        workers: &Workers,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let classes = class_places(set, extractor);
        let mut growing = Growing::new(set, options);
        look_at_all(extractor, set, workers, progress, |seen, batch| growing.add(seen, &batch, &classes))?;
        growing.finish(set)
    }

    /// With the record of what made the set.
    #[must_use]
    pub fn made_by(mut self, made_by: Option<serde_json::Value>) -> Self {
        self.record.made_by = made_by;
        self
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

    fn add(&mut self, seen: Seen, batch: &Levels, classes: &[Option<u32>]) -> Result<()> {
        let count = batch.labels.len();
        for (what, values) in
            [("feature", &seen.pooled), ("spatial feature", &seen.spatial), ("logit", &seen.logits)]
        {
            self.expect_finite(what, values, values.len() / count)?;
        }
        let [width, spatial, logits] =
            [&seen.pooled, &seen.spatial, &seen.logits].map(|all| all.len() / count);
        (self.width, self.size) = (width, batch.size);
        let (mut moments, mut of_places, mut scores) = match self.parts.take() {
            Some(parts) => parts,
            None => {
                let moments = |width| GroupedMoments::new(width, self.options.groups);
                let splits = self.options.splits.min(self.total);
                (moments(width), moments(spatial), ScoreSplits::new(logits, splits, self.total)?)
            }
        };
        moments.add(&seen.pooled)?;
        of_places.add(&seen.spatial)?;
        scores.add(&seen.logits)?;
        self.parts = Some((moments, of_places, scores));
        for (index, features) in seen.pooled.chunks_exact(width).enumerate() {
            // Spread evenly: picture i is kept where ⌊i·keep/total⌋ moves on.
            let place = self.seen + index;
            if (place + 1) * self.keep / self.total > place * self.keep / self.total {
                self.kept.extend(features);
            }
            let Some(label) = batch.labels[index] else { continue };
            self.classes.add(label, features);
            if let Some(class) = classes.get(label as usize).copied().flatten() {
                self.classes.judge(class, &seen.logits[index * logits..][..logits]);
            }
        }
        self.hash.update(&batch.levels);
        self.seen += count;
        Ok(())
    }

    fn expect_finite(&self, what: &str, values: &[f32], width: usize) -> Result<()> {
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => {
                let picture = self.seen + place / width;
                let reason = format!("{what} {} of picture {picture} is {}", place % width, values[place]);
                Err(Error::argument("pictures", reason))
            }
            None => Ok(()),
        }
    }

    fn finish(self, set: &PictureSet) -> Result<SetFeatures> {
        let Some((moments, spatial, scores)) = self.parts else {
            return Err(Error::argument("pictures", "expected some, found none"));
        };
        let record = SetRecord {
            path: set.path().to_owned(),
            kind: if set.is_archive() { SetKind::Archive } else { SetKind::Folder },
            count: self.seen,
            size: Some(self.size),
            fingerprint: digest::short(self.hash),
            made_by: None,
        };
        let kept = Rows::new(self.kept, self.width)?;
        Ok(SetFeatures { record, moments, spatial, kept, scores, classes: self.classes })
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
    pub(super) fn spread(&self) -> Option<f64> {
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
    let places = class_places(set, extractor);
    let mut classes = ClassSums::default();
    look_at_all(extractor, set, workers, progress, |seen, batch| {
        let logits = seen.logits.chunks_exact(seen.logits.len() / batch.labels.len());
        for (label, logits) in batch.labels.iter().zip(logits) {
            let class = label.and_then(|label| places.get(label as usize).copied().flatten());
            class.into_iter().for_each(|class| classes.judge(class, logits));
        }
        Ok(())
    })?;
    match classes.labelled {
        0 => Err(Error::argument("pictures", "none has a class that the network knows")),
        labelled => Ok(classes.right as f64 / labelled as f64),
    }
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
        results.push(Measured::whole(metric, estimate, count));
    };
    let count = samples.record.count;
    push(Metric::FrechetDistance, Frechet::to(&reference.moments)?.of_groups(&samples.moments)?, count);
    if let Some(spatial) = &reference.spatial {
        push(Metric::SpatialFrechetDistance, Frechet::to(spatial)?.of_groups(&samples.spatial)?, count);
    }
    push(Metric::Score, samples.scores.score()?, count);
    if let Some(kept) = reference.kept() {
        let count = samples.kept.count();
        push(Metric::KernelDistance, kernel_distance(&samples.kept, kept, options.groups)?, count);
        let [precision, recall] = precision_and_recall(&samples.kept, kept, options.neighbours)?;
        push(Metric::Precision, precision, count);
        push(Metric::Recall, recall, count);
    }
    let ClassSums { labelled, right, .. } = samples.classes;
    if labelled > 0 {
        push(Metric::ClassConsistency, Estimate::share(right as f64 / labelled as f64, labelled), labelled);
    }
    if let Some((own, other)) = samples.classes.spread().zip(reference.spread.filter(|spread| *spread > 0.0))
    {
        push(Metric::ClassDiversity, Estimate::plain(own / other), count);
    }
    if let Some(training) = training {
        push(Metric::NearCopies, near_copies(training)?, samples.kept.count());
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SetOptions;

    #[test]
    fn a_feature_that_is_no_number_names_its_picture() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png"] {
            let picture = crate::signal::Picture::filled(4, 4, [9; 3]).unwrap();
            picture.save_png(folder.path().join(name)).unwrap();
        }
        let set = PictureSet::open(folder.path(), SetOptions::default()).unwrap();
        let mut growing = Growing::new(&set, &MeasureOptions::default());
        let seen =
            |last| Seen { pooled: vec![0.0, 0.0, 0.0, last], spatial: vec![0.0; 2], logits: vec![0.0; 4] };
        let batch = Levels { levels: vec![9; 96], size: [4, 4], labels: vec![None; 2] };
        let text = growing.add(seen(f32::NAN), &batch, &[]).unwrap_err().to_string();
        assert_eq!(text, "pictures: feature 1 of picture 1 is NaN");
        growing.add(seen(1.0), &batch, &[]).unwrap();
        assert_eq!(growing.finish(&set).unwrap().kept.count(), 2);
    }
}
