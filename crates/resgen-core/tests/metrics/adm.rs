//! The sample batch that the ADM suite publishes for ImageNet 256×256, and what its README says of it. The files have
//! gigabytes, so they are not here: without their paths the test says that it was left out.

use std::path::PathBuf;

use burn::tensor::Device;
use resgen_core::data::{PictureSet, SetOptions};
use resgen_core::eval::images::{MeasureOptions, SetFeatures, compare};
use resgen_core::eval::manifest::Metric;
use resgen_core::eval::reference::Reference;
use resgen_core::features::{Extractor, InceptionResize};
use resgen_core::progress::Silent;
use resgen_core::workers::Workers;

/// `admnet_guided_upsampled_imagenet256.npz`
const SAMPLES: &str = "RESGEN_ADM_SAMPLES";
/// `VIRTUAL_imagenet256_labeled.npz`
const REFERENCE: &str = "RESGEN_ADM_REFERENCE";
/// `pt_inception-2015-12-05-6726825d.pth`
const INCEPTION: &str = "RESGEN_INCEPTION";

/// Published values, and half a percent for a network that TensorFlow computed there.
const PUBLISHED: [(Metric, f64); 5] = [
    (Metric::Score, 215.84),
    (Metric::FrechetDistance, 3.943),
    (Metric::SpatialFrechetDistance, 6.140),
    (Metric::Precision, 0.8265),
    (Metric::Recall, 0.5309),
];
const TOLERANCE: f64 = 0.005;

#[test]
fn adm_sample_batch_has_its_published_numbers() {
    let paths = [SAMPLES, REFERENCE, INCEPTION].map(|name| std::env::var_os(name).map(PathBuf::from));
    let [Some(samples), Some(reference), Some(inception)] = paths else {
        println!("left out: {SAMPLES}, {REFERENCE} and {INCEPTION} are to name the files of the ADM suite");
        return;
    };
    let extractor = Extractor::inception(&inception, InceptionResize::Tf1Bilinear, &Device::flex()).unwrap();
    let workers = Workers::new(std::thread::available_parallelism().unwrap().get()).unwrap();
    let (set, options) = (SetOptions::default(), MeasureOptions::default());
    let samples = PictureSet::open(&samples, set).unwrap();
    let samples = SetFeatures::of(&extractor, &samples, &options, &workers, &mut Silent).unwrap();
    let reference = Reference::open(&reference, &extractor, set, &options, &workers, &mut Silent).unwrap();
    let results = compare(samples, &reference, None, &options).unwrap();
    for (metric, expected) in PUBLISHED {
        let found = results.iter().find(|one| one.metric == metric).unwrap().estimate.value;
        super::assert_near(found, expected, expected * TOLERANCE, metric.title(true));
    }
}
