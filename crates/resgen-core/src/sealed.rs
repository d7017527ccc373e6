//! Small JSON files that carry a version and a checksum of their own.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::atomic::write_atomically;
use crate::error::{Error, Result};

/// A file's content beside its version and checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<T> {
    version: u32,
    /// Of the content written without spaces.
    crc32: u32,
    content: T,
}

/// Writes `content` atomically, so that [`read`] notices any change of it.
///
/// # Errors
/// [`Error::Io`] names the path.
pub fn write<T: Serialize>(path: &Path, version: u32, content: &T) -> Result<()> {
    let crc32 = checksum(path, content)?;
    let mut text = serde_json::to_vec_pretty(&Sealed { version, crc32, content })
        .map_err(|error| Error::file(path, error))?;
    text.push(b'\n');
    write_atomically(path, |writer| writer.write_all(&text))
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] name the path: it is no such file, another version's, or damaged.
pub fn read<T: Serialize + DeserializeOwned>(path: &Path, version: u32) -> Result<T> {
    /// Read first: the rest of another version's file need not make sense.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let text = std::fs::read(path).map_err(Error::io(path))?;
    let broken = |error: serde_json::Error| Error::file(path, format!("it does not read: {error}"));
    let Version { version: found } = serde_json::from_slice(&text).map_err(broken)?;
    if found != version {
        let reason =
            format!("`version`: expected {version}, found {found}; another release of resgen wrote it");
        return Err(Error::file(path, reason));
    }
    let sealed: Sealed<T> = serde_json::from_slice(&text).map_err(broken)?;
    let expected = checksum(path, &sealed.content)?;
    if sealed.crc32 != expected {
        let reason = format!(
            "its content does not match its checksum (expected {expected}, found {}): it was damaged or edited",
            sealed.crc32
        );
        return Err(Error::file(path, reason));
    }
    Ok(sealed.content)
}

fn checksum<T: Serialize>(path: &Path, content: &T) -> Result<u32> {
    let text = serde_json::to_vec(content).map_err(|error| Error::file(path, error))?;
    Ok(crc32fast::hash(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn comes_back_as_it_was_with_every_bit_of_its_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let content =
            json!({"a": 0.1_f32, "b": f64::MIN_POSITIVE, "c": [1.0 / 3.0, 9.007_199_254_740_993e-200]});
        write(&path, 3, &content).unwrap();
        assert_eq!(read::<Value>(&path, 3).unwrap(), content);
    }

    #[test]
    fn changes_and_other_versions_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, 1, &json!({"step": 17})).unwrap();
        let error = read::<Value>(&path, 2).unwrap_err().to_string();
        assert!(error.contains("a.json") && error.contains("expected 2, found 1"), "{error}");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("17", "18")).unwrap();
        let error = read::<Value>(&path, 1).unwrap_err().to_string();
        assert!(error.contains("damaged or edited"), "{error}");
    }
}
