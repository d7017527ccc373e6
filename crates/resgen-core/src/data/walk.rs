//! Walking through folders: sorted, without hidden files, never in circles.

use std::path::{Path, PathBuf};

use crate::data::Problem;
use crate::error::{Error, Result};

/// What stands in a folder, links followed.
pub(super) enum Kind {
    Folder,
    File,
    /// A link to nothing, or a file that may not be looked at; why.
    Broken(String),
}

/// One name in a folder.
pub(super) struct Entry {
    /// Relative to the root.
    pub path: PathBuf,
    pub kind: Kind,
}

/// What stands in `root/folder`, in the order of the names, without hidden files.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub(super) fn entries(root: &Path, folder: &Path) -> Result<Vec<Entry>> {
    let whole = root.join(folder);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(&whole).map_err(Error::io(&whole))? {
        let entry = entry.map_err(Error::io(&whole))?;
        let name = entry.file_name();
        // The second is what archives made on a Mac bring along.
        if name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX" {
            continue;
        }
        let kind = match std::fs::metadata(entry.path()) {
            Ok(about) if about.is_dir() => Kind::Folder,
            Ok(_) => Kind::File,
            Err(error) => Kind::Broken(error.to_string()),
        };
        entries.push(Entry { path: folder.join(name), kind });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// The files of `root/folder` and all folders in it, relative to `root`.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be read.
pub(super) fn files(root: &Path, folder: &Path, problems: &mut Vec<Problem>) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut above = vec![real(root)?];
    descend(root, folder, &mut above, &mut files, problems)?;
    Ok(files)
}

fn descend(
    root: &Path,
    folder: &Path,
    above: &mut Vec<PathBuf>,
    files: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    for entry in entries(root, folder)? {
        match entry.kind {
            Kind::File => files.push(entry.path),
            Kind::Broken(reason) => problems.push(Problem { path: entry.path, reason }),
            Kind::Folder => {
                let place = real(&root.join(&entry.path))?;
                if above.contains(&place) {
                    let reason = "a link to a folder that it lies in".into();
                    problems.push(Problem { path: entry.path, reason });
                    continue;
                }
                above.push(place);
                descend(root, &entry.path, above, files, problems)?;
                above.pop();
            }
        }
    }
    Ok(())
}

fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(Error::io(path))
}
