//! Event files that TensorBoard reads.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::append::Appender;
use super::protobuf::{Content, PngHeader, event};
use crate::error::{Error, Result};

/// Writes scalars and pictures to an event file of its own in the folder of a run.
///
/// Every event is one system call: what is written is seen at once and outlives a kill.
pub struct EventWriter {
    file: Appender,
}

impl EventWriter {
    /// Creates a new event file in `dir`; TensorBoard reads those of earlier starts of the run before it.
    ///
    /// A run that goes on from the checkpoint of step `k` passes `Some(k)`, and a new run in the folder passes
    /// `None`: a mark in the file makes TensorBoard drop what older files hold of the steps to come.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be created or written.
    pub fn create(dir: impl AsRef<Path>, resume_step: Option<u64>) -> Result<Self> {
        let mut writer = Self { file: create_file(dir.as_ref())? };
        writer.write(0, &Content::Version)?;
        writer.write(resume_step.map_or(0, |step| step.saturating_add(1)), &Content::Restart)?;
        Ok(writer)
    }

    /// Writes named numbers; TensorBoard keeps them with 32 bits.
    ///
    /// # Errors
    /// [`Error::Io`] from the system.
    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<()> {
        self.write(step, &Content::Scalars(scalars))
    }

    /// Writes a picture, given as the bytes of a PNG file.
    ///
    /// # Errors
    /// [`Error::Argument`] when `png` is no PNG file, [`Error::Io`] from the system.
    pub fn image(&mut self, tag: &str, step: u64, png: &[u8]) -> Result<()> {
        let header = PngHeader::read(png)
            .ok_or_else(|| Error::argument("png", format!("expected a PNG file for `{tag}`, found none")))?;
        self.write(step, &Content::Image { tag, png, header })
    }

    /// Waits until all events are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] from the system.
    pub fn flush(&mut self) -> Result<()> {
        self.file.sync()
    }

    fn write(&mut self, step: u64, content: &Content) -> Result<()> {
        // A clock before 1970 only spoils the time axis.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.file.append(&record(&event(now.as_secs_f64(), step, content)))
    }
}

/// Creates a file of a name not yet taken. TensorBoard reads files in the order of their names,
/// so a second start within one second takes the next second, not another suffix.
fn create_file(dir: &Path) -> Result<Appender> {
    let mut seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    while is_taken(dir, seconds)? {
        seconds += 1;
    }
    let path = dir.join(format!("{}resgen-{}", prefix(seconds), std::process::id()));
    Appender::create(&path).map_err(Error::io(path))
}

fn prefix(seconds: u64) -> String {
    format!("events.out.tfevents.{seconds:010}.")
}

fn is_taken(dir: &Path, seconds: u64) -> Result<bool> {
    let prefix = prefix(seconds);
    for entry in dir.read_dir().map_err(Error::io(dir))? {
        if entry.map_err(Error::io(dir))?.file_name().to_string_lossy().starts_with(&prefix) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Frames `data` as a TFRecord: its length, the checksum of that, the data, the checksum of those.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// CRC-32C, rotated and shifted: the format masks it since a checksum of data that hold checksums is weak.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests;
