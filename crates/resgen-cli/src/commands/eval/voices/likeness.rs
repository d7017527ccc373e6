//! Whether what was said is in the voice that was asked for.

use std::collections::BTreeMap;
use std::path::Path;

use resgen_core::data::SpeechSet;
use resgen_core::eval::likeness::{Likeness, Reference};
use resgen_core::eval::manifest::{Findings, Manifest};
use resgen_core::eval::speakers::strangers;
use resgen_core::features::SpeakerEncoder;
use resgen_core::signal::mel::Listener;
use resgen_core::signal::sound::Sound;
use resgen_core::speak::Speaker;
use resgen_core::{Error, Result};

use super::{Arguments, Choice, Pair, Protocol, audible};
use crate::context::Context;
use crate::model;

/// Recordings of others that are tried for a prompt until one serves.
const OTHERS: usize = 16;

/// The network that voices of `set` are told by.
///
/// # Errors
/// Where it cannot be read or is another; where it is not known who speaks.
pub fn encoder(extractor: &Path, set: &SpeechSet, context: &Context) -> Result<SpeakerEncoder> {
    let path = model::file_of(extractor);
    let (header, tensors) = model::speaker_encoder(&path)?;
    set.expect_speakers()?;
    SpeakerEncoder::new(header, &tensors, &context.device()?).map_err(|error| Error::file(&path, error))
}

/// The prompts of all sentences, as a network hears them.
pub struct Prompts {
    encoder: SpeakerEncoder,
    references: BTreeMap<String, Reference>, // by the pairs' names
}

impl Prompts {
    /// Listens to every prompt, to what codes and vocoder leave of it, and to somebody else, and leaves out those in which no voice can be told,
    /// before hours are spent on speaking.
    ///
    /// # Errors
    /// Where what is left of a prompt cannot be written.
    pub fn hear(
        encoder: SpeakerEncoder,
        arguments: &Arguments,
        (set, choice): (&SpeechSet, &mut Choice<'_>),
        (speaker, listener): (&Speaker<'_>, &Listener),
    ) -> Result<Self> {
        let folder = arguments.out.join("rebuilt");
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let speakers: Vec<&str> = set.utterances().iter().map(|utterance| &*utterance.speaker).collect();
        let mut references = BTreeMap::new();
        choice.keep("listening to prompts", |pair| {
            let path = set.path_of(pair.prompt.unwrap_or(pair.target));
            let recording = Sound::open(&path)?;
            let original = match pair.prompt {
                Some(_) => recording,
                None => listener.prepared(&recording)?.part(0.0, arguments.given),
            };
            let rebuilt = folder.join(&pair.name);
            if !rebuilt.exists() {
                audible(speaker.rebuilt(&original)?)?.save(&rebuilt)?;
            }
            let mut reference = Reference::new(&encoder, &original, &Sound::open(&rebuilt)?)
                .map_err(|error| Error::file(&path, error))?;
            let others = strangers(&speakers, &pair.target.speaker, arguments.seed, pair.index);
            for other in others.take(OTHERS) {
                let other = Sound::open(set.path_of(&set.utterances()[other]));
                match other.and_then(|other| reference.put_beside(&encoder, &other)) {
                    Ok(()) => break,
                    // Of no use, which is no fault of this one.
                    Err(Error::Argument { .. } | Error::File { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            references.insert(pair.name.clone(), reference);
            Ok(())
        })?;
        Ok(Self { encoder, references })
    }

    /// Compares what is in a folder with the prompts; of a continuation what comes after the part that was given.
    ///
    /// # Errors
    /// Where a sound cannot be read or the result not be written.
    pub fn judge(&self, arguments: &Arguments, folder: &Path, pairs: &[Pair<'_>]) -> Result<Manifest> {
        let mut likeness = Likeness::default();
        for (pair, reference) in
            pairs.iter().filter_map(|pair| Some((pair, self.references.get(&pair.name)?)))
        {
            let sound = Sound::open(folder.join(&pair.name))?;
            let said = match arguments.protocol {
                Protocol::CrossSentence => sound,
                Protocol::Continuation => sound.part(arguments.given, sound.seconds()),
            };
            likeness.add(&self.encoder, &said, reference)?;
        }
        let protocol = match arguments.protocol {
            Protocol::CrossSentence => "cross-sentence",
            Protocol::Continuation => "continuation",
        };
        let given = ("seconds given".to_owned(), arguments.given.to_string());
        let (results, voiceless) = (likeness.results(), likeness.voiceless());
        let [samples, reference] = likeness.records(folder, &arguments.data);
        let mut manifest = Manifest::new(Findings {
            extractor: Some(self.encoder.identity().clone()),
            settings: [("protocol".to_owned(), protocol.to_owned()), given].into(),
            samples,
            reference,
            results,
        });
        if voiceless > 0 {
            manifest.warnings.push(format!(
                "no voice can be told in {voiceless} sounds of {}, whose cosines count as 0",
                folder.display()
            ));
        }
        manifest.save(&folder.with_extension("voices.json"))?;
        Ok(manifest)
    }
}
