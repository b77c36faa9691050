//! Everything that is wrong with a data set, found before a run depends on it.
//!
//! Every image is read and decoded once (in parallel, a bounded number at a time), and what it shows is compared across
//! splits: an image that stands in two of them, or nearly does, makes a figure better than the model is.

mod decode;
mod duplicates;
mod lacking;
mod report;
mod splits;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use lacking::{Needed, lacking};
pub use report::{Finding, Kind, Report, Severity};

use crate::data::error::{DataError, Problem, Problems, shorten};
use crate::data::table::{ImageRef, Table, counted};
use decode::{Crop, Seen};
use report::Findings;

/// How thorough a check is.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Only read the head of each image: finds missing, empty and oversized files and wrong extensions, but neither broken
    /// pixels nor duplicates.
    pub fast: bool,
    /// Whether classes may stand in both the train and a held-out split (category retrieval). Where nobody says so, they are taken
    /// as such if every held-out class is trained on: a note, not an error.
    pub closed_set: Option<bool>,
    /// Pictures are searched by captions: none needs another one of its class.
    pub captions: bool,
    /// Decoding threads; 0 is one for each core, at most 8.
    pub threads: usize,
}

/// Checks every image and the splits of a table. Nothing that is wrong with the data is an `Err`: it is in the report.
pub fn check(table: &Table, options: &CheckOptions) -> Report {
    let mut findings = Findings::default();
    let images = distinct_images(table);
    let mut crops: Vec<Option<Crop>> = vec![None; table.items.len()];
    for (image, seen) in images.iter().zip(examine_all(table, &images, options)) {
        for (kind, text) in seen.faults {
            findings.add(kind, text);
        }
        for (&row, crop) in image.rows.iter().zip(seen.crops) {
            crops[row] = crop;
        }
    }
    splits::check(table, options, &mut findings);
    duplicates::same_file(table, &images, &mut findings);
    if !options.fast {
        duplicates::same_pixels(table, &crops, &mut findings);
        duplicates::near(table, &crops, &mut findings);
    }
    Report::new(table, images.len(), options.fast, findings)
}

/// What a run refuses before it begins: image files that are not there, and classes that are trained on and tested by though the
/// data is no closed set. What needs pixels to be seen is left to [`check`] and to the loader.
pub fn refuse(table: &Table, closed_set: bool) -> Result<(), DataError> {
    let mut problems = Problems::default();
    for row in table.missing() {
        problems.push(Problem {
            place: format!("row {}", row + 1),
            column: Some("image".into()),
            value: Some(shorten(&table.image_name(&table.items[row]))),
            message: "is not there".into(),
            remedy: "fetch the file, remove the row, or leave such rows out with data.missing = \"skip\"; paths begin in data.root, or in \
                     the table's folder"
                .into(),
        });
    }
    problems.into_result(table.root.clone().unwrap_or_else(|| table.name.clone().into()))?;
    let leaked = table.leaked();
    if closed_set || leaked.is_empty() {
        return Ok(());
    }
    let more = if leaked.len() > 5 { ", …" } else { "" };
    Err(DataError::Setting {
        key: "closed_set",
        message: format!(
            "is false, but {} in the train split and in another: {}{more}",
            counted(leaked.len(), "class stands", "classes stand"),
            leaked[..leaked.len().min(5)].join(", ")
        ),
        remedy: "give each class to one split, or set data.closed_set = true if known classes are to be found again (figures \
                 of the two kinds are not comparable)"
            .into(),
    })
}

/// An image and the rows that refer to it, several where they are boxes of it.
struct Image<'a> {
    source: &'a ImageRef,
    rows: Vec<usize>,
}

fn distinct_images(table: &Table) -> Vec<Image<'_>> {
    /// Memory is compared by address: hashing the content of a catalogue twice would be wasted.
    #[derive(PartialEq, Eq, Hash)]
    enum Key<'a> {
        File(&'a std::path::Path),
        Memory(*const u8, usize),
        Slice(&'a std::path::Path, u64),
        Drawn(&'a crate::data::drawn::Drawn),
    }
    let mut index: HashMap<Key, usize> = HashMap::new();
    let mut images: Vec<Image> = Vec::new();
    for (row, item) in table.items.iter().enumerate() {
        let key = match &item.image {
            ImageRef::File(path) => Key::File(path),
            ImageRef::Memory { bytes, .. } => Key::Memory(bytes.as_ptr(), bytes.len()),
            ImageRef::Slice { archive, offset, .. } => Key::Slice(archive, *offset),
            ImageRef::Drawn(drawn) => Key::Drawn(drawn),
        };
        let at = *index.entry(key).or_insert_with(|| {
            images.push(Image {
                source: &item.image,
                rows: Vec::new(),
            });
            images.len() - 1
        });
        images[at].rows.push(row);
    }
    images
}

/// What each image shows, in the order of `images`, whichever thread looked at it.
fn examine_all(table: &Table, images: &[Image], options: &CheckOptions) -> Vec<Seen> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let threads = if options.threads == 0 {
        cores
    } else {
        options.threads
    }
    .clamp(1, images.len().max(1));
    let next = AtomicUsize::new(0);
    let seen: Mutex<Vec<Option<Seen>>> = Mutex::new((0..images.len()).map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(image) = images.get(at) else { break };
                    let result = decode::examine(table, image, options.fast);
                    if let Ok(mut seen) = seen.lock() {
                        seen[at] = Some(result);
                    }
                }
            });
        }
    });
    let seen = seen.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    seen.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests;
