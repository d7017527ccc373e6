use resgen_core::eval::similarity::Pair;

use super::{Golden, assert_near};

fn pair(golden: &Golden, name: &str) -> Pair {
    let levels = |which: &str| {
        let (shape, levels) = golden.levels(&format!("{which}.{name}"));
        (shape, levels.into_iter().map(f32::from).collect::<Vec<f32>>())
    };
    let ((shape, first), (_, second)) = (levels("first"), levels("second"));
    Pair::new(&first, &second, [shape[0], shape[1]]).unwrap()
}

#[test]
fn psnr_and_ssim_are_those_of_scikit_image() {
    let golden = Golden::load("metrics-similarity.safetensors");
    for name in ["33x47", "64x64", "180x193", "equal"] {
        let (pair, expected) = (pair(&golden, name), |metric| golden.number(&format!("{metric}.{name}")));
        match expected("psnr").is_finite() {
            true => assert_near(pair.psnr(), expected("psnr"), 1e-10, name),
            false => assert_eq!(pair.psnr(), f64::INFINITY),
        }
        assert_near(pair.ssim().unwrap(), expected("ssim"), 1e-10, name);
    }
}

#[test]
fn ms_ssim_is_that_of_pytorch_msssim() {
    let golden = Golden::load("metrics-similarity.safetensors");
    let found = pair(&golden, "180x193").ms_ssim().unwrap();
    assert_near(found, golden.number("ms-ssim.180x193"), 1e-10, "180 × 193");
    let text = pair(&golden, "64x64").ms_ssim().unwrap_err().to_string();
    assert!(text.contains("MS-SSIM needs sides of at least 161 pixels, found 64 × 64"), "{text}");
}
