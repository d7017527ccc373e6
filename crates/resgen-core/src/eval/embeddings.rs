//! How alike the voices of two recordings are: the cosine between their embeddings, of whatever network made those.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::distribution::RunningMean;
use super::manifest::{Findings, Measured, Metric, SetKind, SetRecord};
use crate::data::archive::Matrix;
use crate::digest;
use crate::error::{Error, Result};

/// Row n of one file beside row n of another.
///
/// # Shapes
/// `[N, H]` twice
///
/// # Errors
/// Those of [`Matrix::read`]; [`Error::Mismatch`] for other numbers or widths of vectors; [`Error::File`] names the first
/// vector that has no direction or a number that is not finite.
pub fn compare_embeddings(samples: &Path, reference: &Path) -> Result<Findings> {
    let (own, other) = (Embeddings::read(samples)?, Embeddings::read(reference)?);
    for (what, place) in [("vectors", 0), ("width of the vectors", 1)] {
        let (expected, found) = (other.matrix.shape[place], own.matrix.shape[place]);
        if expected != found {
            return Err(Error::mismatch(format!("{what} in {}", samples.display()), expected, found));
        }
    }
    let mut mean = RunningMean::default();
    for (row, (a, b)) in own.matrix.rows().zip(other.matrix.rows()).enumerate() {
        let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        mean.add(product / (own.lengths[row] * other.lengths[row]));
    }
    let count = own.matrix.shape[0];
    let estimate = mean.estimate().ok_or_else(|| Error::file(samples, "no vectors in it"))?;
    Ok(Findings {
        extractor: None,
        settings: [("width".to_owned(), own.matrix.shape[1].to_string())].into(),
        samples: own.record,
        reference: other.record,
        results: vec![Measured::whole(Metric::Similarity, estimate, count)],
    })
}

struct Embeddings {
    matrix: Matrix,
    lengths: Vec<f64>,
    record: SetRecord,
}

impl Embeddings {
    fn read(path: &Path) -> Result<Self> {
        let matrix = Matrix::read(path)?;
        let mut lengths = Vec::with_capacity(matrix.shape[0]);
        let mut hash = Sha256::new();
        for (number, row) in matrix.rows().enumerate() {
            row.iter().for_each(|value| hash.update(value.to_le_bytes()));
            let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            if !length.is_finite() || length == 0.0 {
                return Err(Error::file(path, format!("vector {number} has length {length}")));
            }
            lengths.push(length);
        }
        let record = SetRecord {
            path: path.to_owned(),
            kind: SetKind::Embeddings,
            count: matrix.shape[0],
            size: None,
            fingerprint: digest::short(hash),
            made_by: None,
        };
        Ok(Self { matrix, lengths, record })
    }
}

#[cfg(test)]
mod tests {
    use npyz::WriterBuilder;

    use super::*;

    fn write(path: &Path, shape: [u64; 2], values: &[f32]) {
        let file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
        let mut array =
            npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd().unwrap();
        array.extend(values.iter().copied()).unwrap();
        array.finish().unwrap();
    }

    #[test]
    fn cosines_are_averaged_over_pairs() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a.npy", "b.npy"].map(|name| folder.path().join(name));
        write(&a, [3, 2], &[1.0, 0.0, 0.0, 2.0, 3.0, 3.0]);
        write(&b, [3, 2], &[5.0, 0.0, 1.0, 0.0, -1.0, -1.0]);
        let found = compare_embeddings(&a, &b).unwrap();
        assert!(found.results[0].estimate.value.abs() < 1e-12 && found.results[0].count == 3);
        let own = compare_embeddings(&a, &a).unwrap().results[0].estimate;
        assert!((own.value - 1.0).abs() < 1e-12 && own.standard_error.unwrap() < 1e-12);

        let refused = |shape, values: &[f32]| {
            write(&b, shape, values);
            compare_embeddings(&b, &a).unwrap_err().to_string()
        };
        assert!(
            refused([2, 2], &[1.0; 4]).contains("vectors in")
                && refused([2, 2], &[1.0; 4]).contains("expected 3")
        );
        assert!(refused([3, 1], &[1.0; 3]).contains("width of the vectors"));
        assert!(refused([3, 2], &[0.0; 6]).contains("b.npy: vector 0 has length 0"));
        assert!(refused([3, 2], &[1.0, f32::NAN, 1.0, 1.0, 1.0, 1.0]).contains("vector 0 has length NaN"));
        assert!(refused([0, 2], &[]).contains("expected 3, found 0"));
        std::fs::write(&b, b"nothing").unwrap();
        assert!(compare_embeddings(&b, &a).unwrap_err().to_string().contains("b.npy: no .npy file"));
    }
}
