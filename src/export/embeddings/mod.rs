//! Embeddings for other tools, one format a file.

mod fvecs;
mod npy;
mod parquet;
mod pgvector;
mod qdrant;

pub use fvecs::{label_numbers, write_fvecs, write_ivecs};
pub use npy::{write_ids, write_npy, write_rows};
pub use parquet::write_parquet;
pub use pgvector::{table_name, write_pgvector};
pub use qdrant::{point_id, write_qdrant, write_qdrant_collection};

use crate::files::FileError;
use std::path::{Path, PathBuf};

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
    /// A number that text formats cannot say.
    #[error("cannot write {}: the embedding of row {row} (`{id}`) is not finite", path.display())]
    #[diagnostic(help(
        "the picture or the weights gave NaN or infinity: look at this picture, or take other --weights"
    ))]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Which row, from 0.
        row: usize,
        /// Its id.
        id: String,
    },
    /// A character that PostgreSQL's text cannot hold.
    #[error("cannot write {}: the {column} of row {row} holds a zero byte", path.display())]
    #[diagnostic(help("PostgreSQL stores no zero bytes: mend the table, or export to Parquet"))]
    Zero {
        /// The file.
        path: PathBuf,
        /// Which column.
        column: String,
        /// Which row, from 0.
        row: usize,
    },
    /// A name that PostgreSQL cuts or refuses.
    #[error("`{0}` cannot name a table")]
    #[diagnostic(help("use 1 to 63 bytes without a zero byte; `schema.table` names a table of a schema"))]
    Table(String),
    /// A vector longer than the other side takes.
    #[error("cannot write {}: {dimensions} dimensions, and {what} ends at {limit}", path.display())]
    #[diagnostic(help("export to another format, or train a narrower embedding"))]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// Whose limit it is.
        what: &'static str,
        /// How long embeddings are.
        dimensions: usize,
        /// How long they may be.
        limit: usize,
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
    /// What databases keep beside a vector.
    pub more: &'a [Column],
}

/// A text for each row, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name: `category`, `title`.
    pub name: String,
    /// One for each row.
    pub values: Vec<Option<String>>,
}

/// Divides each row of `dim` values by its length, or by 1e-12 where it is shorter.
pub fn unit(values: &mut [f32], dim: usize) {
    for row in values.chunks_exact_mut(dim.max(1)) {
        let length = row
            .iter()
            .map(|&v| f64::from(v) * f64::from(v))
            .sum::<f64>()
            .sqrt();
        let length = length.max(1e-12);
        row.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
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

/// Every list has an entry for each row.
fn check_rows(
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
    for column in rows.more {
        check(path, "further texts", column.values.len(), Some(shape[0]), shape)?;
    }
    Ok(())
}

/// Refuses NaN and infinity.
fn check_finite(
    path: &Path,
    rows: Rows<'_>,
    embeddings: &[f32],
    dimensions: usize,
) -> Result<(), EmbeddingsError> {
    match embeddings.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(EmbeddingsError::NotFinite {
            path: path.to_owned(),
            row: at / dimensions,
            id: rows.ids[at / dimensions].clone(),
        }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(super) fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|at| format!("{prefix}{at}")).collect()
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
            more: &[],
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

    #[test]
    fn rows_become_of_length_one_and_zeros_stay() {
        let mut values = [3.0, 4.0, 0.0, 0.0, -2.0, 0.0];
        unit(&mut values, 2);
        assert_eq!(values, [0.6, 0.8, 0.0, 0.0, -1.0, 0.0]);
    }
}
