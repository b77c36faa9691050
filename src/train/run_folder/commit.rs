//! Folders that are there whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::RunError;
use crate::files::{FileError, create_folder, sync_folder};

const SCRATCH: &str = ".tmp-";
const OLD: &str = ".old-";

/// Makes the folder `parent/name` by `write`, which fills a scratch folder beside it; that is synced and renamed into place. If
/// `write` fails, nothing is left. A folder of this name that exists is replaced. Killed between any two steps, the old folder or
/// the new one can be had back by [`clean_leftovers`].
pub fn commit_folder<E: From<RunError>>(
    parent: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    let (target, old) = (parent.join(name), parent.join(format!("{OLD}{name}")));
    let scratch = fill(parent, name, write)?;
    let there = target.exists();
    if there {
        remove(&old)?;
        rename(&target, &old)?;
    }
    rename(&scratch, &target)?;
    sync_folder(parent);
    if there {
        remove(&old)?;
    }
    Ok(target)
}

/// As [`commit_folder`], but gives nothing if a folder of this name exists, even one that was made meanwhile.
pub(super) fn new_folder<E: From<RunError>>(
    parent: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<Option<PathBuf>, E> {
    let target = parent.join(name);
    let scratch = fill(parent, name, write)?;
    // A folder is never renamed onto one that holds something.
    match fs::rename(&scratch, &target) {
        Ok(()) => {
            sync_folder(parent);
            Ok(Some(target))
        }
        Err(error) => {
            remove(&scratch)?;
            match error.kind() {
                ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                    Ok(None)
                }
                _ => Err(RunError::from(FileError::new("rename into place", target, error)).into()),
            }
        }
    }
}

fn fill<E: From<RunError>>(
    parent: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    let scratch = parent.join(format!("{SCRATCH}{name}-{}", std::process::id()));
    remove(&scratch)?;
    create_folder(&scratch).map_err(RunError::from)?;
    let filled = write(&scratch).and_then(|()| sync_all(&scratch).map_err(E::from));
    if let Err(error) = filled {
        // Its own error is the one to report; what stays is cleaned at the next start.
        let _ = fs::remove_dir_all(&scratch);
        return Err(error);
    }
    Ok(scratch)
}

/// Removes scratch folders that are at least `age` old, and puts back a folder whose replacement never came. Says what it did.
pub fn clean_leftovers(parent: &Path, age: Duration) -> Result<Vec<String>, RunError> {
    let mut notes = Vec::new();
    for entry in names(parent)? {
        let path = parent.join(&entry);
        let is_old = |path: &Path| {
            let changed = fs::metadata(path).and_then(|m| m.modified()).ok();
            changed
                .and_then(|t| SystemTime::now().duration_since(t).ok())
                .unwrap_or_default()
                >= age
        };
        if entry.starts_with(SCRATCH) && is_old(&path) {
            remove(&path)?;
            notes.push(format!("removed {entry}, a folder that was never finished"));
        } else if let Some(name) = entry.strip_prefix(OLD) {
            if parent.join(name).exists() {
                remove(&path)?;
            } else {
                rename(&path, &parent.join(name))?;
                notes.push(format!("put {name} back, whose replacement was never finished"));
            }
        }
    }
    Ok(notes)
}

/// Removes a folder in such a way that a part of it is never taken for the whole.
pub(super) fn remove_whole(parent: &Path, name: &str) -> Result<(), RunError> {
    let scratch = parent.join(format!("{SCRATCH}{name}-gone"));
    remove(&scratch)?;
    rename(&parent.join(name), &scratch)?;
    remove(&scratch)
}

/// The names in a folder, sorted. Names that are not UTF-8 are none of ours.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, RunError> {
    let fail = |e| FileError::new("list", folder, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        names.extend(entry.map_err(fail)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn rename(from: &Path, to: &Path) -> Result<(), RunError> {
    Ok(fs::rename(from, to).map_err(|e| FileError::new("rename into place", to, e))?)
}

fn remove(folder: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(FileError::new("remove", folder, e).into()),
        _ => Ok(()),
    }
}

fn sync_all(folder: &Path) -> Result<(), RunError> {
    for name in names(folder)? {
        let path = folder.join(name);
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            let file = OpenOptions::new().read(true).write(true).open(&path);
            file.and_then(|file| file.sync_all())
                .map_err(|e| FileError::new("sync", &path, e))?;
        }
    }
    sync_folder(folder);
    Ok(())
}
