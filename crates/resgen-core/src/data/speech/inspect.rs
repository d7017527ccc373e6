//! What is in a set of recordings, before anything is trained on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::{SpeechSet, Utterance};
use crate::data::Problem;
use crate::data::prefetch::pool;
use crate::data::unreadable::reason_of;
use crate::error::Result;
use crate::signal::sound::{Decoded, Silence, Usable, decode};
use crate::text::{Pace, spelled_out};

/// Steps a second that lengths are measured in, to fit a pace.
const STEPS: f64 = 50.0;
/// How many times as long as usual, or as short, a text may take before it is doubtful whether it is said at all.
const DOUBTFUL: f64 = 2.0;

/// What was found in a set.
#[derive(Clone, Debug, Serialize)]
pub struct SpeechInspection {
    /// Recordings that are listed and there.
    pub recordings: usize,
    /// Those of them that can be used. All that follows is about these, but for the problems.
    pub usable: usize,
    /// Hours of them, silence at their ends left out.
    pub hours: f64,
    /// The speakers, each with recordings and minutes.
    pub speakers: Vec<SpeakerCount>,
    /// The shortest, the middle and the longest, in seconds.
    pub seconds: Option<[f64; 3]>,
    /// How many there are of each rate, in Hz.
    pub rates: BTreeMap<u32, usize>,
    /// How many there are of each file format.
    pub formats: BTreeMap<String, usize>,
    /// Recordings whose text takes twice as long as usual to say, or half as long: is it what is said?
    pub doubtful: Vec<Doubtful>,
    /// What cannot be used, with the reasons.
    pub problems: Vec<Problem>,
}

/// One speaker.
#[derive(Clone, Debug, Serialize)]
pub struct SpeakerCount {
    /// The name; empty where it is not known.
    pub name: String,
    /// Recordings.
    pub recordings: usize,
    /// Minutes of them.
    pub minutes: f64,
}

/// A recording that its text may not belong to.
#[derive(Clone, Debug, Serialize)]
pub struct Doubtful {
    /// The recording.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// How long it is.
    pub seconds: f64,
    /// How long its text usually takes.
    pub usual: f64,
}

/// Opens every recording of a set; `progress` hears how many of how many are done.
///
/// # Errors
/// Where threads cannot be started.
pub fn inspect(
    set: &SpeechSet,
    threads: usize,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<SpeechInspection> {
    let done = AtomicUsize::new(0);
    let count = set.utterances().len();
    let look = |utterance: &Utterance| {
        let seen = look_at(set, utterance);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, count);
        seen
    };
    let seen: Vec<Result<Seen>> = pool(threads)?.install(|| set.utterances().par_iter().map(look).collect());
    let mut problems = set.problems().to_vec();
    let mut usable = Vec::new();
    for (utterance, seen) in set.utterances().iter().zip(seen) {
        match seen {
            Ok(seen) => usable.push((utterance, seen)),
            Err(error) => problems.push(Problem { path: utterance.path.clone(), reason: reason_of(error) }),
        }
    }
    problems.sort();
    Ok(summed_up(count, &usable, problems))
}

/// A recording that can be used.
struct Seen {
    seconds: f64,
    rate: u32,
    format: String,
}

fn look_at(set: &SpeechSet, utterance: &Utterance) -> Result<Seen> {
    let Decoded { sound, format, .. } = decode(set.path_of(utterance))?;
    let spoken = sound.trimmed(Silence::default());
    sound.check(Usable::VOICE)?;
    Ok(Seen { seconds: spoken.seconds(), rate: sound.rate(), format })
}

fn summed_up(recordings: usize, usable: &[(&Utterance, Seen)], problems: Vec<Problem>) -> SpeechInspection {
    let mut speakers: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    let (mut rates, mut formats) = (BTreeMap::new(), BTreeMap::new());
    for (utterance, seen) in usable {
        let (count, seconds) = speakers.entry(&utterance.speaker).or_default();
        *count += 1;
        *seconds += seen.seconds;
        *rates.entry(seen.rate).or_default() += 1;
        *formats.entry(seen.format.clone()).or_default() += 1;
    }
    let mut lengths: Vec<f64> = usable.iter().map(|(_, seen)| seen.seconds).collect();
    lengths.sort_by(f64::total_cmp);
    let seconds =
        (!lengths.is_empty()).then(|| [lengths[0], lengths[lengths.len() / 2], lengths[lengths.len() - 1]]);
    let speaker = |(name, (recordings, seconds)): (&str, (usize, f64))| SpeakerCount {
        name: name.to_owned(),
        recordings,
        minutes: seconds / 60.0,
    };
    SpeechInspection {
        recordings,
        usable: usable.len(),
        hours: lengths.iter().sum::<f64>() / 3600.0,
        speakers: speakers.into_iter().map(speaker).collect(),
        seconds,
        rates,
        formats,
        doubtful: doubtful(usable),
        problems,
    }
}

/// Recordings that are far from the pace of all.
fn doubtful(usable: &[(&Utterance, Seen)]) -> Vec<Doubtful> {
    let said: Vec<(String, f64)> =
        usable.iter().map(|(utterance, seen)| (spelled_out(&utterance.text), seen.seconds)).collect();
    let pace =
        Pace::of(said.iter().map(|(text, seconds)| (text.as_str(), (seconds * STEPS).round() as usize)));
    let found = usable.iter().zip(&said).filter_map(|((utterance, seen), (text, _))| {
        let usual = pace.positions(text) / STEPS;
        let ratio = seen.seconds / usual;
        (!(1.0 / DOUBTFUL..=DOUBTFUL).contains(&ratio)).then(|| Doubtful {
            path: utterance.path.clone(),
            text: utterance.text.clone(),
            seconds: seen.seconds,
            usual,
        })
    });
    found.collect()
}
