//! Sets of pictures measured against each other, as a network sees them.
//!
//! 1. Every picture of both sets passes the network once; means and covariances grow as they come.
//! 2. Features of at most [`MeasureOptions::kept`] pictures stay in memory, for what needs pairs of pictures.
//! 3. Each metric is a function of those, with an interval from groups of the samples.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::distribution::{
    Estimate, Frechet, GroupedMoments, Moments, Rows, ScoreSplits, kernel_distance, precision_and_recall,
};
use super::looking::look_at_all;
use super::manifest::{Measured, Metric, SetKind, SetRecord};
use super::nearest::{NearestDistances, near_copies};
use crate::data::archive::Archive;
use crate::data::{Levels, PictureSet, SetOptions};
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
    record: SetRecord,
    moments: GroupedMoments,
    spatial: GroupedMoments,
    kept: Rows,
    scores: ScoreSplits,
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
        // Statistics first: that they do not fit is not to be found out after hours of looking.
        let mut hash = Sha256::new();
        let given = match takes_statistics {
            true => {
                let moments = statistics(&mut archive, ["mu", "sigma"], &mut hash)?;
                if moments.width() != extractor.identity().width {
                    let what = format!("width of the statistics in {}", path.display());
                    return Err(Error::mismatch(what, extractor.identity().width, moments.width()));
                }
                let has_spatial = archive.contains("mu_s");
                let spatial = has_spatial.then(|| statistics(&mut archive, ["mu_s", "sigma_s"], &mut hash));
                Some((moments, spatial.transpose()?))
            }
            false => None,
        };
        let seen = match has_pictures {
            true => {
                let set = PictureSet::open(path, set)?;
                Some(Self::of(SetFeatures::of(extractor, &set, options, workers, progress)?))
            }
            false => None,
        };
        let Some((moments, spatial)) = given else {
            return seen.ok_or_else(|| {
                Error::file(path, "holds neither pictures (`arr_0`) nor statistics (`mu` and `sigma`)")
            });
        };
        let record = SetRecord {
            path: path.to_owned(),
            kind: SetKind::Statistics,
            count: seen.as_ref().map_or(0, |seen| seen.record.count),
            size: seen.as_ref().and_then(|seen| seen.record.size),
            fingerprint: digest::short(hash),
            made_by: None,
        };
        let (kept, spread) = seen.map_or((None, None), |seen| (seen.kept, seen.spread));
        Ok(Self { record, moments, spatial, kept, spread })
    }

    /// Features of some of its pictures, where it has pictures.
    pub fn kept(&self) -> Option<&Rows> {
        self.kept.as_ref()
    }

    /// What is written down of it.
    pub fn record(&self) -> &SetRecord {
        &self.record
    }
}

/// Moments of an archive, which join the hash.
fn statistics(archive: &mut Archive, [mean, covariance]: [&str; 2], hash: &mut Sha256) -> Result<Moments> {
    let names = [mean, covariance];
    let [mean, covariance] = names.map(|name| archive.doubles(name));
    let (mean, covariance) = (mean?, covariance?);
    for (name, values) in names.iter().zip([&mean, &covariance]) {
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let reason = format!("`{name}`: number {place} is {}", values[place]);
            return Err(Error::file(archive.path(), reason));
        }
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    Moments::from_statistics(mean, covariance).map_err(|error| Error::file(archive.path(), error))
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
    if let Some(kept) = &reference.kept {
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
    use std::path::Path;

    use burn::tensor::Device;
    use npyz::WriterBuilder;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::features::{Classifier, ClassifierConfig, ClassifierHeader, ClassifierKind};
    use crate::nn::{Builder, parameters};
    use crate::progress::Silent;

    /// A classifier with features of width 8.
    fn extractor() -> Extractor {
        let device = Device::flex();
        let features = ClassifierConfig { resolution: 4, channels: vec![8] };
        let network = Classifier::new(&mut Builder::new(0, &device), &features, 2);
        let header = ClassifierHeader {
            kind: ClassifierKind::Classifier,
            features,
            classes: vec!["a".into(), "b".into()],
            heldout_accuracy: None,
            step: 0,
            licence: "none".into(),
            version: "0".into(),
        };
        Extractor::classifier(header, &parameters::read(&network), &device).unwrap()
    }

    /// An archive of means of 0 and unit covariances of some widths.
    fn write_statistics(path: &Path, statistics: &[([&str; 2], usize)]) {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
        for ([mean, covariance], width) in statistics {
            let unit =
                (0..width * width).map(|place| if place % (width + 1) == 0 { 1.0 } else { 0.0 }).collect();
            let side = *width as u64;
            for (name, shape, values) in
                [(mean, vec![side], vec![0.0; *width]), (covariance, vec![side; 2], unit)]
            {
                zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
                let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
                let mut array = options.writer(&mut zip).begin_nd().unwrap();
                array.extend(values).unwrap();
                array.finish().unwrap();
            }
        }
        zip.finish().unwrap();
    }

    fn write_array(path: &Path, name: &str, shape: &[u64], values: Vec<f64>) {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape);
        let mut array = options.writer(&mut zip).begin_nd().unwrap();
        array.extend(values).unwrap();
        array.finish().unwrap();
        zip.finish().unwrap();
    }

    fn open(statistics: &[([&str; 2], usize)]) -> Result<Reference> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference.npz");
        write_statistics(&path, statistics);
        let (options, workers) = (MeasureOptions::default(), Workers::new(1).unwrap());
        Reference::open(&path, &extractor(), SetOptions::default(), &options, &workers, &mut Silent)
    }

    #[test]
    fn references_may_be_statistics_of_the_right_width() {
        const POOLED: [&str; 2] = ["mu", "sigma"];
        const SPATIAL: [&str; 2] = ["mu_s", "sigma_s"];
        let found = open(&[(POOLED, 8), (SPATIAL, 12)]).unwrap();
        assert_eq!((found.record.kind, found.record.count), (SetKind::Statistics, 0));
        assert!(found.kept.is_none() && found.spatial.is_some());
        // All statistics count for what is told apart.
        let fingerprint = |found: Reference| found.record.fingerprint;
        let all = fingerprint(found);
        assert_ne!(all, fingerprint(open(&[(POOLED, 8), (SPATIAL, 13)]).unwrap()));
        assert_ne!(all, fingerprint(open(&[(POOLED, 8)]).unwrap()));

        let text = open(&[(POOLED, 9)]).err().unwrap().to_string();
        assert!(
            text.contains("width of the statistics in") && text.contains("expected 8, found 9"),
            "{text}"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference.npz");
        write_array(&path, "sigma", &[2], vec![1.0, f64::NAN]);
        let mut archive = Archive::open(&path).unwrap();
        let text =
            statistics(&mut archive, ["sigma", "sigma"], &mut Sha256::new()).err().unwrap().to_string();
        assert!(text.contains("reference.npz") && text.contains("`sigma`: number 1 is NaN"), "{text}");

        let text = open(&[(SPATIAL, 8)]).err().unwrap().to_string();
        assert!(text.contains("holds neither pictures (`arr_0`) nor statistics"), "{text}");
    }

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
