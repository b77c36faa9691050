//! Codes of items as the first release of EMDE keeps them: one JSON object, an item's id → its region in each partition.

use crate::files::{FileError, read_bytes, write_whole};
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Codes that cannot be written or read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CodesError {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// Not the form.
    #[error("{} holds no codes: {problem}", path.display())]
    #[diagnostic(help(
        "codes are one JSON object, an item's id and its list of regions: {{\"shoe 1\": [50, 3], …}}"
    ))]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// An id that stands for two items.
    #[error("{} has two items with the id `{id}`", path.display())]
    #[diagnostic(help("ids name items: give each its own"))]
    Twice {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
}

/// Writes `[ids, depth]` codes, an item a line, in their order.
///
/// # Errors
/// When two items have one id, or the file system refuses.
pub fn write_codes(path: &Path, ids: &[String], codes: &[u32], depth: usize) -> Result<(), CodesError> {
    let mut seen = HashSet::new();
    if let Some(id) = ids.iter().find(|id| !seen.insert(id.as_str())) {
        return Err(CodesError::Twice {
            path: path.into(),
            id: id.clone(),
        });
    }
    Ok(write_whole(path, |file| {
        for (item, (id, codes)) in ids.iter().zip(codes.chunks_exact(depth)).enumerate() {
            let before = if item == 0 { "{\n" } else { ",\n" };
            let (id, codes) = (serde_json::to_string(id)?, serde_json::to_string(codes)?);
            write!(file, "{before}{id}: {codes}")?;
        }
        file.write_all(if ids.is_empty() { b"{}\n" } else { b"\n}\n" })
    })?)
}

/// Items' ids and their codes, `[ids, depth]`, with the depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemCodes {
    /// In the file's order.
    pub ids: Vec<String>,
    /// Row-major.
    pub codes: Vec<u32>,
    /// Partitions.
    pub depth: usize,
}

/// Reads what [`write_codes`] wrote, or a file of the same form. Untrusted.
///
/// # Errors
/// When it is no such object, an id stands twice, or items have different numbers of regions.
pub fn read_codes(path: &Path) -> Result<ItemCodes, CodesError> {
    let form = |problem: String| CodesError::Form {
        path: path.into(),
        problem,
    };
    let bytes = read_bytes(path)?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let items = json
        .deserialize_map(Items)
        .and_then(|items| json.end().map(|()| items))
        .map_err(|error| form(error.to_string()))?;
    let mut read = ItemCodes {
        ids: Vec::with_capacity(items.len()),
        depth: items.first().map_or(0, |(_, codes)| codes.len()),
        codes: Vec::new(),
    };
    if read.depth == 0 {
        return Err(form("it has no item, or its first item has no region".into()));
    }
    let mut seen = HashSet::new();
    for (id, codes) in items {
        if codes.len() != read.depth {
            return Err(form(format!(
                "`{id}` has {} regions, the items before it {}",
                codes.len(),
                read.depth
            )));
        }
        if !seen.insert(id.clone()) {
            return Err(CodesError::Twice {
                path: path.into(),
                id,
            });
        }
        read.ids.push(id);
        read.codes.extend(codes);
    }
    Ok(read)
}

/// Pairs as they stand in the file, so that an id that stands twice is seen.
struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<(String, Vec<u32>)>;

    fn expecting(&self, form: &mut std::fmt::Formatter) -> std::fmt::Result {
        form.write_str("an object of lists of whole numbers")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut items = Vec::new();
        while let Some(item) = map.next_entry()? {
            items.push(item);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.json");
        let ids = ["z", "a \"b\"", "m"].map(String::from).to_vec();
        write_codes(&path, &ids, &[5, 1, 0, 2, 7, 7], 2).unwrap();
        let read = read_codes(&path).unwrap();
        assert_eq!(
            (read.ids, read.codes, read.depth),
            (ids, vec![5, 1, 0, 2, 7, 7], 2)
        );
    }

    #[test]
    fn what_is_no_table_of_codes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.json");
        for (text, part) in [
            ("[1, 2]", "an object of lists"),
            ("{\"a\": [1, -2]}", "line 1 column"),
            ("{\"a\": [1, 2], \"b\": [1]}", "`b` has 1 regions"),
            ("{\"a\": [1], \"a\": [2]}", "two items with the id `a`"),
            ("{}", "no item"),
            ("{\"a\": [1]} x", "trailing"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_codes(&path).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let twice = ["a", "a"].map(String::from);
        assert!(matches!(
            write_codes(&path, &twice, &[1, 2], 1),
            Err(CodesError::Twice { .. })
        ));
    }
}
