//! A tiny generator from codes to samples, and what it says of settings that cannot be.

mod common;

use common::{SIDE, Workplace};

const TRAIN: [&str; 5] = ["train", "--config", "generator.toml", "--out", "runs/generator"];

fn sample<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sample", "runs/generator", "--out", "out"], more].concat()
}

/// A trained generator in `runs/generator`.
fn trained() -> Workplace {
    let place = Workplace::with_codes();
    assert_eq!(place.json(&TRAIN)["outcome"], "finished");
    place
}

#[test]
fn samples_are_drawn_and_do_not_depend_on_the_batch() {
    let place = trained();
    let drawn = place.json(&sample(&["--class", "lion", "--class", "1", "--count", "2", "--seed", "5"]));
    assert_eq!(drawn["settings"]["steps"], 3);
    let files = ["00000-lion.png", "00001-lion.png", "00002-zebra.png", "00003-zebra.png"];
    assert_eq!(place.names("out"), [&files[..], &["grid.png", "samples.json"]].concat());
    let read = || files.map(|file| std::fs::read(place.path("out").join(file)).unwrap());
    let first = read();
    let again = ["--class", "all", "--count", "2", "--seed", "5", "--batch", "1", "--threads", "1"];
    place.run(&sample(&again)).succeeds();
    assert!(first == read(), "other pictures in another batch");

    assert_eq!(place.json(&["inspect", "codes"])["signals"], 12);
    let contents = place.json(&["inspect", "runs/generator"]);
    assert_eq!(contents["header"]["classes"], serde_json::json!(["lion", "zebra"]));
    assert_eq!(contents["header"]["preset"]["steps"], 3);
}

#[test]
fn pictures_have_no_text() {
    let place = Workplace::with_codes();
    let with = |value: &'static str| place.run(&[&TRAIN[..], &["--set", value]].concat());
    with("model.text={ layers = 1, most = 8 }").fails(2, &["generator.toml", "model.text", "pictures"]);
    with("model.positions=8").fails(2, &["model.positions", "pictures"]);
}

#[test]
fn a_training_begins_with_the_weights_of_another() {
    let place = trained();
    let tune = |more: &[&'static str]| {
        let begun = ["train", "--config", "generator.toml", "--out", "runs/tuned", "--set", "train.steps=1"];
        place.run(&[&begun[..], more].concat())
    };
    let other_sizes = ["--set", "init=runs/generator", "--set", "model.trunk=micro"];
    tune(&other_sizes)
        .fails(1, &["runs/generator/model.safetensors", "model sizes", "width: 128", "width: 64"]);
    let fewer =
        ["--set", "init=runs/generator", "--set", "model.trunk={ width = 64, layers = 1, heads = 2 }"];
    tune(&[&fewer[..], &["--resume"]].concat()).fails(1, &["model sizes", "layers: 1", "layers: 2"]);
    tune(&["--set", "init=runs/tokenizer", "--resume"])
        .fails(1, &["expected a generator, found a tokenizer"]);
    // A step that changes next to nothing, so that it must draw what the first model draws.
    let tiny_step = ["--set", "init=runs/generator", "--set", "train.rate.peak=1e-12", "--resume"];
    tune(&tiny_step).succeeds();
    let drawn = |model: &'static str, out: &'static str| {
        place.run(&["sample", model, "--class", "lion", "--seed", "5", "--out", out]).succeeds();
        std::fs::read(place.path(out).join("00000-lion.png")).unwrap()
    };
    assert!(drawn("runs/generator", "before") == drawn("runs/tuned", "after"));
    // Blocks beyond the model's own begin as the identity.
    let deeper = ["--set", "model.trunk={ width = 64, layers = 4, heads = 2 }", "--out", "runs/deeper"];
    let train = ["train", "--config", "generator.toml", "--set", "train.steps=1"];
    place.run(&[&train[..], &deeper, &tiny_step].concat()).succeeds();
    assert_eq!(place.json(&["inspect", "runs/deeper"])["header"]["model"]["trunk"]["layers"], 4);
    assert!(drawn("runs/generator", "before") == drawn("runs/deeper", "deeper"));
    // A run that goes on does not need what it began with.
    std::fs::remove_dir_all(place.path("runs/generator")).unwrap();
    tune(&tiny_step).succeeds();
}

#[test]
fn a_picture_is_kept_in_part() {
    let place = trained();
    let kept = |more: &[&'static str]| {
        let picture = ["--class", "lion", "--keep-from", "pictures/lion/0.png"];
        place.run(&sample(&[&picture[..], more].concat()))
    };
    kept(&["--mask", "box:0,0,8,8"]).succeeds();
    kept(&["--mask", "pictures/zebra/1.png"]).succeeds();
    kept(&["--vary-depth", "1"]).succeeds();
    kept(&["--vary-depth", "3"]).fails(2, &["--vary-depth: expected at most 2, the model's depth, found 3"]);
    let outside = format!("leaves the picture of {SIDE} × {SIDE} pixels");
    kept(&["--mask", "box:10,0,8,8"]).fails(2, &["--mask: the box 10,0,8,8", &outside]);
    assert_eq!(kept(&[]).status, 2);
}

#[test]
fn settings_and_models_that_cannot_be_are_named() {
    let place = trained();
    let lion = |more: &[&'static str]| place.run(&sample(&[&["--class", "lion"], more].concat()));
    // Sixteen positions of two codes.
    lion(&["--steps", "0"]).fails(2, &["steps: expected 1 to 32 (positions × depth), found 0"]);
    lion(&["--steps", "33"]).fails(2, &["steps: expected 1 to 32 (positions × depth), found 33"]);
    lion(&["--temperature", "-1"]).fails(2, &["temperature: expected 0 to 1000000, found -1"]);
    lion(&["--top-k", "0"]).fails(2, &["--top-k"]);
    lion(&["--top-p", "0"]).fails(2, &["top_p: expected more than 0 and at most 1, found 0"]);
    place
        .run(&sample(&["--class", "loin"]))
        .fails(2, &["--class: unknown class `loin` (did you mean `lion`?); the model has 2: lion, zebra"]);
    place.run(&sample(&["--class", "2"])).fails(2, &["--class: expected a number less than 2, found 2"]);
    assert!(!place.path("out").exists(), "something was written before all was checked");

    place
        .run(&["sample", "runs/tokenizer", "--class", "lion", "--out", "out"])
        .fails(1, &["runs/tokenizer/model.safetensors: expected a generator, found a tokenizer"]);
    // Its tokenizer is in the same file.
    place.run(&["tokenizer", "reconstruct", "runs/generator", "pictures", "--out", "out"]).succeeds();
    let state = "runs/generator/checkpoints/step-000000002/state.safetensors";
    place
        .run(&["sample", state, "--class", "lion", "--out", "out"])
        .fails(1, &["a safetensors file, but not one of resgen"]);
    place.run(&["inspect", state]).succeeds();
    place.run(&TRAIN).fails(2, &["runs/generator holds a run at step 2"]);
}

#[test]
fn the_loss_on_codes_is_measured_in_both_precisions() {
    let place = trained();
    let eval = ["eval", "loss", "runs/generator", "--codes", "codes", "--rounds", "2"];
    let measured = |more: &[&'static str]| place.json(&[&eval[..], more].concat());
    let found = measured(&[]);
    assert_eq!(
        (&found["results"][0]["count"], &found["settings"]["masked anew"]),
        (&12.into(), &"2 times".into())
    );
    assert_eq!(found["results"], measured(&["--threads", "1"])["results"]);
    let loss = |found: &serde_json::Value| found["results"][0]["value"].as_f64().unwrap();
    let (full, rounded) = (loss(&found), loss(&measured(&["--precision", "bf16"])));
    assert!(full != rounded && (full - rounded).abs() < 0.02 * full.abs(), "{full} and {rounded}");
    place.run(&[&eval[..], &["--target-noise", "-1"]].concat()).fails(2, &["--target-noise"]);
}

#[test]
fn every_kind_of_generator_is_trained_sampled_and_measured() {
    let place = trained();
    let bits = |run: &str| {
        let found = place.json(&["eval", "likelihood", run, "--codes", "codes", "--rounds", "2"]);
        let result = &found["results"][0];
        (result["metric"].as_str().unwrap().to_owned(), result["value"].as_f64().unwrap())
    };
    assert_eq!(bits("runs/generator").0, "bits-per-token-bound");
    for (kind, metric) in [
        ("maskgit", "bits-per-token-bound"),
        ("ar-resgen", "bits-per-token-bound"),
        ("rq-transformer", "bits-per-token"),
    ] {
        let run = format!("runs/{kind}");
        let depth = if kind == "rq-transformer" { 1 } else { 0 };
        let set = [format!("model.kind=\"{kind}\""), format!("model.depth_layers={depth}")];
        let train =
            ["train", "--config", "generator.toml", "--out", &run, "--set", &set[0], "--set", &set[1]];
        place.run(&train).succeeds();
        assert_eq!(place.json(&["inspect", &run])["header"]["model"]["kind"], kind);
        let sample = ["sample", &run, "--class", "lion", "--out", &format!("out/{kind}")];
        place.run(&sample).succeeds();
        let takes = |option: [&str; 2], is_taken| {
            let ended = place.run(&[&sample[..], &option].concat());
            if is_taken {
                ended.succeeds()
            } else {
                ended.fails(2, &[option[0], "it is for generators"])
            };
        };
        takes(["--steps", "3"], kind == "maskgit");
        takes(["--temperature", "0.5"], kind == "ar-resgen");
        takes(["--component-temperature", "0.5"], true);
        takes(["--top-k", "2"], true);
        let (found, value) = bits(&run);
        assert!(found == metric && value > 0.0, "{found} {value}");
        place.run(&["eval", "loss", &run, "--codes", "codes"]).succeeds();
        let other =
            ["train", "--config", "generator.toml", "--out", "runs/x", "--set", &format!("init={run}")];
        place.run(&other).fails(1, &["kind of generator: expected resgen, found ", kind]);
    }
    let few = ["--set", "model.kind=\"rq-transformer\""];
    let train = ["train", "--config", "generator.toml", "--out", "runs/y"];
    place.run(&[&train[..], &few].concat()).fails(2, &["model.depth_layers"]);
    let many = ["eval", "likelihood", "runs/generator", "--codes", "codes", "--steps", "1000"];
    place.run(&many).fails(2, &["steps: expected at most"]);
}

#[test]
fn codes_of_another_tokenizer_are_refused() {
    let place = trained();
    let another =
        ["tokenizer", "train", "--config", "tokenizer.toml", "--out", "runs/other", "--set", "train.seed=1"];
    place.run(&another).succeeds();
    let train =
        ["train", "--config", "generator.toml", "--out", "runs/x", "--set", "codes.tokenizer=runs/other"];
    place.run(&train).fails(1, &["token cache codes: fingerprint of its tokenizer: expected "]);
    let other_codes = ["tokenize", "--tokenizer", "runs/other", "--data", "pictures", "--out", "other-codes"];
    place.run(&other_codes).succeeds();
    place
        .run(&["eval", "loss", "runs/generator", "--codes", "other-codes"])
        .fails(1, &["token cache other-codes: fingerprint of its tokenizer: expected "]);
}
