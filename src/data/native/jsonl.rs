//! The native table as one JSON object a line.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value};

use super::columns::{COLUMNS, known};
use super::rows::{Place, Raw, Rows};
use crate::data::error::{DataError, Problem, shorten};
use crate::data::table::Table;

pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Rows, DataError> {
    let text = super::utf8(path, bytes)?;
    let mut rows = Rows::default();
    let mut extra_index: HashMap<String, usize> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = Place::Line(number as u64 + 1);
        let object: Map<String, Value> = match serde_json::from_str(line) {
            Ok(object) => object,
            Err(error) => {
                rows.problems.push(Problem {
                    place: place.to_string(),
                    column: None,
                    value: Some(shorten(line)),
                    // The parser's own position says "line 1", which is this line.
                    message: format!("is not a JSON object: {}", without_position(&error)),
                    remedy: "write one object a line: {\"image\": \"a.jpg\", \"label\": \"1\"}".into(),
                });
                continue;
            }
        };
        let raw = raw(place, object, &mut rows, &mut extra_index);
        rows.rows.push(raw);
    }
    Ok(rows)
}

/// The cells of an object. Columns that have no meaning get a place behind those of earlier rows.
pub(crate) fn raw(
    place: Place,
    object: Map<String, Value>,
    rows: &mut Rows,
    extra_index: &mut HashMap<String, usize>,
) -> Raw {
    let mut raw = Raw {
        place,
        cells: Default::default(),
        extra: vec![None; rows.extra_names.len()],
    };
    for (key, value) in object {
        let column = known(&key);
        let cell = match value {
            Value::Null => None,
            Value::String(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Array(_) | Value::Object(_) if column.is_some() => {
                rows.problems.push(Problem {
                    place: raw.place.to_string(),
                    column: Some(key.clone()),
                    value: Some(shorten(&value.to_string())),
                    message: "is not a text, a number or a truth value".into(),
                    remedy: "write one plain value".into(),
                });
                None
            }
            other => Some(other.to_string()),
        };
        match column {
            Some(column) => {
                rows.present[column] = true;
                raw.cells[column] = cell;
            }
            None => {
                let next = rows.extra_names.len();
                let index = *extra_index.entry(key).or_insert_with_key(|key| {
                    rows.extra_names.push(key.clone());
                    next
                });
                raw.extra.resize(raw.extra.len().max(index + 1), None);
                raw.extra[index] = cell;
            }
        }
    }
    raw
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line ") {
        Some((message, _)) => format!("{message} at column {}", error.column()),
        None => text,
    }
}

pub(super) fn write(table: &Table, path: &Path) -> Result<(), DataError> {
    let mut lines = Vec::with_capacity(table.items.len());
    for (row, item) in table.items.iter().enumerate() {
        let image = super::image_cell(item, path)?;
        lines.push(Value::Object(object(table, row, Some(image))));
    }
    crate::files::write_whole(path, |file| {
        lines.iter().try_for_each(|line| writeln!(file, "{line}"))
    })?;
    Ok(())
}

/// A row as an object, with typed values where the column has a type.
pub(crate) fn object(table: &Table, row: usize, image: Option<String>) -> Map<String, Value> {
    let mut object = Map::new();
    let item = &table.items[row];
    for (name, cell) in COLUMNS.iter().zip(super::cells_with(item, image)) {
        if let Some(cell) = cell {
            object.insert(name.to_string(), Value::String(cell));
        }
    }
    object.insert("is_query".into(), item.is_query.into());
    object.insert("is_gallery".into(), item.is_gallery.into());
    if let Some(camera) = item.camera {
        object.insert("camera".into(), camera.into());
    }
    for (name, side) in ["x1", "y1", "x2", "y2"].iter().zip(item.bbox.iter().flatten()) {
        object.insert(name.to_string(), (*side).into());
    }
    for (name, values) in &table.extra {
        if let Some(value) = values.get(row).cloned().flatten() {
            object.insert(name.clone(), Value::String(value));
        }
    }
    object
}
