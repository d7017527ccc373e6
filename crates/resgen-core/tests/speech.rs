//! Speech from end to end, made as small as it can be: a language of three tones. A tokenizer learns what they sound like, a generator learns to say
//! texts in them, and what is said is heard.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use resgen_core::data::speech::{MelPiece, Segments, SpeechCache};
use resgen_core::data::{BatchOptions, CacheLimit, Loader, SpeechSet};
use resgen_core::eval::{HeldOutLoss, held_out_loss};
use resgen_core::model::AnyNetwork;
use resgen_core::model::Resgen;
use resgen_core::nn::parameters::fingerprint;
use resgen_core::progress::Silent;
use resgen_core::sample::Preset;
use resgen_core::schedule::MaskingSchedule;
use resgen_core::signal::mel::MelTransform;
use resgen_core::signal::sound::Sound;
use resgen_core::speak::{Length, Speaker};
use resgen_core::text::Pace;
use resgen_core::tokenizer::speech::MelAutoencoder;
use resgen_core::tokenizer::{SpeechTokenizer, SpeechTokenizerConfig};
use resgen_core::train::generator::{
    Generator, GeneratorLearner, GeneratorParts, Objective, SpeechParts, embedding_scales,
};
use resgen_core::train::learner::{BatchSource, Learner};
use resgen_core::train::model_file::ModelFile;
use resgen_core::train::run::{self, Outcome, RunConfig, RunContext};
use resgen_core::train::signals::SignalSource;
use resgen_core::train::speech::SpeechSource;
use resgen_core::train::tokenizer::TokenizerLearner;
use resgen_core::vocoder::Vocoder;
use resgen_core::workers::Workers;

const RATE: u32 = 8000;
/// The words and their tones, in Hz.
const WORDS: [(&str, f64); 3] = [("low", 350.0), ("mid", 900.0), ("high", 2400.0)];
/// Seconds of a word.
const WORD: f64 = 0.25;

fn tones(words: &[usize]) -> Sound {
    let each = (WORD * f64::from(RATE)) as usize;
    let sample = |word: usize, at: usize| {
        let (rise, fall) = (at as f64 / 200.0, (each - at) as f64 / 200.0);
        let wave = (std::f64::consts::TAU * WORDS[word].1 * at as f64 / f64::from(RATE)).sin();
        (wave * 0.3 * rise.min(fall).min(1.0)) as f32
    };
    let samples = words.iter().flat_map(|&word| (0..each).map(move |at| sample(word, at)));
    Sound::new(RATE, samples.collect()).unwrap()
}

fn text(words: &[usize]) -> String {
    words.iter().map(|&word| WORDS[word].0).collect::<Vec<_>>().join(" ")
}

/// All texts of two and three words; it is `said` of them what they say.
fn recordings(folder: &Path, said: impl Fn(&[usize]) -> String) -> Arc<SpeechSet> {
    let mut lines = "path\ttext\tspeaker\n".to_owned();
    for count in [2u32, 3] {
        for number in 0..3usize.pow(count) {
            let words: Vec<usize> = (0..count).map(|place| number / 3usize.pow(place) % 3).collect();
            let name = format!("{count}-{number}.wav");
            tones(&words).save(folder.join(&name)).unwrap();
            lines += &format!("{name}\t{}\tpiper\n", said(&words));
        }
    }
    std::fs::write(folder.join("manifest.tsv"), lines).unwrap();
    Arc::new(SpeechSet::open(folder).unwrap())
}

fn config() -> SpeechTokenizerConfig {
    toml::from_str(
        "segment = 40\nchannels = [32]\njoins = [5]\nblocks = 1\nlatent = 8\nvocabulary = 8\ndepth = 2\n
         [mel]\nrate = 8000\nbins = 20\nlowest = 0.0\nhighest = 4000.0\nscale = \"slaney\"\nnorm = \"slaney\"\nstrength = \"magnitude\"\nfloor = 1e-5\n
         stft = { size = 256, window = 256, hop = 80, padding = \"same\" }",
    )
    .unwrap()
}

fn train<L: Learner>(
    learner: &mut L,
    source: &mut dyn BatchSource<Batch = L::Batch>,
    settings: &RunConfig,
    folder: &Path,
) -> std::path::PathBuf {
    let stop = AtomicBool::new(false);
    let config = serde_json::Value::Null;
    let context = RunContext { folder, config, progress: &mut Silent, stop: &stop, workers: 2 };
    match run::run(learner, source, settings, context).unwrap() {
        Outcome::Finished { model, .. } => model,
        Outcome::Stopped { step } => panic!("stopped at {step}"),
    }
}

fn tokenizer(set: &Arc<SpeechSet>, folder: &Path) -> SpeechTokenizer {
    let settings: RunConfig =
        toml::from_str("steps = 150\nbatch = 8\nrate = { peak = 3e-3, warmup = 10 }").unwrap();
    let piece = MelPiece::new(config().listener(), config().segment).unwrap();
    let segments = Segments::new(Arc::clone(set), piece, CacheLimit::default());
    let options = BatchOptions { seed: 1, batch_size: 8, threads: 1, prefetch: 2 };
    let mut source =
        SignalSource::new(Loader::of(Arc::new(segments), options).unwrap(), settings.micro_batches);
    let losses = toml::from_str("quantize_from = 40").unwrap();
    let device = Device::flex();
    let mut learner =
        TokenizerLearner::<MelAutoencoder>::new(config(), losses, &settings, "none".into(), vec![], &device)
            .unwrap();
    train(&mut learner, &mut source, &settings, folder);
    learner.tokenizer().unwrap()
}

fn generator(
    cache: SpeechCache,
    tokenizer: SpeechTokenizer,
    folder: &Path,
) -> Generator<AnyNetwork, MelAutoencoder> {
    let settings: RunConfig = toml::from_str(
        "steps = 500\nbatch = 16\nrate = { peak = 4e-3, warmup = 20 }\noptimizer = { average_decay = 0.98 }",
    )
    .unwrap();
    let model = toml::from_str(
        "kind = \"resgen\"\ntrunk = { width = 32, layers = 2, heads = 2 }\nhead = { components = 16, rank = 2, scale = \"vector\", loss = \"nll\" }\ntext = { layers = 1, most = 40 }",
    )
    .unwrap();
    let spoken = cache.spoken();
    let all: Vec<usize> = (0..spoken.len()).collect();
    let parts = GeneratorParts {
        embedding_scales: embedding_scales(tokenizer.books(), &cache.positions(&all).unwrap()).unwrap(),
        positions: 48,
        speech: Some(SpeechParts {
            pace: Pace::of(spoken.iter().map(|spoken| (&*spoken.text, spoken.spoken))),
            previewed: vec![(spoken[0].saying(), spoken[0].positions)],
        }),
        tokenizer,
        classes: vec!["all".into()],
        preset: Preset { steps: 8, guidance: 1.5, temperature: 0.5, ..Preset::default() },
        licence: "none".into(),
    };
    let mut source = SpeechSource::new(cache, (48, 40), 0.5, &settings).unwrap();
    let mut learner =
        GeneratorLearner::<Resgen, MelAutoencoder>::new(model, parts, &settings, &Device::flex()).unwrap();
    let path = train(&mut learner, &mut source, &settings, folder);
    Generator::from_file(&ModelFile::load(&path).unwrap(), &Device::flex()).unwrap()
}

fn loss(
    generator: &Generator<AnyNetwork, MelAutoencoder>,
    cache: &SpeechCache,
    workers: usize,
) -> HeldOutLoss {
    let schedule = MaskingSchedule::Cosine;
    let objective =
        Objective { schedule, condition_dropout: 0.0, prompt_share: 0.0, target_noise: 0.1, seed: 1 };
    let workers = Workers::new(workers).unwrap();
    held_out_loss(generator, cache, &objective, 4, &workers, &mut Silent).unwrap()
}

/// The words that are heard: the tone that is strongest in the middle of each word's time.
fn heard(sound: &Sound, words: usize) -> Vec<usize> {
    let mel = MelTransform::new(config().mel).unwrap();
    let seen = mel.forward(sound).unwrap();
    let strength = |frame: usize, word: usize| {
        let pure = mel.forward(&tones(&[word])).unwrap();
        let (of_tone, of_sound) =
            (&pure.values[12 * 20..13 * 20], &seen.values[frame * 20..(frame + 1) * 20]);
        of_tone.iter().zip(of_sound).map(|(a, b)| (a + 12.0) * (b + 12.0)).sum::<f32>()
            / of_tone.iter().map(|a| (a + 12.0).powi(2)).sum::<f32>().sqrt()
    };
    let middle = |word: usize| (2 * word + 1) * seen.frames() / (2 * words);
    let loudest = |frame: usize| {
        let best = (0..WORDS.len()).max_by(|&a, &b| strength(frame, a).total_cmp(&strength(frame, b)));
        best.unwrap()
    };
    (0..words).map(|word| loudest(middle(word))).collect()
}

#[test]
fn a_language_of_three_tones_is_learned_and_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["sounds", "tokenizer", "codes", "generator", "liars", "lies"];
    let [sounds, first, codes, second, liars, lies] = names.map(|name| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    });
    let set = recordings(&sounds, text);
    let others = |words: &[usize]| words.iter().map(|word| (word + 1) % 3).collect::<Vec<_>>();
    let lying = recordings(&liars, |words| text(&others(words)));
    let tokenizer = tokenizer(&set, &first);
    let fingerprint = fingerprint(&tokenizer.tensors());
    let make = || SpeechCache::make(&tokenizer, &fingerprint, &set, &codes, &mut Silent);
    let cache = make().unwrap();
    assert_eq!((cache.spoken().len(), cache.problems().len()), (36, 0));
    assert!(
        cache
            .spoken()
            .iter()
            .all(|spoken| spoken.positions.is_multiple_of(8) && spoken.spoken <= spoken.positions)
    );

    // What is there is not made again; what is damaged or of something else is refused.
    let part = codes.join("part-00000.codes");
    let whole = std::fs::read(&part).unwrap();
    make().unwrap();
    assert_eq!(std::fs::read(&part).unwrap(), whole);
    let other = SpeechCache::make(&tokenizer, "another", &set, &codes, &mut Silent).unwrap_err().to_string();
    assert!(other.contains("another tokenizer"), "{other}");
    let mut broken = whole.clone();
    broken[whole.len() / 2] ^= 1;
    std::fs::write(&part, broken).unwrap();
    assert!(SpeechCache::open(&codes).unwrap_err().to_string().contains("checksum"));
    std::fs::write(&part, whole).unwrap();

    SpeechCache::make(&tokenizer, &fingerprint, &lying, &lies, &mut Silent).unwrap();
    let generator = generator(cache, tokenizer.clone(), &second);
    // The right texts tell what is said, others do not.
    let [right, again, wrong] = [(&codes, 1), (&codes, 2), (&lies, 1)].map(|(codes, workers)| {
        let found = loss(&generator, &SpeechCache::open(codes).unwrap(), workers);
        assert_eq!(found.signals, 36);
        found.loss.value
    });
    assert!(
        wrong > right + 0.5 && again == right,
        "{wrong} with wrong texts, {right} and {again} with right ones"
    );

    let speaker = Speaker::new(&generator, generator.header.preset, Vocoder::default()).unwrap();
    let (mut right, mut all) = (0, 0);
    for number in 0..27usize {
        let words = [number % 3, number / 3 % 3, number / 9];
        let sound = speaker.say(&text(&words), None, Length::Seconds(3.0 * WORD), 5).unwrap();
        if sound.samples().len() > 800 {
            right += heard(&sound, 3).iter().zip(&words).filter(|(a, b)| a == b).count();
        }
        all += 3;
    }
    assert!(right as f64 > 0.7 * f64::from(all), "{right} of {all} words");

    // Prompts, and what cannot be one.
    let prompt = speaker.prompt(&tones(&[0, 1, 2, 0]), "low mid high low").unwrap();
    let again = || speaker.say("high mid", Some(&prompt), Length::Natural, 1).unwrap();
    assert_eq!(again(), again());
    let refused = |sound: Sound, text: &str| speaker.prompt(&sound, text).unwrap_err().to_string();
    assert!(refused(tones(&[0, 1, 2, 0]), "  ").contains("nothing said"));
    assert!(refused(tones(&[0, 1, 2, 0]), &"low mid high ".repeat(9)).contains("is it what is said there?"));
    assert!(refused(tones(&[0, 1]), "low mid").contains("at least 0.8 s"));
    assert!(refused(Sound::new(RATE, vec![0.0; 16_000]).unwrap(), "low mid").contains("recording"));
    let pieces = |text: &str| speaker.pieces(text, Some(&prompt), Length::Natural);
    assert_eq!(pieces("low mid. High low!").unwrap(), ["low mid.", "High low!"]);
    assert!(pieces(&"low mid high ".repeat(50)).unwrap().len() > 10);
    assert!(pieces(" 🙂 ").unwrap_err().to_string().contains("nothing in it to be said"));
}
