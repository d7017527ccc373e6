//! What a measurement leaves behind: every result with all that it depends on, and which results may be compared.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Wrong words of all texts together for every word that was said.
    WordErrorRate,
    /// The mean over texts of each one's word error rate.
    MeanWordErrorRate,
    /// Wrong characters of all texts together for every character that was said.
    CharacterErrorRate,
    /// The mean over texts of each one's character error rate.
    MeanCharacterErrorRate,
    /// The mean cosine between embeddings: of speakers, the SIM of papers.
    Similarity,
    /// That between what was said and the prompt as it was recorded.
    SimilarityToPrompt,
    /// That between what was said and the prompt as codes and vocoder leave it.
    SimilarityToRebuilt,
    /// Share of sentences that are nearer to their prompt than to a recording of somebody else.
    OwnVoice,
    /// Mean over pictures of each one's PSNR, in dB: the number papers usually give. At most 100.
    Psnr,
    /// PSNR of the mean error of all pictures, in dB: bad pictures weigh most.
    PsnrOfMean,
    /// Structural similarity (Wang et al. 2004).
    Ssim,
    /// Structural similarity at five scales (Wang, Simoncelli and Bovik 2003).
    MsSsim,
    /// Distance as a network perceives it (arXiv 1801.03924).
    Lpips,
    /// Fréchet distance of reconstructions to their pictures: rFID where the network is Inception.
    ReconstructionFrechetDistance,
    /// Share of a depth's codes that are used.
    CodesUsed,
    /// Perplexity of a depth's codes, from 1 to V.
    CodePerplexity,
    /// A generator's training loss on codes it has not seen, in nats per position with masked codes.
    HeldOutLoss,
    /// Perplexity of the mixture's components in use, from 1 to K.
    UsedComponents,
    /// The training loss of a generator that predicts codes, on codes it has not seen, in nats per masked code.
    HeldOutTokenLoss,
    /// Share of masked codes that are the most probable ones.
    TokenAccuracy,
    /// Bits that a generator needs for a code it has not seen.
    BitsPerToken,
    /// A bound from above on that.
    BitsPerTokenBound,
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
            (Self::WordErrorRate, _) => "WER",
            (Self::MeanWordErrorRate, _) => "mean WER",
            (Self::CharacterErrorRate, _) => "CER",
            (Self::MeanCharacterErrorRate, _) => "mean CER",
            (Self::Similarity, _) => "similarity",
            (Self::SimilarityToPrompt, _) => "SIM-o",
            (Self::SimilarityToRebuilt, _) => "SIM-r",
            (Self::OwnVoice, _) => "own voice",
            (Self::Psnr, _) => "mean PSNR, dB",
            (Self::PsnrOfMean, _) => "PSNR of the mean error, dB",
            (Self::Ssim, _) => "SSIM",
            (Self::MsSsim, _) => "MS-SSIM",
            (Self::Lpips, _) => "LPIPS",
            (Self::ReconstructionFrechetDistance, true) => "rFID",
            (Self::ReconstructionFrechetDistance, false) => "rFD",
            (Self::CodesUsed, _) => "codes used",
            (Self::CodePerplexity, _) => "perplexity",
            (Self::HeldOutLoss, _) => "loss, nats a position",
            (Self::UsedComponents, _) => "components in use",
            (Self::HeldOutTokenLoss, _) => "loss, nats a code",
            (Self::TokenAccuracy, _) => "codes guessed",
            (Self::BitsPerToken, _) => "bits per code",
            (Self::BitsPerTokenBound, _) => "bits per code, at most",
        }
    }

    /// Digits after the point that are worth showing.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::CodePerplexity | Self::UsedComponents => 1,
            Self::Psnr | Self::PsnrOfMean => 2,
            Self::FrechetDistance | Self::SpatialFrechetDistance | Self::Score => 3,
            Self::ReconstructionFrechetDistance => 3,
            _ => 4,
        }
    }
}

/// A result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured.
    pub metric: Metric,
    /// Of how many codes a position, or of which depth's codes, counted from 1; of all where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// The number and how sure it is.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Samples that it was taken from.
    pub count: usize,
}

impl Measured {
    /// Of all codes of a position.
    pub fn whole(metric: Metric, estimate: Estimate, count: usize) -> Self {
        Self { metric, depth: None, estimate, count }
    }
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
    /// Texts, one a line.
    Texts,
    /// Vectors in a NumPy file.
    Embeddings,
    /// Sounds.
    Recordings,
    /// Codes of a token cache.
    Codes,
    /// What a model makes of the reference.
    Model,
}

/// What was measured, or what it was compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetRecord {
    /// Where it lay.
    pub path: PathBuf,
    /// What it was.
    pub kind: SetKind,
    /// Pictures, texts or vectors; 0 where it is not known.
    pub count: usize,
    /// Height and width as pictures were looked at, where they are known.
    pub size: Option<[usize; 2]>,
    /// Of all its content in order.
    pub fingerprint: String,
    /// The record of what made it: model, preset, seed.
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
    /// The network that looked, where one did.
    pub extractor: Option<ExtractorIdentity>,
    /// What else the results depend on, by name.
    pub settings: BTreeMap<String, String>,
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
        let width = findings.extractor.as_ref().map_or(0, |extractor| extractor.width);
        let sets = [("samples", &findings.samples), ("pictures in the reference", &findings.reference)];
        // Statistics have no samples to count, and of recordings no covariance is taken.
        let needs_none = |kind: SetKind| matches!(kind, SetKind::Statistics | SetKind::Recordings);
        let few = sets.into_iter().filter(|(_, set)| !needs_none(set.kind) && set.count <= width);
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
        let Findings { extractor, reference, samples, settings, .. } = &self.findings;
        let of_extractor =
            |part: fn(&ExtractorIdentity) -> String| extractor.as_ref().map_or_else(String::new, part);
        [
            ("network", of_extractor(|extractor| format!("{} {}", extractor.name, extractor.fingerprint))),
            ("resizing", of_extractor(|extractor| extractor.input.clone())),
            ("reference", reference.fingerprint.clone()),
            ("number of samples", samples.count.to_string()),
            ("size of the pictures", format!("{:?}", samples.size)),
            ("settings", format!("{settings:?}")),
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
    let is_inception = first.extractor.as_ref().is_some_and(ExtractorIdentity::is_inception);
    let metrics: BTreeSet<Metric> =
        group.iter().flat_map(|(_, one)| &one.findings.results).map(|result| result.metric).collect();
    let mut text = format!("{}\n\n|", heading(first));
    text += " |";
    for metric in &metrics {
        let _ = write!(text, " {} |", metric.title(is_inception));
    }
    text += "\n|---|";
    text += &"---:|".repeat(metrics.len());
    text.push('\n');
    for (name, one) in group {
        let results = &one.findings.results;
        let depths: BTreeSet<Option<usize>> = results.iter().map(|result| result.depth).collect();
        for depth in depths {
            let of_depth = depth.map_or_else(String::new, |depth| format!(", depth {depth}"));
            let _ = write!(text, "| {name}{of_depth} |");
            for metric in &metrics {
                let found = results.iter().find(|result| result.metric == *metric && result.depth == depth);
                let shown = found.map_or_else(String::new, |found| found.estimate.shown(metric.digits()));
                let _ = write!(text, " {shown} |");
            }
            text.push('\n');
        }
    }
    let warnings: BTreeSet<&String> = group.iter().flat_map(|(_, one)| &one.warnings).collect();
    for warning in warnings {
        let _ = writeln!(text, "\nNote: {warning}.");
    }
    text
}

/// What the results of a table have in common.
fn heading(findings: &Findings) -> String {
    let Findings { extractor, settings, samples, reference, .. } = findings;
    let mut parts = Vec::new();
    if let Some(ExtractorIdentity { name, fingerprint, input, .. }) = extractor {
        parts.push(format!("{name} {} ({input})", &fingerprint[..fingerprint.len().min(8)]));
    }
    let what = match reference.kind {
        SetKind::Folder | SetKind::Archive | SetKind::Statistics => "pictures",
        SetKind::Texts => "texts",
        SetKind::Embeddings => "vectors",
        SetKind::Recordings => "recordings",
        SetKind::Codes => "signals",
        SetKind::Model => "results",
    };
    let size = match reference.count {
        0 => "statistics".into(),
        count => format!("{count} {what}"),
    };
    parts.push(format!("{} samples against {} ({size})", samples.count, reference.path.display()));
    parts.extend(settings.iter().map(|(name, value)| format!("{name} {value}")));
    parts.join(", ")
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
        let results = vec![Measured::whole(Metric::FrechetDistance, estimate, count)];
        let (samples, reference) = (set("samples", count), set(reference, 1000));
        let settings = [("splits".to_owned(), "10".to_owned())].into();
        Manifest::new(Findings { extractor: Some(extractor), settings, samples, reference, results })
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
