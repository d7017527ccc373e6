//! Whether recordings of the same speaker are told from those of others by their embeddings.
//!
//! A trial is of three recordings: one, another of its speaker, and one of somebody else. It gives a cosine of the same speaker
//! and a cosine of different ones.

use std::collections::BTreeMap;

use rand::Rng;
use serde::Serialize;

use super::distribution::{Estimate, jackknife};
use crate::data::{SpeechSet, Utterance};
use crate::error::{Error, Result};
use crate::features::SpeakerEncoder;
use crate::progress::Progress;
use crate::random::{Purpose, index_below, stream};
use crate::signal::sound::Sound;
use crate::workers::Workers;

/// Recordings that a worker listens to between two looks at how far all are.
const AT_ONCE: usize = 8;

/// A recording as an embedding.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Who speaks.
    pub speaker: String,
    /// A vector of length 1.
    pub embedding: Vec<f32>,
}

/// Listens to every recording of a set; of those that no voice can be told of it is said why.
///
/// # Errors
/// [`Error::Device`]; [`Error::Training`] where a worker is lost.
pub fn voices(
    encoder: &SpeakerEncoder,
    set: &SpeechSet,
    workers: &Workers,
    progress: &mut dyn Progress,
) -> Result<Vec<Voice>> {
    let all = set.utterances();
    progress.begin(&format!("listening to {}", set.root().display()), 0, all.len() as u64);
    let listen = |_, utterance: &Utterance| match Sound::open(set.path_of(utterance))
        .and_then(|sound| encoder.embedding(&sound))
    {
        Err(error @ Error::Device(_)) => Err(error),
        heard => Ok(heard),
    };
    let mut voices = Vec::with_capacity(all.len());
    let mut done = 0;
    for few in all.chunks(AT_ONCE * workers.count()) {
        for (utterance, heard) in few.iter().zip(workers.run(few.iter().collect(), listen)?) {
            match heard {
                Ok(embedding) => voices.push(Voice { speaker: utterance.speaker.clone(), embedding }),
                Err(reason) => progress.note(&format!("left out: {}: {reason}", utterance.path.display())),
            }
        }
        done += few.len();
        progress.step(done as u64, "");
    }
    progress.end();
    Ok(voices)
}

/// The cosine of two vectors of length 1.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Numbers of three recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    one: usize,
    own: usize,
    other: usize,
}

/// Draws `count` trials of recordings by these speakers.
///
/// # Errors
/// [`Error::Argument`] for fewer than two speakers, or where none of them has two recordings.
pub fn draw_trials(speakers: &[&str], count: usize, seed: u64) -> Result<Vec<Trial>> {
    let mut own: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    speakers.iter().enumerate().for_each(|(at, speaker)| own.entry(speaker).or_default().push(at));
    let firsts: Vec<usize> = (0..speakers.len()).filter(|&at| own[speakers[at]].len() > 1).collect();
    if own.len() < 2 || firsts.is_empty() {
        let most = own.values().map(Vec::len).max().unwrap_or(0);
        let reason = format!(
            "expected at least two speakers, one of them with two recordings, found {} with at most {most}",
            own.len()
        );
        return Err(Error::argument("held-out recordings", reason));
    }
    let draw = |number: usize| {
        let mut rng = stream(seed, Purpose::Evaluate, number as u64, 0);
        let one = firsts[index_below(&mut rng, firsts.len())];
        let own = &own[speakers[one]];
        let place = own.binary_search(&one).unwrap_or(0);
        // Any but itself.
        let own_other = own[(place + 1 + index_below(&mut rng, own.len() - 1)) % own.len()];
        Trial { one, own: own_other, other: stranger(speakers.len(), own, &mut rng) }
    };
    Ok((0..count).map(draw).collect())
}

/// Numbers of all recordings of anybody but `speaker`, of recordings by these speakers, as they are drawn; none where there is nobody else. The
/// same for a seed and an index.
pub fn strangers(speakers: &[&str], speaker: &str, seed: u64, index: u64) -> impl Iterator<Item = usize> {
    let count = speakers.len();
    let mut others_than: Vec<usize> = (0..count).filter(|&at| speakers[at] == speaker).collect();
    let mut rng = stream(seed, Purpose::Evaluate, index, 0);
    std::iter::from_fn(move || {
        let drawn = (others_than.len() < count).then(|| stranger(count, &others_than, &mut rng))?;
        others_than.insert(others_than.partition_point(|&at| at < drawn), drawn);
        Some(drawn)
    })
}

/// One of `count` recordings that is not one of `own`, which are in order and not all.
fn stranger(count: usize, own: &[usize], rng: &mut impl Rng) -> usize {
    // The n-th of the others: every own one before it moves it on by one.
    let mut number = index_below(rng, count - own.len());
    for &at in own {
        if at <= number {
            number += 1;
        }
    }
    number
}

/// How well speakers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Speakers.
    pub speakers: usize,
    /// Recordings.
    pub recordings: usize,
    /// Trials.
    pub trials: usize,
    /// The share of wrong answers, where a threshold refuses as many cosines of the same speaker as it accepts of different ones.
    pub equal_error_rate: Estimate,
    /// Share of trials whose cosine of the same speaker is the larger one.
    pub nearer: Estimate,
}

/// A trial's cosines, and whose recordings they are of.
struct Cosines<'a> {
    speakers: [&'a str; 2],
    own: f64,
    other: f64,
}

/// Holds `count` trials. Intervals come from leaving out each speaker in turn, where there are at least three.
///
/// # Errors
/// As [`draw_trials`].
pub fn verification(voices: &[Voice], count: usize, seed: u64) -> Result<Verification> {
    let speakers: Vec<&str> = voices.iter().map(|voice| &*voice.speaker).collect();
    let trials = draw_trials(&speakers, count, seed)?;
    let look = |trial: &Trial| {
        let [one, own, other] = [trial.one, trial.own, trial.other].map(|at| &*voices[at].embedding);
        Cosines {
            speakers: [speakers[trial.one], speakers[trial.other]],
            own: cosine(one, own),
            other: cosine(one, other),
        }
    };
    let all: Vec<Cosines<'_>> = trials.iter().map(look).collect();
    let mut names = speakers.clone();
    names.sort_unstable();
    names.dedup();
    let without = |name: &&str| all.iter().filter(|trial| !trial.speakers.contains(name)).collect::<Vec<_>>();
    let parts: Vec<Vec<&Cosines<'_>>> =
        names.iter().map(without).filter(|part: &Vec<_>| !part.is_empty()).collect();
    let whole: Vec<&Cosines<'_>> = all.iter().collect();
    let estimate = |of: fn(&[&Cosines<'_>]) -> f64| {
        let parts: Vec<f64> = parts.iter().map(|part| of(part)).collect();
        jackknife(of(&whole), &parts).at_least(0.0).at_most(1.0)
    };
    Ok(Verification {
        speakers: names.len(),
        recordings: voices.len(),
        trials: count,
        equal_error_rate: estimate(equal_error_rate),
        nearer: estimate(|trials| {
            let nearer = trials.iter().filter(|trial| trial.own > trial.other).count();
            nearer as f64 / trials.len() as f64
        }),
    })
}

/// Of all thresholds the one whose two error rates differ least, and their mean there.
fn equal_error_rate(trials: &[&Cosines<'_>]) -> f64 {
    let sorted = |of: fn(&Cosines<'_>) -> f64| {
        let mut cosines: Vec<f64> = trials.iter().map(|trial| of(trial)).collect();
        cosines.sort_by(f64::total_cmp);
        cosines
    };
    let (own, other) = (sorted(|trial| trial.own), sorted(|trial| trial.other));
    let count = trials.len() as f64;
    let below =
        |cosines: &[f64], threshold: f64| cosines.partition_point(|cosine| *cosine < threshold) as f64;
    let rates = |&threshold: &f64| {
        let refused = below(&own, threshold) / count;
        let accepted = 1.0 - below(&other, threshold) / count;
        ((refused - accepted).abs(), (refused + accepted) / 2.0)
    };
    let thresholds = own.iter().chain(&other).chain(&[f64::INFINITY]);
    thresholds.map(rates).min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0.0, |(_, rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voices(of: &[(&str, [f32; 2])]) -> Vec<Voice> {
        of.iter().map(|(name, v)| Voice { speaker: (*name).to_owned(), embedding: v.to_vec() }).collect()
    }

    #[test]
    fn trials_have_another_of_the_same_and_one_of_somebody_else() {
        let speakers = ["b", "a", "b", "c", "a", "b"];
        let trials = draw_trials(&speakers, 500, 1).unwrap();
        for Trial { one, own, other } in &trials {
            assert!(one != own && speakers[*one] == speakers[*own] && speakers[*one] != speakers[*other]);
        }
        // Every possible trial: b has 3·2 pairs with 3 others, a 2·1 pairs with 4 others.
        let mut seen: Vec<_> = trials.iter().map(|trial| (trial.one, trial.own, trial.other)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 18 + 8);
        assert_eq!(draw_trials(&speakers, 500, 1).unwrap(), trials);
        assert_ne!(draw_trials(&speakers, 500, 2).unwrap(), trials);
        let refused = |speakers: &[&str]| draw_trials(speakers, 1, 1).unwrap_err().to_string();
        assert!(refused(&["a", "a"]).contains("found 1 with at most 2"));
        assert!(refused(&["a", "b"]).contains("found 2 with at most 1"));
        assert!(refused(&[]).contains("found 0 with at most 0"));
    }

    #[test]
    fn strangers_are_all_others() {
        let speakers = ["b", "a", "b", "c", "d", "e", "a"];
        let drawn = |index| strangers(&speakers, "b", 1, index).collect::<Vec<_>>();
        let sorted = |mut drawn: Vec<usize>| {
            drawn.sort_unstable();
            drawn
        };
        assert_eq!(sorted(drawn(0)), [1, 3, 4, 5, 6]);
        assert!(drawn(0) == drawn(0) && (1..9).any(|index| drawn(index) != drawn(0)));
        assert_eq!(strangers(&["a", "a"], "a", 1, 0).next(), None);
    }

    #[test]
    fn voices_that_lie_apart_are_always_told_apart() {
        let apart = voices(&[("a", [1.0, 0.0]), ("a", [0.8, 0.6]), ("b", [0.0, -1.0]), ("b", [-0.6, -0.8])]);
        let found = verification(&apart, 200, 1).unwrap();
        assert_eq!((found.equal_error_rate.value, found.nearer.value), (0.0, 1.0));
        assert_eq!((found.speakers, found.recordings, found.trials), (2, 4, 200));
        // Of two speakers none can be left out.
        assert_eq!(found.nearer.interval, None);
        let opposite =
            voices(&[("a", [1.0, 0.0]), ("a", [-1.0, 0.0]), ("b", [0.0, 1.0]), ("b", [0.0, -1.0])]);
        let found = verification(&opposite, 200, 1).unwrap();
        assert_eq!((found.equal_error_rate.value, found.nearer.value), (1.0, 0.0));
    }

    #[test]
    fn the_equal_error_rate_by_hand() {
        let trial = |own, other| Cosines { speakers: ["a", "b"], own, other };
        let trials = [trial(0.9, 0.1), trial(0.8, 0.2), trial(0.7, 0.3), trial(0.2, 0.75)];
        // At 0.7 one of four own ones is refused and one of four others accepted.
        assert_eq!(equal_error_rate(&trials.iter().collect::<Vec<_>>()), 0.25);
        // The same score for all tells nothing: at any threshold all are refused or all accepted.
        let same = [trial(0.5, 0.5), trial(0.5, 0.5)];
        assert_eq!(equal_error_rate(&same.iter().collect::<Vec<_>>()), 0.5);
    }

    #[test]
    fn three_speakers_give_intervals() {
        let three = voices(&[
            ("a", [1.0, 0.0]),
            ("a", [0.8, 0.6]),
            ("b", [0.0, -1.0]),
            ("b", [-0.6, -0.8]),
            ("c", [-1.0, 0.0]),
            ("c", [0.6, 0.8]),
        ]);
        let found = verification(&three, 300, 1).unwrap();
        let [low, high] = found.nearer.interval.unwrap();
        assert!((0.0..found.nearer.value).contains(&low) && high <= 1.0, "{found:?}");
    }
}
