//! The furniture catalogue that is part of the binary: several rendered views of each product, with names, tags and
//! categories, split by product. `assets/furniture.tar` holds `items.csv` (the native table) and the images it names.

use std::collections::HashMap;
use std::io::Read;

use bytes::Bytes;

use crate::data::error::DataError;
use crate::data::native::read_csv_with;
use crate::data::table::{ImageRef, Table};

/// The archive, where this build has it.
const ARCHIVE: Option<&[u8]> = Some(include_bytes!("../../../assets/furniture.tar"));

/// The embedded catalogue. Its images are slices of the binary: nothing is copied, nothing is written.
pub fn read() -> Result<Table, DataError> {
    match ARCHIVE {
        Some(archive) => catalogue("furniture", &Bytes::from_static(archive)),
        None => Err(DataError::Format {
            path: "assets/furniture.tar".into(),
            message: "this build has no furniture catalogue".into(),
            remedy: "build from a complete checkout".into(),
        }),
    }
}

/// A catalogue from a plain tar archive of `items.csv` and images: rows refer to ranges of `archive`.
pub(super) fn catalogue(name: &str, archive: &Bytes) -> Result<Table, DataError> {
    let fail = |message: String| DataError::Format {
        path: format!("{name}.tar").into(),
        message,
        remedy: "build the archive again with scripts/data/furniture".into(),
    };
    let mut files: HashMap<String, Bytes> = HashMap::new();
    let mut reader = tar::Archive::new(archive.as_ref());
    for entry in reader.entries().map_err(|error| fail(error.to_string()))? {
        let entry = entry.map_err(|error| fail(error.to_string()))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(|error| fail(error.to_string()))?;
        let path = path
            .strip_prefix(".")
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        let start = entry.raw_file_position();
        let end = start
            .checked_add(entry.size())
            .filter(|&end| end <= archive.len() as u64);
        let Some(end) = end else {
            return Err(fail(format!("{path} is cut short")));
        };
        // Both fit: they are within a slice.
        files.insert(path, archive.slice(start as usize..end as usize));
    }
    let items = files
        .get("items.csv")
        .ok_or_else(|| fail("there is no items.csv in it".into()))?;
    let mut text = Vec::new();
    items
        .as_ref()
        .read_to_end(&mut text)
        .map_err(|error| fail(error.to_string()))?;
    let mut table = read_csv_with("items.csv", &text, |image| match files.get(image) {
        Some(bytes) => Ok(ImageRef::Memory {
            bytes: bytes.clone(),
            name: image.to_string(),
        }),
        None => Err(("is not in the archive".into(), "build the archive again".into())),
    })?;
    table.name = name.into();
    Ok(table)
}
