//! Metrics beside what scipy, pytorch-fid, torch-fidelity, clean-fid, scikit-image, pytorch-msssim, lpips and jiwer give for the
//! same arrays: `peers/metrics/make_golden.py` made the files in `tests/golden`.

mod adm;
mod networks;
mod similarity;
mod statistics;
mod words;

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The content of a golden file.
struct Golden(Vec<u8>);

impl Golden {
    fn load(name: &str) -> Self {
        Self(std::fs::read(path_of(name)).unwrap())
    }

    fn bytes(&self, name: &str, expected: Dtype) -> (Vec<usize>, Vec<u8>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(view.dtype(), expected, "{name}");
        (view.shape().to_vec(), view.data().to_vec())
    }

    fn levels(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        self.bytes(name, Dtype::U8)
    }

    fn floats(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let (shape, bytes) = self.bytes(name, Dtype::F32);
        (shape, bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect())
    }

    fn doubles(&self, name: &str) -> Vec<f64> {
        let (_, bytes) = self.bytes(name, Dtype::F64);
        bytes.chunks_exact(8).map(|eight| f64::from_le_bytes(eight.try_into().unwrap())).collect()
    }

    fn number(&self, name: &str) -> f64 {
        self.doubles(name)[0]
    }
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}
