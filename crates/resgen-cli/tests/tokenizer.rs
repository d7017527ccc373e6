//! A tiny tokenizer from its config to reconstructed pictures.

mod common;

use common::{TRAIN_TOKENIZER, Workplace};

#[test]
fn a_tokenizer_is_trained_inspected_and_used() {
    let place = Workplace::with_pictures();
    let outcome = place.json(&TRAIN_TOKENIZER);
    assert_eq!(outcome["outcome"], "finished");
    assert_eq!(outcome["model"], "runs/tokenizer/model.safetensors");

    let contents = place.json(&["inspect", "runs/tokenizer"]);
    assert_eq!(contents["header"]["kind"], "tokenizer");
    assert_eq!(contents["header"]["step"], 2);
    assert_eq!(contents["header"]["licence"], "CC0-1.0");
    // Two depths of eight vectors of four numbers.
    assert_eq!(contents["parts"]["codebooks"], 64);
    let parts: u64 =
        contents["parts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(contents["parameters"], parts);
    let shown = place.run(&["inspect", "runs/tokenizer"]).succeeds().stdout;
    assert!(shown.contains("tokenizer.vocabulary 8"), "{shown}");

    let reconstruct = ["tokenizer", "reconstruct", "runs/tokenizer", "pictures", "--out", "out"];
    let made = place.json(&reconstruct);
    assert_eq!(made["pictures"], 12);
    let depths: Vec<_> = made["depths"].as_array().unwrap().iter().map(|entry| &entry["depth"]).collect();
    assert_eq!(depths, [1, 2]);
    assert_eq!(place.names("out"), ["grid.png"]);
    let made = place.json(&[&reconstruct[..], &["--depth", "1"]].concat());
    assert_eq!(made["depths"].as_array().unwrap().len(), 1);
    place
        .run(&[&reconstruct[..], &["--depth", "3"]].concat())
        .fails(2, &["--depth: expected 1 to 2, the tokenizer's, found 3"]);

    let made = place.json(&[&reconstruct[..], &["--each", "--count", "4"]].concat());
    assert_eq!(made["pictures"], 4);
    assert_eq!(
        place.names("out"),
        ["00000.png", "00001.png", "00002.png", "00003.png", "grid.png", "samples.json"]
    );
    let record = std::fs::read_to_string(place.path("out/samples.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let classes: Vec<_> = (0..4).map(|index| record["samples"][index]["class"].clone()).collect();
    assert_eq!(classes, ["lion", "lion", "zebra", "zebra"]);
    let many = [&reconstruct[..], &["--count", "13"]].concat();
    place.run(&many).fails(2, &["--count: expected at most 12", "found 13"]);
    let spoken = [&reconstruct[..], &["--vocoder", "bigvgan_generator.pt"]].concat();
    place.run(&spoken).fails(2, &["--vocoder: the tokenizer is one of pictures"]);
}

#[test]
fn a_run_is_not_overwritten_and_goes_on_only_as_it_began() {
    let place = Workplace::with_pictures();
    place.train_tokenizer();
    let with = |more: &[&'static str]| [&TRAIN_TOKENIZER[..], more].concat();
    place.run(&TRAIN_TOKENIZER).fails(2, &["runs/tokenizer holds a run at step 2", "--resume"]);
    place
        .run(&with(&["--resume", "--set", "train.steps=4"]))
        .fails(2, &["config key `train.steps`: the run began with 2, the config now says 4"]);
    let resumed = place.run(&with(&["--resume", "--set", "train.checkpoint_every=7"])).succeeds();
    assert!(resumed.stderr.contains("going on from step 2"), "{}", resumed.stderr);
}

#[cfg(unix)]
#[test]
fn a_signal_stops_a_run_with_a_checkpoint_to_go_on_from() {
    let place = Workplace::with_pictures();
    let with = |more: &[&'static str]| [&TRAIN_TOKENIZER[..], more].concat();
    let long = [
        "--set",
        "train.steps=100000",
        "--set",
        "train.preview_every=0",
        "--set",
        "train.checkpoint_every=50000",
    ];
    let mut command = place.command(&with(&long));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    // The first checkpoint is written before the first step, with the handler in place.
    let first = place.path("runs/tokenizer/checkpoints/step-000000000");
    while !first.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let killed = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let ended = common::Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.status, 130, "a script must not take the run for finished: {}", ended.stderr);
    assert!(ended.stdout.contains("stopped after step"), "{}", ended.stdout);
    assert!(ended.stdout.contains("--resume goes on"), "{}", ended.stdout);
}
