//! What a measurement leaves behind: every result with all that it depends on, and which results may be compared.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::distribution::Estimate;
use crate::atomic::write_atomically;
use crate::error::{Error, Result};
use crate::features::ExtractorIdentity;

/// The form of the file.
const VERSION: u32 = 1;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Fréchet distance of pooled features (arXiv 1706.08500): FID where the network is Inception.
    FrechetDistance,
    /// That of features place by place (arXiv 2103.03841): sFID where the network is Inception.
    SpatialFrechetDistance,
    /// exp of the mean divergence of class probabilities (arXiv 1606.03498): IS where the network is Inception.
    Score,
    /// Squared maximum mean discrepancy (arXiv 1801.01401): KID where the network is Inception.
    KernelDistance,
    /// Share of samples within the reference's manifold (arXiv 1904.06991).
    Precision,
    /// Share of the reference within the samples' manifold.
    Recall,
    /// Share of samples that the classifier takes for the class that was asked for.
    ClassConsistency,
    /// Mean squared distance from the class's mean, of samples over that of the reference: 1 where they vary as much.
    ClassDiversity,
    /// Share of samples that are nearer to a training picture than 95 % of held-out pictures are.
    NearCopies,
}

impl Metric {
    /// The name to show. Only with Inception it is that of papers.
    pub fn title(self, is_inception: bool) -> &'static str {
        match (self, is_inception) {
            (Self::FrechetDistance, true) => "FID",
            (Self::FrechetDistance, false) => "FD",
            (Self::SpatialFrechetDistance, true) => "sFID",
            (Self::SpatialFrechetDistance, false) => "sFD",
            (Self::Score, true) => "IS",
            (Self::Score, false) => "score",
            (Self::KernelDistance, true) => "KID",
            (Self::KernelDistance, false) => "KD",
            (Self::Precision, _) => "precision",
            (Self::Recall, _) => "recall",
            (Self::ClassConsistency, _) => "class consistency",
            (Self::ClassDiversity, _) => "class diversity",
            (Self::NearCopies, _) => "near copies",
        }
    }

    /// Digits after the point that are worth showing.
    fn digits(self) -> usize {
        match self {
            Self::FrechetDistance | Self::SpatialFrechetDistance | Self::Score => 3,
            _ => 4,
        }
    }
}

/// A result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured.
    pub metric: Metric,
    /// The number and how sure it is.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Samples that it was taken from.
    pub count: usize,
}

/// The kinds of sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetKind {
    /// Picture files.
    Folder,
    /// A NumPy archive of pictures.
    Archive,
    /// Means and covariances in a NumPy archive.
    Statistics,
}

/// A set of pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetRecord {
    /// Where it lay.
    pub path: PathBuf,
    /// What it was.
    pub kind: SetKind,
    /// Pictures; 0 where it is not known.
    pub count: usize,
    /// Height and width as they were looked at, where they are known.
    pub size: Option<[usize; 2]>,
    /// Of all its levels in order, or of its statistics.
    pub fingerprint: String,
    /// The record of the sampling that made it: model, preset, seed.
    pub made_by: Option<serde_json::Value>,
}

/// A measurement with all that it depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// The program.
    pub resgen: String,
    /// Seconds since 1970 when it ended.
    pub unix_time: u64,
    /// What was found, with what, and where.
    #[serde(flatten)]
    pub findings: Findings,
    /// What to mind when reading them.
    pub warnings: Vec<String>,
}

/// What was found, with what, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The network.
    pub extractor: ExtractorIdentity,
    /// k of precision and recall.
    pub neighbours: usize,
    /// Parts that scores are taken of.
    pub splits: usize,
    /// What was measured.
    pub samples: SetRecord,
    /// What it was compared with.
    pub reference: SetRecord,
    /// What was found.
    pub results: Vec<Measured>,
}

impl Manifest {
    /// Of findings made just now.
    pub fn new(findings: Findings) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let width = findings.extractor.width;
        let sets = [("samples", &findings.samples), ("pictures in the reference", &findings.reference)];
        let few = sets.into_iter().filter(|(_, set)| set.kind != SetKind::Statistics && set.count <= width);
        let warning = |(what, set): (&str, &SetRecord)| {
            format!(
                "{} {what} for features of width {width}: their covariance has no full rank, and Fréchet distances say \
                 little",
                set.count
            )
        };
        Self {
            version: VERSION,
            resgen: env!("CARGO_PKG_VERSION").into(),
            unix_time: now.map_or(0, |now| now.as_secs()),
            warnings: few.map(warning).collect(),
            findings,
        }
    }

    /// Writes it as JSON, atomically.
    ///
    /// # Errors
    /// [`Error::Io`] names the path.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::file(path, error))?;
        write_atomically(path, |writer| writer.write_all(&text))
    }

    /// Reads what [`Manifest::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] name the path.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(Error::io(path))?;
        let found: Self = serde_json::from_slice(&text)
            .map_err(|error| Error::file(path, format!("no results of an evaluation: {error}")))?;
        if found.version != VERSION {
            let reason = format!("`version`: expected {VERSION}, found {}", found.version);
            return Err(Error::file(path, reason));
        }
        Ok(found)
    }

    /// All that two manifests must have in common for their results to be comparable, by name.
    fn conditions(&self) -> [(&'static str, String); 6] {
        let Findings { extractor, reference, samples, neighbours, splits, .. } = &self.findings;
        let ExtractorIdentity { name, fingerprint, input, .. } = extractor;
        [
            ("network", format!("{name} {fingerprint}")),
            ("resizing", input.clone()),
            ("reference", reference.fingerprint.clone()),
            ("number of samples", samples.count.to_string()),
            ("size of the pictures", format!("{:?}", samples.size)),
            ("settings", format!("k = {neighbours}, {splits} splits")),
        ]
    }

    /// What keeps the results of two manifests from being compared.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.conditions().into_iter().zip(other.conditions());
        pairs.filter(|(own, other)| own.1 != other.1).map(|(own, _)| own.0).collect()
    }
}

/// Tables in Markdown, one for those that may be compared, with what keeps the others apart.
pub fn tables(manifests: &[(String, Manifest)]) -> String {
    let mut groups: Vec<Vec<&(String, Manifest)>> = Vec::new();
    for one in manifests {
        match groups.iter_mut().find(|group| group[0].1.differences(&one.1).is_empty()) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let mut text = String::new();
    for (index, group) in groups.iter().enumerate() {
        if index > 0 {
            let differences = groups[0][0].1.differences(&group[0].1).join(", ");
            // Writing to a text cannot fail.
            let _ = writeln!(text, "\nNot comparable with the first table: another {differences}.\n");
        }
        text += &table(group);
    }
    text
}

fn table(group: &[&(String, Manifest)]) -> String {
    let first = &group[0].1.findings;
    let is_inception = first.extractor.is_inception();
    let metrics: BTreeSet<Metric> =
        group.iter().flat_map(|(_, one)| &one.findings.results).map(|result| result.metric).collect();
    let mut text = format!(
        "{} {} ({}), {} samples against {} ({})\n\n|",
        first.extractor.name,
        &first.extractor.fingerprint[..first.extractor.fingerprint.len().min(8)],
        first.extractor.input,
        first.samples.count,
        first.reference.path.display(),
        match first.reference.count {
            0 => "statistics".into(),
            count => format!("{count} pictures"),
        }
    );
    text += " |";
    for metric in &metrics {
        let _ = write!(text, " {} |", metric.title(is_inception));
    }
    text += "\n|---|";
    text += &"---:|".repeat(metrics.len());
    text.push('\n');
    for (name, one) in group {
        let _ = write!(text, "| {name} |");
        for metric in &metrics {
            let found = one.findings.results.iter().find(|result| result.metric == *metric);
            let _ = write!(
                text,
                " {} |",
                found.map_or_else(String::new, |found| found.estimate.shown(metric.digits()))
            );
        }
        text.push('\n');
    }
    let warnings: BTreeSet<&String> = group.iter().flat_map(|(_, one)| &one.warnings).collect();
    for warning in warnings {
        let _ = writeln!(text, "\nNote: {warning}.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::distribution::jackknife;

    fn manifest(reference: &str, count: usize) -> Manifest {
        let set = |fingerprint: &str, count| SetRecord {
            path: format!("{fingerprint}-folder").into(),
            kind: SetKind::Folder,
            count,
            size: Some([64, 64]),
            fingerprint: fingerprint.into(),
            made_by: None,
        };
        let extractor = ExtractorIdentity {
            name: "classifier".into(),
            fingerprint: "0123456789abcdef".into(),
            input: "crop".into(),
            width: 128,
        };
        let estimate = jackknife(2.5, &[2.0, 3.0]);
        let results = vec![Measured { metric: Metric::FrechetDistance, estimate, count }];
        let (samples, reference) = (set("samples", count), set(reference, 1000));
        Manifest::new(Findings { extractor, neighbours: 3, splits: 10, samples, reference, results })
    }

    #[test]
    fn manifests_come_back_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        let written = manifest("r", 500);
        written.save(&path).unwrap();
        assert_eq!(Manifest::load(&path).unwrap(), written);
        std::fs::write(&path, "{}").unwrap();
        assert!(Manifest::load(&path).unwrap_err().to_string().contains("no results of an evaluation"));
    }

    #[test]
    fn what_is_not_comparable_is_said_to_be() {
        let one = |name: &str, manifest| (name.to_owned(), manifest);
        let text = tables(&[
            one("a", manifest("r", 500)),
            one("b", manifest("r", 500)),
            one("c", manifest("other", 100)),
        ]);
        assert!(text.contains("| a | 2.500 (") && text.contains("| b | 2.500 ("), "{text}");
        assert!(
            text.contains("Not comparable with the first table: another reference, number of samples."),
            "{text}"
        );
        assert!(text.contains("Note: 100 samples for features of width 128"), "{text}");
        assert!(text.contains("| FD |") && !text.contains("FID"), "{text}");
    }
}
