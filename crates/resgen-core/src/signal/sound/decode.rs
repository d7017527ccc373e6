//! Reading sound files: WAV, FLAC, MP3 and OGG Vorbis in, one channel of floats out, errors instead of surprises.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Reason;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::{RATES, Sound};
use crate::error::{Error, Result};

/// The longest recording that is read, in seconds.
pub const MAX_SECONDS: u32 = 3 * 3600;
/// The share of a file's blocks that may be damaged and are left out.
const MAX_DAMAGED: f64 = 0.01;
/// A file whose header promises more than this share above what is there has been cut off.
const MAX_MISSING: f64 = 0.01;

/// A sound as read from a file, with what the file itself held.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The mean of all channels.
    pub sound: Sound,
    /// The file's format: `wave`, `flac`, `ogg`, `mp3`, …
    pub format: String,
    /// The number of channels.
    pub channels: usize,
    /// Bits of a sample, where the format has such a thing.
    pub bits: Option<u32>,
    /// Damaged blocks that were left out.
    pub damaged: usize,
}

/// Reads the sound file at `path`: any rate, sample format and number of channels.
///
/// A few damaged blocks (1 % of all) are left out and counted, as players do.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::File`] when it is no sound of a known format, holds nothing, is cut off or damaged, or
/// longer than three hours.
pub fn decode(path: impl AsRef<Path>) -> Result<Decoded> {
    let path = path.as_ref();
    let about = std::fs::metadata(path).map_err(Error::io(path))?;
    // Opening a pipe would wait for ever for someone to write to it.
    if !about.is_file() {
        return Err(Error::file(path, "not a regular file"));
    }
    if about.len() == 0 {
        return Err(Error::file(path, "the file is empty"));
    }
    let file = File::open(path).map_err(Error::io(path))?;
    // A decoder that meets what it did not expect must not end a training; nothing outlives the call but the result.
    catch_unwind(AssertUnwindSafe(|| decode_file(file, path)))
        .unwrap_or_else(|_| Err("corrupt: the decoder gave up".to_owned()))
        .map_err(|reason| Error::file(path, reason))
}

/// The decoding proper; an error is a reason in words.
fn decode_file(file: File, path: &Path) -> Result<Decoded, String> {
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let mut reader = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|reason| match reason {
            Reason::Unsupported(_) => "not a sound of a known format (WAV, FLAC, MP3, OGG Vorbis)".to_owned(),
            other => format!("corrupt or not a sound: {other}"),
        })?;
    let format = reader.format_info().short_name.to_owned();
    let track = reader.default_track(TrackType::Audio).ok_or("it holds no sound")?.clone();
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or("its kind of sound is unknown")?;
    let bits = parameters.bits_per_sample;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|reason| format!("its kind of sound cannot be read: {reason}"))?;
    let mut mixed = Mixed::default();
    mixed.read(&mut *reader, &mut *decoder, track.id)?;
    mixed.check(&track)?;
    let (rate, channels) = mixed.form.ok_or("it holds no samples")?;
    let sound = Sound::new(rate, mixed.samples).map_err(|error| error.to_string())?;
    Ok(Decoded { sound, format, channels, bits, damaged: mixed.damaged })
}

/// What has been read so far.
#[derive(Default)]
struct Mixed {
    samples: Vec<f32>,
    /// Rate and channels.
    form: Option<(u32, usize)>,
    blocks: usize,
    damaged: usize,
}

impl Mixed {
    fn read(
        &mut self,
        reader: &mut dyn FormatReader,
        decoder: &mut dyn AudioDecoder,
        track: u32,
    ) -> Result<(), String> {
        let mut interleaved: Vec<f32> = Vec::new();
        loop {
            let packet = match reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(()),
                // The end of a file that has been cut off; `check` compares with what was promised.
                Err(Reason::IoError(reason)) if reason.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Ok(());
                }
                Err(Reason::ResetRequired) => return Err("several recordings in one file".to_owned()),
                Err(reason) => return Err(format!("after {} blocks: {reason}", self.blocks)),
            };
            if packet.track_id != track {
                continue;
            }
            self.blocks += 1;
            match decoder.decode(&packet) {
                Ok(block) => {
                    let (rate, channels) = (block.spec().rate(), block.spec().channels().count());
                    block.copy_to_vec_interleaved(&mut interleaved);
                    self.add(&interleaved, rate, channels)?;
                }
                Err(Reason::DecodeError(_) | Reason::IoError(_)) => self.damaged += 1,
                Err(reason) => return Err(format!("after {} blocks: {reason}", self.blocks)),
            }
        }
    }

    fn add(&mut self, interleaved: &[f32], rate: u32, channels: usize) -> Result<(), String> {
        if !RATES.contains(&rate) || channels == 0 {
            return Err(format!("{channels} channels at {rate} Hz are not a recording"));
        }
        if *self.form.get_or_insert((rate, channels)) != (rate, channels) {
            return Err("its rate or number of channels changes on the way".to_owned());
        }
        let scale = 1.0 / channels as f32;
        self.samples
            .extend(interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * scale));
        if self.samples.len() as u64 > u64::from(rate) * u64::from(MAX_SECONDS) {
            return Err(format!("it is longer than {} hours", MAX_SECONDS / 3600));
        }
        Ok(())
    }

    fn check(&self, track: &Track) -> Result<(), String> {
        if self.damaged as f64 > self.blocks as f64 * MAX_DAMAGED {
            return Err(format!("damaged: {} of its {} blocks cannot be read", self.damaged, self.blocks));
        }
        let (Some(promised), Some((rate, _))) = (track.num_frames, self.form) else { return Ok(()) };
        let found = self.samples.len() as f64;
        if found < promised as f64 * (1.0 - MAX_MISSING) {
            let seconds = |samples: f64| samples / f64::from(rate);
            let (found, promised) = (seconds(found), seconds(promised as f64));
            return Err(format!("cut off: it should have {promised:.2} s and ends after {found:.2} s"));
        }
        Ok(())
    }
}
