//! A vocoder learns the sound of a few voice-like buzzes, stops, goes on, and is read again from its file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use resgen_core::data::speech::{Segments, SoundPiece};
use resgen_core::data::{BatchOptions, CacheLimit, Loader, SpeechSet};
use resgen_core::progress::{Progress, Silent};
use resgen_core::signal::mel::{Listener, Mel};
use resgen_core::signal::sound::Sound;
use resgen_core::train::config::Experiment;
use resgen_core::train::model_file::ModelFile;
use resgen_core::train::run::{self, Outcome, RunContext};
use resgen_core::train::signals::SignalSource;
use resgen_core::train::vocoder::{VocoderExperiment, VocoderLearner};
use resgen_core::vocoder::{Vocoder, VocoderHeader, Vocos};

const RATE: u32 = 8000;

/// Harmonics of a pitch that moves.
fn buzz(pitch: f64) -> Sound {
    let mut phase = 0.0;
    let sample = |at: usize| {
        let seconds = at as f64 / f64::from(RATE);
        phase += std::f64::consts::TAU * pitch * (1.0 + 0.2 * (5.0 * seconds).sin()) / f64::from(RATE);
        ((1..8).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum::<f64>() * 0.15) as f32
    };
    Sound::new(RATE, (0..RATE as usize).map(sample).collect()).unwrap()
}

fn set(folder: &Path) -> Arc<SpeechSet> {
    let mut lines = "path\ttext\n".to_owned();
    for number in 0..4 {
        buzz(120.0 + 40.0 * f64::from(number)).save(folder.join(format!("{number}.wav"))).unwrap();
        lines += &format!("{number}.wav\tBuzz.\n");
    }
    std::fs::write(folder.join("manifest.tsv"), lines).unwrap();
    Arc::new(SpeechSet::open(folder).unwrap())
}

fn experiment(steps: u64) -> VocoderExperiment {
    toml::from_str(&format!(
        "[data]\ntrain = \"-\"\n[vocoder]\nsegment = 16\nwidth = 48\nblocks = 2\n
         [vocoder.listener.mel]\nrate = 8000\nbins = 24\nlowest = 0.0\nhighest = 4000.0\nscale = \"slaney\"\nnorm = \"slaney\"\nstrength = \"magnitude\"\nfloor = 1e-5\n
         stft = {{ size = 128, window = 128, hop = 32, padding = \"same\" }}\n
         [losses]\nstart_step = 20\ncritics = {{ channels = 4, periods = [2, 3], resolutions = [64] }}\n
         [train]\nsteps = {steps}\nbatch = 4\npreview_every = 0\ncheckpoint_every = 15\nrate = {{ peak = 3e-3, warmup = 5 }}\noptimizer = {{ average_decay = 0.98 }}"
    ))
    .unwrap()
}

/// Asks for a stop at a step.
struct StopAt<'a>(u64, &'a AtomicBool);

impl Progress for StopAt<'_> {
    fn begin(&mut self, _: &str, _: u64, _: u64) {}
    fn step(&mut self, done: u64, _: &str) {
        self.1.store(done >= self.0, Ordering::Relaxed);
    }
    fn note(&mut self, _: &str) {}
    fn end(&mut self) {}
}

/// Trains in a folder, to the end or until it is stopped.
fn train(
    set: &Arc<SpeechSet>,
    experiment: &VocoderExperiment,
    folder: &Path,
    stop_at: Option<u64>,
) -> Outcome {
    experiment.validate().unwrap();
    let config = &experiment.vocoder;
    let piece = SoundPiece::new(config.listener.clone(), config.samples(), config.around()).unwrap();
    let segments = Segments::new(Arc::clone(set), piece, CacheLimit::default());
    let options = BatchOptions { seed: 0, batch_size: experiment.train.batch, threads: 1, prefetch: 2 };
    let loader = Loader::of(Arc::new(segments), options).unwrap();
    let mut source = SignalSource::new(loader, experiment.train.micro_batches);
    let mut learner = VocoderLearner::new(experiment, None, vec![], &Device::flex()).unwrap();
    let stop = AtomicBool::new(false);
    let (mut stopping, mut silent) = (stop_at.map(|step| StopAt(step, &stop)), Silent);
    let progress: &mut dyn Progress = match &mut stopping {
        Some(stopping) => stopping,
        None => &mut silent,
    };
    let context = RunContext { folder, config: serde_json::Value::Null, progress, stop: &stop, workers: 2 };
    run::run(&mut learner, &mut source, &experiment.train, context).unwrap()
}

fn finished(outcome: Outcome) -> Vocos {
    let Outcome::Finished { model, .. } = outcome else { panic!("it was stopped") };
    let file = ModelFile::<VocoderHeader>::load(model).unwrap();
    Vocos::load(file.header.vocoder, &file.tensors, &Device::flex()).unwrap()
}

/// The mean difference of two spectrograms where there is something to be heard, in nats.
fn difference(a: &Mel, b: &Mel) -> f32 {
    let pairs: Vec<f32> =
        a.values.iter().zip(&b.values).filter(|(a, _)| **a > -5.0).map(|(a, b)| (a - b).abs()).collect();
    pairs.iter().sum::<f32>() / pairs.len() as f32
}

#[test]
fn it_learns_to_make_the_sound_of_a_spectrogram() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path());
    let distance = |steps: u64| {
        let run = tempfile::tempdir().unwrap();
        let vocos = finished(train(&set, &experiment(steps), run.path(), None));
        let listener = Listener::new(vocos.config().listener.clone()).unwrap();
        // A pitch between those that it learned from.
        let mel = listener.mel(&buzz(180.0)).unwrap();
        let sound = vocos.sound(listener.transform(), &mel).unwrap();
        assert_eq!(sound.samples().len(), mel.frames() * 32);
        difference(&mel, &listener.transform().forward(&sound).unwrap())
    };
    let (first, last) = (distance(2), distance(150));
    assert!(last < 0.7 * first, "{first} after 2 steps, {last} after 150");
}

#[test]
fn a_stopped_training_ends_with_the_same_vocoder() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path());
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let at_once = finished(train(&set, &experiment(40), whole.path(), None));
    assert!(matches!(train(&set, &experiment(40), parts.path(), Some(27)), Outcome::Stopped { .. }));
    let in_parts = finished(train(&set, &experiment(40), parts.path(), None));
    assert_eq!(at_once.fingerprint(), in_parts.fingerprint());
}

#[test]
fn spectrograms_of_another_kind_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = tempfile::tempdir().unwrap();
    let vocos = finished(train(&set(folder.path()), &experiment(1), run.path(), None));
    let mut other = vocos.config().listener.clone();
    other.mel.stft.hop = 64;
    let listener = Listener::new(other).unwrap();
    let mel = listener.mel(&buzz(180.0)).unwrap();
    let vocoder = Vocoder::Vocos(Box::new(vocos));
    let refused = vocoder.sound(listener.transform(), &mel).unwrap_err().to_string();
    assert!(
        refused.contains("frame to frame") && refused.contains("32") && refused.contains("64"),
        "{refused}"
    );
}
