//! The text lists of DeepFashion and Stanford Online Products: columns separated by spaces, and paths that they name.

use std::path::{Component, Path, PathBuf};

use crate::data::error::{DataError, Problem, Problems, shorten};

/// A list in memory.
pub(super) struct List {
    /// Its file.
    pub path: PathBuf,
    text: String,
    /// Lines before the first row: a header, and a count above it where there is one.
    head: usize,
    columns: usize,
    /// What is wrong with it so far.
    pub problems: Problems,
}

/// A row and its line, from 1.
pub(super) struct Row<'a> {
    pub line: usize,
    pub cells: Vec<&'a str>,
}

impl List {
    /// Reads a list whose header names `columns`; with `counted`, the line above the header says how many rows there are.
    pub fn read(path: PathBuf, columns: &[&str], counted: bool) -> Result<Self, DataError> {
        let text = crate::files::read_text(&path)?;
        let wrong = |line: usize, message: String| DataError::Format {
            path: path.clone(),
            message: format!("line {line}: {message}"),
            remedy: "take the file as it was published".into(),
        };
        let mut lines = text.lines();
        let mut stated = None;
        let mut head = 1;
        if counted {
            let first = lines.next().unwrap_or_default();
            let Ok(count) = first.trim_start_matches('\u{feff}').trim().parse::<usize>() else {
                let message = format!("{:?} is not the number of rows", shorten(first));
                return Err(wrong(1, message));
            };
            stated = Some(count);
            head = 2;
        }
        let header = lines.next().unwrap_or_default().trim_start_matches('\u{feff}');
        if !header.split_whitespace().eq(columns.iter().copied()) {
            let message = format!(
                "the columns are {:?}, expected {:?}",
                shorten(header),
                columns.join(" ")
            );
            return Err(wrong(head, message));
        }
        let mut list = List {
            path: path.clone(),
            text,
            head,
            columns: columns.len(),
            problems: Problems::default(),
        };
        let mut problems = Problems::default();
        let mut rows = 0;
        for (line, text) in list.lines() {
            rows += 1;
            let found = text.split_whitespace().count();
            if found != list.columns {
                problems.push(Problem {
                    place: format!("line {line}"),
                    column: None,
                    value: Some(shorten(text)),
                    message: format!("has {found} columns, the header has {}", list.columns),
                    remedy: "take the file as it was published".into(),
                });
            }
        }
        if let Some(stated) = stated
            && stated != rows
        {
            problems.push(Problem {
                place: "line 1".into(),
                column: None,
                value: None,
                message: format!("says {stated} rows, but there are {rows}"),
                remedy: "the file is cut short or was edited: fetch it again, or correct the number".into(),
            });
        }
        if rows == 0 {
            return Err(wrong(head, "no row follows".into()));
        }
        list.problems = problems;
        Ok(list)
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .skip(self.head)
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim().is_empty())
    }

    /// The rows that have all their columns.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.lines().filter_map(|(line, text)| {
            let cells: Vec<&str> = text.split_whitespace().collect();
            (cells.len() == self.columns).then_some(Row { line, cells })
        })
    }
}

/// A problem with a cell of a row.
pub(super) fn problem(line: usize, column: &str, value: &str, message: String, remedy: &str) -> Problem {
    Problem {
        place: format!("line {line}"),
        column: Some(column.into()),
        value: Some(shorten(value)),
        message,
        remedy: remedy.into(),
    }
}

/// A name of a list as a path below a folder; lists are not trusted to stay there.
pub(super) fn below(folder: &Path, name: &str) -> Option<PathBuf> {
    let inside = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (inside && !name.is_empty() && !name.contains(['\0', '\\'])).then(|| folder.join(name))
}

/// The first of some paths below the root that is a file.
pub(super) fn find_file(root: &Path, names: &[&str]) -> Option<PathBuf> {
    names
        .iter()
        .map(|name| root.join(name))
        .find(|path| path.is_file())
}

/// The folder that image names of a DeepFashion benchmark (`img/…`) begin in: archives unpack beside or below `Img/`.
pub(super) fn base(root: &Path) -> PathBuf {
    let capital = root.join("Img");
    match !root.join("img").is_dir() && capital.join("img").is_dir() {
        true => capital,
        false => root.to_path_buf(),
    }
}

/// x1, y1, x2, y2 of four cells: two corners, in pixels. `Ok(None)` for a box without a pixel in it.
pub(super) fn corners(cells: &[&str], legacy: bool) -> Result<Option<[f32; 4]>, String> {
    let mut sides = [0.0f32; 4];
    for (side, cell) in sides.iter_mut().zip(cells) {
        *side = match cell.parse::<f32>() {
            Ok(value) if value.is_finite() => value,
            _ => return Err(format!("{:?} is not a number of pixels", shorten(cell))),
        };
    }
    let [x1, y1, x2, y2] = sides;
    if x2 <= x1 || y2 <= y1 {
        return Ok(None);
    }
    Ok(Some(match legacy {
        false => sides,
        true => [x1, y1, x1 + x2, y1 + y2],
    }))
}
