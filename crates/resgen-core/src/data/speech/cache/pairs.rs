//! One recording after another of the same voice, as if it had been said at once. Whoever speaks after a prompt is shown a whole sentence and says
//! the next one; recordings of a sentence each never show that, and after a sentence there is nothing but silence in them.

use std::collections::HashMap;

use super::{STRIDE, SpeechCache, Spoken};
use crate::error::{Error, Result};
use crate::random::{Purpose, index_below, stream, uniform};

/// How many recordings are tried before one is followed by none.
const TRIES: usize = 16;

impl SpeechCache {
    /// Adds pairs, so many for each recording: what is spoken of one and then another of the same speaker, drawn by `seed`. They have at most `longest`
    /// positions and `most` bytes of text.
    ///
    /// # Errors
    /// [`Error::Config`] where none is found.
    pub fn add_pairs(&mut self, share: f64, (longest, most): (usize, usize), seed: u64) -> Result<()> {
        if share == 0.0 {
            return Ok(());
        }
        let single = self.spoken.len();
        let voices = self.voices();
        for first in 0..single {
            let mut rng = stream(seed, Purpose::Pairs, first as u64, 0);
            let Some(voice) = voices.get(&self.spoken[first].speaker) else { continue };
            if uniform(&mut rng) >= share {
                continue;
            }
            let tried = (0..TRIES).map(|_| voice[index_below(&mut rng, voice.len())]);
            let paired = tried
                .filter(|&second| second != first)
                .filter_map(|second| Some((second, pair_of(&self.spoken[first], &self.spoken[second])?)))
                .find(|(_, pair)| pair.positions <= longest && pair.text.len() <= most);
            if let Some((second, pair)) = paired {
                self.push_pair(first, second, pair);
            }
        }
        if self.spoken.len() == single {
            let reason = format!(
                "no pair was found: two recordings of one speaker with together at most {longest} positions and {most} bytes of text"
            );
            return Err(Error::config("codes.pairs", reason));
        }
        Ok(())
    }

    /// The recordings of each known speaker.
    fn voices(&self) -> HashMap<String, Vec<usize>> {
        let mut voices = HashMap::<String, Vec<usize>>::new();
        for (at, spoken) in self.spoken.iter().enumerate().filter(|(_, spoken)| !spoken.speaker.is_empty()) {
            voices.entry(spoken.speaker.clone()).or_default().push(at);
        }
        voices
    }

    fn push_pair(&mut self, first: usize, second: usize, pair: Spoken) {
        let before = self.spoken[first].spoken;
        let codes_of = |at: usize, positions: usize| {
            let start = self.places[at][0].start;
            start..start + positions * self.depth
        };
        self.places.push([codes_of(first, before), codes_of(second, pair.positions - before)]);
        self.spoken.push(pair);
    }
}

/// Both, the silence of the first left out. None where the silence of the second does not reach up to a multiple of [`STRIDE`].
fn pair_of(first: &Spoken, second: &Spoken) -> Option<Spoken> {
    let spoken = first.spoken + second.spoken;
    let positions = spoken.next_multiple_of(STRIDE);
    (positions - first.spoken <= second.positions).then(|| Spoken {
        path: first.path.clone(),
        text: format!("{} {}", first.text, second.text),
        speaker: first.speaker.clone(),
        positions,
        spoken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recordings of one code a position: their number, and 9 in silence.
    fn cache(recordings: &[(&str, usize)]) -> SpeechCache {
        let mut cache = SpeechCache {
            spoken: Vec::new(),
            places: Vec::new(),
            codes: Vec::new(),
            depth: 1,
            vocabulary: 10,
            tokenizer: String::new(),
            problems: Vec::new(),
        };
        for (number, &(speaker, spoken)) in recordings.iter().enumerate() {
            let (start, positions) = (cache.codes.len(), spoken.next_multiple_of(STRIDE));
            cache.codes.extend((0..positions).map(|at| if at < spoken { number as u16 } else { 9 }));
            cache.places.push([start..start + positions, 0..0]);
            cache.spoken.push(Spoken {
                path: format!("{number}.wav").into(),
                text: number.to_string(),
                speaker: speaker.into(),
                positions,
                spoken,
            });
        }
        cache
    }

    #[test]
    fn pairs_are_of_one_voice_without_silence_between() {
        let mut cache = cache(&[("ann", 6), ("ann", 9), ("bob", 8), ("", 8), ("", 8), ("bob", 3)]);
        cache.add_pairs(1.0, (64, 100), 1).unwrap();
        let pairs = &cache.spoken()[6..];
        let said: Vec<&str> = pairs.iter().map(|pair| &*pair.text).collect();
        // After three positions of Bob's, eight more end before a multiple of eight does, without silence; nobody knows whose voices 3 and 4 are.
        assert_eq!(said, ["0 1", "1 0", "2 5"]);
        assert_eq!((pairs[0].positions, pairs[0].spoken), (16, 15));
        let codes = cache.codes(&[6]).unwrap();
        assert_eq!(codes.values(), [[0; 6].as_slice(), &[1; 9], &[9]].concat());
    }

    #[test]
    fn pairs_fit_and_are_as_many_as_asked_for() {
        let many: Vec<(&str, usize)> = (0..200).map(|at| ("ann", 8 + at % 8)).collect();
        let count = |share, longest| {
            let mut cache = cache(&many);
            cache.add_pairs(share, (longest, 100), 1).map(|()| cache.spoken().len() - 200)
        };
        assert_eq!(count(0.0, 64).unwrap(), 0);
        let half = count(0.5, 64).unwrap();
        assert!((60..140).contains(&half), "{half}");
        let refused = count(0.5, 15).unwrap_err().to_string();
        assert!(refused.contains("codes.pairs") && refused.contains("15 positions"), "{refused}");
    }
}
