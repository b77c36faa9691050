//! The checkpoints of a run: which are complete, which is the last, which the best, which may go.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Best, RunError, RunFolder, commit, exact, read_json, write_json};
use crate::files::FileError;

/// The folder of checkpoints in the run folder.
pub const FOLDER: &str = "checkpoints";
const STATE: &str = "state.json";
const POINTERS: &str = "pointers.json";
const FILES: &str = "files";

/// A complete checkpoint: its `state.json` lists its files, and all are there with their sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its optimiser steps.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Pointers {
    last: Option<String>,
    best: Option<String>,
    best_metric: Option<String>,
    #[serde(default, with = "optional")]
    best_value: Option<f64>,
}

mod optional {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::exact::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        let value = Option::<serde_json::Value>::deserialize(deserializer)?;
        Ok(value.as_ref().and_then(crate::train::sinks::jsonl::as_number))
    }
}

fn folder_name(step: u64) -> String {
    format!("step-{step:08}")
}

fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("step-")?;
    let step = digits.parse().ok()?;
    (folder_name(step) == name).then_some(step)
}

impl Checkpoint {
    /// The checkpoint in a folder, if it is complete.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let incomplete = |problem: String| RunError::Incomplete {
            path: path.to_owned(),
            problem,
        };
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let step = step_of(&name).ok_or_else(|| incomplete("its name is not step-<8 digits>".to_string()))?;
        let state_path = path.join(STATE);
        if !state_path.is_file() {
            return Err(incomplete(format!("it has no {STATE}")));
        }
        let state: Map<String, Value> = read_json(&state_path)?;
        let listed = state.get(FILES).and_then(Value::as_object);
        for (file, size) in listed.ok_or_else(|| incomplete(format!("{STATE} has no list `{FILES}`")))? {
            if !Path::new(file)
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
            {
                return Err(incomplete(format!(
                    "{STATE} lists {file}, which is outside of the folder"
                )));
            }
            let actual = std::fs::metadata(path.join(file))
                .ok()
                .filter(|m| m.is_file())
                .map(|m| m.len());
            match actual {
                Some(actual) if size.as_u64() == Some(actual) => {}
                Some(actual) => {
                    return Err(incomplete(format!(
                        "{file} has {actual} bytes, {STATE} says {size}"
                    )));
                }
                None => return Err(incomplete(format!("{file} is missing"))),
            }
        }
        Ok(Self {
            step,
            path: path.to_owned(),
        })
    }

    /// Its `state.json`.
    pub fn state(&self) -> Result<Map<String, Value>, RunError> {
        read_json(&self.path.join(STATE))
    }

    fn name(&self) -> String {
        folder_name(self.step)
    }
}

impl RunFolder {
    fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.root.join(FOLDER).join(folder_name(step))
    }

    /// Saves a checkpoint and makes it the last. `write` fills the folder that it is given and returns the contents of `state.json`,
    /// to which the list of files is added. A checkpoint of the same step is replaced; if `write` fails, everything stays as it was.
    pub fn save_checkpoint<E: From<RunError>>(
        &mut self,
        step: u64,
        write: impl FnOnce(&Path) -> Result<Map<String, Value>, E>,
    ) -> Result<Checkpoint, E> {
        self.writable()?;
        let path = commit::commit_folder(&self.root.join(FOLDER), &folder_name(step), |folder| {
            let mut state = write(folder)?;
            let mut files = Map::new();
            list_files(folder, "", &mut files)?;
            state.insert(FILES.to_string(), files.into());
            Ok::<_, E>(write_json(&folder.join(STATE), &state)?)
        })?;
        let mut pointers = self.pointers();
        pointers.last = Some(folder_name(step));
        self.write_pointers(&pointers)?;
        self.update(|info| info.last_step = step)?;
        Ok(Checkpoint { step, path })
    }

    /// The complete checkpoints, oldest first.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>, RunError> {
        let folder = self.root.join(FOLDER);
        let names = if folder.is_dir() {
            commit::names(&folder)?
        } else {
            Vec::new()
        };
        let mut found: Vec<Checkpoint> = names
            .iter()
            .filter_map(|name| Checkpoint::open(&folder.join(name)).ok())
            .collect();
        found.sort_by_key(|checkpoint| checkpoint.step);
        Ok(found)
    }

    /// The newest complete checkpoint, whatever `pointers.json` says: the process may have been killed before it was written.
    pub fn last(&self) -> Result<Option<Checkpoint>, RunError> {
        Ok(self.checkpoints()?.pop())
    }

    /// The best checkpoint, if one is marked and complete.
    pub fn best(&self) -> Option<Checkpoint> {
        let name = self.pointers().best?;
        step_of(&name).and_then(|step| Checkpoint::open(&self.checkpoint_path(step)).ok())
    }

    /// Marks the checkpoint of this step as the best by this figure.
    pub fn mark_best(&mut self, step: u64, metric: &str, value: f64) -> Result<(), RunError> {
        self.writable()?;
        let checkpoint = Checkpoint::open(&self.checkpoint_path(step))?;
        let mut pointers = self.pointers();
        pointers.best = Some(checkpoint.name());
        (pointers.best_metric, pointers.best_value) = (Some(metric.to_string()), Some(value));
        self.write_pointers(&pointers)?;
        self.update(|info| {
            info.best = Some(Best {
                step,
                metric: metric.to_string(),
                value,
            })
        })
    }

    /// Removes complete checkpoints but for the newest `keep`, the last and the best. Gives the steps of those that went.
    pub fn retain(&mut self, keep: usize) -> Result<Vec<u64>, RunError> {
        self.writable()?;
        let best = self.best();
        let mut all = self.checkpoints()?;
        // The last always stays: without it the run could not be resumed.
        all.truncate(all.len().saturating_sub(keep.max(1)));
        all.retain(|checkpoint| Some(checkpoint) != best.as_ref());
        for checkpoint in &all {
            commit::remove_whole(&self.root.join(FOLDER), &checkpoint.name())?;
        }
        Ok(all.into_iter().map(|checkpoint| checkpoint.step).collect())
    }

    /// Makes the pointers point to complete checkpoints, and notes where they did not.
    pub(super) fn check_pointers(&mut self) -> Result<(), RunError> {
        let mut pointers = self.pointers();
        let last = self.last()?.map(|checkpoint| checkpoint.name());
        if pointers.last != last {
            let said = pointers.last.as_deref().unwrap_or("nothing");
            let found = last.as_deref().unwrap_or("none");
            self.notes.push(format!(
                "{POINTERS} names {said} as the last checkpoint; the newest complete one is {found}"
            ));
            pointers.last = last;
        }
        if let Some(best) = pointers.best.take_if(|_| self.best().is_none()) {
            self.notes.push(format!(
                "the best checkpoint, {best}, is missing or incomplete; none is marked now"
            ));
            (pointers.best_metric, pointers.best_value) = (None, None);
        }
        // run.json repeats the pointers for readers.
        self.info.best = match (&pointers.best, &pointers.best_metric, pointers.best_value) {
            (Some(name), Some(metric), Some(value)) => step_of(name).map(|step| Best {
                step,
                metric: metric.clone(),
                value,
            }),
            _ => None,
        };
        self.write_pointers(&pointers)
    }

    /// A damaged file counts as none: all it says can be found again or measured again.
    fn pointers(&self) -> Pointers {
        read_json(&self.root.join(POINTERS)).unwrap_or_default()
    }

    fn write_pointers(&self, pointers: &Pointers) -> Result<(), RunError> {
        write_json(&self.root.join(POINTERS), pointers)
    }
}

fn list_files(folder: &Path, prefix: &str, files: &mut Map<String, Value>) -> Result<(), RunError> {
    for name in commit::names(folder)? {
        let (path, listed) = (folder.join(&name), format!("{prefix}{name}"));
        let metadata = std::fs::metadata(&path).map_err(|e| FileError::new("read the size of", &path, e))?;
        if metadata.is_dir() {
            list_files(&path, &format!("{listed}/"), files)?;
        } else if listed != STATE {
            files.insert(listed, metadata.len().into());
        }
    }
    Ok(())
}
