//! Files that are either the old one or the new one, never half of one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// How the name of every temporary file ends, so that leftovers of a killed run can be told apart.
const SUFFIX: &str = ".resgen-tmp";

/// Numbers the temporaries of this process: two threads may write the same target.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Writes `path` so that a reader, or a run restarted after a crash, sees the whole old or the whole new file.
///
/// The content goes to a hidden file in the same folder, which is flushed to the disk and renamed over `path`.
///
/// # Errors
/// [`Error::Io`], naming `path`, when the folder cannot be written, the disk is full or `write` fails;
/// the old file is then untouched and the temporary one is gone.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, write).map_err(Error::io(path))
}

/// Removes what killed writers left in `dir` and returns how many files that were.
///
/// Call it while nothing else writes in the folder: the temporary of a living writer looks the same.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed or a leftover cannot be removed.
pub fn remove_stale_temporaries(dir: impl AsRef<Path>) -> Result<usize> {
    let dir = dir.as_ref();
    let mut removed = 0;
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_file = entry.file_type().map_err(Error::io(entry.path()))?.is_file();
        if is_file && name.starts_with('.') && name.ends_with(SUFFIX) {
            fs::remove_file(entry.path()).map_err(Error::io(entry.path()))?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?
        .to_string_lossy();
    // The parent of a bare file name is "", which the system would not open.
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (file, temporary) = Temporary::create(folder, &name)?;
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    drop(file);
    temporary.rename(path)?;
    sync_folder(folder)
}

/// A temporary file that is removed when dropped, be it by an error or a panic of the writer.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn create(folder: &Path, name: &str) -> io::Result<(File, Self)> {
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!(".{name}.{}.{number}{SUFFIX}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, Self { path })),
                // A leftover of a killed process that had the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn rename(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // There is an error on its way already, and it says more than this one would.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the rename itself survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        // Some network file systems have no such operation for a folder; there is nothing more to do on them.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_the_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.bin");
        write_atomically(&path, |writer| writer.write_all(b"a long first version")).unwrap();
        write_atomically(&path, |writer| writer.write_all(b"second")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(dir.path()), ["model.bin"]);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.bin");
        fs::write(&path, "old").unwrap();
        let error = write_atomically(&path, |writer| {
            writer.write_all(b"half")?;
            Err(io::Error::from(ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert!(
            matches!(&error, Error::Io { path: at, source } if *at == path && source.kind() == ErrorKind::StorageFull)
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["model.bin"]);
    }

    #[test]
    fn a_missing_folder_and_a_path_without_a_name_are_errors_that_name_the_target() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("absent").join("model.bin");
        let error = write_atomically(&path, |_| Ok(())).unwrap_err();
        assert!(matches!(&error, Error::Io { path: at, .. } if *at == path));
        assert!(matches!(write_atomically("/", |_| Ok(())), Err(Error::Io { .. })));
    }

    #[test]
    fn a_target_that_is_a_folder_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(matches!(write_atomically(&path, |_| Ok(())), Err(Error::Io { .. })));
        assert_eq!(names(dir.path()), ["taken"]);
    }

    #[test]
    fn only_our_own_leftovers_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".model.bin.12.0.resgen-tmp", ".model.bin.12.1.tmp", "notes.resgen-tmp", "model.bin"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        assert_eq!(remove_stale_temporaries(dir.path()).unwrap(), 1);
        assert_eq!(names(dir.path()), [".model.bin.12.1.tmp", "model.bin", "notes.resgen-tmp"]);
        assert!(matches!(remove_stale_temporaries(dir.path().join("absent")), Err(Error::Io { .. })));
    }
}
