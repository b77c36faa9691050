//! NumPy's `.npy`, with the rows' ids in a file beside it.

use super::{EmbeddingsError, Rows, check};
use crate::files::write_whole;
use std::io::Write;
use std::path::Path;

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

#[cfg(test)]
mod tests {
    use super::super::tests::names;
    use super::*;

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
}
