//! The native table as comma-separated text (RFC 4180).

use std::path::Path;

use super::columns::{COLUMNS, COUNT, known};
use super::rows::{Place, Raw, Rows};
use crate::data::error::{DataError, Problem, shorten};
use crate::data::table::Table;

pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Rows, DataError> {
    let text = super::utf8(path, bytes)?;
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut lines = Lines {
        text: text.as_bytes(),
        at: 0,
        line: 1,
    };
    let mut record = ::csv::ByteRecord::new();
    let mut rows = Rows::default();
    let mut header: Option<Vec<Target>> = None;
    let mut last_start = 0;
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            // From memory, with any number of fields a row, nothing can fail; if it does, it is said.
            Err(error) => return Err(malformed(path, error.to_string())),
        }
        last_start = record.position().map_or(0, |position| position.byte() as usize);
        let place = Place::Line(lines.line_of(&mut last_start));
        // The text is UTF-8 and fields end at ASCII bytes, so every field is UTF-8.
        let fields: Vec<&str> = record
            .iter()
            .map(|field| std::str::from_utf8(field).unwrap_or_default())
            .collect();
        let Some(targets) = &header else {
            header = Some(read_header(path, &fields, &mut rows)?);
            continue;
        };
        if fields.len() != targets.len() {
            rows.problems.push(Problem {
                place: place.to_string(),
                column: None,
                value: Some(shorten(&fields.join(","))),
                message: format!("has {} fields, the header has {}", fields.len(), targets.len()),
                remedy: "put fields that contain commas, quotes or line breaks into quotation marks".into(),
            });
            continue;
        }
        let mut raw = Raw {
            place,
            cells: Default::default(),
            extra: vec![None; rows.extra_names.len()],
        };
        for (target, field) in targets.iter().zip(fields) {
            let value = (!field.is_empty()).then(|| field.to_string());
            match *target {
                Target::Known(column) => raw.cells[column] = value,
                Target::Extra(column) => raw.extra[column] = value,
            }
        }
        rows.rows.push(raw);
    }
    // A quotation mark that is never closed makes one field of all that follows, without an error of the parser's.
    let tail = &text.as_bytes()[last_start.min(text.len())..];
    let quotes = tail.iter().filter(|&&byte| byte == b'"').count();
    if quotes % 2 == 1 && tail.trim_ascii_end().contains(&b'\n') {
        rows.problems.push(Problem {
            place: format!("line {}", lines.line_of(&mut last_start)),
            column: None,
            value: None,
            message: "opens a quotation mark that is never closed".into(),
            remedy: "close it, or write \"\" for a quotation mark inside of a quoted field".into(),
        });
    }
    Ok(rows)
}

enum Target {
    Known(usize),
    Extra(usize),
}

fn read_header(path: &Path, fields: &[&str], rows: &mut Rows) -> Result<Vec<Target>, DataError> {
    if let [only] = fields {
        for (separator, name) in [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")] {
            if only
                .split(separator)
                .any(|field| known(field.trim_matches('"')).is_some())
                && only.contains(separator)
            {
                return Err(DataError::Format {
                    path: path.into(),
                    message: format!("the columns are separated by {name}, not by commas"),
                    remedy: "save the table with commas".into(),
                });
            }
        }
    }
    let mut targets = Vec::with_capacity(fields.len());
    for field in fields {
        let name = field.trim();
        let twice = match known(name) {
            Some(column) => {
                targets.push(Target::Known(column));
                std::mem::replace(&mut rows.present[column], true)
            }
            None => {
                targets.push(Target::Extra(rows.extra_names.len()));
                let twice = !name.is_empty() && rows.extra_names.iter().any(|other| other == name);
                rows.extra_names.push(name.to_string());
                twice
            }
        };
        if twice {
            return Err(DataError::Format {
                path: path.into(),
                message: format!("the header names the column `{name}` twice"),
                remedy: "rename or remove one of them".into(),
            });
        }
    }
    Ok(targets)
}

fn malformed(path: &Path, message: String) -> DataError {
    DataError::Format {
        path: path.into(),
        message,
        remedy: "write comma-separated text with one header line".into(),
    }
}

/// Line numbers from byte offsets: the parser's own count is off behind blank lines.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line (from 1) of the record that starts at `start` or behind the line ends there. Moves `start` behind those.
    fn line_of(&mut self, start: &mut usize) -> u64 {
        while matches!(self.text.get(*start), Some(b'\n' | b'\r')) {
            *start += 1;
        }
        while self.at < (*start).min(self.text.len()) {
            let lone_return = self.text[self.at] == b'\r' && self.text.get(self.at + 1) != Some(&b'\n');
            if self.text[self.at] == b'\n' || lone_return {
                self.line += 1;
            }
            self.at += 1;
        }
        self.line
    }
}

pub(super) fn write(table: &Table, path: &Path) -> Result<(), DataError> {
    let rows: Vec<[Option<String>; COUNT]> = table
        .items
        .iter()
        .map(|item| super::cells(item, path))
        .collect::<Result<_, _>>()?;
    crate::files::write_whole(path, |file| {
        let mut writer = ::csv::Writer::from_writer(file);
        writer.write_record(COLUMNS.into_iter().chain(table.extra.keys().map(String::as_str)))?;
        for (row, cells) in rows.iter().enumerate() {
            let extra = table
                .extra
                .values()
                .map(|values| values.get(row).cloned().flatten());
            let fields = cells.iter().cloned().chain(extra).map(Option::unwrap_or_default);
            writer.write_record(fields)?;
        }
        writer.flush()
    })?;
    Ok(())
}
