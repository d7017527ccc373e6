//! A part of a cache: the codes of up to 1,000 recordings in a file.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{STRIDE, Spoken};
use crate::atomic::write_atomically;
use crate::data::Problem;
use crate::data::speech::{SpeechSet, Utterance};
use crate::data::unreadable::reason_of;
use crate::digest;
use crate::error::{Error, Result};
use crate::signal::mel::{Listener, Mel};
use crate::signal::sound::{Sound, Usable};
use crate::text::spelled_out;
use crate::tokenizer::SpeechTokenizer;

/// What a part says beside its codes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PartHeader {
    pub parts: usize, // of the whole cache
    pub tokenizer: String,
    pub depth: usize,
    pub vocabulary: usize,
    pub recordings: String, // a fingerprint of the part of the set
    pub spoken: Vec<Spoken>,
    pub problems: Vec<Problem>,
}

pub(super) fn name_of(part: usize) -> String {
    format!("part-{part:05}.codes")
}

/// A part in the making.
pub(super) struct Part {
    pub header: PartHeader,
    pub codes: Vec<u16>,
}

impl Part {
    pub fn of(
        tokenizer: &SpeechTokenizer,
        fingerprint: &str,
        utterances: &[Utterance],
        parts: usize,
    ) -> Self {
        let header = PartHeader {
            parts,
            tokenizer: fingerprint.to_owned(),
            depth: tokenizer.books().depth(),
            vocabulary: tokenizer.books().vocabulary(),
            recordings: fingerprint_of(utterances),
            spoken: Vec::new(),
            problems: Vec::new(),
        };
        Self { header, codes: Vec::new() }
    }

    /// Recordings that have been encoded or could not be.
    pub fn tried(&self) -> usize {
        self.header.spoken.len() + self.header.problems.len()
    }

    pub fn add(
        &mut self,
        tokenizer: &SpeechTokenizer,
        listener: &Listener,
        set: &SpeechSet,
        utterances: &[Utterance],
    ) -> Result<()> {
        let heard: Vec<Result<Mel>> = utterances
            .par_iter()
            .map(|utterance| {
                let sound = Sound::open(set.path_of(utterance))?;
                sound.check(Usable::VOICE)?;
                listener.mel(&sound)
            })
            .collect();
        let each = tokenizer.config().frames_per_position();
        for (utterance, heard) in utterances.iter().zip(heard) {
            let path = utterance.path.clone();
            let encoded = heard.and_then(|mel| Ok((mel.frames(), tokenizer.encode_mel(&mel, STRIDE)?)));
            match encoded {
                Ok((frames, codes)) => {
                    self.header.spoken.push(Spoken {
                        path,
                        text: spelled_out(&utterance.text),
                        speaker: utterance.speaker.clone(),
                        positions: codes.positions(),
                        spoken: frames.div_ceil(each),
                    });
                    self.codes.extend(codes.into_values());
                }
                // The device fails for all, not for one.
                Err(error @ Error::Device(_)) => return Err(error),
                Err(error) => self.header.problems.push(Problem { path, reason: reason_of(error) }),
            }
        }
        Ok(())
    }

    /// The header's length, the header, the codes, and a checksum of all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let header = serde_json::to_vec(&self.header).map_err(|error| Error::file(path, error))?;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(self.codes.iter().flat_map(|code| code.to_le_bytes()));
        let sum = crc32c::crc32c(&bytes);
        bytes.extend(sum.to_le_bytes());
        write_atomically(path, |writer| writer.write_all(&bytes))
    }
}

fn fingerprint_of(utterances: &[Utterance]) -> String {
    let lines = utterances
        .iter()
        .map(|Utterance { path, text, speaker }| format!("{}\t{text}\t{speaker}\n", path.display()));
    digest::of(lines.collect::<String>().as_bytes())
}

pub(super) fn expect(
    path: &Path,
    header: &PartHeader,
    fingerprint: &str,
    utterances: &[Utterance],
    parts: usize,
) -> Result<()> {
    if header.tokenizer != fingerprint {
        return Err(Error::file(
            path,
            "it was made with another tokenizer; choose another folder, or delete it",
        ));
    }
    if header.parts != parts || header.recordings != fingerprint_of(utterances) {
        return Err(Error::file(path, "it is of other recordings; choose another folder, or delete it"));
    }
    Ok(())
}

/// The header and the codes of a part.
pub(super) fn read(path: &Path) -> Result<(PartHeader, Vec<u16>)> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let damaged = |what: &str| Error::file(path, format!("damaged: {what}"));
    let (rest, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged("too short"))?;
    if crc32c::crc32c(rest) != u32::from_le_bytes(*sum) {
        return Err(damaged("its checksum is wrong"));
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("too short"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged("its header's length"))?;
    let header = rest.get(..length).ok_or_else(|| damaged("its header's length"))?;
    let codes = &rest[length..];
    let header: PartHeader = serde_json::from_slice(header).map_err(|error| damaged(&error.to_string()))?;
    let bytes = header.spoken.iter().try_fold(0usize, |sum, spoken| {
        sum.checked_add(spoken.positions.checked_mul(header.depth)?.checked_mul(2)?)
    });
    if bytes != Some(codes.len()) {
        return Err(damaged("it has not as many codes as its header says"));
    }
    let codes: Vec<u16> = codes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
    match codes.iter().find(|&&code| usize::from(code) >= header.vocabulary) {
        Some(code) => Err(damaged(&format!("code {code} of {}", header.vocabulary))),
        None => Ok((header, codes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_smaller_set_is_of_other_recordings() {
        let header = PartHeader {
            parts: 1,
            tokenizer: "mine".into(),
            depth: 1,
            vocabulary: 2,
            recordings: fingerprint_of(&[]),
            spoken: Vec::new(),
            problems: Vec::new(),
        };
        let of = |tokenizer: &str, parts: usize| expect(Path::new("part"), &header, tokenizer, &[], parts);
        of("mine", 1).unwrap();
        assert!(of("mine", 2).unwrap_err().to_string().contains("other recordings"));
        assert!(of("yours", 1).unwrap_err().to_string().contains("another tokenizer"));
    }
}
