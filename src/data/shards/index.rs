//! What is where in a tar archive: headers alone are read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::data::error::DataError;
use crate::files::FileError;

/// A file in an archive.
pub(super) struct Member {
    /// Its path inside.
    pub name: String,
    /// Where its content begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// Every file of an archive, in order, and the number of entries that are none (links, devices, sparse files).
pub(super) fn index(path: &Path) -> Result<(Vec<Member>, usize), DataError> {
    let fail = |message: String| DataError::Format {
        path: path.into(),
        message,
        remedy: "fetch or write the shard again: it is damaged, cut short, or no tar archive".into(),
    };
    let io = |error| DataError::File(FileError::new("read", path, error));
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut start = [0; 2];
    if size == 0 {
        return Err(fail("the file is empty".into()));
    }
    if (&file).read(&mut start).map_err(io)? == 2 && start == [0x1f, 0x8b] {
        return Err(DataError::Format {
            path: path.into(),
            message: "the shard is compressed, so pictures cannot be read from their places".into(),
            remedy: "unpack it once: `gunzip FILE.tar.gz`; pictures hardly shrink anyway".into(),
        });
    }
    let mut archive = tar::Archive::new(File::open(path).map_err(io)?);
    let mut members = Vec::new();
    let mut others = 0;
    let entries = archive
        .entries_with_seek()
        .map_err(|error| fail(error.to_string()))?;
    for entry in entries {
        let entry = entry.map_err(|error| fail(format!("is no sound tar archive: {error}")))?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (offset, length) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(fail(format!("{name} is cut short: the shard ends before it")));
        }
        if !kind.is_file() && !kind.is_contiguous() {
            others += 1;
            continue;
        }
        members.push(Member { name, offset, length });
    }
    Ok((members, others))
}
