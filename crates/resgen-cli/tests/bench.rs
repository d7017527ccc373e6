//! Measurements that are more than one number.

mod common;

use common::Workplace;

/// Small enough for a test: the times say nothing.
const SMALL: [&str; 12] = [
    "bench",
    "scaling",
    "--out",
    "scaling",
    "--rounds",
    "2",
    "--base",
    "width=64",
    "--base",
    "positions=4",
    "--base",
    "steps=2",
];

#[test]
fn scaling_measures_each_axis_once_and_draws_it() {
    let place = Workplace::new();
    let found = place.json(&[&SMALL[..], &["--axis", "depth"]].concat());
    let axis = |found: &serde_json::Value, index: usize| found["axes"][index].clone();
    let depth = axis(&found, 0);
    assert_eq!(depth["name"], "depth D");
    let points = depth["points"].as_array().unwrap();
    let sizes: Vec<_> = points.iter().map(|point| point["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [4, 8, 16, 32, 72]);
    assert!(points.iter().all(|point| point["ms"].as_array().unwrap().len() == 2));
    assert!(depth["exponent"].is_number());
    assert_eq!(place.names("scaling"), ["scaling.json", "scaling.png"]);

    // Asked for more, it keeps what is there.
    let found = place.json(&[&SMALL[..], &["--axis", "depth", "--axis", "batch"]].concat());
    assert_eq!(axis(&found, 0), depth);
    assert_eq!(axis(&found, 1)["name"], "batch B");

    let found = place.json(&[&SMALL[..], &["--axis", "depth", "--kind", "rq-transformer"]].concat());
    assert_eq!((axis(&found, 0), &axis(&found, 2)["name"]), (depth, &"depth D, rq-transformer".into()));

    // Measurements with other settings do not belong beside these.
    place.run(&[&SMALL[..], &["--base", "depth=2"]].concat()).fails(1, &["scaling.json was measured with"]);
    place.run(&[&SMALL[..], &["--base", "size=2"]].concat()).fails(2, &["found `size`"]);
}

#[test]
fn every_operation_can_be_measured_without_its_body() {
    let place = Workplace::new();
    let small = ["bench", "sample-random", "--width", "64", "--layers", "1", "--steps", "2", "--rounds", "1"];
    let refused = place.run(&[&small[..], &["--without", "everything"]].concat());
    refused.fails(2, &["expected one of gelu-tanh, modulated-norm", "reveal-counts"]);
    let without = ["affine", "affine-gelu", "attend", "modulated-norm", "quantize", "embed"];
    let without = without.iter().flat_map(|operation| ["--without", *operation]);
    let found = place.json(&small.iter().copied().chain(without).collect::<Vec<_>>());
    assert!(found["median_ms"].as_f64().unwrap() > 0.0);
    place.run(&[&SMALL[..], &["--without", "affine"]].concat()).fails(1, &["not for `scaling`"]);
}
