//! Vectors, ids, labels and pictures in one Parquet file.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};

use super::{Card, Gallery, GalleryError, broken};
use crate::export::embeddings::EmbeddingsError;
use crate::files::{FileError, write_whole};

/// The card's key in the file's metadata.
const KEY: &str = "tailor";
/// Rows of one row group: a few megabytes at 512 dimensions.
const PORTION: usize = 8192;

pub(super) fn write(gallery: &Gallery, path: &Path) -> Result<(), GalleryError> {
    let (rows, dimensions) = (gallery.len(), gallery.dimensions);
    let mismatch = || EmbeddingsError::Shape {
        path: path.to_owned(),
        what: "values",
        found: gallery.vectors.len(),
        rows,
        dimensions,
    };
    let width = i32::try_from(dimensions).map_err(|_| mismatch())?;
    if dimensions == 0 || rows.checked_mul(dimensions) != Some(gallery.vectors.len()) {
        return Err(mismatch().into());
    }
    let entry = Arc::new(Field::new("item", DataType::Float32, false));
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("image", DataType::Utf8, true),
        Field::new(
            "embedding",
            DataType::FixedSizeList(Arc::clone(&entry), width),
            false,
        ),
    ]));
    let card = gallery.card.as_ref().map(|card| {
        let text = serde_json::to_string(card).unwrap_or_default();
        vec![KeyValue::new(KEY.to_owned(), text)]
    });
    // Floats of embeddings hardly compress; a low level keeps the text small.
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(card)
        .build();
    write_whole(path, |file| {
        let mut writer =
            ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(io::Error::other)?;
        for start in (0..rows).step_by(PORTION) {
            let part = start..(start + PORTION).min(rows);
            let values = gallery.vectors[part.start * dimensions..part.end * dimensions].to_vec();
            let lists = FixedSizeListArray::try_new(
                Arc::clone(&entry),
                width,
                Arc::new(Float32Array::from(values)),
                None,
            )
            .map_err(io::Error::other)?;
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter_values(&gallery.ids[part.clone()])),
                Arc::new(StringArray::from_iter_values(&gallery.labels[part.clone()])),
                Arc::new(StringArray::from_iter(
                    gallery.images[part].iter().map(Option::as_deref),
                )),
                Arc::new(lists),
            ];
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(io::Error::other)?;
            writer.write(&batch).map_err(unwrap_io)?;
            writer.flush().map_err(unwrap_io)?;
        }
        writer.close().map_err(unwrap_io)?;
        Ok(())
    })?;
    Ok(())
}

/// Keeps the operating system's own error (a full disk has a remedy of its own).
fn unwrap_io(error: ::parquet::errors::ParquetError) -> io::Error {
    match error {
        ::parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

pub(super) fn read(path: &Path) -> Result<Gallery, GalleryError> {
    let file = File::open(path).map_err(|error| FileError::new("read", path, error))?;
    // The file is not trusted, and the decoders are not free of assertions.
    catch_unwind(AssertUnwindSafe(|| read_file(path, file)))
        .unwrap_or_else(|_| Err(broken(path, "its content contradicts itself")))
}

fn read_file(path: &Path, file: File) -> Result<Gallery, GalleryError> {
    let unreadable =
        |error: &dyn std::fmt::Display| broken(path, format!("cannot be read as Parquet: {error}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(&e))?;
    let mut gallery = Gallery::default();
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let card = metadata.into_iter().flatten().find(|entry| entry.key == KEY);
    if let Some(text) = card.and_then(|entry| entry.value.as_ref()) {
        let card: Card =
            serde_json::from_str(text).map_err(|error| broken(path, format!("its card: {error}")))?;
        gallery.card = Some(card);
    }
    let names: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let column = |wanted: &[&str]| {
        wanted
            .iter()
            .find_map(|wanted| names.iter().position(|name| name == wanted))
    };
    let Some(vectors) = column(&["embedding"]) else {
        return Err(GalleryError::Broken {
            path: path.to_owned(),
            problem: format!("it has no column `embedding` (found: {})", names.join(", ")),
            remedy: "name the file that `tailor embed` wrote, or rename the column of vectors to `embedding`",
        });
    };
    let (id, label, image) = (column(&["id"]), column(&["label"]), column(&["image", "path"]));
    let reader = builder.build().map_err(|e| unreadable(&e))?;
    for batch in reader {
        let batch = batch.map_err(|e| unreadable(&e))?;
        let before = gallery.ids.len();
        take_vectors(path, batch.column(vectors), before, &mut gallery)?;
        let texts = |at: Option<usize>| -> Result<Vec<Option<String>>, GalleryError> {
            let Some(at) = at else {
                return Ok(vec![None; batch.num_rows()]);
            };
            let texts = arrow_cast::cast(batch.column(at), &DataType::Utf8)
                .map_err(|error| broken(path, format!("column `{}`: {error}", names[at])))?;
            Ok(texts
                .as_string::<i32>()
                .iter()
                .map(|text| text.map(str::to_owned))
                .collect())
        };
        let ids = texts(id)?.into_iter().enumerate();
        gallery
            .ids
            .extend(ids.map(|(row, id)| id.unwrap_or_else(|| (before + row).to_string())));
        let labels = texts(label)?.into_iter().map(Option::unwrap_or_default);
        gallery.labels.extend(labels);
        let images = texts(image)?
            .into_iter()
            .map(|path| path.filter(|path| !path.is_empty()));
        gallery.images.extend(images);
    }
    Ok(gallery)
}

/// Appends the vectors of a column of lists of numbers.
fn take_vectors(
    path: &Path,
    column: &ArrayRef,
    before: usize,
    gallery: &mut Gallery,
) -> Result<(), GalleryError> {
    let fail = |problem: String| broken(path, format!("column `embedding`: {problem}"));
    if column.null_count() > 0 {
        return Err(fail("some rows have no vector".into()));
    }
    let mut take = |row: usize, values: ArrayRef| -> Result<(), GalleryError> {
        let numbers =
            arrow_cast::cast(&values, &DataType::Float32).map_err(|error| fail(error.to_string()))?;
        if numbers.null_count() > 0 {
            return Err(fail(format!("the vector of row {} has holes", before + row)));
        }
        let numbers = numbers.as_primitive::<Float32Type>().values();
        if before + row == 0 {
            gallery.dimensions = numbers.len();
        }
        if numbers.len() != gallery.dimensions || numbers.is_empty() {
            return Err(fail(format!(
                "the vector of row {} has {} dimensions, the first one has {}",
                before + row,
                numbers.len(),
                gallery.dimensions
            )));
        }
        gallery.vectors.extend_from_slice(numbers);
        Ok(())
    };
    match column.data_type() {
        DataType::FixedSizeList(..) => {
            let lists = column.as_fixed_size_list();
            (0..lists.len()).try_for_each(|row| take(row, lists.value(row)))
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            (0..lists.len()).try_for_each(|row| take(row, lists.value(row)))
        }
        DataType::LargeList(_) => {
            let lists = column.as_list::<i64>();
            (0..lists.len()).try_for_each(|row| take(row, lists.value(row)))
        }
        other => Err(fail(format!(
            "it holds {other}, where lists of numbers were expected"
        ))),
    }
}
