//! One Parquet table of ids, labels, splits and embeddings.

use super::{EmbeddingsError, Rows, check_rows, mismatch};
use crate::files::write_whole;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Writes one Parquet file with the columns `id`, `label`, `split` (text) and `embedding` (fixed-size list of f32).
pub fn write_parquet(
    path: &Path,
    rows: Rows<'_>,
    embeddings: &[f32],
    dimensions: usize,
) -> Result<(), EmbeddingsError> {
    check_rows(path, rows, embeddings, dimensions)?;
    let shape = [rows.ids.len(), dimensions];
    let width = i32::try_from(dimensions).map_err(|_| mismatch(path, "values", embeddings.len(), shape))?;
    let entry = Arc::new(Field::new("item", DataType::Float32, false));
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let schema = Arc::new(Schema::new(vec![
        text("id"),
        text("label"),
        text("split"),
        Field::new(
            "embedding",
            DataType::FixedSizeList(Arc::clone(&entry), width),
            false,
        ),
    ]));
    // Floats of embeddings hardly compress; a low level keeps the text small.
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(true)
        .build();
    Ok(write_whole(path, |file| {
        let mut writer =
            ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(io::Error::other)?;
        // In portions, so that the copies that columns need stay small.
        for start in (0..shape[0]).step_by(PORTION) {
            let part = start..(start + PORTION).min(shape[0]);
            let values =
                Float32Array::from(embeddings[part.start * dimensions..part.end * dimensions].to_vec());
            let lists = FixedSizeListArray::try_new(Arc::clone(&entry), width, Arc::new(values), None);
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter_values(&rows.ids[part.clone()])),
                Arc::new(StringArray::from_iter_values(&rows.labels[part.clone()])),
                Arc::new(StringArray::from_iter_values(&rows.splits[part])),
                Arc::new(lists.map_err(io::Error::other)?),
            ];
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(io::Error::other)?;
            writer.write(&batch).map_err(unwrap_io)?;
            writer.flush().map_err(unwrap_io)?;
        }
        writer.close().map_err(unwrap_io)?;
        Ok(())
    })?)
}

/// Rows of one row group: a few megabytes at 512 dimensions.
const PORTION: usize = 8192;

/// Keeps the operating system's own error (a full disk has a remedy of its own).
fn unwrap_io(error: parquet::errors::ParquetError) -> io::Error {
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::names;
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    #[test]
    fn parquet_reads_back_over_several_row_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("embeddings.parquet");
        let count = PORTION + 7;
        let (ids, labels, splits) = (names("id ", count), names("label\n", count), vec!["test"; count]);
        let values: Vec<f32> = (0..count * 3).map(|at| at as f32 / 7.0).collect();
        write_parquet(
            &path,
            Rows {
                ids: &ids,
                labels: &labels,
                splits: &splits,
                more: &[],
            },
            &values,
            3,
        )
        .unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let (mut read_ids, mut read_labels, mut read) = (Vec::new(), Vec::new(), Vec::new());
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let text = |at: usize| batch.column(at).as_string::<i32>().clone();
            read_ids.extend(text(0).iter().map(|id| id.unwrap().to_owned()));
            read_labels.extend(text(1).iter().map(|label| label.unwrap().to_owned()));
            assert!(text(2).iter().all(|split| split == Some("test")));
            let lists = batch.column(3).as_fixed_size_list().clone();
            assert_eq!((lists.value_length(), lists.null_count()), (3, 0));
            read.extend(
                lists
                    .values()
                    .as_primitive::<arrow_array::types::Float32Type>()
                    .values()
                    .to_vec(),
            );
        }
        assert_eq!((read_ids, read_labels), (ids, labels));
        assert_eq!(read, values);
    }
}
