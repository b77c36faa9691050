//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot {action} {}: {cause}", path.display())]
#[diagnostic(help("{}", remedy(cause)))]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    // Not called `source`: it is said in the message, and a chain of causes would say it again.
    cause: io::Error,
}

impl FileError {
    /// `action` is a verb as in "cannot read".
    pub fn new(action: &'static str, path: impl Into<PathBuf>, cause: io::Error) -> Self {
        Self {
            action,
            path: path.into(),
            cause,
        }
    }

    /// The file in question.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the operating system said.
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "check the path: nothing is there",
        io::ErrorKind::PermissionDenied => "check the permissions of the file and of its folder",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free some space and try again: what was there before is untouched"
        }
        io::ErrorKind::IsADirectory => "this is a folder; name a file",
        io::ErrorKind::InvalidData => "the file is not UTF-8 text; save it as UTF-8",
        _ => "see the operating system's message above",
    }
}

/// Writes a file beside its place, syncs it and renames it: a reader sees the old file or the new one, never a part.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), FileError> {
    write_checked(path, write, |_| Ok(()))
}

/// As [`write_whole`], with a look at the finished file before it gets its name: if `check` refuses it, it is removed, and what was
/// there before stays.
pub fn write_checked<E: From<FileError>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
    check: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let fail = |source| E::from(FileError::new("write", path, source));
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_folder(folder)?;
    let mut scratch = tempfile::Builder::new()
        .prefix(".tailor-")
        .suffix(".part")
        .tempfile_in(folder)
        .map_err(fail)?;
    let mut writer = BufWriter::new(scratch.as_file_mut());
    write(&mut writer).map_err(fail)?;
    writer.flush().map_err(fail)?;
    drop(writer);
    scratch.as_file().sync_all().map_err(fail)?;
    // A scratch file is private to its owner; a result gets the permissions that any new file would.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_or(0o644, |m| m.permissions().mode());
        scratch
            .as_file()
            .set_permissions(fs::Permissions::from_mode(mode))
            .map_err(fail)?;
    }
    check(scratch.path())?;
    scratch.persist(path).map_err(|e| fail(e.error))?;
    sync_folder(folder);
    Ok(())
}

/// Makes a renamed or created entry durable. Not every file system lets a folder be synced, so failure is no error.
pub fn sync_folder(folder: &Path) {
    if let Ok(handle) = File::open(folder) {
        let _ = handle.sync_all();
    }
}

/// Creates a folder and its parents.
pub fn create_folder(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(|e| FileError::new("create the folder", folder, e))
}

/// Reads a text file whole.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|e| FileError::new("read", path, e))
}

/// Reads a file whole.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|e| FileError::new("read", path, e))
}

/// Reads `length` bytes of a file from `offset` on; fewer are an error.
pub fn read_part(path: &Path, offset: u64, length: u64) -> Result<Vec<u8>, FileError> {
    let fail = |source| FileError::new("read", path, source);
    let mut file = File::open(path).map_err(fail)?;
    file.seek(io::SeekFrom::Start(offset)).map_err(fail)?;
    // What a header claims is not trusted with memory before the bytes are there.
    let mut bytes = Vec::with_capacity(length.min(64 << 20) as usize);
    file.take(length).read_to_end(&mut bytes).map_err(fail)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(fail(io::ErrorKind::UnexpectedEof.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_said_is_said_once() {
        let error = read_text(Path::new("no/such/file")).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_scratch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_whole(&path, |w| w.write_all(b"old")).unwrap();
        let result = write_whole(&path, |w| {
            w.write_all(b"new")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        let message = result.unwrap_err().to_string();
        assert!(message.contains("a.txt"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_refused_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_whole(&path, |w| w.write_all(b"old")).unwrap();
        let refused = |scratch: &Path| {
            assert_eq!(fs::read(scratch).unwrap(), b"new");
            Err(FileError::new("like", scratch, io::ErrorKind::Other.into()))
        };
        assert!(write_checked(&path, |w| w.write_all(b"new"), refused).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
