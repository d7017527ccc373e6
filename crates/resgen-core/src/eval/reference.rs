//! What samples are compared with: a set of pictures, or the statistics that others published of one.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::distribution::{Moments, Rows};
use super::images::{MeasureOptions, SetFeatures};
use super::manifest::{SetKind, SetRecord};
use crate::data::archive::{Archive, PICTURES};
use crate::data::{PictureSet, SetOptions};
use crate::digest;
use crate::error::{Error, Result};
use crate::features::Extractor;
use crate::progress::Progress;
use crate::workers::Workers;

/// What samples are compared with.
pub struct Reference {
    record: SetRecord,
    pub(super) moments: Moments,
    pub(super) spatial: Option<Moments>,
    kept: Option<Rows>,
    pub(super) spread: Option<f64>,
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
        path: &Path,
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
        let has_pictures = archive.contains(PICTURES);
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

#[cfg(test)]
mod tests {
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
}
