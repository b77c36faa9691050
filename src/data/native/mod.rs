//! The native table: one row an image, as CSV, JSONL or Parquet.
//!
//! Columns: `id, image, text, label, category, split, is_query, is_gallery, camera, domain, x1, y1, x2, y2`, in any order and
//! case. `image` and `label` are required; other columns are kept by name in [`Table::extra`].
//!
//! - `image` is a path relative to the table's folder (or to `root`), or absolute. A relative path may not leave the root by
//!   `..` unless `allow_outside` is set.
//! - `id` is the image's path where there is none (with the box behind `#`, where there is a box). Ids are unique.
//! - `split` is `train`, `valid` (also `val`, `validation`) or `test`. Without the column all rows are `train`.
//! - Without `is_query` and `is_gallery` every row of `valid` and `test` is both (the evaluation leaves out the query itself).
//!   With one of the two columns, a held-out row is the other one exactly when it is not this one. With both, rows are what
//!   they say. An empty cell is false.
//! - `x1, y1, x2, y2` are two corners in pixels, x1 < x2 and y1 < y2: all four or none.
//!
//! Text files are UTF-8, with or without a byte order mark, with either line end. Every problem is found in one reading.

pub mod columns;
mod csv;
pub(crate) mod jsonl;
mod parquet;
mod paths;
pub(crate) mod rows;

use std::path::{Path, PathBuf};

use crate::data::error::{DataError, Problem, Problems, shorten};
use crate::data::table::{ImageRef, Item, Origin, Table};
use rows::Rows;

/// How image paths of a table are understood.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// What relative paths start from; the table's folder where there is none.
    pub root: Option<PathBuf>,
    /// Whether relative paths may leave the root.
    pub allow_outside: bool,
}

/// The three formats, by the extension of the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    Jsonl,
    Parquet,
}

fn format_of(path: &Path) -> Result<Format, DataError> {
    let extension = path
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    match extension.as_str() {
        "csv" => Ok(Format::Csv),
        "jsonl" | "ndjson" => Ok(Format::Jsonl),
        "parquet" => Ok(Format::Parquet),
        _ => Err(DataError::Format {
            path: path.into(),
            message: format!("`.{extension}` is not the extension of a table"),
            remedy: "tables are .csv (with commas), .jsonl or .parquet".into(),
        }),
    }
}

/// Reads a table; the extension says its format.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Table, DataError> {
    let format = format_of(path)?;
    let root = match &options.root {
        Some(root) => root.clone(),
        None => path.parent().map(Path::to_path_buf).unwrap_or_default(),
    };
    let rows = match format {
        Format::Csv => csv::read(path, &crate::files::read_bytes(path)?)?,
        Format::Jsonl => jsonl::read(path, &crate::files::read_bytes(path)?)?,
        Format::Parquet => parquet::read(path)?,
    };
    let resolve = |text: &str| paths::resolve(&root, text, options.allow_outside).map(ImageRef::File);
    let name = path
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default();
    finish(name, path, Some(&root), rows, &resolve)
}

/// Reads a CSV table from memory whose images are found by `resolve`: how an archive holds a table.
pub(crate) fn read_csv_with(
    name: &str,
    bytes: &[u8],
    resolve: impl Fn(&str) -> Result<ImageRef, (String, String)>,
) -> Result<Table, DataError> {
    let path = Path::new(name);
    let mut table = finish(name.into(), path, None, csv::read(path, bytes)?, &resolve)?;
    table.origin = None;
    Ok(table)
}

/// A table of rows that were read from a file, or all that is wrong with them.
pub(crate) fn finish(
    name: String,
    path: &Path,
    root: Option<&Path>,
    mut rows: Rows,
    resolve: &rows::Resolve,
) -> Result<Table, DataError> {
    let missing = columns::missing(&rows.present);
    let unreadable = rows.rows.is_empty() && rows.problems.count() > 0;
    if !missing.is_empty() && !unreadable {
        let mut found: Vec<String> = (0..columns::COUNT)
            .filter(|&column| rows.present[column])
            .map(|column| columns::COLUMNS[column].to_string())
            .collect();
        found.extend(rows.extra_names.iter().cloned());
        return Err(DataError::Columns {
            path: path.into(),
            missing: missing
                .iter()
                .map(|&column| columns::COLUMNS[column].to_string())
                .collect(),
            remedy: columns::rename_remedy(&missing, &found),
            found,
        });
    }
    let mut notes = std::mem::take(&mut rows.notes);
    for name in &rows.extra_names {
        if let Some(meant) = columns::meant(name, &rows.present) {
            notes.push(format!(
                "the column `{name}` has no meaning; is it meant to be `{meant}`?"
            ));
        }
    }
    let (items, extra) = rows::build(&mut rows, resolve);
    rows.problems.into_result(path)?;
    if items.is_empty() {
        return Err(DataError::Format {
            path: path.into(),
            message: "the table has no rows".into(),
            remedy: "write one row for each image".into(),
        });
    }
    let mut table = Table::new(name, root, items);
    table.extra = extra;
    table.notes = notes;
    table.origin = Some(Origin {
        path: path.into(),
        says_split: rows.present[columns::SPLIT],
    });
    Ok(table)
}

/// Whether a file's name says that it is a table.
pub fn is_table(path: &Path) -> bool {
    format_of(path).is_ok()
}

/// Writes a table; the extension says its format. Image paths are written relative to the file's folder where they lie
/// beneath it, and absolute elsewhere. What is written is read back as the same rows.
pub fn write(table: &Table, path: &Path) -> Result<(), DataError> {
    match format_of(path)? {
        Format::Csv => csv::write(table, path),
        Format::Jsonl => jsonl::write(table, path),
        Format::Parquet => parquet::write(table, path),
    }
}

/// How a table at `path` names an item's image.
fn image_cell(item: &Item, path: &Path) -> Result<String, DataError> {
    let fail = || DataError::NoPath {
        path: path.into(),
        image: item.image.name().into_owned(),
    };
    let ImageRef::File(image) = &item.image else {
        return Err(fail());
    };
    let image = std::path::absolute(image).map_err(|_| fail())?;
    let table = std::path::absolute(path).map_err(|_| fail())?;
    let folder = table.parent().unwrap_or(Path::new(""));
    let name = image.strip_prefix(folder).unwrap_or(&image);
    Ok(name.to_str().ok_or_else(fail)?.to_string())
}

/// The cells of a row as text, in the order of [`columns::COLUMNS`]; `None` is empty.
fn cells(item: &Item, path: &Path) -> Result<[Option<String>; columns::COUNT], DataError> {
    Ok(cells_with(item, Some(image_cell(item, path)?)))
}

/// The same, with this image.
fn cells_with(item: &Item, image: Option<String>) -> [Option<String>; columns::COUNT] {
    let side = |i: usize| item.bbox.map(|sides| sides[i].to_string());
    [
        Some(item.id.clone()),
        image,
        item.text.clone(),
        Some(item.label.clone()),
        item.category.clone(),
        Some(item.split.name().into()),
        Some(item.is_query.to_string()),
        Some(item.is_gallery.to_string()),
        item.camera.map(|camera| camera.to_string()),
        item.domain.clone(),
        side(0),
        side(1),
        side(2),
        side(3),
    ]
}

/// The bytes of a text file as UTF-8 without its byte order mark, or every line that is not UTF-8.
fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(DataError::Format {
            path: path.into(),
            message: "the file is UTF-16".into(),
            remedy: "save it as UTF-8".into(),
        });
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(DataError::Format {
            path: path.into(),
            message: "the file is empty".into(),
            remedy: "a table has at least the columns `image` and `label`, and one row for each image".into(),
        });
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text);
    }
    let mut problems = Problems::default();
    for (line, text) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if let Err(error) = std::str::from_utf8(text) {
            let at = error.valid_up_to();
            problems.push(Problem {
                place: format!("line {}, byte {}", line + 1, at + 1),
                column: None,
                value: Some(shorten(&String::from_utf8_lossy(text))),
                message: format!("is not UTF-8 (byte 0x{:02X})", text[at]),
                remedy: "save the file as UTF-8".into(),
            });
        }
    }
    Err(DataError::Rows {
        path: path.into(),
        problems,
    })
}

#[cfg(test)]
mod tests;
