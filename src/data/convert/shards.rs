//! Tar shards in the layout of WebDataset: `OUT-000000.tar`, … with `ROW.jpg` and `ROW.json` for each row.
//!
//! Shards are made in a folder beside their place, `.OUT.tailor-part`, whose list says which are complete. When all are, they are
//! moved to their names. An attempt that was interrupted goes on behind its last complete shard.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::images::{Job, unwrapped};
use super::picture::{self, Encoded, Worker};
use super::{Converted, Options, Pictures};
use crate::data::error::DataError;
use crate::data::loader::Loader;
use crate::data::native::jsonl;
use crate::data::table::Table;
use crate::files::{self, FileError};

/// The list of complete shards.
const LIST: &str = "list.json";
const BLOCK: u64 = 512;

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct List {
    fingerprint: String,
    pictures: String,
    shard_bytes: u64,
    shuffle: Option<u64>,
    /// (file name, rows up to its end, bytes)
    done: Vec<(String, usize, u64)>,
}

pub(super) fn write(
    table: &Table,
    out: &Path,
    options: &Options,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Converted, DataError> {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    files::create_folder(&folder)?;
    let part = folder.join(format!(".{stem}.tailor-part"));
    let pictures = match &options.pictures {
        Pictures::Refer => Pictures::Copy,
        pictures => pictures.clone(),
    };
    let mut list = List {
        fingerprint: table.fingerprint.clone(),
        pictures: pictures.describe(),
        shard_bytes: options.shard_bytes,
        shuffle: options.shuffle,
        done: Vec::new(),
    };
    let going_on = go_on(&part, &mut list);
    let there = existing(&folder, &stem)?;
    if !going_on && let Some(path) = there.first().filter(|_| !options.force) {
        return Err(DataError::Exists { path: path.clone() });
    }
    if !going_on && part.exists() {
        std::fs::remove_dir_all(&part).map_err(|error| FileError::new("remove", &part, error))?;
    }
    files::create_folder(&part)?;
    save(&part, &list)?;

    let mut order: Vec<usize> = (0..table.items.len()).collect();
    if let Some(seed) = options.shuffle {
        crate::random::stream(seed, "order of shards", &[]).shuffle(&mut order);
    }
    let found = list.done.last().map_or(0, |(_, rows, _)| *rows);
    let jobs: Vec<Job> = order.iter().map(|&row| Job(row, row)).skip(found).collect();
    let items = Arc::new(table.items.clone());
    let own = pictures.clone();
    let loader = Loader::spawn(
        options.workers,
        options.workers * 4,
        jobs.into_iter(),
        Worker::default,
        move |worker: &mut Worker, Job(_, row): Job| -> Result<(usize, Encoded), DataError> {
            Ok((row, picture::make(&items[row], &own, worker)?))
        },
    )
    .map_err(unwrapped)?;
    // The rows as they are written: a prepared picture is what its box showed.
    let mut rows = table.clone();
    if matches!(pictures, Pictures::Prepare(_)) {
        rows.items.iter_mut().for_each(|item| item.bbox = None);
    }
    let mut shard: Option<Shard> = None;
    let mut done = found;
    for made in loader {
        let (row, encoded) = made.map_err(unwrapped)?;
        let words = serde_json::Value::Object(jsonl::object(&rows, row, None)).to_string();
        let size = 2 * BLOCK + padded(encoded.bytes.len()) + padded(words.len());
        if shard
            .as_ref()
            .is_some_and(|shard| shard.bytes > 0 && shard.bytes + size > options.shard_bytes)
            && let Some(full) = shard.take()
        {
            full.close(&mut list, done)?;
            save(&part, &list)?;
        }
        let open = match &mut shard {
            Some(open) => open,
            none => none.insert(Shard::open(&part, &stem, list.done.len())?),
        };
        open.add(&format!("{row:08}.{}", encoded.extension), &encoded.bytes)?;
        open.add(&format!("{row:08}.json"), words.as_bytes())?;
        done += 1;
        progress(done, table.items.len());
    }
    if let Some(last) = shard {
        last.close(&mut list, done)?;
        save(&part, &list)?;
    }
    let names: Vec<String> = list.done.iter().map(|(name, ..)| name.clone()).collect();
    for old in there.iter().filter(|old| {
        let name = old.file_name().map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| !names.contains(&name))
    }) {
        // Shards of what was there before, told to be overwritten: they would be read with the new ones.
        if !going_on || options.force {
            std::fs::remove_file(old).map_err(|error| FileError::new("remove", old, error))?;
        }
    }
    let mut shards = Vec::new();
    for name in names {
        let (from, to) = (part.join(&name), folder.join(&name));
        // An attempt may have been interrupted between two of them.
        if from.exists() {
            std::fs::rename(&from, &to).map_err(|error| FileError::new("write", &to, error))?;
        }
        shards.push(to);
    }
    files::sync_folder(&folder);
    std::fs::remove_dir_all(&part).map_err(|error| FileError::new("remove", &part, error))?;
    Ok(Converted {
        rows: table.items.len(),
        pictures: table.items.len(),
        found,
        notes: vec![format!(
            "read them with dataset = \"shards\", shards = {:?}",
            format!("{}/{stem}-*.tar", folder.display())
        )],
        files: shards,
    })
}

/// Whether an earlier attempt at the same is there; takes over what it completed.
fn go_on(part: &Path, list: &mut List) -> bool {
    let before: Option<List> = std::fs::read(part.join(LIST))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(before) = before else { return false };
    let same = List {
        done: Vec::new(),
        ..before.clone()
    };
    let fresh = List {
        done: Vec::new(),
        ..list.clone()
    };
    if same != fresh {
        return false;
    }
    let folder = part.parent().unwrap_or(Path::new("."));
    let whole = |(name, _, bytes): &(String, usize, u64)| {
        let size = |path: PathBuf| std::fs::metadata(path).ok().map(|about| about.len());
        size(part.join(name)).or_else(|| size(folder.join(name))) == Some(*bytes)
    };
    list.done = before.done.into_iter().take_while(whole).collect();
    true
}

fn existing(folder: &Path, stem: &str) -> Result<Vec<PathBuf>, DataError> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| FileError::new("list the folder", folder, error))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.strip_prefix(stem)
                .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".tar"))
                .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .collect();
    found.sort();
    Ok(found)
}

fn save(part: &Path, list: &List) -> Result<(), DataError> {
    let text = serde_json::to_string(list).unwrap_or_default();
    files::write_whole(&part.join(LIST), |file| file.write_all(text.as_bytes()))?;
    Ok(())
}

fn padded(length: usize) -> u64 {
    (length as u64).div_ceil(BLOCK) * BLOCK
}

/// A shard that is being written.
struct Shard {
    name: String,
    path: PathBuf,
    tar: tar::Builder<BufWriter<File>>,
    bytes: u64,
}

impl Shard {
    fn open(part: &Path, stem: &str, number: usize) -> Result<Self, DataError> {
        let name = format!("{stem}-{number:06}.tar");
        let path = part.join(&name);
        let file = File::create(&path).map_err(|error| FileError::new("write", &path, error))?;
        Ok(Self {
            name,
            tar: tar::Builder::new(BufWriter::new(file)),
            path,
            bytes: 0,
        })
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), DataError> {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        self.tar
            .append_data(&mut header, name, content)
            .map_err(|error| FileError::new("write", &self.path, error))?;
        self.bytes += BLOCK + padded(content.len());
        Ok(())
    }

    fn close(self, list: &mut List, rows: usize) -> Result<(), DataError> {
        let fail = |error| DataError::File(FileError::new("write", &self.path, error));
        let writer = self.tar.into_inner().map_err(fail)?;
        let file = writer.into_inner().map_err(|error| fail(error.into_error()))?;
        file.sync_all().map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        list.done.push((self.name, rows, size));
        Ok(())
    }
}
