//! One writer per run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::RunError;
use crate::files::FileError;

/// The lock's file in the run folder. Empty while nobody writes the run.
pub const FILE: &str = "lock";

/// Who writes a run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its machine.
    pub host: String,
}

impl Holder {
    fn this_process() -> Self {
        Self {
            pid: std::process::id(),
            host: System::host_name().unwrap_or_else(|_| "this machine".to_string()),
        }
    }

    /// Whether the process still runs. One on another machine is taken to.
    pub fn is_alive(&self) -> bool {
        self.host != Self::this_process().host || process_exists(self.pid)
    }

    /// Who is noted in the folder's lock, alive or not.
    pub fn read(run_folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(run_folder.join(FILE)).ok()?).ok()
    }
}

fn process_exists(pid: u32) -> bool {
    let Ok(mut system) = System::new() else {
        return true;
    };
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing(),
    );
    system.process(pid).is_some()
}

/// Held while this process writes the run. The operating system's lock on the file decides, since it ends with the process; the
/// process number inside is for people, for readers and for file systems that have no locks.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock, and says who held it before without giving it back.
    pub fn take(run_folder: &Path) -> Result<(Self, Option<Holder>), RunError> {
        let path = run_folder.join(FILE);
        let fail = |e| FileError::new("lock", &path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        let mut text = String::new();
        let before: Option<Holder> = file
            .read_to_string(&mut text)
            .ok()
            .and_then(|_| serde_json::from_str(&text).ok());
        let held = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(_)) => before.as_ref().is_some_and(Holder::is_alive),
        };
        if held {
            let holder = before.unwrap_or(Holder {
                pid: 0,
                host: "an unknown machine".to_string(),
            });
            let path = run_folder.to_owned();
            return Err(RunError::Locked {
                path,
                pid: holder.pid,
                host: holder.host,
            });
        }
        let me = serde_json::to_string(&Holder::this_process()).unwrap_or_default();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(me.as_bytes()))
            .map_err(fail)?;
        Ok((Self(file), before))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays: deleting it could delete the lock of the next process.
        let _ = self.0.set_len(0);
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_a_dead_one_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, before) = Lock::take(folder.path()).unwrap();
        assert_eq!(before, None);
        let holder = Holder::read(folder.path()).unwrap();
        assert!(holder.pid == std::process::id() && holder.is_alive());
        let error = Lock::take(folder.path()).unwrap_err();
        assert!(
            matches!(error, RunError::Locked { pid, .. } if pid == std::process::id()),
            "{error}"
        );
        drop(lock);
        assert_eq!(Holder::read(folder.path()), None);

        // A killed process leaves its number and no lock. 4194304 is above Linux's greatest process number.
        let dead = Holder {
            pid: 4_194_304,
            ..holder
        };
        assert!(!dead.is_alive());
        std::fs::write(folder.path().join(FILE), serde_json::to_vec(&dead).unwrap()).unwrap();
        let (_lock, before) = Lock::take(folder.path()).unwrap();
        assert_eq!(before, Some(dead));
    }
}
