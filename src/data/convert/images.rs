//! The native table, and picture files beside it.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::picture::{self, Worker};
use super::{Converted, Options, Pictures};
use crate::data::error::DataError;
use crate::data::loader::{LoadError, Loader};
use crate::data::native;
use crate::data::table::{ImageRef, Table, counted};
use crate::files;

/// Marks a folder of pictures as ours, and says of what.
const MARK: &str = ".tailor-convert.json";

#[derive(PartialEq, Serialize, Deserialize)]
struct Mark {
    fingerprint: String,
    pictures: String,
}

/// Writes the pictures, if they are wanted, and then the table.
pub(super) fn write(
    table: &Table,
    out: &Path,
    options: &Options,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Converted, DataError> {
    if !native::is_table(out) {
        return Err(DataError::Format {
            path: out.into(),
            message: "the name says neither a table nor shards".into(),
            remedy: "end it in .csv, .jsonl, .parquet, or .tar for shards".into(),
        });
    }
    if out.exists() && !options.force {
        return Err(DataError::Exists { path: out.into() });
    }
    let mut notes = Vec::new();
    let (mut pictures, mut found) = (0, 0);
    let mut written = table.clone();
    if options.pictures == Pictures::Refer {
        let folder = std::path::absolute(out.parent().unwrap_or(Path::new("")));
        let outside = table.items.iter().filter(|item| match (&item.image, &folder) {
            (ImageRef::File(path), Ok(folder)) => {
                !std::path::absolute(path).is_ok_and(|path| path.starts_with(folder))
            }
            _ => false,
        });
        let outside = outside.count();
        if outside > 0 {
            let paths = counted(outside, "picture lies", "pictures lie");
            notes.push(format!(
                "{paths} outside of the table's folder: their paths are absolute (write the table beside them, or --copy)"
            ));
        }
    } else {
        let folder = folder_of(out);
        claim(&folder, table, options)?;
        let names = write_pictures(table, &folder, options, &mut found, progress)?;
        pictures = names.iter().collect::<std::collections::HashSet<_>>().len();
        for (item, name) in written.items.iter_mut().zip(names) {
            item.image = ImageRef::File(name);
            if matches!(options.pictures, Pictures::Prepare(_)) {
                item.bbox = None;
            }
        }
    }
    native::write(&written, out)?;
    Ok(Converted {
        files: vec![out.to_path_buf()],
        rows: table.items.len(),
        pictures,
        found,
        notes,
    })
}

/// `catalogue.csv` → `catalogue_images`.
fn folder_of(out: &Path) -> PathBuf {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!("{stem}_images"))
}

/// Makes the folder ours, or finds that it is already, from an attempt at the same.
fn claim(folder: &Path, table: &Table, options: &Options) -> Result<(), DataError> {
    let mark = Mark {
        fingerprint: table.fingerprint.clone(),
        pictures: options.pictures.describe(),
    };
    let path = folder.join(MARK);
    if folder.exists() {
        let before: Option<Mark> = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match before {
            Some(before) if before == mark => return Ok(()),
            // Pictures of other data: only what we wrote ourselves is ever removed, and only when told to.
            Some(_) if options.force => std::fs::remove_dir_all(folder)
                .map_err(|error| files::FileError::new("remove", folder, error))?,
            _ => return Err(DataError::Exists { path: folder.into() }),
        }
    }
    let text = serde_json::to_string(&mark).unwrap_or_default();
    files::write_whole(&path, |file| file.write_all(text.as_bytes()))?;
    Ok(())
}

/// The file of each row's picture. Rows of one picture share a copy of it; prepared, each has its own.
fn write_pictures(
    table: &Table,
    folder: &Path,
    options: &Options,
    found: &mut usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<PathBuf>, DataError> {
    let mut number_of: HashMap<&ImageRef, usize> = HashMap::new();
    let mut firsts: Vec<usize> = Vec::new();
    let mut numbers = Vec::with_capacity(table.items.len());
    let prepared = matches!(options.pictures, Pictures::Prepare(_));
    for (row, item) in table.items.iter().enumerate() {
        let next = firsts.len();
        let number = match prepared {
            true => next,
            false => *number_of.entry(&item.image).or_insert(next),
        };
        if number == next {
            firsts.push(row);
        }
        numbers.push(number);
    }
    let total = firsts.len();
    let shared = Arc::new(table.items.clone());
    let (pictures, place) = (options.pictures.clone(), folder.to_path_buf());
    let make =
        move |worker: &mut Worker, (number, row): (usize, usize)| -> Result<(PathBuf, bool), DataError> {
            let stem = place
                .join(format!("{:05}", number / 1000))
                .join(format!("{number:08}"));
            let item = &shared[row];
            if let Pictures::Prepare(prepare) = &pictures {
                let path = stem.with_extension(prepare.extension());
                if path.is_file() {
                    return Ok((path, true));
                }
            }
            let encoded = picture::make(item, &pictures, worker)?;
            let path = stem.with_extension(encoded.extension);
            // Files are written whole, so one of the right size is the copy of an earlier attempt.
            let there = std::fs::metadata(&path).is_ok_and(|about| about.len() == encoded.bytes.len() as u64);
            if !there {
                files::write_whole(&path, |file| file.write_all(&encoded.bytes))?;
            }
            Ok((path, there))
        };
    let jobs: Vec<Job> = firsts
        .iter()
        .enumerate()
        .map(|(number, &row)| Job(number, row))
        .collect();
    let loader = Loader::spawn(
        options.workers,
        options.workers * 4,
        jobs.into_iter(),
        Worker::default,
        move |worker, Job(number, row): Job| make(worker, (number, row)),
    )
    .map_err(unwrapped)?;
    let mut paths = Vec::with_capacity(total);
    for result in loader {
        let (path, there) = result.map_err(unwrapped)?;
        *found += usize::from(there);
        paths.push(path);
        progress(paths.len(), total);
    }
    Ok(numbers.into_iter().map(|number| paths[number].clone()).collect())
}

/// (number of the picture, row of the table)
pub(super) struct Job(pub usize, pub usize);

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the picture of row {}", self.1 + 1)
    }
}

/// What failed, without the frame that the loader puts around it.
pub(super) fn unwrapped(error: LoadError<DataError>) -> DataError {
    match error {
        LoadError::Job(error) => error,
        error => DataError::Worker {
            message: error.to_string(),
        },
    }
}
