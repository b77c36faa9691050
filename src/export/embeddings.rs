//! Embeddings for other tools: `.npy` with the ids beside it, or one Parquet file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::files::{FileError, write_whole};

/// Why embeddings could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EmbeddingsError {
    /// The file could not be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// Lengths that do not belong together.
    #[error("cannot write {}: {found} {what} for {rows} embeddings of {dimensions} dimensions", path.display())]
    #[diagnostic(help("each embedding needs exactly one id, label and split, and at least one dimension"))]
    Shape {
        /// The file.
        path: PathBuf,
        /// What does not fit: values, ids, labels or splits.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// Number of embeddings.
        rows: usize,
        /// Their width.
        dimensions: usize,
    },
    /// An id that would be two lines.
    #[error("cannot write {}: the id of row {row} holds a line break", path.display())]
    #[diagnostic(help("export to Parquet, where ids may hold any text"))]
    LineBreak {
        /// The file.
        path: PathBuf,
        /// Which id.
        row: usize,
    },
}

/// What is known of each row, one entry for each embedding.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Ids.
    pub ids: &'a [String],
    /// Labels.
    pub labels: &'a [String],
    /// What each is: a split, or `query` and `gallery`.
    pub splits: &'a [&'a str],
}

/// Writes `[rows, dimensions]` as NumPy's `.npy`, little-endian f32, row-major.
pub fn write_npy(path: &Path, embeddings: &[f32], shape: [usize; 2]) -> Result<(), EmbeddingsError> {
    check(
        path,
        "values",
        embeddings.len(),
        shape[0].checked_mul(shape[1]),
        shape,
    )?;
    Ok(write_whole(path, |file| {
        use npyz::WriterBuilder;
        let mut writer = npyz::WriteOptions::<f32>::new()
            .default_dtype()
            .shape(&[shape[0] as u64, shape[1] as u64])
            .writer(file)
            .begin_nd()?;
        writer.extend(embeddings.iter().copied())?;
        writer.finish()
    })?)
}

/// Writes ids one a line, in the order of the rows of the `.npy` beside it.
pub fn write_ids(path: &Path, ids: &[String]) -> Result<(), EmbeddingsError> {
    if let Some(row) = ids.iter().position(|id| id.contains(['\n', '\r'])) {
        return Err(EmbeddingsError::LineBreak {
            path: path.to_owned(),
            row,
        });
    }
    Ok(write_whole(path, |file| {
        ids.iter().try_for_each(|id| writeln!(file, "{id}"))
    })?)
}

/// Writes `id,label,split` as CSV, one line for each row of the `.npy` beside it.
pub fn write_rows(path: &Path, rows: Rows<'_>) -> Result<(), EmbeddingsError> {
    Ok(write_whole(path, |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(["id", "label", "split"])?;
        for ((id, label), split) in rows.ids.iter().zip(rows.labels).zip(rows.splits) {
            csv.write_record([id, label, *split])?;
        }
        csv.flush()
    })?)
}

/// Writes one Parquet file with the columns `id`, `label`, `split` (text) and `embedding` (fixed-size list of f32).
pub fn write_parquet(
    path: &Path,
    rows: Rows<'_>,
    embeddings: &[f32],
    dimensions: usize,
) -> Result<(), EmbeddingsError> {
    let shape = [rows.ids.len(), dimensions];
    check(
        path,
        "values",
        embeddings.len(),
        shape[0].checked_mul(dimensions),
        shape,
    )?;
    check(path, "labels", rows.labels.len(), Some(shape[0]), shape)?;
    check(path, "splits", rows.splits.len(), Some(shape[0]), shape)?;
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

fn check(
    path: &Path,
    what: &'static str,
    found: usize,
    expected: Option<usize>,
    shape: [usize; 2],
) -> Result<(), EmbeddingsError> {
    if expected == Some(found) && shape[1] > 0 {
        Ok(())
    } else {
        Err(mismatch(path, what, found, shape))
    }
}

fn mismatch(
    path: &Path,
    what: &'static str,
    found: usize,
    [rows, dimensions]: [usize; 2],
) -> EmbeddingsError {
    EmbeddingsError::Shape {
        path: path.to_owned(),
        what,
        found,
        rows,
        dimensions,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|at| format!("{prefix}{at}")).collect()
    }

    #[test]
    fn npy_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("embeddings.npy");
        let values = [1.5f32, -0.0, 3.25, f32::MIN_POSITIVE, 5.0, 1e30];
        write_npy(&path, &values, [3, 2]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(file.shape(), [3, 2]);
        assert_eq!(file.order(), npyz::Order::C);
        let read: Vec<f32> = file.into_vec().unwrap();
        assert_eq!(read.map_bits(), values.to_vec().map_bits());
        // NumPy maps files whose data is aligned.
        assert_eq!((bytes.len() - 24) % 64, 0);
        write_ids(&folder.path().join("ids.txt"), &names("a", 3)).unwrap();
        assert_eq!(
            std::fs::read_to_string(folder.path().join("ids.txt")).unwrap(),
            "a0\na1\na2\n"
        );
    }

    trait MapBits {
        fn map_bits(self) -> Vec<u32>;
    }

    impl MapBits for Vec<f32> {
        fn map_bits(self) -> Vec<u32> {
            self.into_iter().map(f32::to_bits).collect()
        }
    }

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

    #[test]
    fn what_does_not_fit_is_refused_before_a_file_exists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert!(matches!(
            write_npy(&path, &[0.0; 5], [3, 2]),
            Err(EmbeddingsError::Shape { found: 5, .. })
        ));
        let (ids, labels) = (names("a", 2), names("b", 1));
        let rows = Rows {
            ids: &ids,
            labels: &labels,
            splits: &["test", "test"],
        };
        let message = write_parquet(&path, rows, &[0.0; 4], 2).unwrap_err().to_string();
        assert!(
            message.ends_with("1 labels for 2 embeddings of 2 dimensions"),
            "{message}"
        );
        let error = write_ids(&path, &["a".to_owned(), "b\nc".to_owned()]);
        assert!(matches!(error, Err(EmbeddingsError::LineBreak { row: 1, .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
