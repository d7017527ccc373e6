//! A speaker encoder, made as small as it can be: four buzzing voices of other pitches and vowels are learned, told apart, and compared.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use resgen_core::data::speech::{Segments, VoicePiece};
use resgen_core::data::{BatchOptions, CacheLimit, Loader, SpeechSet};
use resgen_core::eval::likeness::{Likeness, Reference};
use resgen_core::eval::manifest::{Metric, SetRecord};
use resgen_core::eval::speakers::{verification, voices};
use resgen_core::features::{SpeakerEncoder, SpeakerHeader};
use resgen_core::nn::parameters::fingerprint;
use resgen_core::progress::{Progress, Silent};
use resgen_core::signal::sound::Sound;
use resgen_core::train::learner::Learner;
use resgen_core::train::log::ScalarTable;
use resgen_core::train::model_file::ModelFile;
use resgen_core::train::run::{self, Outcome, RunContext};
use resgen_core::train::signals::SignalSource;
use resgen_core::train::speakers::{SpeakerExperiment, SpeakerLearner};
use resgen_core::workers::Workers;

const RATE: u32 = 16_000;
/// Names, pitches and formants in Hz.
const SPEAKERS: [(&str, f64, f64); 4] =
    [("ann", 220.0, 700.0), ("bob", 110.0, 700.0), ("cid", 110.0, 1300.0), ("dot", 220.0, 1300.0)];

/// A second of a buzz: what is said (a second formant, and how the first moves) changes with the number, who says it does not.
fn buzz(speaker: usize, number: u32) -> Sound {
    let (_, pitch, formant) = SPEAKERS[speaker];
    let other = 2000.0 + 300.0 * f64::from(number % 5);
    let loudness = |hz: f64, at: f64| (-((hz - at) / 250.0).powi(2)).exp();
    let mut phase = 0.0;
    let sample = |n: usize| {
        let seconds = n as f64 / f64::from(RATE);
        let moved = formant * (1.0 + 0.06 * (4.0 * seconds + f64::from(number)).sin());
        phase += pitch * (1.0 + 0.03 * (7.0 * seconds + f64::from(number)).sin()) / f64::from(RATE);
        let harmonic = |k: u32| {
            let hz = f64::from(k) * pitch;
            let weight = loudness(hz, moved) + 0.5 * loudness(hz, other) + 0.02;
            weight * (std::f64::consts::TAU * f64::from(k) * phase).sin()
        };
        (0.1 * (1..30).map(harmonic).sum::<f64>()) as f32
    };
    Sound::new(RATE, (0..RATE as usize).map(sample).collect()).unwrap()
}

/// Recordings with these numbers of every speaker.
fn set(folder: &Path, numbers: std::ops::Range<u32>) -> Arc<SpeechSet> {
    std::fs::create_dir(folder).unwrap();
    let mut lines = "path\ttext\tspeaker\n".to_owned();
    for (speaker, (name, ..)) in SPEAKERS.iter().enumerate() {
        for number in numbers.clone() {
            buzz(speaker, number).save(folder.join(format!("{name}-{number}.wav"))).unwrap();
            lines += &format!("{name}-{number}.wav\tBuzz.\t{name}\n");
        }
    }
    std::fs::write(folder.join("manifest.tsv"), lines).unwrap();
    Arc::new(SpeechSet::open(folder).unwrap())
}

fn experiment() -> SpeakerExperiment {
    let text = r#"
        licence = "none"
        data = { train = "training" }
        encoder = { segment = 40, channels = [16, 16], joins = [4, 2], blocks = 1, embedding = 8 }
        loss = { scale = 15.0 }
        train = { steps = 60, batch = 16, checkpoint_every = 20, preview_every = 0, rate = { peak = 1e-2, warmup = 5 }, optimizer = { average_decay = 0.9 } }
    "#;
    toml::from_str(text).unwrap()
}

/// Asks to stop at a step.
struct Stopping<'a>(&'a AtomicBool, Option<u64>);

impl Progress for Stopping<'_> {
    fn begin(&mut self, _what: &str, _start: u64, _total: u64) {}

    fn step(&mut self, done: u64, _message: &str) {
        self.0.store(self.1 == Some(done), Ordering::Relaxed);
    }

    fn note(&mut self, _message: &str) {}

    fn end(&mut self) {}
}

fn train(set: &Arc<SpeechSet>, folder: &Path, stop_at: Option<u64>) -> (SpeakerLearner, Outcome) {
    let experiment = experiment();
    let speakers = set.speakers().into_iter().map(str::to_owned).collect();
    let mut learner = SpeakerLearner::new(experiment.clone(), speakers, &Device::flex()).unwrap();
    let piece = VoicePiece::new(&experiment.encoder).unwrap();
    let segments = Segments::new(Arc::clone(set), piece, CacheLimit::default());
    let options = BatchOptions { seed: 1, batch_size: 16, threads: 1, prefetch: 2 };
    let loader = Loader::of(Arc::new(segments), options).unwrap();
    let mut source = SignalSource::new(loader, experiment.train.micro_batches);
    let stop = AtomicBool::new(false);
    let mut progress = Stopping(&stop, stop_at);
    let config = serde_json::Value::Null;
    let context = RunContext { folder, config, progress: &mut progress, stop: &stop, workers: 2 };
    let outcome = run::run(&mut learner, &mut source, &experiment.train, context).unwrap();
    (learner, outcome)
}

#[test]
fn four_voices_are_learned_and_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let [training, heldout, whole, parts] =
        ["training", "heldout", "whole", "parts"].map(|name| folder.path().join(name));
    let set_of_training = set(&training, 0..6);
    let (learner, outcome) = train(&set_of_training, &whole, None);
    let Outcome::Finished { model, .. } = outcome else { panic!("{outcome:?}") };
    let accuracy = ScalarTable::read(whole.join("log.csv")).unwrap().series("accuracy");
    assert!(accuracy[50..].iter().all(|(_, share)| *share > 0.9), "{:?}", &accuracy[50..]);

    // A run that stops in between ends with the same weights.
    assert_eq!(train(&set_of_training, &parts, Some(27)).1, Outcome::Stopped { step: 27 });
    let (resumed, _) = train(&set_of_training, &parts, None);
    assert_eq!(fingerprint(&resumed.state()), fingerprint(&learner.state()));

    let file = ModelFile::<SpeakerHeader>::load(model).unwrap();
    assert_eq!(file.header.speakers, ["ann", "bob", "cid", "dot"]);
    let encoder = SpeakerEncoder::new(file.header, &file.tensors, &Device::flex()).unwrap();
    // What it has not heard them say.
    let set = set(&heldout, 10..14);
    let listen = |workers| voices(&encoder, &set, &Workers::new(workers).unwrap(), &mut Silent).unwrap();
    let heard = listen(2);
    assert_eq!(heard.len(), 16);
    assert!(heard.iter().zip(listen(1)).all(|(one, again)| one.embedding == again.embedding));
    let found = verification(&heard, 1000, 1).unwrap();
    assert!(found.equal_error_rate.value < 0.05 && found.nearer.value > 0.95, "{found:?}");

    judged(&encoder);
}

/// What is said in the own voice, in another's, and not at all.
fn judged(encoder: &SpeakerEncoder) {
    let prompt = buzz(0, 10);
    let judge = |said: &[Sound]| {
        let mut likeness = Likeness::default();
        for said in said {
            let mut reference = Reference::new(encoder, &prompt, &prompt.clone().scaled(0.5)).unwrap();
            reference.put_beside(encoder, &buzz(2, 10)).unwrap();
            likeness.add(encoder, said, &reference).unwrap();
        }
        let results = likeness.results();
        let value = |metric| results.iter().find(|one| one.metric == metric).unwrap().estimate.value;
        let metrics = [Metric::SimilarityToPrompt, Metric::SimilarityToRebuilt, Metric::OwnVoice];
        let records = likeness.records(Path::new("said"), Path::new("prompts"));
        (metrics.map(value), fingerprints(&records))
    };
    let ([original, rebuilt, nearer], own) = judge(&[buzz(0, 11), buzz(0, 12)]);
    assert!(
        original > 0.7 && (original - rebuilt).abs() < 0.05 && nearer == 1.0,
        "{original} {rebuilt} {nearer}"
    );
    let ([other, _, nearer], foreign) = judge(&[buzz(2, 11), buzz(2, 12)]);
    assert!(other < original - 0.3 && nearer == 0.0, "{other} {nearer}");
    // The same prompts, other sentences.
    assert!(own[0] != foreign[0] && own[1] == foreign[1]);
    // One of two says nothing.
    let ([half, _, nearer], _) = judge(&[prompt.clone(), Sound::new(RATE, vec![0.0; 9000]).unwrap()]);
    assert!((half - 0.5).abs() < 1e-4 && nearer == 0.5, "{half} {nearer}");
}

fn fingerprints(records: &[SetRecord; 2]) -> [String; 2] {
    records.each_ref().map(|record| record.fingerprint.clone())
}

#[test]
fn a_single_speaker_and_none_at_all_are_refused() {
    let learner = |count: usize| {
        let speakers = vec!["ann".to_owned(); count];
        SpeakerLearner::new(experiment(), speakers, &Device::flex()).map(|_| ()).unwrap_err().to_string()
    };
    assert!(learner(1).contains("speakers: expected at least 2 to tell apart, found 1"));
    assert!(learner(0).contains("found 0"));
}
