//! Sets of pictures measured by the program: with a classifier that it trains first, from folders and archives.

mod common;

use common::{CLASSES, SIDE, Workplace};
use resgen_core::signal::Picture;

/// Noise on red for lions and on blue for zebras.
fn picture(place: &Workplace, folder: &str, class: usize, number: u32) {
    let mut state =
        (number + 1000 * class as u32).wrapping_mul(2_654_435_761).wrapping_add(folder.len() as u32);
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 26) as u8
    };
    let levels = (0..SIDE * SIDE).flat_map(|_| [noise(), noise(), noise()].map(|level| level + 60));
    let mut levels: Vec<u8> = levels.collect();
    levels.iter_mut().skip(2 * class).step_by(3).for_each(|level| *level += 100);
    let path = place.path(folder).join(CLASSES[class]).join(format!("{number:03}.png"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    Picture::new(SIDE, SIDE, levels).unwrap().save_png(path).unwrap();
}

/// Three folders, and a classifier of the first in `runs/features`.
fn trained() -> Workplace {
    let place = Workplace::new();
    for (folder, count) in [("training", 20), ("heldout", 12), ("samples", 11)] {
        for class in 0..2 {
            (0..count).for_each(|number| picture(&place, folder, class, number));
        }
    }
    let found = place.json(&TRAIN);
    assert_eq!((&found["outcome"], &found["heldout_accuracy"]), (&"finished".into(), &1.0.into()));
    place
}

const TRAIN: [&str; 19] = [
    "eval",
    "features",
    "train",
    "training",
    "--heldout",
    "heldout",
    "--out",
    "runs/features",
    "--resolution",
    "16",
    "--channels",
    "8,16",
    "--steps",
    "40",
    "--batch",
    "16",
    "--rate",
    "3e-3",
    "--resume",
];

fn images<'a>(samples: &'a str, reference: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let all = ["eval", "images", samples, "--reference", reference, "--extractor", "runs/features"];
    [&all[..], more].concat()
}

fn result<'a>(manifest: &'a serde_json::Value, metric: &str) -> &'a serde_json::Value {
    let results = manifest["results"].as_array().unwrap();
    results.iter().find(|result| result["metric"] == metric).unwrap_or_else(|| panic!("no {metric}"))
}

#[test]
fn a_classifier_measures_sets_and_says_what_it_did() {
    let place = trained();
    // A training that is done stays as it is.
    assert_eq!(place.json(&TRAIN)["heldout_accuracy"], 1.0);
    let header = &place.json(&["inspect", "runs/features"])["header"];
    assert_eq!((&header["kind"], &header["heldout_accuracy"]), (&"classifier".into(), &1.0.into()));

    let near = place.json(&images("samples", "heldout", &["--training", "training", "--out", "near.json"]));
    let value = |manifest, metric| result(manifest, metric)["value"].as_f64().unwrap();
    assert_eq!(value(&near, "class-consistency"), 1.0);
    assert_eq!((&near["samples"]["count"], &near["extractor"]["width"]), (&22.into(), &16.into()));
    assert!(result(&near, "frechet-distance")["interval"].is_array());
    assert!(value(&near, "near-copies") < 0.5);
    // The training pictures are copies of themselves.
    let copies = place.json(&images("training", "heldout", &["--training", "training"]));
    assert_eq!(value(&copies, "near-copies"), 1.0);
    // One class for both is far from two.
    let lions = place.json(&images("samples/lion", "heldout", &["--out", "lions.json"]));
    assert!(value(&lions, "frechet-distance") > 2.0 * value(&near, "frechet-distance"));
    assert!(value(&lions, "recall") < value(&near, "recall"));

    let shown = place.run(&["eval", "show", "near.json", "lions.json"]);
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    let text = &shown.stdout;
    assert!(text.contains("| near |") && text.contains("| lions |") && text.contains("| FD |"), "{text}");
    assert!(text.contains("Not comparable with the first table: another number of samples."), "{text}");
    assert!(!text.contains("FID"), "{text}");
}

#[test]
fn archives_measure_as_their_folders_do() {
    let place = trained();
    let packed = place.json(&["data", "pack", "samples", "--out", "samples.npz"]);
    assert_eq!((&packed["pictures"], &packed["classes"][1]), (&22.into(), &"zebra".into()));
    place.run(&["data", "pack", "heldout", "--out", "heldout.npz"]).succeeds();
    let folder = place.json(&images("samples", "heldout", &[]));
    let archive = place.json(&images("samples.npz", "heldout.npz", &["--threads", "1"]));
    assert_eq!(folder["results"], archive["results"]);
    assert_eq!(folder["samples"]["fingerprint"], archive["samples"]["fingerprint"]);

    let bytes = std::fs::read(place.path("samples.npz")).unwrap();
    std::fs::write(place.path("short.npz"), &bytes[..bytes.len() / 2]).unwrap();
    place.run(&images("short.npz", "heldout", &[])).fails(1, &["short.npz", "cut short"]);
}

#[test]
fn what_cannot_be_measured_is_named() {
    let place = trained();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.run(&images("empty", "heldout", &[])).fails(1, &["empty: no pictures in it"]);
    let small = Picture::filled(8, 8, [1, 2, 3]).unwrap();
    std::fs::create_dir(place.path("mixed")).unwrap();
    small.save_png(place.path("mixed/b.png")).unwrap();
    std::fs::copy(place.path("samples/lion/000.png"), place.path("mixed/a.png")).unwrap();
    place
        .run(&images("mixed", "heldout", &[]))
        .fails(1, &["b.png: 8 × 8 pixels, while", "a.png has 16 × 16"]);
    place.run(&images("samples", "heldout", &["--resize", "lanczos"])).fails(2, &["--resize", "lanczos"]);

    let other = ["eval", "images", "samples", "--reference", "heldout", "--extractor"];
    let with = |extractor: &'static str| place.run(&[&other[..], &[extractor]].concat());
    place.write("weights.bin", "no weights");
    with("weights.bin").fails(1, &["weights.bin: neither a safetensors file nor a PyTorch checkpoint"]);
    let mut bytes = std::fs::read(place.path("runs/features/model.safetensors")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(place.path("damaged.safetensors"), &bytes).unwrap();
    with("damaged.safetensors").fails(1, &["damaged.safetensors", "checksum"]);
    place.run(&["eval", "show", "weights.bin"]).fails(1, &["weights.bin: no results of an evaluation"]);

    std::fs::create_dir(place.path("other")).unwrap();
    std::fs::create_dir(place.path("other/tiger")).unwrap();
    std::fs::copy(place.path("samples/lion/000.png"), place.path("other/tiger/a.png")).unwrap();
    let train = ["eval", "features", "train", "training", "--heldout", "other", "--out", "runs/x"];
    place.run(&train).fails(1, &["class of other: expected one of training, found tiger"]);
}

#[test]
fn reconstructions_are_judged() {
    let place = trained();
    place.write("tokenizer.toml", common::TOKENIZER);
    for class in 0..2 {
        (0..6).for_each(|number| picture(&place, "pictures", class, number));
    }
    place.train_tokenizer();
    let measured = ["eval", "reconstruction", "runs/tokenizer", "--data", "heldout"];
    let found = place.json(&[&measured[..], &["--extractor", "runs/features"]].concat());
    assert_eq!((&found["results"][0]["depth"], &found["samples"]["kind"]), (&1.into(), &"model".into()));
    assert!(result(&found, "psnr")["interval"].is_array());
    assert!(result(&found, "ssim")["value"].as_f64().unwrap() < 1.0);
    assert!(result(&found, "reconstruction-frechet-distance")["value"].as_f64().unwrap() > 0.0);
    assert!(
        found["results"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["metric"] != "ms-ssim" && one["metric"] != "lpips")
    );
    let text = place.run(&measured).stdout;
    assert!(text.contains("| runs/tokenizer, depth 1 |") && text.contains("| mean PSNR, dB |"), "{text}");
    place.run(&[&measured[..], &["--lpips", "nowhere.pth"]].concat()).fails(1, &["nowhere.pth"]);
}

#[test]
fn what_was_heard_is_compared_with_what_was_said() {
    let place = Workplace::new();
    place.write("said.tsv", "b\tIt's 42 miles, isn't it?\na\tYes.\n");
    place.write("heard.tsv", "a\tyes\nb\tit\u{2019}s forty two mile isn't it\n");
    let compare = ["eval", "speech-text", "heard.tsv", "--reference", "said.tsv", "--normalizer", "english"];
    let found = place.json(&[&compare[..], &["--out", "english.json"]].concat());
    assert_eq!((&found["words"]["hits"], &found["words"]["substitutions"]), (&6.into(), &1.into()));
    assert_eq!(result(&found, "word-error-rate")["value"].as_f64().unwrap(), 1.0 / 7.0);
    assert_eq!(result(&found, "mean-word-error-rate")["value"].as_f64().unwrap(), 1.0 / 12.0);
    assert_eq!(found["texts"][0]["name"], "b");
    place
        .run(&["eval", "speech-text", "heard.tsv", "--reference", "said.tsv", "--out", "basic.json"])
        .succeeds();
    let shown = place.run(&["eval", "show", "english.json", "basic.json"]);
    assert!(shown.stdout.contains("| WER | mean WER | CER | mean CER |"), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("Not comparable with the first table: another settings"),
        "{}",
        shown.stdout
    );
    let text = place.run(&compare).stdout;
    assert!(text.contains("b, 1 wrong\n  said:  it's forty two miles isn't it\n"), "{text}");

    place.write("few.tsv", "a\tyes\n");
    place
        .run(&["eval", "speech-text", "few.tsv", "--reference", "said.tsv"])
        .fails(1, &["few.tsv: no text for `b`"]);
    place
        .run(&["eval", "speech-similarity", "said.tsv", "--reference", "heard.tsv"])
        .fails(1, &["said.tsv: no .npy file"]);
}
