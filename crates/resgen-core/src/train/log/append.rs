//! A file that only grows, by whole records.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Appends records, each with one system call, so that a killed process loses at most the record under way.
pub(super) struct Appender {
    path: PathBuf,
    file: File,
    /// Bytes of whole records.
    length: u64,
}

impl Appender {
    /// Goes on at the end of the existing file `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::new(path, OpenOptions::new().append(true).open(path)).map_err(Error::io(path))
    }

    /// Creates `path`, which must not exist yet: another writer may own it.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Self::new(path, OpenOptions::new().append(true).create_new(true).open(path))
    }

    fn new(path: &Path, file: io::Result<File>) -> io::Result<Self> {
        let file = file?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, length })
    }

    /// Writes one whole record.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<()> {
        if let Err(error) = self.file.write_all(record) {
            // A record cut short by a full disk would spoil the next one; if the cut stays, reading tolerates it.
            let _ = self.file.set_len(self.length);
            return Err(Error::io(&self.path)(error));
        }
        self.length += record.len() as u64;
        Ok(())
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_after_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records");
        Appender::create(&path).unwrap().append(b"one,").unwrap();
        let mut again = Appender::open(&path).unwrap();
        again.append(b"two").unwrap();
        again.sync().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one,two");
    }

    #[test]
    fn does_not_take_another_writers_file_nor_invent_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records");
        assert!(matches!(Appender::open(&path), Err(Error::Io { path: at, .. }) if at == path));
        std::fs::write(&path, "taken").unwrap();
        assert_eq!(
            Appender::create(&path).err().map(|error| error.kind()),
            Some(io::ErrorKind::AlreadyExists)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        // Every write to this device fails as on a full disk.
        let mut full = Appender::open(Path::new("/dev/full")).unwrap();
        let error = full.append(b"row").unwrap_err();
        assert!(matches!(error, Error::Io { path, source }
            if path == Path::new("/dev/full") && source.kind() == io::ErrorKind::StorageFull));
    }
}
