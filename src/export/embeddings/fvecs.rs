//! The `.fvecs` and `.ivecs` of the texmex corpora, which FAISS and its kin read: for each row its length as a little-endian i32,
//! then its values, f32 or i32.

use super::{EmbeddingsError, check};
use crate::files::write_whole;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Writes embeddings of `dimensions` values each.
pub fn write_fvecs(path: &Path, embeddings: &[f32], dimensions: usize) -> Result<(), EmbeddingsError> {
    let rows = embeddings.len() / dimensions.max(1);
    let width = width(path, embeddings.len(), [rows, dimensions])?;
    Ok(write_whole(path, |file| {
        embeddings.chunks_exact(dimensions).try_for_each(|row| {
            file.write_all(&width)?;
            row.iter().try_for_each(|v| file.write_all(&v.to_le_bytes()))
        })
    })?)
}

/// Writes one whole number a row.
pub fn write_ivecs(path: &Path, numbers: &[i32]) -> Result<(), EmbeddingsError> {
    Ok(write_whole(path, |file| {
        numbers.iter().try_for_each(|number| {
            file.write_all(&1i32.to_le_bytes())?;
            file.write_all(&number.to_le_bytes())
        })
    })?)
}

/// Numbers of labels in the order in which they first come: equal labels, equal numbers.
pub fn label_numbers(labels: &[String]) -> Vec<i32> {
    let mut known: HashMap<&str, i32> = HashMap::new();
    labels
        .iter()
        .map(|label| {
            let next = i32::try_from(known.len()).unwrap_or(i32::MAX);
            *known.entry(label).or_insert(next)
        })
        .collect()
}

fn width(path: &Path, found: usize, shape: [usize; 2]) -> Result<[u8; 4], EmbeddingsError> {
    check(path, "values", found, shape[0].checked_mul(shape[1]), shape)?;
    i32::try_from(shape[1])
        .map(i32::to_le_bytes)
        .map_err(|_| EmbeddingsError::Dimensions {
            path: path.to_owned(),
            what: "an .fvecs row",
            dimensions: shape[1],
            limit: i32::MAX as usize,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_the_format_s() {
        let folder = tempfile::tempdir().unwrap();
        let (f, i) = (folder.path().join("a.fvecs"), folder.path().join("a.ivecs"));
        write_fvecs(&f, &[1.0, -2.5, 0.0, 3.0], 2).unwrap();
        // Length 2, 1.0, −2.5; length 2, 0.0, 3.0.
        let expected = [
            [2, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0],
            [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x40],
        ];
        assert_eq!(std::fs::read(&f).unwrap(), expected.concat());
        let labels = ["b", "a", "b", "c"].map(String::from);
        let numbers = label_numbers(&labels);
        assert_eq!(numbers, [0, 1, 0, 2]);
        write_ivecs(&i, &numbers).unwrap();
        assert_eq!(std::fs::read(&i).unwrap().len(), 4 * 8);
        assert_eq!(std::fs::read(&i).unwrap()[24..], [1, 0, 0, 0, 2, 0, 0, 0]);
        assert!(write_fvecs(&f, &[1.0, 2.0, 3.0], 2).is_err());
        assert!(write_fvecs(&f, &[], 0).is_err());
    }
}
