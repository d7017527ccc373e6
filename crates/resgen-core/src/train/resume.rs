//! Whether a run may begin in a folder, and whether it may go on there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::checkpoint::Checkpoints;
use crate::error::{Error, Result};

/// The keys that change nothing about the weights, and so may change when a run goes on.
pub const FREE_KEYS: [&str; 4] = ["train.checkpoint_every", "train.preview_every", "train.keep", "licence"];

/// So may the sampler settings that the model file carries.
const FREE_SECTION: &str = "sample.";

/// What is wanted of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A run from the first step: the folder must hold no other run.
    Fresh,
    /// The run that is there, from its newest checkpoint; a fresh one where there is none.
    Resume,
}

/// Makes sure that a run with `config` may start in `folder`, so that no run overwrites another or goes on
/// as something else.
///
/// # Errors
/// [`Error::Argument`] for a fresh start in a folder that holds checkpoints; [`Error::Config`] names the first
/// key (of those not in [`FREE_KEYS`]) whose value is not the one the run began with; [`Error::Io`] and
/// [`Error::File`] where the folder, or every checkpoint's record in it, cannot be read.
pub fn check(folder: &Path, config: &Value, start: Start) -> Result<()> {
    let checkpoints = Checkpoints::new(folder, 1);
    match (start, checkpoints.newest_step()?) {
        (_, None) => Ok(()),
        (Start::Fresh, Some(step)) => {
            let reason = format!(
                "{} holds a run at step {step}; go on with it (--resume) or choose another folder",
                folder.display(),
            );
            Err(Error::argument("run folder", reason))
        }
        (Start::Resume, Some(_)) => match checkpoints.newest_record()? {
            Some(record) => same(&record.config, config),
            None => Ok(()),
        },
    }
}

fn same(began: &Value, now: &Value) -> Result<()> {
    let (began, now) = (flat(began), flat(now));
    let keys: BTreeSet<&String> = began.keys().chain(now.keys()).collect();
    for key in keys {
        let (before, after) = (began.get(key), now.get(key));
        if before != after && !FREE_KEYS.contains(&key.as_str()) && !key.starts_with(FREE_SECTION) {
            let text = |value: Option<&Value>| value.map_or("nothing".into(), Value::to_string);
            let reason = format!(
                "the run began with {}, the config now says {}; only {} may change when a run goes on",
                text(before),
                text(after),
                FREE_KEYS.join(", ")
            );
            return Err(Error::config(key, reason));
        }
    }
    Ok(())
}

/// The values by dotted key. What is not set at all is the same as null.
fn flat(config: &Value) -> BTreeMap<String, Value> {
    fn visit(key: String, value: &Value, flat: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) => {
                let prefix = if key.is_empty() { key } else { key + "." };
                fields.iter().for_each(|(name, value)| visit(format!("{prefix}{name}"), value, flat));
            }
            Value::Null => {}
            value => drop(flat.insert(key, value.clone())),
        }
    }
    let mut flat = BTreeMap::new();
    visit(String::new(), config, &mut flat);
    flat
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::nn::parameters::NamedTensors;
    use crate::train::checkpoint::Record;

    #[test]
    fn the_first_key_that_differs_is_named_with_both_values() {
        let began = json!({"licence": "a", "train": {"steps": 5, "keep": 1, "seed": 1}, "data": null});
        let mut now = json!({"licence": "b", "train": {"steps": 5, "keep": 2, "seed": 1}});
        same(&began, &now).unwrap();
        now["train"]["steps"] = 7.into();
        let error = same(&began, &now).unwrap_err().to_string();
        assert!(error.contains("`train.steps`: the run began with 5, the config now says 7"), "{error}");
    }

    #[test]
    fn a_folder_with_checkpoints_is_for_going_on_only() {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({"rate": 0.1_f32});
        check(folder.path(), &config, Start::Fresh).unwrap();
        let record =
            Record { version: "0".into(), step: 3, skipped: Vec::new(), config: config.clone(), checksum: 0 };
        Checkpoints::new(folder.path(), 1).save(record, NamedTensors::new(), |_| Ok(())).unwrap();
        check(folder.path(), &config, Start::Resume).unwrap();
        let error = check(folder.path(), &config, Start::Fresh).unwrap_err().to_string();
        assert!(error.contains("holds a run at step 3"), "{error}");
    }
}
