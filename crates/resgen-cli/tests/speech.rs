//! Tiny generators that speak, from recordings to sounds, and what the program says of what cannot be spoken.

mod common;

use std::path::{Path, PathBuf};

use common::Workplace;
use common::speech::{MEL, buzz, recordings, tokenize, trained};
use resgen_core::signal::sound::Sound;

const VOCODER: &str = r#"
[data]
train = "voices/manifest.tsv"
heldout = "voices/manifest.tsv"

[vocoder]
listener = { mel = MEL }
segment = 8
width = 16
blocks = 1

[losses]
critics = { channels = 4, periods = [2], resolutions = [256] }

[train]
steps = 2
batch = 2
preview_every = 2
rate = { warmup = 1 }
"#;

const PROMPT: [&str; 4] = ["--prompt", "voices/0.wav", "--prompt-text", "Hello number zero."];

/// A file of a vocoder of random weights for the tokenizer's spectrograms (`clamped/…`), or for others (`bent/…`).
fn vocoder_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../resgen-core/tests/golden/bigvgan").join(name)
}

fn speak<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["speak", "runs/voices"], more].concat()
}

#[test]
fn texts_become_sounds_in_files_and_streams() {
    let place = trained();
    let said =
        place.json(&speak(&[&["Dr. Who has 3 cats. Really?", "--out", "a.wav"], &PROMPT[..]].concat()));
    let texts: Vec<&str> = said["sentences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sentence| sentence["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["doctor Who has three cats.", "Really?"]);
    let sound = Sound::open(place.path("a.wav")).unwrap();
    assert!((sound.seconds() - said["seconds"].as_f64().unwrap()).abs() < 0.01 && sound.seconds() > 0.2);
    // The same by another way, and as a stream.
    place.write("text.txt", "Dr. Who has 3 cats. Really?");
    let again = [&["--text-file", "text.txt", "--out", "b.flac", "--threads", "1"], &PROMPT[..]].concat();
    place.run(&speak(&again)).succeeds();
    assert_eq!(Sound::open(place.path("b.flac")).unwrap(), sound);
    place
        .run(&speak(&[&["--text-file", "text.txt", "--out", "c.wav", "--stream"], &PROMPT[..]].concat()))
        .succeeds();
    let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert!(bytes("c.wav") == bytes("a.wav"));
    let longer = place.json(&speak(&[&["Hello.", "--seconds", "2", "--out", "d.wav"], &PROMPT[..]].concat()));
    assert!(longer["seconds"].as_f64().unwrap() < 2.2);
    place.run(&speak(&["Hello.", "--out", "e.wav"])).succeeds();

    let measure = ["eval", "loss", "runs/voices", "--codes", "codes"];
    let found = &place.json(&measure)["results"];
    assert_eq!(found[0]["count"], 6);
    assert_eq!(&place.json(&[&measure[..], &["--threads", "1"]].concat())["results"], found);
    place.run(&["eval", "loss", "runs/voices", "--codes", "voices"]).fails(1, &["voices/part-00000.codes"]);

    let made = ["tokenizer", "reconstruct", "runs/voices", "voices", "--count", "2", "--out", "out"];
    let rebuilt = place.json(&made);
    assert_eq!(rebuilt["recordings"], 2);
    let usage = rebuilt["usage"].as_array().unwrap();
    assert!(usage.len() == 2 && usage.iter().all(|depth| depth["used"].as_f64().unwrap() > 0.0), "{usage:?}");
    assert_eq!(place.names("out"), ["depth-2", "original", "texts.tsv"]);
    assert_eq!(place.names("out/original"), ["00000.wav", "00001.wav"]);

    // The same spectrograms through a network.
    let vocoder = vocoder_file("clamped/bigvgan_generator.pt");
    let vocoder = ["--vocoder", vocoder.to_str().unwrap()];
    let again = [&["--text-file", "text.txt", "--out", "f.wav"], &PROMPT[..], &vocoder].concat();
    let other = place.json(&speak(&again));
    assert_eq!(other["sentences"].as_array().unwrap().len(), 2);
    assert_ne!(Sound::open(place.path("f.wav")).unwrap(), sound);
    let made = ["tokenizer", "reconstruct", "runs/voices", "voices", "--count", "2", "--out", "other"];
    assert_eq!(place.json(&[&made[..], &vocoder].concat())["recordings"], 2);
    let [searched, made] = ["out", "other"]
        .map(|folder| Sound::open(place.path(&format!("{folder}/original/00001.wav"))).unwrap());
    assert_eq!(searched.samples().len(), made.samples().len());
    assert_ne!(searched, made);
}

#[test]
fn a_vocoder_that_cannot_serve_says_why() {
    let place = trained();
    let refused = |vocoder: &str, sentence: &[&str]| {
        let file = ["--vocoder", vocoder];
        place.run(&speak(&[&["Hello.", "--out", "x.wav"], &file[..]].concat())).fails(1, sentence);
        let reconstruct = ["tokenizer", "reconstruct", "runs/tokenizer", "voices", "--out", "x"];
        place.run(&[&reconstruct[..], &file].concat()).fails(1, sentence);
        let evaluate =
            ["eval", "speech", "runs/voices", "--data", "voices", "--out", "x", "--transcriber", "cat"];
        place.run(&[&evaluate[..], &file].concat()).fails(1, sentence);
        assert!(!place.path("x.wav").exists() && !place.path("x").exists());
    };
    let copy = |name: &str, to: &str| {
        std::fs::create_dir_all(place.path(to).parent().unwrap()).unwrap();
        std::fs::copy(vocoder_file(name), place.path(to)).unwrap();
    };
    refused("gone.pt", &["gone.pt"]);
    refused("voices", &["voices/model.safetensors"]);
    copy("clamped/bigvgan_generator.pt", "alone/bigvgan_generator.pt");
    refused("alone/bigvgan_generator.pt", &["alone/config.json", "no such file"]);
    place.write("alone/config.json", "{}");
    refused("alone/bigvgan_generator.pt", &["alone/config.json", "missing field"]);
    copy("bent/config.json", "alone/config.json");
    refused("alone/bigvgan_generator.pt", &["bigvgan_generator.pt", "conv_pre", "expected [12"]);
    copy("clamped/config.json", "alone/config.json");
    let whole = std::fs::read(place.path("alone/bigvgan_generator.pt")).unwrap();
    std::fs::write(place.path("alone/bigvgan_generator.pt"), &whole[..whole.len() / 2]).unwrap();
    refused("alone/bigvgan_generator.pt", &["bigvgan_generator.pt", "damaged or truncated"]);
    copy("bent/weights.safetensors", "bent/weights.safetensors");
    copy("bent/config.json", "bent/config.json");
    refused("bent/weights.safetensors", &["weights.safetensors", "samples a second", "16000", "8000"]);
    refused("runs/voices/model.safetensors", &["expected a vocoder, found a speech-generator"]);
}

#[test]
fn what_cannot_be_spoken_says_why() {
    let place = trained();
    let refused = |status: i32, more: &[&str], sentence: &[&str]| {
        place.run(&speak(more)).fails(status, sentence);
        assert!(!place.path("x.wav").exists());
    };
    let with = |text: &'static str, prompt: &'static str, said: &'static str| {
        ["--out", "x.wav", text, "--prompt", prompt, "--prompt-text", said]
    };
    place.write("broken.wav", "RIFF but no more");
    buzz(100.0).part(0.0, 0.2).save(place.path("short.wav")).unwrap();
    Sound::new(16_000, vec![0.0; 32_000]).unwrap().save(place.path("silent.wav")).unwrap();
    refused(2, &["", "--out", "x.wav"], &["text", "nothing in it to be said"]);
    refused(2, &["🙂", "--out", "x.wav"], &["nothing in it to be said"]);
    refused(1, &["Hello.", "--out", "x.mp3"], &["x.mp3", ".wav or .flac"]);
    refused(1, &["Hello.", "--out", "missing/x.wav"], &["missing", "no such folder"]);
    refused(2, &["Hello.", "--out", "x.wav", "--rate", "9"], &["rate", "0.25 to 4"]);
    refused(1, &with("Hello.", "broken.wav", "Hello."), &["broken.wav"]);
    refused(1, &with("Hello.", "gone.wav", "Hello."), &["gone.wav"]);
    refused(1, &with("Hello.", "short.wav", "Hello."), &["short.wav", "at least 0.8 s"]);
    refused(1, &with("Hello.", "silent.wav", "Hello."), &["silent.wav", "it is silent"]);
    let square = (0..32_000).map(|at| if at / 40 % 2 == 0 { 1.0 } else { -1.0 }).collect();
    Sound::new(16_000, square).unwrap().save(place.path("square.wav")).unwrap();
    refused(1, &with("Hello.", "square.wav", "Hello."), &["square.wav", "100 % of its samples are clipped"]);
    refused(2, &["Hello.", "--out", "x.wav", "--seconds", "600"], &["seconds", "no room"]);
    refused(2, &with("Hello.", "voices/0.wav", " "), &["prompt text", "nothing said"]);
    let long = "word ".repeat(200);
    let args = ["--out", "x.wav", "Hello.", "--prompt", "voices/0.wav", "--prompt-text", &long];
    refused(2, &args, &["is it what is said there?"]);
    place
        .run(&["speak", "runs/tokenizer", "Hello.", "--out", "x.wav"])
        .fails(1, &["expected a speech-generator"]);
    place.run(&["sample", "runs/voices", "--class", "all", "--out", "o"]).fails(1, &["expected a generator"]);
    place.run(&["speak", "runs/voices", "--out", "x.wav"]).fails(2, &["required"]);
    // What is read is not written over.
    let kept = std::fs::read(place.path("voices/1.wav")).unwrap();
    let over =
        ["--out", "voices/../voices/1.wav", "Hello.", "--prompt", "voices/1.wav", "--prompt-text", "Hello."];
    place.run(&speak(&over)).fails(2, &["--out", "would be lost"]);
    assert!(std::fs::read(place.path("voices/1.wav")).unwrap() == kept);
    place
        .run(&["export", "runs/voices", "--out", "runs/voices/model.safetensors"])
        .fails(2, &["would be lost"]);
    place
        .run(&speak(&["Hello.", "--out", "x.wav", "--threads", "100000"]))
        .fails(2, &["--threads", "at most"]);
    // What lies where a stream is to go is not lost before there is something to write.
    place.run(&speak(&["🙂", "--stream", "--out", "voices/1.wav"])).fails(2, &["nothing in it to be said"]);
    assert!(std::fs::read(place.path("voices/1.wav")).unwrap() == kept);
}

/// A copy of a text encoder that the library is tested with.
fn encoder(place: &Workplace, name: &str, copy: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../resgen-core/tests/golden/t5").join(name);
    std::fs::create_dir(place.path(copy)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, place.path(copy).join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn texts_are_read_with_a_frozen_encoder_and_no_other() {
    let place = recordings();
    tokenize(&place);
    encoder(&place, "gated", "byt5");
    encoder(&place, "relu", "other");
    let train = |out: &'static str, more: &[&'static str]| {
        let text = "model.text={ most = 64, encoder = \"byt5\" }";
        let begun = ["train", "--config", "generator.toml", "--out", out, "--set", text];
        place.run(&[&begun[..], more].concat())
    };
    train("runs/voices", &[]).succeeds();
    place.run(&speak(&["Hello.", "--out", "a.wav"])).succeeds();
    // The file names the encoder and holds only what its 24 coordinates are multiplied by, and what finds out when bytes are said.
    let seen = place.json(&["inspect", "runs/voices"]);
    let named = &seen["header"]["model"]["text"]["encoder"];
    assert_eq!((&named["folder"], &named["width"]), (&"byt5".into(), &24.into()));
    let latent = seen["header"]["model"]["latent"].as_u64().unwrap();
    let aligner = (4 * 64 + 4 + latent + 2) * latent;
    assert!(seen["parts"]["generator.texts"].as_u64().unwrap() < 24 * 64 + 4 * 64 + aligner);

    // Moved, it is to be named again, and it says the same.
    std::fs::rename(place.path("byt5"), place.path("moved")).unwrap();
    place
        .run(&speak(&["Hello.", "--out", "b.wav"]))
        .fails(1, &["model.safetensors", "byt5", "is not there", "--text-encoder"]);
    place.run(&speak(&["Hello.", "--out", "b.wav", "--text-encoder", "moved"])).succeeds();
    assert!(std::fs::read(place.path("a.wav")).unwrap() == std::fs::read(place.path("b.wav")).unwrap());
    train("runs/gone", &[]).fails(1, &["byt5/config.json"]);

    // Another one in its place speaks no more and goes on with no run.
    std::fs::rename(place.path("other"), place.path("byt5")).unwrap();
    place.run(&speak(&["Hello.", "--out", "c.wav"])).fails(1, &["model.safetensors", "text encoder in byt5"]);
    train("runs/voices", &["--resume"]).fails(1, &["text encoder", "the one the run began with"]);
    train("runs/begun", &["--set", "init=runs/voices"]).fails(1, &["text encoder in byt5"]);

    // Where texts are read by what was trained along, there is nothing to name.
    place.json(&["train", "--config", "generator.toml", "--out", "runs/own"]);
    place
        .run(&["speak", "runs/own", "Hello.", "--out", "d.wav", "--text-encoder", "moved"])
        .fails(1, &["moved", "needs none"]);
    train("runs/none", &["--set", "model.text={ most = 64 }"]).fails(2, &["model.text.layers", "found 0"]);
}

#[test]
fn what_a_generator_cannot_hold_is_named_and_left_out() {
    let place = recordings();
    tokenize(&place);
    let train = |most: &'static str| {
        place.run(&["train", "--config", "generator.toml", "--out", "runs/short", "--set", most])
    };
    train("model.text.most=5").fails(2, &["recordings", "at most 64 positions and 5 bytes"]);
    // `Hello number three.` has 19.
    std::fs::remove_dir_all(place.path("runs/short")).unwrap();
    let ended = train("model.text.most=18").succeeds();
    assert!(ended.stderr.contains("3.wav") && ended.stderr.contains("19 bytes of text"), "{}", ended.stderr);
}

#[test]
fn what_is_spoken_is_judged_by_a_transcriber() {
    let place = trained();
    let judge = |transcriber: &str, more: &[&str]| {
        let begun = [
            "eval",
            "speech",
            "runs/voices",
            "--data",
            "voices",
            "--count",
            "6",
            "--out",
            "judged",
            "--given",
            "0.5",
        ];
        place.run(&[&begun[..], &["--transcriber", transcriber, "--json"], more].concat())
    };
    let hears = "while read name; do printf '%s\\thello number nought\\n' \"$name\"; done";
    let ended = judge(hears, &["--protocol", "continuation"]).succeeds();
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    // One of three words is wrong in every recording.
    for set in ["real", "spoken"] {
        let rate = report[set]["results"][0]["value"].as_f64().unwrap();
        assert!((rate - 1.0 / 3.0).abs() < 1e-9, "{set}: {rate}");
    }
    assert_eq!(place.names("judged/spoken").len(), 6);
    let other_way = ["--protocol", "continuation", "--seed", "1"];
    judge(hears, &other_way).fails(1, &["how.json", "spoken in another way"]);
    let file = vocoder_file("clamped/weights.safetensors");
    let other_vocoder = ["--protocol", "continuation", "--vocoder", file.to_str().unwrap()];
    judge(hears, &other_vocoder).fails(1, &["how.json", "spoken in another way"]);
    judge("false", &["--protocol", "continuation"]).fails(1, &["false: it ended with", "exit status: 1"]);
    judge("cat >/dev/null", &["--protocol", "continuation"]).fails(1, &["no line for `judged/real/"]);
    // Nobody speaks twice here.
    judge(hears, &[]).fails(1, &["voices", "of 6 recordings fewer than two"]);
}

#[test]
fn a_vocoder_is_trained_and_makes_the_sound() {
    let place = trained();
    place.write("vocoder.toml", &VOCODER.replace("MEL", MEL));
    let train = |more: &[&'static str]| {
        place
            .run(&[&["vocoder", "train", "--config", "vocoder.toml", "--out", "runs/vocoder"], more].concat())
    };
    train(&["--set", "vocoder.segment=2"]).fails(2, &["vocoder.toml", "vocoder.segment", "no longer than"]);
    train(&["--set", "vocoder.widht=2"]).fails(2, &["widht", "did you mean `width`?"]);
    train(&["--set", "losses.critics.resolutions=[3]"]).fails(2, &["losses.critics.resolutions"]);
    train(&[]).succeeds();
    assert_eq!(place.names("runs/vocoder/previews").len(), 1);
    assert_eq!(place.json(&["inspect", "runs/vocoder"])["header"]["kind"], "vocoder");

    let speak_with = |vocoder: &'static str| {
        place.run(&speak(&[&["Hello.", "--out", "v.wav", "--vocoder", vocoder], &PROMPT[..]].concat()))
    };
    speak_with("runs/vocoder").succeeds();
    assert!(Sound::open(place.path("v.wav")).unwrap().seconds() > 0.2);
    speak_with("runs/tokenizer").fails(1, &["expected a vocoder, found a speech-tokenizer"]);
    speak_with("runs/nothing").fails(1, &["runs/nothing"]);
    let reconstruct =
        ["tokenizer", "reconstruct", "runs/tokenizer", "voices", "--count", "2", "--out", "out"];
    place.run(&[&reconstruct[..], &["--vocoder", "runs/vocoder"]].concat()).succeeds();

    // Of what codes leave of the spectrograms.
    let of_codes = |more: &[&'static str]| {
        let train = ["vocoder", "train", "--config", "vocoder.toml", "--out", "runs/of-codes", "--set"];
        place.run(&[&train, more].concat())
    };
    of_codes(&["tokenizer=nowhere"]).fails(1, &["nowhere"]);
    of_codes(&["tokenizer=runs/tokenizer", "--set", "vocoder.segment=10"])
        .fails(2, &["vocoder.segment", "multiple of the tokenizer's 4"]);
    of_codes(&["tokenizer=runs/tokenizer", "--set", "vocoder.listener.loudness=-20"])
        .fails(2, &["vocoder.listener", "loudness"]);
    of_codes(&["tokenizer=runs/tokenizer"]).succeeds();
    let weights = ["runs/vocoder", "runs/of-codes"]
        .map(|run| std::fs::read(place.path(&format!("{run}/model.safetensors"))).unwrap());
    assert_ne!(weights[0], weights[1]);

    // Of spectrograms that the tokenizer does not make.
    place.write("other.toml", &VOCODER.replace("MEL", &MEL.replace("bins = 80", "bins = 64")));
    place.run(&["vocoder", "train", "--config", "other.toml", "--out", "runs/other"]).succeeds();
    speak_with("runs/other").fails(1, &["bins of the vocoder's spectrograms", "64", "80"]);
    place
        .run(&[
            "vocoder",
            "train",
            "--config",
            "other.toml",
            "--set",
            "tokenizer=runs/tokenizer",
            "--out",
            "runs/another",
        ])
        .fails(1, &["bins of the vocoder's spectrograms", "64", "80"]);
}

#[test]
fn a_config_of_speech_is_checked() {
    let place = recordings();
    let train = |more: &[&'static str]| {
        place.run(&[&["tokenizer", "train", "--config", "tokenizer.toml", "--out", "runs/t"], more].concat())
    };
    train(&["--set", "tokenizer.segment=17"]).fails(2, &["tokenizer.toml", "tokenizer.segment"]);
    train(&["--set", "tokenizer.joinz=[4]"]).fails(2, &["joinz", "did you mean `joins`?"]);
    train(&["--set", "tokenizer.mel={ rate = 5 }"]).fails(2, &["tokenizer.mel"]);
    train(&["--set", "signal=smell"]).fails(2, &["signal", "smell"]);
    train(&["--set", "losses.lpips={ trunk = 'a' }"]).fails(2, &["losses.lpips", "speech"]);
    train(&["--set", "data.train=nowhere"]).fails(1, &["nowhere"]);
}
