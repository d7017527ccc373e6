//! Tiny networks that tell voices, from recordings to what is said of a generator's; and what the program says where they cannot serve.

mod common;

use common::Workplace;
use common::speech::{buzz, recordings, train_generator};
use resgen_core::signal::sound::Sound;

/// Two buzzing speakers of six recordings each to learn from, and two others of four.
fn speakers() -> Workplace {
    let place = recordings();
    for (folder, pitches, count) in [("training", [90.0, 240.0], 6), ("others", [120.0, 180.0], 4)] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
        let mut lines = "path\ttext\tspeaker\n".to_owned();
        for pitch in pitches {
            for number in 0..count {
                let name = format!("{pitch}-{number}.wav");
                let sound = buzz(pitch * (1.0 + 0.01 * f64::from(number)));
                sound.save(place.path(&format!("{folder}/{name}"))).unwrap();
                lines += &format!("{name}\tHello number {number}.\tspeaker{pitch}\n");
            }
        }
        place.write(&format!("{folder}/manifest.tsv"), &lines);
    }
    place
}

const TRAIN_SPEAKERS: [&str; 22] = [
    "eval",
    "features",
    "train",
    "training",
    "--heldout",
    "others",
    "--out",
    "runs/speakers",
    "--channels",
    "8,8",
    "--joins",
    "4,2",
    "--embedding",
    "4",
    "--seconds",
    "0.8",
    "--steps",
    "30",
    "--batch",
    "8",
    "--rate",
    "1e-2",
];

#[test]
fn speakers_are_learned_and_what_is_spoken_is_compared_with_its_prompt() {
    let place = speakers();
    let made = place.json(&TRAIN_SPEAKERS);
    let heldout = &made["heldout"];
    assert_eq!((&made["outcome"], &heldout["recordings"]), (&"finished".into(), &8.into()));
    assert!(heldout["nearer"]["value"].as_f64().unwrap() > 0.9, "{heldout}");
    let header = &place.json(&["inspect", "runs/speakers"])["header"];
    assert_eq!(
        (&header["kind"], &header["heldout_nearer"]),
        (&"speaker-encoder".into(), &heldout["nearer"]["value"])
    );
    assert_eq!(header["speakers"], serde_json::json!(["speaker240", "speaker90"]));
    // A training that is done stays as it is.
    let again = place.json(&[&TRAIN_SPEAKERS[..], &["--resume"]].concat());
    assert_eq!(&again["heldout"], heldout);

    train_generator(&place);
    let hears = "while read name; do printf '%s\\thello number nought\\n' \"$name\"; done";
    let judge = |out: &'static str, more: &[&'static str]| {
        let begun = [
            "eval",
            "speech",
            "runs/voices",
            "--data",
            "others",
            "--count",
            "8",
            "--given",
            "0.5",
            "--out",
            out,
        ];
        place.run(&[&begun[..], more].concat())
    };
    let both = ["--transcriber", hears, "--extractor", "runs/speakers"];
    let ended = judge("judged", &[&both[..], &["--json"]].concat()).succeeds();
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let value = |set: &str, place: usize| {
        let result = &report["voices"][set]["results"][place];
        (result["metric"].as_str().unwrap().to_owned(), result["value"].as_f64().unwrap())
    };
    // Recordings are like other recordings of their speakers; a generator of two steps says nothing of the kind.
    let (metric, similarity) = value("real", 0);
    assert!(metric == "similarity-to-prompt" && similarity > 0.9, "{similarity}");
    assert_eq!(value("real", 1).0, "similarity-to-rebuilt");
    assert_eq!(value("real", 2), ("own-voice".to_owned(), 1.0));
    assert!(value("spoken", 0).1 < similarity);
    assert_eq!(report["voices"]["real"]["extractor"]["name"], "speaker-encoder");
    assert_eq!(place.names("judged/rebuilt").len(), 8);
    // Nothing is made again, and the results are the same.
    let written = std::fs::read(place.path("judged/spoken.voices.json")).unwrap();
    let results =
        |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["results"].clone();
    let text = judge("judged", &both).succeeds().stdout;
    assert!(text.contains("| SIM-o | SIM-r | own voice |") && text.contains("| recordings |"), "{text}");
    assert_eq!(results(&std::fs::read(place.path("judged/spoken.voices.json")).unwrap()), results(&written));
    let shown =
        place.run(&["eval", "show", "judged/real.voices.json", "judged/spoken.voices.json"]).succeeds();
    assert!(!shown.stdout.contains("Not comparable"), "{}", shown.stdout);
    // Voices alone.
    let continuation = ["--protocol", "continuation"];
    let text = judge("continued", &[&both[2..], &continuation].concat()).succeeds().stdout;
    assert!(text.contains("SIM-o") && !text.contains("WER"), "{text}");
    assert!(place.path("continued/spoken.voices.json").exists());
    assert!(!place.path("continued/spoken.heard.tsv").exists());
    judge("neither", &continuation).fails(2, &["required"]);
    // Another end of a recording changes nothing in what is said after its beginning; its samples all of the other sign are as loud.
    let of = |folder: &str| std::fs::read(place.path(&format!("{folder}/spoken/00000.wav"))).unwrap();
    let sound = buzz(120.0);
    let turned =
        sound.samples().iter().enumerate().map(|(at, sample)| if at < 8_400 { *sample } else { -sample });
    Sound::new(sound.rate(), turned.collect()).unwrap().save(place.path("others/120-0.wav")).unwrap();
    judge("turned", &[&both[2..], &continuation].concat()).succeeds();
    assert_ne!(
        std::fs::read(place.path("turned/real/00000.wav")).unwrap(),
        std::fs::read(place.path("continued/real/00000.wav")).unwrap()
    );
    assert_eq!(of("turned"), of("continued"));
    sound.save(place.path("others/120-0.wav")).unwrap();

    // What is of no use is told of and left out, but nothing that would only be compared with it, and a folder is not that of other recordings.
    sound.save(place.path("others/dots.wav")).unwrap();
    place.write("others/0-damaged.wav", "RIFF but no more");
    let whole = std::fs::read_to_string(place.path("others/manifest.tsv")).unwrap();
    place.write(
        "others/manifest.tsv",
        &format!("{whole}0-damaged.wav\tNothing.\tspeaker120\ndots.wav\t...\tspeaker120\n"),
    );
    judge("judged", &both).fails(1, &["judged/how.json", "spoken in another way"]);
    let begun = ["eval", "speech", "runs/voices", "--data", "others", "--count", "10", "--out", "partly"];
    let ended = place.run(&[&begun[..], &["--given", "0.5"], &both].concat()).succeeds();
    assert!(ended.stdout.contains("1 recordings could not be said again"), "{}", ended.stdout);
    assert!(
        ended.stderr.contains("left out: 0-damaged.wav")
            && ended.stderr.contains("nothing is said in its text")
    );
    assert_eq!(std::fs::read_to_string(place.path("partly/said.tsv")).unwrap().lines().count(), 8);
    let made = ["tokenizer", "reconstruct", "runs/voices", "others", "--out", "rebuilt"];
    let made = place.json(&made);
    assert_eq!(
        (&made["recordings"], &made["left_out"][0]["path"]),
        (&8.into(), &"others/0-damaged.wav".into())
    );
    place.write("others/manifest.tsv", &whole);

    // What is too long to be a prompt is none, as the next recording of its speaker either.
    let second = buzz(120.0);
    Sound::new(second.rate(), second.samples().repeat(17))
        .unwrap()
        .save(place.path("others/long.wav"))
        .unwrap();
    let said = "Hello number one.\tann";
    let lines = ["120-0.wav", "long.wav", "120-1.wav"].map(|name| format!("../others/{name}\t{said}\n"));
    place.write("mixed/manifest.tsv", &format!("path\ttext\tspeaker\n{}", lines.concat()));
    let begun = ["eval", "speech", "runs/voices", "--data", "mixed", "--count", "3", "--out", "mixed-judged"];
    place.run(&[&begun[..], &["--given", "0.5"], &both[..2]].concat()).succeeds();
    assert_eq!(place.names("mixed-judged/spoken").len(), 3);
}

#[test]
fn a_network_of_something_else_and_speakers_that_are_not_known_are_refused() {
    let place = speakers();
    let train = |data: &'static str, more: &[&'static str]| {
        place.run(&[&["eval", "features", "train", data, "--out", "runs/x", "--steps", "1"], more].concat())
    };
    place.write(
        "nameless/manifest.tsv",
        "path\ttext\n../training/90-0.wav\tHello.\n../training/90-1.wav\tHello.\n",
    );
    place.write("single/manifest.tsv", "path\ttext\tspeaker\n../training/90-0.wav\tHello.\tann\n");
    train("nameless", &[]).fails(1, &["90-0.wav", "not said who speaks", "1 more of 2"]);
    train("single", &[]).fails(2, &["speakers: expected at least 2 to tell apart, found 1"]);
    train("training", &["--heldout", "single"]).fails(2, &["held-out recordings", "at least two speakers"]);
    train("training", &["--resolution", "16"]).fails(2, &["--resolution", "for pictures"]);
    train("training", &["--seconds", "0.01"]).fails(2, &["--seconds: expected "]);
    train("training", &["--margin", "2"]).fails(2, &["--margin: expected 0 to 1, found 2"]);
    train("training", &["--batch", "0"]).fails(2, &["--batch: expected at least 1, found 0"]);
    for class in ["lion", "zebra"] {
        (0..4).for_each(|number| place.picture(&format!("pictures/{class}/{number}.png"), number));
    }
    train("pictures", &["--margin", "0.3"]).fails(2, &["--margin", "for recordings"]);
    let tiny = ["--resolution", "16", "--channels", "8", "--batch", "4"];
    train("pictures", &tiny).succeeds();
    let few = [
        "eval",
        "features",
        "train",
        "training",
        "--out",
        "runs/speakers",
        "--steps",
        "1",
        "--channels",
        "8",
        "--batch",
        "4",
    ];
    place.run(&few).succeeds();

    train_generator(&place);
    let judge = |data: &'static str, extractor: &'static str| {
        let begun = [
            "eval",
            "speech",
            "runs/voices",
            "--data",
            data,
            "--count",
            "2",
            "--given",
            "0.5",
            "--out",
            "judged",
        ];
        place.run(&[&begun[..], &["--transcriber", "cat", "--extractor", extractor]].concat())
    };
    judge("others", "runs/x")
        .fails(1, &["runs/x/model.safetensors", "expected a speaker-encoder, found a classifier"]);
    judge("others", "others/manifest.tsv").fails(1, &["others/manifest.tsv", "safetensors"]);
    judge("nameless", "runs/speakers").fails(1, &["90-0.wav", "not said who speaks"]);
    let measure = ["eval", "images", "pictures", "--reference", "pictures", "--extractor", "runs/speakers"];
    place.run(&measure).fails(1, &["expected a classifier, found a speaker-encoder"]);
}
