//! Vectors as `.npy`, the rest beside them.

use std::fs::File;
use std::io::{BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::{Card, Format, Gallery, GalleryError, broken};
use crate::export::embeddings::write_npy;
use crate::files::{FileError, read_bytes, read_text, write_whole};

pub(super) fn write(gallery: &Gallery, path: &Path) -> Result<(), GalleryError> {
    let [_, rows, card] = beside(path);
    // The vectors come last: whoever sees them finds what belongs to them.
    write_whole(&rows, |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(["id", "label", "image"])?;
        for ((id, label), image) in gallery.ids.iter().zip(&gallery.labels).zip(&gallery.images) {
            csv.write_record([id, label, image.as_deref().unwrap_or_default()])?;
        }
        csv.flush()
    })?;
    if let Some(known) = &gallery.card {
        write_whole(&card, |file| {
            serde_json::to_writer_pretty(&mut *file, known)?;
            file.write_all(b"\n")
        })?;
    }
    write_npy(path, &gallery.vectors, [gallery.len(), gallery.dimensions])?;
    Ok(())
}

fn beside(path: &Path) -> [std::path::PathBuf; 3] {
    let files = Format::Npy.files(path);
    files.try_into().unwrap_or_default()
}

pub(super) fn read(path: &Path) -> Result<Gallery, GalleryError> {
    let vectors = catch_unwind(AssertUnwindSafe(|| read_array(path)))
        .unwrap_or_else(|_| Err(broken(path, "its content contradicts itself")));
    let (vectors, [rows, dimensions]) = vectors?;
    let [_, table, card] = beside(path);
    let mut gallery = Gallery {
        vectors,
        dimensions,
        ids: (0..rows).map(|row| row.to_string()).collect(),
        labels: vec![String::new(); rows],
        images: vec![None; rows],
        card: None,
    };
    if table.is_file() {
        read_rows(&table, &mut gallery)?;
    }
    if card.is_file() {
        let text = read_text(&card)?;
        let known: Card = serde_json::from_str(&text).map_err(|error| broken(&card, error.to_string()))?;
        gallery.card = Some(known);
    }
    Ok(gallery)
}

fn read_array(path: &Path) -> Result<(Vec<f32>, [usize; 2]), GalleryError> {
    let io = |error| GalleryError::File(FileError::new("read", path, error));
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let array = npyz::NpyFile::new(BufReader::new(file))
        .map_err(|error| broken(path, format!("it is no .npy file: {error}")))?;
    let &[rows, dimensions] = array.shape() else {
        let shape = array.shape();
        return Err(broken(
            path,
            format!("its shape is {shape:?}, where [vectors, dimensions] was expected"),
        ));
    };
    if array.order() != npyz::Order::C {
        return Err(broken(path, "it is stored column by column (fortran_order)"));
    }
    // Sizes are the file's own words: they are held against its length before memory is taken. No number takes less than
    // two bytes.
    let count = rows
        .checked_mul(dimensions)
        .filter(|count| count.checked_mul(2).is_some_and(|bytes| bytes <= size));
    let (Some(count), true) = (count, dimensions > 0) else {
        return Err(broken(
            path,
            format!("it says that it holds {rows} × {dimensions} numbers, but has {size} bytes"),
        ));
    };
    let cut = |error: std::io::Error| broken(path, format!("it ends too early: {error}"));
    let mut values: Vec<f32> = Vec::with_capacity(count as usize);
    match array.try_data::<f32>() {
        Ok(numbers) => {
            for number in numbers {
                values.push(number.map_err(cut)?);
            }
        }
        Err(array) => match array.try_data::<f64>() {
            Ok(numbers) => {
                for number in numbers {
                    values.push(number.map_err(cut)? as f32);
                }
            }
            Err(array) => {
                let kind = array.header().dtype().descr();
                return Err(broken(
                    path,
                    format!("its numbers are {kind}, where 32- or 64-bit floats were expected"),
                ));
            }
        },
    }
    if values.len() as u64 != count {
        return Err(broken(path, "it ends too early"));
    }
    Ok((values, [rows as usize, dimensions as usize]))
}

fn read_rows(path: &Path, gallery: &mut Gallery) -> Result<(), GalleryError> {
    let bytes = read_bytes(path)?;
    let mut csv = csv::Reader::from_reader(&bytes[..]);
    let fault = |error: csv::Error| broken(path, error.to_string());
    let heads = csv.headers().map_err(fault)?.clone();
    let column = |names: &[&str]| heads.iter().position(|head| names.contains(&head.trim()));
    let (id, label, image) = (column(&["id"]), column(&["label"]), column(&["image", "path"]));
    let mut count = 0;
    for (row, record) in csv.records().enumerate() {
        let record = record.map_err(fault)?;
        count = row + 1;
        if row >= gallery.ids.len() {
            continue;
        }
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
        if id.is_some() {
            gallery.ids[row] = cell(id).to_owned();
        }
        gallery.labels[row] = cell(label).to_owned();
        gallery.images[row] = Some(cell(image).to_owned()).filter(|path| !path.is_empty());
    }
    match count == gallery.ids.len() {
        true => Ok(()),
        false => Err(broken(
            path,
            format!("it has {count} rows for {} vectors", gallery.ids.len()),
        )),
    }
}
