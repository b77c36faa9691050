//! The folder of a run: everything that is needed to resume, evaluate and export it.
//!
//! ```text
//! checkpoints/<run>/
//!   recipe.toml     the resolved recipe
//!   run.json        what it is and how far it came ([`RunInfo`])
//!   metrics.jsonl   every figure
//!   events/         the same for TensorBoard
//!   checkpoints/    step-00000020/, … each with a state.json
//!   pointers.json   which checkpoint is the last and which the best
//!   eval.json       the figures of the evaluation
//!   report.html     the same to look at, with curves, searches and failures
//!   lock            who writes the run
//! ```
//! Files are written whole and folders are renamed into place, so that a process may be killed at any moment: what it leaves is
//! cleaned when the run is resumed.

mod checkpoints;
mod commit;
mod error;
mod lock;
pub mod name;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::{self, FileError};
use crate::train::sinks::{jsonl, tensorboard};
pub use checkpoints::Checkpoint;
pub use commit::{clean_leftovers, commit_folder};
pub use error::RunError;
pub use lock::Holder;

/// The resolved recipe's file.
pub const RECIPE: &str = "recipe.toml";
/// The file of [`RunInfo`].
pub const INFO: &str = "run.json";
/// The file of the evaluation's figures.
pub const EVAL: &str = "eval.json";
const FORMAT: u32 = 1;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A process trains it, or died while it did.
    #[default]
    Running,
    /// All steps are done.
    Finished,
    /// It took the steps that `--max-steps` allows, and saved a checkpoint.
    Stopped,
    /// It was asked to stop and saved a checkpoint.
    Interrupted,
    /// It stopped by an error.
    Failed,
}

impl Status {
    /// The name in `run.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// The best checkpoint so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its optimiser steps.
    pub step: u64,
    /// The figure that chose it, such as `valid/recall@1`.
    pub metric: String,
    /// That figure's value.
    #[serde(with = "exact")]
    pub value: f64,
}

/// What a run is and how far it came: `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The version of this file's form.
    pub format: u32,
    /// The run's name.
    pub name: String,
    /// The recipe's name.
    pub recipe: String,
    /// The hash of the resolved recipe.
    pub recipe_fingerprint: String,
    /// The hash of the data.
    pub data_fingerprint: String,
    /// The version of tailor that began the run.
    pub code_version: String,
    /// The device it trains on.
    pub device: String,
    /// The seed of all its random numbers.
    pub seed: u64,
    /// When it began, in UTC.
    pub created: String,
    /// Where it stands.
    pub status: Status,
    /// The optimiser steps of its last checkpoint or of its end.
    pub last_step: u64,
    /// Its best checkpoint so far.
    pub best: Option<Best>,
}

/// A run's folder. One that was created or resumed is locked against other writers until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    info: RunInfo,
    lock: Option<lock::Lock>,
    notes: Vec<String>,
}

impl RunFolder {
    /// Makes the folder `parent/name` for a new run. `recipe` is the text of the resolved recipe. Of `info`, the name, the time and
    /// the status are filled in here. A run of this name that exists is refused.
    pub fn create(parent: &Path, name: &str, info: RunInfo, recipe: &str) -> Result<Self, RunError> {
        name::check(name)?;
        let exists = || RunError::Exists {
            name: name.to_string(),
            path: parent.join(name),
        };
        if parent.join(name).exists() {
            return Err(exists());
        }
        files::create_folder(parent)?;
        // Another process may be making its run beside this one; what is an hour old is abandoned.
        clean_leftovers(parent, Duration::from_secs(3600))?;
        let now = name::timestamp(SystemTime::now());
        let info = RunInfo {
            format: FORMAT,
            name: name.to_string(),
            created: now,
            status: Status::Running,
            ..info
        };
        let mut held = None;
        let root = commit::new_folder(parent, name, |folder| {
            files::write_whole(&folder.join(RECIPE), |w| w.write_all(recipe.as_bytes()))?;
            write_json(&folder.join(INFO), &info)?;
            files::create_folder(&folder.join(checkpoints::FOLDER))?;
            held = Some(lock::Lock::take(folder)?.0);
            Ok::<_, RunError>(())
        })?
        .ok_or_else(exists)?;
        Ok(Self {
            root,
            info,
            lock: held,
            notes: Vec::new(),
        })
    }

    /// Opens a run for reading.
    pub fn open(root: &Path) -> Result<Self, RunError> {
        let path = root.join(INFO);
        if !path.is_file() {
            return Err(RunError::Missing {
                path: root.to_owned(),
            });
        }
        let info: RunInfo = read_json(&path)?;
        if info.format != FORMAT {
            let problem = format!("its format is {}, this tailor reads format {FORMAT}", info.format);
            return Err(RunError::Damaged { path, problem });
        }
        Ok(Self {
            root: root.to_owned(),
            info,
            lock: None,
            notes: Vec::new(),
        })
    }

    /// Opens a run to go on with it: takes the lock, cleans what a killed process left, and checks the pointers. What was odd is
    /// said in [`RunFolder::take_notes`]. A run without a complete checkpoint begins again: its records are removed.
    pub fn resume(root: &Path) -> Result<Self, RunError> {
        let mut run = Self::open(root)?;
        let (lock, before) = lock::Lock::take(root)?;
        run.lock = Some(lock);
        // Between the reading and the lock another process may have written.
        run.info = read_json(&root.join(INFO))?;
        if let Some(holder) = before {
            run.notes.push(format!(
                "process {} on {} wrote this run and is gone (killed?); taken over",
                holder.pid, holder.host
            ));
        }
        run.clean()?;
        match run.last()? {
            Some(last) => run.info.last_step = last.step,
            None => run.begin_again()?,
        }
        run.check_pointers()?;
        run.update(|info| info.status = Status::Running)?;
        Ok(run)
    }

    fn clean(&mut self) -> Result<(), RunError> {
        let folder = self.root.join(checkpoints::FOLDER);
        files::create_folder(&folder)?;
        self.notes.extend(clean_leftovers(&folder, Duration::ZERO)?);
        for name in commit::names(&self.root)? {
            // Scratch of `files::write_whole`.
            if name.starts_with(".tailor-") && name.ends_with(".part") {
                let path = self.root.join(&name);
                std::fs::remove_file(&path).map_err(|e| FileError::new("remove", &path, e))?;
                self.notes
                    .push(format!("removed {name}, a file that was never finished"));
            }
        }
        Ok(())
    }

    fn begin_again(&mut self) -> Result<(), RunError> {
        let records = [jsonl::FILE, tensorboard::FOLDER].map(|name| self.root.join(name));
        for path in records.into_iter().filter(|path| path.exists()) {
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.map_err(|e| FileError::new("remove", &path, e))?;
        }
        (self.info.last_step, self.info.best) = (0, None);
        self.notes
            .push("the run has no complete checkpoint: it begins again at step 0".to_string());
        Ok(())
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the run is.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// What was odd so far, in sentences for a person. They are said once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The status as a word: that of `run.json`, but `died` where it says running and no process does.
    pub fn status(&self) -> &'static str {
        let alive =
            || self.lock.is_some() || Holder::read(&self.root).is_some_and(|holder| holder.is_alive());
        if self.info.status == Status::Running && !alive() {
            "died"
        } else {
            self.info.status.name()
        }
    }

    /// Changes `run.json`.
    pub fn update(&mut self, change: impl FnOnce(&mut RunInfo)) -> Result<(), RunError> {
        self.writable()?;
        let mut info = self.info.clone();
        change(&mut info);
        write_json(&self.root.join(INFO), &info)?;
        self.info = info;
        Ok(())
    }

    /// Notes how and at which step the run ended.
    pub fn set_status(&mut self, status: Status, step: u64) -> Result<(), RunError> {
        self.update(|info| (info.status, info.last_step) = (status, step))
    }

    /// The text of the resolved recipe.
    pub fn recipe(&self) -> Result<String, RunError> {
        Ok(files::read_text(&self.root.join(RECIPE))?)
    }

    /// Writes `eval.json`. Evaluation does not need the lock: the file is replaced whole.
    pub fn write_eval(&self, eval: &Value) -> Result<(), RunError> {
        write_json(&self.root.join(EVAL), eval)
    }

    /// Reads `eval.json`, if the run was evaluated.
    pub fn eval(&self) -> Result<Option<Value>, RunError> {
        let path = self.root.join(EVAL);
        if path.is_file() {
            read_json(&path).map(Some)
        } else {
            Ok(None)
        }
    }

    fn writable(&self) -> Result<(), RunError> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(RunError::ReadOnly {
                path: self.root.clone(),
            }),
        }
    }
}

/// The folder that a run's name or path means: a path to a run, or a name in `parent`.
pub fn find(parent: &Path, run: &str) -> PathBuf {
    let path = Path::new(run);
    if path.join(INFO).is_file() || path.components().count() > 1 {
        path.to_owned()
    } else {
        parent.join(run)
    }
}

/// The runs in a folder, by name. Folders that are no runs are left out.
pub fn list(parent: &Path) -> Result<Vec<PathBuf>, RunError> {
    let mut names = commit::names(parent)?;
    names.retain(|name| !name.starts_with('.') && parent.join(name).join(INFO).is_file());
    Ok(names.into_iter().map(|name| parent.join(name)).collect())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunError> {
    let damaged = |e: serde_json::Error| RunError::Damaged {
        path: path.to_owned(),
        problem: e.to_string(),
    };
    let mut text = serde_json::to_string_pretty(value).map_err(damaged)?;
    text.push('\n');
    Ok(files::write_whole(path, |w| w.write_all(text.as_bytes()))?)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let damaged = |e: serde_json::Error| RunError::Damaged {
        path: path.to_owned(),
        problem: e.to_string(),
    };
    serde_json::from_str(&files::read_text(path)?).map_err(damaged)
}

/// Floats in JSON that come back with the same bits, the ones that are not finite too.
mod exact {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::train::sinks::jsonl;

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        jsonl::number(*value).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        jsonl::as_number(&value).ok_or_else(|| D::Error::custom("not a number"))
    }
}

#[cfg(test)]
mod tests;
