//! Writing sounds: WAV and FLAC of 16 bits, and a WAV that is written while it is made.

use std::io::{Cursor, Seek as _, SeekFrom, Write};
use std::path::Path;

use flacenc::bitsink::ByteSink;
use flacenc::component::BitRepr;
use flacenc::error::Verify;
use flacenc::source::MemSource;
use hound::{SampleFormat, WavSpec, WavWriter};

use super::Sound;
use crate::atomic::write_atomically;
use crate::error::{Error, Result};

/// A file format that sounds are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RIFF WAVE, 16-bit PCM.
    Wav,
    /// FLAC, 16 bits.
    Flac,
}

impl Encoding {
    /// The format that a file's name asks for.
    ///
    /// # Errors
    /// [`Error::File`] for another extension than `wav` and `flac`.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        match extension.to_ascii_lowercase().as_str() {
            "wav" | "wave" => Ok(Self::Wav),
            "flac" => Ok(Self::Flac),
            _ => Err(Error::file(path, "sounds are written as .wav or .flac")),
        }
    }
}

impl Sound {
    /// Writes the sound, as WAV or FLAC by the extension, 16 bits a sample; what passes full scale is cut off. The file appears whole or not
    /// at all.
    ///
    /// # Errors
    /// [`Error::File`] for another extension, an empty sound or a rate that FLAC does not take, [`Error::Io`] when it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let encoding = Encoding::of(path)?;
        if self.samples.is_empty() {
            return Err(Error::file(path, "a sound without samples is not written"));
        }
        let bytes = match encoding {
            Encoding::Wav => self.wav(),
            Encoding::Flac => self.flac(),
        };
        let bytes = bytes.map_err(|reason| Error::file(path, reason))?;
        write_atomically(path, |writer| writer.write_all(&bytes))
    }

    fn wav(&self) -> Result<Vec<u8>, String> {
        let form = WavSpec {
            channels: 1,
            sample_rate: self.rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let failed = |reason: hound::Error| reason.to_string();
        let mut writer = WavWriter::new(&mut bytes, form).map_err(failed)?;
        for &sample in &self.samples {
            writer.write_sample(sixteen_bits(sample)).map_err(failed)?;
        }
        writer.finalize().map_err(failed)?;
        Ok(bytes.into_inner())
    }

    fn flac(&self) -> Result<Vec<u8>, String> {
        let samples: Vec<i32> = self.samples.iter().map(|&sample| sixteen_bits(sample).into()).collect();
        let source = MemSource::from_samples(&samples, 1, 16, self.rate as usize);
        let settings = flacenc::config::Encoder::default();
        let settings = settings.into_verified().map_err(|(_, reason)| reason.to_string())?;
        let size = settings.block_size;
        let failed = |reason: String| format!("FLAC: {reason}");
        let mut stream = flacenc::encode_with_fixed_block_size(&settings, source, size)
            .map_err(|reason| failed(reason.to_string()))?;
        // The encoder counts the last block, which is shorter; the format does not, and readers then expect blocks of any size.
        stream.stream_info_mut().set_block_sizes(size, size).map_err(|reason| failed(reason.to_string()))?;
        let mut bytes = ByteSink::new();
        stream.write(&mut bytes).map_err(|reason| failed(reason.to_string()))?;
        Ok(bytes.as_slice().to_vec())
    }
}

/// A WAV that goes to a pipe or file sample by sample: its header says that its length is not known, which players take for "until it ends".
pub struct WavStream<W: Write> {
    writer: W,
    rate: u32,
}

impl<W: Write> WavStream<W> {
    /// Begins the stream.
    ///
    /// # Errors
    /// What `writer` returns.
    pub fn new(mut writer: W, rate: u32) -> std::io::Result<Self> {
        const BYTES: u32 = 2;
        let unknown = u32::MAX.to_le_bytes();
        writer.write_all(b"RIFF")?;
        writer.write_all(&unknown)?;
        writer.write_all(b"WAVEfmt ")?;
        writer.write_all(&16u32.to_le_bytes())?;
        writer.write_all(&1u16.to_le_bytes())?; // PCM
        writer.write_all(&1u16.to_le_bytes())?; // one channel
        writer.write_all(&rate.to_le_bytes())?;
        writer.write_all(&(rate * BYTES).to_le_bytes())?;
        writer.write_all(&(BYTES as u16).to_le_bytes())?;
        writer.write_all(&(BYTES as u16 * 8).to_le_bytes())?;
        writer.write_all(b"data")?;
        writer.write_all(&unknown)?;
        writer.flush()?;
        Ok(Self { writer, rate })
    }

    /// Writes the next samples, so that a listener has them at once.
    ///
    /// # Errors
    /// What the writer returns, and `InvalidInput` for a sound of another rate.
    pub fn write(&mut self, sound: &Sound) -> std::io::Result<()> {
        if sound.rate != self.rate {
            let reason = format!("{} Hz in a stream of {} Hz", sound.rate, self.rate);
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, reason));
        }
        let bytes: Vec<u8> =
            sound.samples.iter().flat_map(|&sample| sixteen_bits(sample).to_le_bytes()).collect();
        self.writer.write_all(&bytes)?;
        self.writer.flush()
    }
}

/// Puts the lengths, which nobody knows while a stream begins, into the header of a file that a [`WavStream`] was written to.
///
/// # Errors
/// Where it cannot be written.
pub fn state_lengths(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    for (at, before) in [(4, 8), (40, 44)] {
        let after = u32::try_from(length.saturating_sub(before)).unwrap_or(u32::MAX);
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&after.to_le_bytes())?;
    }
    Ok(())
}

/// The nearest of the 65,536 levels.
fn sixteen_bits(sample: f32) -> i16 {
    (sample * 32768.0).round().clamp(-32768.0, 32767.0) as i16
}
