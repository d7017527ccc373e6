//! Tiny tokenizers and generators of speech.

use resgen_core::signal::sound::Sound;

use super::Workplace;

/// What the spectrograms are: those of the BigVGAN of random weights that the library's tests have.
pub const MEL: &str = r#"{ rate = 16000, stft = { size = 1024, window = 1024, hop = 256, padding = "same" }, bins = 80, lowest = 0.0,
    highest = 8000.0, scale = "slaney", norm = "slaney", strength = "magnitude", floor = 1e-5 }"#;

const TOKENIZER: &str = r#"
signal = "speech"

[data]
train = "voices/manifest.tsv"
heldout = "voices/manifest.tsv"

[tokenizer]
mel = MEL
segment = 16
channels = [16]
joins = [4]
blocks = 1
latent = 4
vocabulary = 8
depth = 2

[losses]
quantize_from = 1

[train]
steps = 3
batch = 4
preview_every = 3
rate = { warmup = 1 }
"#;

const GENERATOR: &str = r#"
[codes]
cache = "codes"
tokenizer = "runs/tokenizer"

[model]
kind = "resgen"
trunk = "nano"
head = { components = 4, rank = 2, scale = "vector", loss = "nll" }
text = { layers = 1, most = 64 }
positions = 64

[sample]
steps = 2

[train]
steps = 2
batch = 4
preview_every = 2
rate = { warmup = 1 }
"#;

/// A second and a half of a buzz whose pitch is the speaker's.
pub fn buzz(pitch: f64) -> Sound {
    let wave = |n: usize| {
        let phase = std::f64::consts::TAU * pitch * n as f64 / 16_000.0;
        ((1..12).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum::<f64>() * 0.1) as f32
    };
    Sound::new(16_000, (0..24_000).map(wave).collect()).unwrap()
}

/// Six recordings of a buzz each, and the configs of a tokenizer and a generator.
pub fn recordings() -> Workplace {
    let place = Workplace::new();
    let mut lines = "path\ttext\tspeaker\n".to_owned();
    std::fs::create_dir_all(place.path("voices")).unwrap();
    for number in 0..6 {
        buzz(100.0 + 20.0 * f64::from(number)).save(place.path(&format!("voices/{number}.wav"))).unwrap();
        lines += &format!("{number}.wav\tHello number {number}.\tspeaker{number}\n");
    }
    lines += "gone.wav\tNobody.\tnobody\n";
    place.write("voices/manifest.tsv", &lines);
    place.write("tokenizer.toml", &TOKENIZER.replace("MEL", MEL));
    place.write("generator.toml", GENERATOR);
    place
}

/// Codes of the recordings, with which a generator can be trained.
pub fn tokenize(place: &Workplace) {
    let noted = place
        .run(&["tokenizer", "train", "--config", "tokenizer.toml", "--out", "runs/tokenizer"])
        .succeeds();
    assert!(noted.stderr.contains("gone.wav: there is no such sound file"), "{}", noted.stderr);
    let made =
        place.json(&["tokenize", "--tokenizer", "runs/tokenizer", "--data", "voices", "--out", "codes"]);
    assert_eq!((&made["outcome"], &made["recordings"]), (&"spoken".into(), &6.into()));
    let seen = place.json(&["inspect", "codes"]);
    assert_eq!((&seen["recordings"], &seen["speakers"], &seen["depth"]), (&6.into(), &6.into(), &2.into()));
}

/// From the recordings to a generator in `runs/voices`.
pub fn train_generator(place: &Workplace) {
    tokenize(place);
    let made = place.json(&["train", "--config", "generator.toml", "--out", "runs/voices"]);
    assert_eq!(made["outcome"], "finished");
}

/// A workplace with a generator.
pub fn trained() -> Workplace {
    let place = recordings();
    train_generator(&place);
    place
}
