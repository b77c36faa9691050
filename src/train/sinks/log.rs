//! A file that grows by whole records.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::SinkError;
use crate::files::{FileError, create_folder, sync_folder};

/// An append-only file. After a failed write it is cut back to its last whole record as far as the file system lets it.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Log {
    /// Creates the file. It must not exist: a record is never overwritten.
    pub fn create(path: &Path) -> Result<Self, SinkError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        create_folder(folder)?;
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|e| FileError::new("create", path, e))?;
        sync_folder(folder);
        Ok(Self {
            file,
            path: path.to_owned(),
            length: 0,
        })
    }

    /// Opens the file to go on at `offset`; what lies behind is cut off. A file shorter than `offset` is an error.
    pub fn open_at(path: &Path, offset: u64) -> Result<Self, SinkError> {
        let fail = |e| FileError::new("open", path, e);
        let mut file = OpenOptions::new().write(true).open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        if length < offset {
            return Err(SinkError::Short {
                path: path.to_owned(),
                length,
                offset,
            });
        }
        if length > offset {
            file.set_len(offset)
                .map_err(|e| FileError::new("truncate", path, e))?;
        }
        file.seek(SeekFrom::Start(offset)).map_err(fail)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            length: offset,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one whole record.
    pub fn append(&mut self, record: &[u8]) -> Result<(), SinkError> {
        if let Err(error) = self.file.write_all(record) {
            // Best effort: the write's own error is the one to report.
            let _ = self.cut_back();
            return Err(FileError::new("append to", &self.path, error).into());
        }
        self.length += record.len() as u64;
        Ok(())
    }

    fn cut_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        Ok(())
    }

    /// Makes the records durable and gives the file's length in bytes.
    pub fn sync(&mut self) -> Result<u64, SinkError> {
        self.file
            .sync_data()
            .map_err(|e| FileError::new("sync", &self.path, e))?;
        Ok(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumes_at_an_offset_and_names_a_file_that_is_too_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.log");
        let mut log = Log::create(&path).unwrap();
        log.append(b"one\n").unwrap();
        assert_eq!(log.sync().unwrap(), 4);
        log.append(b"two\n").unwrap();
        drop(log);
        assert!(Log::create(&path).unwrap_err().to_string().contains("a.log"));

        let mut log = Log::open_at(&path, 4).unwrap();
        log.append(b"2\n").unwrap();
        assert_eq!(log.sync().unwrap(), 6);
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n2\n");

        let message = Log::open_at(&path, 7).unwrap_err().to_string();
        assert!(
            message.contains("has 6 bytes") && message.contains("had 7") && message.contains("a.log"),
            "{message}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n2\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_not_a_panic() {
        let mut log = Log::open_at(Path::new("/dev/full"), 0).unwrap();
        let error = log.append(b"one\n").unwrap_err();
        let SinkError::File(file) = &error else {
            panic!("{error}")
        };
        assert_eq!(file.cause().kind(), io::ErrorKind::StorageFull);
        assert!(
            error.to_string().contains("cannot append to /dev/full"),
            "{error}"
        );
    }
}
