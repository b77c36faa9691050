//! The native table as Parquet: columns of any type that can be read as text.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::Compression;
use ::parquet::file::properties::WriterProperties;
use arrow_array::{Array, ArrayRef, BooleanArray, Float32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};

use super::columns::{COLUMNS, known};
use super::rows::{Place, Raw, Rows};
use crate::data::error::DataError;
use crate::data::table::Table;
use crate::files::FileError;

pub(super) fn read(path: &Path) -> Result<Rows, DataError> {
    let fail = |message: String| DataError::Format {
        path: path.into(),
        message: format!("cannot be read as Parquet: {message}"),
        remedy: "write the file again, or as .csv or .jsonl; a copy that was cut short has no footer".into(),
    };
    let file = File::open(path).map_err(|error| FileError::new("read", path, error))?;
    // The file is not trusted, and the decoders are not free of assertions.
    catch_unwind(AssertUnwindSafe(|| read_file(path, file)))
        .unwrap_or_else(|_| Err(ReadError::Other("its content contradicts itself".into())))
        .map_err(|error| match error {
            ReadError::Data(error) => error,
            ReadError::Other(message) => fail(message),
        })
}

enum ReadError {
    Data(DataError),
    Other(String),
}

fn other(error: impl ToString) -> ReadError {
    ReadError::Other(error.to_string())
}

fn read_file(path: &Path, file: File) -> Result<Rows, ReadError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(other)?
        .build()
        .map_err(other)?;
    let mut rows = Rows::default();
    // What each column of the file is: known, extra or left out.
    let mut targets = Vec::new();
    for field in arrow_array::RecordBatchReader::schema(&reader).fields() {
        let readable =
            arrow_cast::can_cast_types(field.data_type(), &DataType::Utf8) && !nested(field.data_type());
        let column = known(field.name());
        targets.push(match column {
            Some(column) if readable => {
                rows.present[column] = true;
                Target::Known(column)
            }
            Some(_) => {
                return Err(ReadError::Data(DataError::Format {
                    path: path.into(),
                    message: format!("the column `{}` is of type {}", field.name(), field.data_type()),
                    remedy: match column == known("image") {
                        true => "`image` holds paths: write the images to files, and their names here".into(),
                        false => "write it as text, numbers or truth values".into(),
                    },
                }));
            }
            None if readable => {
                rows.extra_names.push(field.name().clone());
                Target::Extra(rows.extra_names.len() - 1)
            }
            None => {
                let kind = field.data_type();
                rows.notes.push(format!(
                    "the column `{}` of type {kind} was left out",
                    field.name()
                ));
                Target::None
            }
        });
    }
    for batch in reader {
        let batch = batch.map_err(other)?;
        let mut columns: Vec<Option<StringArray>> = Vec::with_capacity(targets.len());
        for (target, column) in targets.iter().zip(batch.columns()) {
            columns.push(match target {
                Target::None => None,
                _ => {
                    let text = arrow_cast::cast(column, &DataType::Utf8).map_err(other)?;
                    Some(
                        text.as_any()
                            .downcast_ref::<StringArray>()
                            .ok_or_else(|| other("not text"))?
                            .clone(),
                    )
                }
            });
        }
        for row in 0..batch.num_rows() {
            let mut raw = Raw {
                place: Place::Row(rows.rows.len() as u64 + 1),
                cells: Default::default(),
                extra: vec![None; rows.extra_names.len()],
            };
            for (target, column) in targets.iter().zip(&columns) {
                let Some(column) = column else { continue };
                let cell =
                    (!column.is_null(row) && !column.value(row).is_empty()).then(|| column.value(row).into());
                match *target {
                    Target::Known(known) => raw.cells[known] = cell,
                    Target::Extra(index) => raw.extra[index] = cell,
                    Target::None => {}
                }
            }
            rows.rows.push(raw);
        }
    }
    Ok(rows)
}

enum Target {
    Known(usize),
    Extra(usize),
    None,
}

/// Lists and structures can be cast to a printed form, but that is not what a cell means.
fn nested(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => nested(value),
        kind => {
            kind.is_nested()
                || matches!(
                    kind,
                    DataType::Binary | DataType::LargeBinary | DataType::BinaryView
                )
        }
    }
}

pub(super) fn write(table: &Table, path: &Path) -> Result<(), DataError> {
    let items = &table.items;
    let images: Vec<String> = items
        .iter()
        .map(|item| super::image_cell(item, path))
        .collect::<Result<_, _>>()?;
    let text = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
    let side = |i: usize| {
        let sides = items.iter().map(|item| item.bbox.map(|sides| sides[i]));
        Arc::new(Float32Array::from_iter(sides)) as ArrayRef
    };
    let columns: [ArrayRef; COLUMNS.len()] = [
        text(items.iter().map(|i| Some(i.id.as_str())).collect()),
        text(images.iter().map(|i| Some(i.as_str())).collect()),
        text(items.iter().map(|i| i.text.as_deref()).collect()),
        text(items.iter().map(|i| Some(i.label.as_str())).collect()),
        text(items.iter().map(|i| i.category.as_deref()).collect()),
        text(items.iter().map(|i| Some(i.split.name())).collect()),
        Arc::new(BooleanArray::from_iter(items.iter().map(|i| Some(i.is_query)))),
        Arc::new(BooleanArray::from_iter(items.iter().map(|i| Some(i.is_gallery)))),
        Arc::new(Int64Array::from_iter(items.iter().map(|i| i.camera))),
        text(items.iter().map(|i| i.domain.as_deref()).collect()),
        side(0),
        side(1),
        side(2),
        side(3),
    ];
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (name, array) in COLUMNS.iter().zip(columns) {
        fields.push(Field::new(*name, array.data_type().clone(), true));
        arrays.push(array);
    }
    for (name, values) in &table.extra {
        let values = (0..items.len())
            .map(|row| values.get(row).and_then(Option::as_deref))
            .collect();
        fields.push(Field::new(name, DataType::Utf8, true));
        arrays.push(text(values));
    }
    crate::files::write_whole(path, |file| {
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(std::io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties))?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(())
    })?;
    Ok(())
}
