use std::f64::consts::TAU;

use super::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sound");

/// `seconds` of a tone.
fn tone(rate: u32, hz: f64, seconds: f64, amplitude: f64) -> Sound {
    let count = (seconds * f64::from(rate)) as usize;
    let at = |n: usize| (amplitude * (TAU * hz * n as f64 / f64::from(rate)).sin()) as f32;
    Sound::new(rate, (0..count).map(at).collect()).unwrap()
}

/// The error between two sounds as a share of the first, over their common length without `edge` samples at either end.
fn difference(expected: &[f32], found: &[f32], edge: usize) -> f64 {
    let count = expected.len().min(found.len());
    let pairs = || expected[edge..count - edge].iter().zip(&found[edge..count - edge]);
    let error: f64 = pairs().map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let size: f64 = pairs().map(|(a, _)| f64::from(*a).powi(2)).sum();
    (error / size).sqrt()
}

/// The reason why a file of these bytes cannot be read.
fn refused(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    match decode(&path).unwrap_err() {
        Error::File { path: named, reason } => {
            assert_eq!(named, path);
            reason
        }
        other => panic!("{other}"),
    }
}

#[test]
fn samples_must_be_numbers_and_the_rate_a_rate() {
    assert!(matches!(Sound::new(16_000, vec![0.0, f32::NAN]), Err(Error::Argument { name: "samples", .. })));
    assert!(matches!(Sound::new(0, vec![]), Err(Error::Argument { name: "rate", .. })));
    let sound = tone(1000, 100.0, 2.0, 0.5);
    assert_eq!(sound.part(0.5, 1.25).samples(), &sound.samples()[500..1250]);
    assert_eq!(sound.part(1.5, 9.0).samples(), &sound.samples()[1500..]);
    assert!(sound.part(9.0, 1.0).samples().is_empty());
}

#[test]
fn what_is_written_reads_back_to_half_a_level() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tone(22_050, 440.0, 0.70001, 0.9);
    for name in ["a.wav", "a.flac"] {
        let path = folder.path().join(name);
        sound.save(&path).unwrap();
        let decoded = decode(&path).unwrap();
        assert_eq!((decoded.channels, decoded.bits, decoded.damaged), (1, Some(16), 0), "{name}");
        assert_eq!((decoded.sound.rate(), decoded.sound.samples().len()), (22_050, 15_435), "{name}");
        let worst = sound.samples().iter().zip(decoded.sound.samples()).map(|(a, b)| (a - b).abs());
        assert!(worst.fold(0.0, f32::max) <= 0.5 / 32768.0, "{name}");
    }
    assert!(matches!(sound.save(folder.path().join("a.mp3")), Err(Error::File { .. })));
    assert!(matches!(sound.part(0.0, 0.0).save(folder.path().join("b.wav")), Err(Error::File { .. })));
    assert!(matches!(sound.save(folder.path().join("missing/a.wav")), Err(Error::Io { .. })));
}

#[test]
fn what_passes_full_scale_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loud.wav");
    Sound::new(8000, vec![3.0, -3.0, 0.5]).unwrap().save(&path).unwrap();
    assert_eq!(Sound::open(&path).unwrap().samples(), [32767.0 / 32768.0, -1.0, 0.5]);
}

#[test]
fn a_stream_is_a_wav_whose_length_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream.wav");
    let sound = tone(16_000, 300.0, 0.25, 0.5);
    let mut stream = WavStream::new(std::fs::File::create(&path).unwrap(), 16_000).unwrap();
    stream.write(&sound.part(0.0, 0.1)).unwrap();
    stream.write(&sound.part(0.1, 1.0)).unwrap();
    assert!(stream.write(&tone(8000, 300.0, 0.1, 0.5)).is_err());
    let found = Sound::open(&path).unwrap();
    assert_eq!(found.samples().len(), 4000);
    assert!(difference(sound.samples(), found.samples(), 0) < 1e-4);
}

/// The files hold a fifth of a second of 440 Hz at 0.5 on the left and silence on the right, so that the mean has 0.25.
#[test]
fn every_format_gives_the_same_sound() {
    let expected = tone(44_100, 440.0, 0.2, 0.25);
    let cases = [
        ("tone-u8.wav", Some(8), 2e-2),
        ("tone-24.wav", Some(24), 1e-5),
        ("tone-float.wav", None, 1e-6),
        ("tone-24.flac", Some(24), 1e-5),
        // Lossy: the tone is there, where it was, with what the codec adds.
        ("tone.ogg", None, 3e-2),
        ("tone.mp3", None, 3e-2),
    ];
    for (name, bits, tolerance) in cases {
        let decoded = decode(Path::new(DATA).join(name)).unwrap();
        assert_eq!((decoded.channels, decoded.sound.rate()), (2, 44_100), "{name}");
        assert_eq!(decoded.bits, bits, "{name}");
        if !name.ends_with("mp3") {
            assert_eq!(decoded.sound.samples().len(), expected.samples().len(), "{name}");
        }
        // MP3 has a few more samples at its end.
        let more = decoded.sound.samples().len() as i64 - expected.samples().len() as i64;
        assert!((0..2400).contains(&more), "{name}: {more}");
        let found = difference(expected.samples(), decoded.sound.samples(), 1000);
        assert!(found < tolerance, "{name}: {found}");
    }
}

#[test]
fn files_that_are_no_sounds_say_so() {
    let wav = std::fs::read(Path::new(DATA).join("tone-24.wav")).unwrap();
    assert_eq!(refused("a.wav", b""), "the file is empty");
    assert!(refused("a.wav", b"hello, this is a text and no sound at all").starts_with("not a sound"));
    assert!(refused("a.wav", &wav[..20]).contains("sound"), "{}", refused("a.wav", &wav[..20]));
    let half = refused("a.wav", &wav[..wav.len() / 2]);
    assert_eq!(half, "cut off: it should have 0.20 s and ends after 0.10 s");
    let flac = std::fs::read(Path::new(DATA).join("tone-24.flac")).unwrap();
    let half = refused("a.flac", &flac[..flac.len() / 2]);
    assert!(half.contains("cut off") || half.contains("damaged"), "{half}");
    let missing = decode("/nowhere/a.wav").unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
    assert!(matches!(decode("/"), Err(Error::File { .. })));
}

#[test]
fn resampling_keeps_tones_in_place_and_filters_what_does_not_fit() {
    for (from, to) in
        [(44_100, 16_000), (16_000, 24_000), (48_000, 22_050), (8_000, 16_000), (16_001, 16_000)]
    {
        let sound = tone(from, 440.0, 1.0, 0.5);
        let found = sound.resampled(to).unwrap();
        let expected = tone(to, 440.0, 1.0, 0.5);
        let count = (sound.samples().len() as f64 * f64::from(to) / f64::from(from)).ceil() as usize;
        assert_eq!((found.rate(), found.samples().len()), (to, count));
        let error = difference(expected.samples(), found.samples(), to as usize / 20);
        assert!(error < 1e-3, "{from} to {to}: {error}");
    }
    // 7 kHz fits in 16 kHz and not in 8.
    let high = tone(48_000, 7_000.0, 1.0, 0.5);
    let kept = high.resampled(16_000).unwrap();
    assert!(difference(tone(16_000, 7_000.0, 1.0, 0.5).samples(), kept.samples(), 800) < 1e-3);
    let gone = high.resampled(8_000).unwrap();
    assert!(gone.samples()[400..7600].iter().all(|sample| sample.abs() < 1e-4));
    assert_eq!(high.resampled(48_000).unwrap(), high);
    assert!(Sound::new(16_000, vec![]).unwrap().resampled(8_000).unwrap().samples().is_empty());
    assert!(matches!(high.resampled(1), Err(Error::Argument { name: "rate", .. })));
}

#[test]
fn loudness_is_that_of_the_standard() {
    // BS.1770: a tone of 997 Hz at full scale in one channel has −3.01 LKFS.
    assert!((tone(48_000, 997.0, 3.0, 1.0).loudness().unwrap() + 3.01).abs() < 0.02);
    let quiet = tone(16_000, 997.0, 3.0, 0.01);
    assert!((quiet.clone().at_loudness(-23.0).unwrap().loudness().unwrap() + 23.0).abs() < 0.05);
    // Shorter than a window: as if it went on.
    assert!((tone(48_000, 1000.0, 0.1, 1.0).loudness().unwrap() + 3.01).abs() < 0.05);
    // Not beyond full scale, and silence stays.
    assert!((quiet.at_loudness(10.0).unwrap().peak() - 0.999).abs() < 1e-4);
    let silence = Sound::new(16_000, vec![0.0; 16_000]).unwrap();
    assert_eq!(silence.clone().at_loudness(-23.0).unwrap(), silence);
}

#[test]
fn silence_around_a_sound_is_cut_off() {
    let mut samples = vec![1e-4; 8000];
    samples.extend_from_slice(tone(16_000, 440.0, 1.0, 0.5).samples());
    samples.extend(vec![0.0; 4000]);
    let sound = Sound::new(16_000, samples).unwrap();
    let kept = sound.trimmed(Silence { below: 45.0, keep: 0.05 });
    assert_eq!(kept.samples().len(), 16_000 + 2 * 800);
    assert_eq!(kept.samples()[..800], [1e-4; 800]);
    assert!(Sound::new(16_000, vec![0.0; 100]).unwrap().trimmed(Silence::default()).samples().is_empty());
}

#[test]
fn a_recording_of_no_use_says_why() {
    let usable = Usable { least_seconds: 0.5, most_seconds: 2.0 };
    let reason = |sound: Sound| sound.check(usable).unwrap_err().to_string();
    assert!(tone(16_000, 440.0, 1.0, 0.5).check(usable).is_ok());
    assert!(
        reason(tone(16_000, 440.0, 0.2, 0.5))
            .contains("it has 0.20 s beside silence at its ends, at least 0.5 s")
    );
    assert!(reason(tone(16_000, 440.0, 3.0, 0.5)).contains("at most 2 s"));
    assert!(reason(tone(16_000, 440.0, 1.0, 1e-4)).contains("silent"));
    let clipped =
        tone(16_000, 440.0, 1.0, 9.0).samples().iter().map(|sample| sample.clamp(-1.0, 1.0)).collect();
    assert!(reason(Sound::new(16_000, clipped).unwrap()).contains("clipped"));
}

#[test]
fn a_faded_sound_begins_and_ends_with_nothing() {
    let sound = Sound::new(1000, vec![1.0; 10]).unwrap().faded(0.004);
    assert_eq!(sound.samples(), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]);
    let short = Sound::new(1000, vec![1.0; 3]).unwrap().faded(1.0);
    assert_eq!(short.samples(), [0.0, 1.0, 0.0]);
    assert!(Sound::new(1000, vec![]).unwrap().faded(1.0).samples().is_empty());
}
