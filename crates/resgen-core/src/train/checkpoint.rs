//! Checkpoints of a run: a folder per step, complete or absent.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::model_file::{Storage, from_bytes, to_bytes};
use crate::atomic::{sync_folder, write_atomically};
use crate::error::{Error, Result};
use crate::nn::parameters::NamedTensors;

const STATE_FILE: &str = "state.safetensors";
const RECORD_FILE: &str = "state.json";
/// The model for use inside a checkpoint folder.
pub const MODEL_FILE: &str = "model.safetensors";
const UNFINISHED: &str = "unfinished-";

/// What a checkpoint says beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this program.
    pub version: String,
    /// Steps done; the data goes on with this one.
    pub step: u64,
    /// Steps left out after a loss that was not finite.
    pub skipped: Vec<u64>,
    /// The resolved configuration.
    pub config: serde_json::Value,
    /// CRC-32 of the state file's bytes.
    pub checksum: u32,
}

/// What [`Checkpoints::newest`] found.
pub struct Newest {
    /// The newest whole checkpoint: its record and its state.
    pub found: Option<(Record, NamedTensors)>,
    /// Why newer ones were passed over.
    pub broken: Vec<Error>,
}

/// The checkpoints of one run.
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// The checkpoints below `run`, of which the newest `keep` are kept (at least one).
    pub fn new(run: &Path, keep: usize) -> Self {
        Self { folder: run.join("checkpoints"), keep: keep.max(1) }
    }

    /// Writes a checkpoint: everything into a folder with another name, which is then renamed.
    /// `export` writes the model for use to the path given to it.
    ///
    /// # Errors
    /// [`Error::Io`] names the file; older checkpoints stay as they were.
    pub fn save(
        &self,
        mut record: Record,
        state: &NamedTensors,
        export: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let target = self.path(record.step);
        let unfinished = self.folder.join(format!("{UNFINISHED}{}", record.step));
        remove_folder(&unfinished)?;
        fs::create_dir_all(&unfinished).map_err(Error::io(&unfinished))?;
        let bytes = to_bytes(state, None, Storage::F32).map_err(|reason| Error::file(&target, reason))?;
        record.checksum = crc32fast::hash(&bytes);
        write_atomically(unfinished.join(STATE_FILE), |writer| writer.write_all(&bytes))?;
        let text = serde_json::to_vec_pretty(&record).map_err(|error| Error::file(&target, error))?;
        write_atomically(unfinished.join(RECORD_FILE), |writer| writer.write_all(&text))?;
        export(&unfinished.join(MODEL_FILE))?;
        // A step that is saved again holds the same; the old folder stays until the new one has its name.
        let replaced = self.folder.join(format!("{UNFINISHED}replaced-{}", record.step));
        remove_folder(&replaced)?;
        match fs::rename(&target, &replaced) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&target)(error));
            }
            _ => {}
        }
        fs::rename(&unfinished, &target).map_err(Error::io(&target))?;
        sync_folder(&self.folder).map_err(Error::io(&self.folder))?;
        self.clean()?;
        Ok(target)
    }

    /// The newest checkpoint that is whole, with the reasons why newer ones are not.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn newest(&self) -> Result<Newest> {
        let mut broken = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            match self.load(step) {
                Ok(found) => return Ok(Newest { found: Some(found), broken }),
                Err(error) => broken.push(error),
            }
        }
        Ok(Newest { found: None, broken })
    }

    /// What the newest checkpoint says, its tensors unread.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn newest_record(&self) -> Result<Option<Record>> {
        Ok(self.steps()?.into_iter().rev().find_map(|step| self.record(step).ok()))
    }

    fn record(&self, step: u64) -> Result<Record> {
        let path = self.path(step).join(RECORD_FILE);
        let text = fs::read(&path).map_err(Error::io(&path))?;
        serde_json::from_slice(&text).map_err(|error| Error::file(&path, error))
    }

    fn load(&self, step: u64) -> Result<(Record, NamedTensors)> {
        let record = self.record(step)?;
        let state_path = self.path(step).join(STATE_FILE);
        let bytes = fs::read(&state_path).map_err(Error::io(&state_path))?;
        if crc32fast::hash(&bytes) != record.checksum || record.step != step {
            return Err(Error::file(&state_path, "is not the file its record describes: damaged"));
        }
        let (tensors, _) = from_bytes(&bytes).map_err(|reason| Error::file(&state_path, reason))?;
        Ok((record, tensors))
    }

    /// The steps that have a checkpoint, in order.
    fn steps(&self) -> Result<Vec<u64>> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.folder).map_err(Error::io(&self.folder))?;
        let mut steps: Vec<u64> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok())
            .collect();
        steps.sort_unstable();
        Ok(steps)
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:09}"))
    }

    /// Removes checkpoints beyond those that are kept, and what killed runs left unfinished.
    fn clean(&self) -> Result<()> {
        let entries = fs::read_dir(&self.folder).map_err(Error::io(&self.folder))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                remove_folder(&entry.path())?;
            }
        }
        let steps = self.steps()?;
        for &step in &steps[..steps.len().saturating_sub(self.keep)] {
            remove_folder(&self.path(step))?;
        }
        Ok(())
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder)(error)),
        _ => Ok(()),
    }
}
