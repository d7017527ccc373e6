//! Generators trained, measured and timed beside each other by one command.

mod common;

use common::Workplace;

const COMPARISON: &str = r#"
config = "generator.toml"
set = ["train.checkpoint_every=1"]
seeds = [1, 2]
parameters_within = 0.25
grid = { steps = [1, 2], guidance = [1.0, 2.0] }

[measure]
samples = 10
reference = "pictures"
floor = "pictures"
extractor = "runs/features"
codes = "codes"
precision = "bf16"
timing_rounds = 2
timing_batch = 2

[[generators]]
name = "ResGen"

[[generators]]
name = "RQ-Transformer"
set = ["model.kind=rq-transformer", "model.trunk={ width = 64, layers = 1, heads = 2 }", "model.depth_layers=1"]
"#;
const COMPARE: [&str; 4] = ["compare", "comparison.toml", "--out", "out"];

fn place() -> Workplace {
    let place = Workplace::with_codes();
    let features = ["eval", "features", "train", "pictures", "--out", "runs/features", "--resolution", "16"];
    let small = ["--channels", "8", "--steps", "3", "--batch", "4"];
    place.run(&[&features[..], &small].concat()).succeeds();
    place.write("comparison.toml", COMPARISON);
    place
}

#[test]
fn generators_are_compared_and_what_is_done_is_not_done_again() {
    let place = place();
    let report = place.json(&COMPARE);
    let files = place.names("out");
    assert_eq!(files, ["quality-and-time.png", "report.json", "report.md", "runs", "samples", "samples.png"]);
    assert_eq!(
        place.names("out/samples/rq-transformer-2"),
        ["guidance-1.0", "guidance-1.0.json", "guidance-2.0", "guidance-2.0.json", "likelihood.json"]
    );
    let contests = report["contests"].as_array().unwrap();
    let points = |contest: &serde_json::Value| contest["runs"][0]["points"].as_array().unwrap().len();
    // Going position by position there are no steps to vary.
    assert_eq!((points(&contests[0]), points(&contests[1])), (4, 2));
    assert_eq!(contests[0]["timings"][3]["passes"], 2);
    assert_eq!(contests[1]["timings"][0]["seconds"].as_array().unwrap().len(), 2);
    assert_eq!(contests[1]["runs"][0]["likelihood"]["metric"], "bits-per-token");
    assert!(contests[0]["runs"][0]["fingerprint"] != contests[0]["runs"][1]["fingerprint"]);

    // Again: nothing is trained, drawn or measured that has been, and the results are the same.
    std::fs::remove_dir_all(place.path("out/samples/resgen-1/steps-2_guidance-2.0")).unwrap();
    std::fs::remove_file(place.path("out/samples/resgen-1/steps-2_guidance-2.0.json")).unwrap();
    let again = place.run(&[&COMPARE[..], &["--json"]].concat()).succeeds();
    let drawn: Vec<&str> = again.stderr.lines().filter(|line| line.starts_with("out/samples")).collect();
    assert_eq!(drawn, ["out/samples/resgen-1/steps-2_guidance-2.0"]);
    let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["contests"][0]["runs"], report["contests"][0]["runs"]);

    // Trained models are taken; other settings of the run are another comparison.
    let taken = COMPARISON.replace(
        "name = \"ResGen\"",
        "name = \"ResGen\"\nmodels = [\"out/runs/resgen-1\", \"out/runs/resgen-2\"]",
    );
    place.write("comparison.toml", &taken);
    let taken = place.json(&COMPARE);
    let results = |report: &serde_json::Value| report["contests"][0]["runs"][1]["points"].clone();
    assert_eq!(results(&taken), results(&report));
    place.write("comparison.toml", &COMPARISON.replace("every=1", "every=1\", \"train.batch=6"));
    place.run(&COMPARE).fails(2, &["generator.toml", "train.batch", "the run began with 4"]);
}

#[test]
fn what_cannot_be_compared_is_said_before_anything_is_trained() {
    let place = place();
    let fails = |from: &str, to: &str, sentence: &[&str]| {
        place.write("comparison.toml", &COMPARISON.replace(from, to));
        place.run(&COMPARE).fails(2, sentence);
        assert!(!place.path("out").exists());
    };
    fails("layers = 1", "layers = 8", &["comparison.toml", "parameters_within", "more than 25 % apart"]);
    fails("rq-transformer\"", "rq\"", &["generator.toml", "model.kind", "unknown variant `rq`"]);
    fails("samples = 10", "samples = 13", &["samples: expected 1 to 12", "found 13"]);
    fails(
        "steps = [1, 2]",
        "steps = [1, 4000]",
        &["comparison.toml", "grid", "ResGen, steps 4000", "expected 1 to"],
    );
    fails("name = \"ResGen\"", "nam = \"ResGen\"", &["comparison.toml", "did you mean `name`?"]);
    let text = COMPARISON.replace("\"runs/features\"", "\"runs/tokenizer\"");
    place.write("comparison.toml", &text);
    place.run(&COMPARE).fails(1, &["expected a classifier, found a tokenizer"]);
    place.write("comparison.toml", &COMPARISON.replace("codes = \"codes\"", "codes = \"none\""));
    place.run(&COMPARE).fails(1, &["none/cache.json"]);
    assert!(!place.path("out").exists());
}
