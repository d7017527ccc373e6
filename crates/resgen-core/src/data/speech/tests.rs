use std::fs;
use std::sync::Arc;

use rand::SeedableRng;

use super::*;
use crate::data::Examples;
use crate::data::source::CacheLimit;
use crate::features::SpeakerConfig;
use crate::signal::mel::{Listener, ListenerConfig};
use crate::signal::sound::Sound;

/// Half a second of a tone.
fn sound(path: &Path, hz: f32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let samples = (0..8000).map(|n| (n as f32 * hz * std::f32::consts::TAU / 16_000.0).sin() * 0.3).collect();
    Sound::new(16_000, samples).unwrap().save(path).unwrap();
}

fn text(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn listed(set: &SpeechSet) -> Vec<[String; 3]> {
    let item = |utterance: &Utterance| {
        [utterance.path.display().to_string(), utterance.text.clone(), utterance.speaker.clone()]
    };
    set.utterances().iter().map(item).collect()
}

fn expect(set: &SpeechSet, expected: &[[&str; 3]]) {
    assert_eq!(listed(set), expected.iter().map(|row| row.map(str::to_owned)).collect::<Vec<_>>());
}

#[test]
fn all_forms_of_a_manifest_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.wav", "b.wav"] {
        sound(&folder.path().join(name), 300.0);
    }
    let forms = [
        ("list.csv", "speaker,path,text\nann,b.wav,\"One, two.\"\n,a.wav,\"She said \"\"no\"\".\"\n"),
        ("list.tsv", "path\ttext\tspeaker\nb.wav\tOne, two.\tann\na.wav\tShe said \"no\".\t\n"),
        (
            "list.jsonl",
            "{\"path\": \"b.wav\", \"text\": \"One, two.\", \"speaker\": \"ann\"}\n\n{\"path\": \"a.wav\", \"text\": \"She said \\\"no\\\".\"}\n",
        ),
    ];
    for (name, content) in forms {
        text(&folder.path().join(name), content);
        let set = SpeechSet::open(folder.path().join(name)).unwrap();
        expect(&set, &[["a.wav", "She said \"no\".", ""], ["b.wav", "One, two.", "ann"]]);
        assert_eq!(set.speakers(), ["", "ann"]);
        assert!(set.problems().is_empty());
    }
}

#[test]
fn what_cannot_be_used_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    sound(&folder.path().join("a.wav"), 300.0);
    let list = folder.path().join("manifest.tsv");
    text(&list, "path\ttext\na.wav\tHello.\na.wav\tHello again.\nc.wav\tGone.\nd.wav\t \n");
    let set = SpeechSet::open(folder.path()).unwrap();
    assert_eq!(set.utterances().len(), 1);
    let reasons: Vec<_> = set.problems().iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!(reasons, ["it is listed twice", "there is no such sound file", "it has no text"]);
}

#[test]
fn a_wrong_list_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let reason = |name: &str, content: &str| {
        text(&folder.path().join(name), content);
        SpeechSet::open(folder.path().join(name)).unwrap_err().to_string()
    };
    assert!(reason("a.csv", "path,txt\na.wav,b\n").contains("`text` (did you mean `txt`?)"));
    assert!(reason("b.jsonl", "{\"path\": \"a\", \"text\": \"b\"}\n{\"path\": 3}\n").contains("line 2"));
    assert!(reason("c.txt", "hello").contains(".jsonl"));
    assert!(reason("d.tsv", "path\ttext\na.wav\tb\n").contains("no recordings"));
    let empty = tempfile::tempdir().unwrap();
    assert!(SpeechSet::open(empty.path()).unwrap_err().to_string().contains("LibriSpeech"));
    assert!(matches!(SpeechSet::open("/nowhere"), Err(Error::Io { .. })));
}

#[test]
fn published_layouts_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let libri = folder.path().join("libri");
    sound(&libri.join("84/121/84-121-0001.flac"), 300.0);
    sound(&libri.join("84/121/84-121-0000.flac"), 300.0);
    text(&libri.join("84/121/84-121.trans.txt"), "84-121-0000 GO DO YOU HEAR\n84-121-0001 BUT\n");
    expect(
        &SpeechSet::open(&libri).unwrap(),
        &[["84/121/84-121-0000.flac", "GO DO YOU HEAR", "84"], ["84/121/84-121-0001.flac", "BUT", "84"]],
    );
    let tts = folder.path().join("tts");
    sound(&tts.join("84/121/84_121_000000_000000.wav"), 300.0);
    text(&tts.join("84/121/84_121_000000_000000.normalized.txt"), "Go. Do you hear?\n");
    text(&tts.join("84/121/84_121_000000_000000.original.txt"), "Go.\n");
    expect(&SpeechSet::open(&tts).unwrap(), &[["84/121/84_121_000000_000000.wav", "Go. Do you hear?", "84"]]);
    let lj = folder.path().join("LJSpeech-1.1");
    sound(&lj.join("wavs/LJ001-0001.wav"), 300.0);
    text(&lj.join("metadata.csv"), "LJ001-0001|In \"1455\"|In \"fourteen fifty-five\"\n");
    expect(
        &SpeechSet::open(&lj).unwrap(),
        &[["wavs/LJ001-0001.wav", "In \"fourteen fifty-five\"", "LJSpeech-1.1"]],
    );
}

fn piece_of<P: Piece>(segments: &Segments<P>, item: usize, seed: u64) -> Option<Vec<f32>> {
    let mut values = vec![f32::NAN; segments.values()];
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    segments.read(item, &mut rng, &mut values).then_some(values)
}

#[test]
fn segments_are_pieces_of_the_spectrogram_kept_or_not() {
    let folder = tempfile::tempdir().unwrap();
    sound(&folder.path().join("a.wav"), 300.0);
    sound(&folder.path().join("b.wav"), 2000.0);
    text(&folder.path().join("c.wav"), "no sound");
    text(&folder.path().join("manifest.tsv"), "path\ttext\na.wav\tA.\nb.wav\tB.\nc.wav\tC.\n");
    let set = Arc::new(SpeechSet::open(folder.path()).unwrap());
    let pieces = |frames: usize, limit| {
        let piece = MelPiece::new(ListenerConfig::default(), frames).unwrap();
        Segments::new(Arc::clone(&set), piece, limit)
    };
    let (kept, not_kept) = (pieces(8, CacheLimit::default()), pieces(8, CacheLimit(0)));
    for (item, seed) in [(0, 1), (0, 2), (1, 1), (0, 1)] {
        let values = piece_of(&kept, item, seed).unwrap();
        assert!(values.iter().all(|value| value.is_finite()));
        assert_eq!(Some(values), piece_of(&not_kept, item, seed));
    }
    assert_ne!(piece_of(&kept, 0, 1), piece_of(&kept, 1, 1));
    assert!(piece_of(&kept, 2, 1).is_none());
    assert_eq!(kept.problems()[0].path, Path::new("c.wav"));
    // 0.5 s are 31 frames; silence follows.
    let values = piece_of(&pieces(64, CacheLimit::default()), 0, 1).unwrap();
    let silence = (1e-5f32.ln() + 5.0) / 2.5;
    assert!(values[40 * 100..].iter().all(|value| (value - silence).abs() < 1e-6));
    assert!(values[10 * 100..20 * 100].iter().any(|value| *value > 0.5));
}

fn speaker_config(segment: usize) -> SpeakerConfig {
    let text = format!("segment = {segment}\nchannels = [8]\njoins = [2]\nblocks = 1\nembedding = 4");
    toml::from_str(&text).unwrap()
}

#[test]
fn the_class_of_a_piece_is_its_speaker_and_what_has_no_voice_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.wav", "b.wav", "c.wav"] {
        sound(&folder.path().join(name), 300.0);
    }
    Sound::new(16_000, vec![0.3; 1600]).unwrap().save(folder.path().join("d.wav")).unwrap();
    let list = "path\ttext\tspeaker\na.wav\tA.\tzoe\nb.wav\tB.\tann\nc.wav\tC.\tzoe\nd.wav\tD.\tann\n";
    text(&folder.path().join("manifest.tsv"), list);
    let set = Arc::new(SpeechSet::open(folder.path()).unwrap());
    let pieces = |segment| {
        let piece = VoicePiece::new(&speaker_config(segment)).unwrap();
        Segments::new(Arc::clone(&set), piece, CacheLimit::default())
    };
    let short = pieces(8);
    assert_eq!([0, 1, 2, 3].map(|item| short.class(item)), [1, 0, 1, 0]);
    assert!(piece_of(&short, 3, 1).is_none());
    assert!(short.problems()[0].reason.contains("at least 0.3 s"), "{:?}", short.problems());
    // What is shorter than a piece, 31 frames here, comes again.
    let values = piece_of(&pieces(64), 0, 1).unwrap();
    assert_eq!(values[..10 * 100], values[31 * 100..41 * 100]);
}

#[test]
fn pieces_of_sound_have_what_is_around_them() {
    let folder = tempfile::tempdir().unwrap();
    sound(&folder.path().join("a.wav"), 300.0);
    text(&folder.path().join("manifest.tsv"), "path\ttext\na.wav\tA.\n");
    let set = Arc::new(SpeechSet::open(folder.path()).unwrap());
    let listener = Listener::new(ListenerConfig::default()).unwrap();
    let whole = listener.prepared(&Sound::open(folder.path().join("a.wav")).unwrap()).unwrap();
    let of = |samples: usize, around: usize, seed: u64| {
        let piece = SoundPiece::new(ListenerConfig::default(), samples, around).unwrap();
        piece_of(&Segments::new(Arc::clone(&set), piece, CacheLimit::default()), 0, seed).unwrap()
    };
    let long = of(2 * whole.samples().len(), 3, 1);
    let count = whole.samples().len();
    // What lies before the first sample is seen in a mirror; after the last come three more and then silence.
    assert_eq!(long[3..3 + count], *whole.samples());
    assert_eq!(long[..3], [long[6], long[5], long[4]]);
    assert!(long[count + 6..].iter().all(|sample| *sample == 0.0));
    let short = of(64, 16, 1);
    assert_eq!(short.len(), 96);
    assert!(whole.samples().windows(40).any(|window| *window == short[20..60]));
    assert_ne!(short, of(64, 16, 2));
}

#[test]
fn a_set_is_inspected_before_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = "path\ttext\tspeaker\n".to_owned();
    for number in 0..8 {
        let name = format!("{number}.wav");
        sound(&folder.path().join(&name), 300.0 + 10.0 * number as f32);
        lines += &format!("{name}\tHello there.\tann\n");
    }
    Sound::new(8000, vec![0.0; 8000]).unwrap().save(folder.path().join("silent.wav")).unwrap();
    sound(&folder.path().join("long.wav"), 500.0);
    lines += &format!("silent.wav\tHello.\tbob\nlong.wav\t{}\tbob\n", "Hello there, and so on. ".repeat(20));
    text(&folder.path().join("manifest.tsv"), &lines);
    assert!(SpeechSet::is_at(folder.path()));
    let found = inspect(&SpeechSet::open(folder.path()).unwrap(), 2, &|_, _| {}).unwrap();
    assert_eq!((found.recordings, found.usable), (10, 9));
    assert!((found.hours * 3600.0 - 4.5).abs() < 0.1, "{}", found.hours);
    let speakers: Vec<_> =
        found.speakers.iter().map(|speaker| (&*speaker.name, speaker.recordings)).collect();
    assert_eq!(speakers, [("ann", 8), ("bob", 1)]);
    assert_eq!(found.rates, [(16_000, 9)].into());
    assert_eq!(found.problems.len(), 1);
    assert!(found.problems[0].reason.contains("silent"), "{:?}", found.problems);
}
