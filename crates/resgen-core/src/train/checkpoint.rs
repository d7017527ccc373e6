//! Checkpoints of a run: a folder per step, complete or absent.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::model_file::{self, Storage};
use crate::atomic::sync_folder;
use crate::error::{Error, Result};
use crate::nn::parameters::NamedTensors;
use crate::sealed;

const STATE_FILE: &str = "state.safetensors";
const RECORD_FILE: &str = "state.json";
/// The model for use inside a checkpoint folder.
pub const MODEL_FILE: &str = "model.safetensors";
/// The version of the record's format.
const VERSION: u32 = 1;

/// How the folders of checkpoints are named; the number of the step follows.
const WHOLE: &str = "step-";
/// One that is being written.
const UNFINISHED: &str = "unfinished-";
/// One whose step is being saved again: as good as the one that takes its place.
const REPLACED: &str = "replaced-";

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
    /// [`Error::Io`] names the file; [`Error::File`] where a tensor is not finite. Older checkpoints stay as they
    /// were.
    pub fn save(
        &self,
        mut record: Record,
        state: NamedTensors,
        export: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let target = self.path(WHOLE, record.step);
        let unfinished = self.path(UNFINISHED, record.step);
        remove_folder(&unfinished)?;
        fs::create_dir_all(&unfinished).map_err(Error::io(&unfinished))?;
        record.checksum = model_file::write(&unfinished.join(STATE_FILE), &state, None, Storage::F32)?;
        drop(state); // it may be most of the memory, and what is exported comes to it
        if read_record(&target).is_ok_and(|there| there == record) {
            remove_folder(&unfinished)?;
            return Ok(target); // the same step with the same content, asked to stop just after it was saved, say
        }
        sealed::write(&unfinished.join(RECORD_FILE), VERSION, &record)?;
        export(&unfinished.join(MODEL_FILE))?;
        let replaced = self.path(REPLACED, record.step);
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
        let (found, broken) = self.first_of_newest(load)?;
        Ok(Newest { found, broken })
    }

    /// What the newest checkpoint says whose record reads, its tensors unread; none where there is no checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read; what is wrong with the newest where no record reads.
    pub fn newest_record(&self) -> Result<Option<Record>> {
        let (found, broken) = self.first_of_newest(read_record)?;
        match (found, broken.into_iter().next()) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    /// The step of the newest checkpoint, whole or broken.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn newest_step(&self) -> Result<Option<u64>> {
        Ok(self.folders()?.last().map(|&(step, _)| step))
    }

    /// Removes checkpoints of later steps than `step`: broken ones, which a run that goes on from `step` makes
    /// again. Left there, they would be counted among those that are kept.
    ///
    /// # Errors
    /// [`Error::Io`] names the folder.
    pub fn remove_after(&self, step: u64) -> Result<()> {
        let later = self.folders()?.into_iter().filter(|&(found, _)| found > step);
        later.into_iter().try_for_each(|(_, folder)| remove_folder(&folder))
    }

    /// What `read` makes of the newest checkpoint for which it succeeds, and its errors for those newer.
    fn first_of_newest<T>(&self, read: impl Fn(&Path) -> Result<T>) -> Result<(Option<T>, Vec<Error>)> {
        let mut broken = Vec::new();
        for (_, folder) in self.folders()?.into_iter().rev() {
            match read(&folder) {
                Ok(found) => return Ok((Some(found), broken)),
                Err(error) => broken.push(error),
            }
        }
        Ok((None, broken))
    }

    /// The folders of checkpoints, the newest last.
    fn folders(&self) -> Result<Vec<(u64, PathBuf)>> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.folder).map_err(Error::io(&self.folder))?;
        // By name within a step: what is there under its own name goes before what it replaces.
        let mut folders: Vec<(u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let name = name.to_str()?;
                let step = name.strip_prefix(WHOLE).or_else(|| name.strip_prefix(REPLACED))?;
                Some((step.parse().ok()?, entry.path()))
            })
            .collect();
        folders.sort_unstable();
        Ok(folders)
    }

    /// The folder of the checkpoint of `step`.
    pub fn path_of(&self, step: u64) -> PathBuf {
        self.path(WHOLE, step)
    }

    fn path(&self, kind: &str, step: u64) -> PathBuf {
        self.folder.join(format!("{kind}{step:09}"))
    }

    /// Removes checkpoints beyond those that are kept, and what killed runs left unfinished.
    fn clean(&self) -> Result<()> {
        let entries = fs::read_dir(&self.folder).map_err(Error::io(&self.folder))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(UNFINISHED) || name.starts_with(REPLACED) {
                remove_folder(&entry.path())?;
            }
        }
        let folders = self.folders()?;
        let surplus = folders.len().saturating_sub(self.keep);
        folders.into_iter().take(surplus).try_for_each(|(_, folder)| remove_folder(&folder))
    }
}

fn read_record(checkpoint: &Path) -> Result<Record> {
    sealed::read(&checkpoint.join(RECORD_FILE), VERSION)
}

fn load(checkpoint: &Path) -> Result<(Record, NamedTensors)> {
    let record = read_record(checkpoint)?;
    let state_path = checkpoint.join(STATE_FILE);
    let bytes = fs::read(&state_path).map_err(Error::io(&state_path))?;
    if crc32fast::hash(&bytes) != record.checksum {
        return Err(Error::file(&state_path, "is not the file its record describes: damaged"));
    }
    let (tensors, _) = model_file::from_bytes(&bytes).map_err(|reason| Error::file(&state_path, reason))?;
    Ok((record, tensors))
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn record(step: u64, skipped: Vec<u64>) -> Record {
        Record { version: "0".into(), step, skipped, config: serde_json::json!({"a": 0.1}), checksum: 0 }
    }

    fn state(value: f32) -> NamedTensors {
        NamedTensors::from([("weight".to_owned(), TensorData::new(vec![value], [1]))])
    }

    fn save(checkpoints: &Checkpoints, step: u64) -> PathBuf {
        checkpoints.save(record(step, Vec::new()), state(step as f32), |_| Ok(())).unwrap()
    }

    fn newest_step(checkpoints: &Checkpoints) -> Option<u64> {
        checkpoints.newest().unwrap().found.map(|(record, _)| record.step)
    }

    #[test]
    fn a_damaged_record_or_state_gives_the_one_before() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(run.path(), 3);
        let folders = [1, 2, 3].map(|step| save(&checkpoints, step));
        let path = folders[2].join(RECORD_FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"step\": 3", "\"step\": 4")).unwrap();
        let newest = checkpoints.newest().unwrap();
        assert_eq!(newest.found.unwrap().0.step, 2);
        assert!(newest.broken[0].to_string().contains("state.json"), "{}", newest.broken[0]);
        let path = folders[1].join(STATE_FILE);
        fs::write(&path, &fs::read(&path).unwrap()[1..]).unwrap();
        assert_eq!(newest_step(&checkpoints), Some(1));
        // Broken ones do not count among those kept.
        checkpoints.remove_after(1).unwrap();
        let checkpoints = Checkpoints::new(run.path(), 2);
        save(&checkpoints, 2);
        assert!(folders[0].exists());
    }

    #[test]
    fn a_kill_between_the_renames_of_a_second_save_loses_nothing() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(run.path(), 1);
        let folder = save(&checkpoints, 7);
        fs::rename(folder, checkpoints.path(REPLACED, 7)).unwrap();
        assert_eq!(newest_step(&checkpoints), Some(7));
        save(&checkpoints, 8);
        assert_eq!(checkpoints.folders().unwrap().len(), 1);
    }

    #[test]
    fn a_step_is_saved_again_only_where_it_differs() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(run.path(), 1);
        let exported = std::cell::Cell::new(0);
        let save = |skipped: Vec<u64>| {
            let export = |_: &Path| {
                exported.set(exported.get() + 1);
                Ok(())
            };
            checkpoints.save(record(3, skipped), state(0.0), export).unwrap();
        };
        [vec![], vec![], vec![3], vec![3]].into_iter().for_each(save);
        assert_eq!(exported.get(), 2);
        assert_eq!(checkpoints.newest_record().unwrap().unwrap().skipped, [3]);
    }

    #[test]
    fn weights_that_are_not_finite_are_not_saved() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(run.path(), 1);
        save(&checkpoints, 1);
        let error = checkpoints.save(record(2, Vec::new()), state(f32::NAN), |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("tensor `weight` holds NaN"), "{error}");
        assert_eq!(newest_step(&checkpoints), Some(1));
    }
}
