//! From the text of cells to [`Item`]s: the same rules, whatever the file's format.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::columns::*;
use crate::data::error::{Problem, Problems, shorten};
use crate::data::table::{ImageRef, Item, Split};

/// Where a row stands in its file.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A line of a text file, from 1.
    Line(u64),
    /// A row of a Parquet file, from 1.
    Row(u64),
    /// A sample of an archive, by its name.
    Sample(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Row(row) => write!(f, "row {row}"),
            Place::Sample(name) => f.write_str(name),
        }
    }
}

/// A row before its cells mean anything. Empty cells are `None`.
pub(crate) struct Raw {
    pub place: Place,
    pub cells: [Option<String>; COUNT],
    /// As many as there are extra columns so far; a format that learns of columns later leaves rows short.
    pub extra: Vec<Option<String>>,
}

/// All rows of a file.
#[derive(Default)]
pub(crate) struct Rows {
    pub present: [bool; COUNT],
    pub extra_names: Vec<String>,
    pub rows: Vec<Raw>,
    pub problems: Problems,
    pub notes: Vec<String>,
}

/// What an image cell refers to, or (what is wrong, what to do).
pub(crate) type Resolve<'a> = dyn Fn(&str) -> Result<ImageRef, (String, String)> + 'a;

/// Items and extra columns; what is wrong goes to `rows.problems`.
pub(super) fn build(
    rows: &mut Rows,
    resolve: &Resolve,
) -> (Vec<Item>, BTreeMap<String, Vec<Option<String>>>) {
    let mut items = Vec::with_capacity(rows.rows.len());
    let mut first_with: HashMap<String, Place> = HashMap::new();
    let mut extra: Vec<Vec<Option<String>>> =
        vec![Vec::with_capacity(rows.rows.len()); rows.extra_names.len()];
    let id_is_given = rows.present[ID];
    for raw in std::mem::take(&mut rows.rows) {
        let mut reader = Reader {
            raw: &raw,
            present: &rows.present,
            problems: &mut rows.problems,
        };
        let Some(item) = reader.item(resolve) else {
            continue;
        };
        if let Some(first) = first_with.get(&item.id) {
            let remedy = match id_is_given {
                true => "give each row an id of its own",
                false => "without a column `id` the image is the id: remove the repeated row, or add ids",
            };
            let column = if id_is_given { ID } else { IMAGE };
            reader.problem(
                column,
                Some(&item.id),
                format!("is the id of {first} too"),
                remedy,
            );
            continue;
        }
        first_with.insert(item.id.clone(), raw.place.clone());
        items.push(item);
        for (column, values) in extra.iter_mut().enumerate() {
            values.push(raw.extra.get(column).cloned().flatten());
        }
    }
    // A column without a name is the row number that some tools write.
    let named = rows
        .extra_names
        .iter()
        .cloned()
        .zip(extra)
        .filter(|(name, _)| !name.is_empty());
    (items, named.collect())
}

struct Reader<'a> {
    raw: &'a Raw,
    present: &'a [bool; COUNT],
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn item(&mut self, resolve: &Resolve) -> Option<Item> {
        let before = self.problems.count();
        let image_text = self.required(IMAGE);
        let image = image_text.as_deref().and_then(|text| match resolve(text) {
            Ok(image) => Some(image),
            Err((message, remedy)) => {
                self.problem(IMAGE, Some(text), message, &remedy);
                None
            }
        });
        let label = self.required(LABEL).map(|label| label.trim().to_string());
        let split = self.split();
        let (is_query, is_gallery) = self.flags(split);
        let camera = self.camera();
        let bbox = self.bbox();
        if self.problems.count() > before {
            return None;
        }
        let id = match (self.trimmed(ID), bbox) {
            (Some(id), _) => id,
            (None, None) => image_text?,
            // Rows that are boxes of one image differ by the box.
            (None, Some([x1, y1, x2, y2])) => format!("{}#{x1},{y1},{x2},{y2}", image_text?),
        };
        Some(Item {
            id,
            image: image?,
            label: label?,
            category: self.trimmed(CATEGORY),
            text: self.raw.cells[TEXT].clone(),
            split,
            is_query,
            is_gallery,
            camera,
            domain: self.trimmed(DOMAIN),
            bbox,
        })
    }

    fn trimmed(&self, column: usize) -> Option<String> {
        let text = self.raw.cells[column].as_deref()?.trim();
        (!text.is_empty()).then(|| text.to_string())
    }

    /// A cell that must be there and on one line: a line break inside is a quote that was left open.
    fn required(&mut self, column: usize) -> Option<String> {
        let value = self.raw.cells[column]
            .clone()
            .filter(|value| !value.trim().is_empty());
        match value {
            None => {
                let remedy = format!("every row needs `{}`", COLUMNS[column]);
                self.problem(column, None, "is empty".into(), &remedy);
                None
            }
            Some(value) if value.contains(['\n', '\r', '\0']) => {
                let message = "has a line break or a zero byte in it".into();
                self.problem(
                    column,
                    Some(&value),
                    message,
                    "look for a quotation mark that is never closed",
                );
                None
            }
            value => value,
        }
    }

    fn split(&mut self) -> Split {
        if !self.present[SPLIT] {
            return Split::Train;
        }
        let text = self.trimmed(SPLIT).unwrap_or_default();
        match text.to_ascii_lowercase().as_str() {
            "train" => return Split::Train,
            "valid" | "val" | "validation" => return Split::Valid,
            "test" => return Split::Test,
            "" => self.problem(
                SPLIT,
                None,
                "is empty".into(),
                "write train, valid or test in every row",
            ),
            "query" | "gallery" => self.problem(
                SPLIT,
                Some(&text),
                "is not a split".into(),
                "write split = test, and say which with the columns is_query and is_gallery",
            ),
            _ => {
                self.problem(
                    SPLIT,
                    Some(&text),
                    "is not a split".into(),
                    "write train, valid or test",
                );
            }
        }
        Split::Train
    }

    /// The rules for absent columns are in the module's documentation.
    fn flags(&mut self, split: Split) -> (bool, bool) {
        let (query, gallery) = (self.boolean(IS_QUERY), self.boolean(IS_GALLERY));
        let held_out = split != Split::Train;
        match (self.present[IS_QUERY], self.present[IS_GALLERY]) {
            (false, false) => (held_out, held_out),
            (true, false) => (query, held_out && !query),
            (false, true) => (held_out && !gallery, gallery),
            (true, true) => (query, gallery),
        }
    }

    fn boolean(&mut self, column: usize) -> bool {
        let Some(text) = self.trimmed(column) else {
            return false;
        };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "t" | "y" | "1.0" => true,
            "false" | "0" | "no" | "f" | "n" | "0.0" => false,
            _ => {
                let remedy = "write true or false (or 1 or 0)";
                self.problem(column, Some(&text), "is neither true nor false".into(), remedy);
                false
            }
        }
    }

    fn camera(&mut self) -> Option<i64> {
        let text = self.trimmed(CAMERA)?;
        // Tools that know no missing integers write 3 as 3.0.
        let whole = text.strip_suffix(".0").unwrap_or(&text);
        match whole.parse() {
            Ok(camera) => Some(camera),
            Err(_) => {
                let remedy = "number the cameras, or put names of sources into the column `domain`";
                self.problem(CAMERA, Some(&text), "is not a whole number".into(), remedy);
                None
            }
        }
    }

    fn bbox(&mut self) -> Option<[f32; 4]> {
        let texts: [Option<String>; 4] = std::array::from_fn(|side| self.trimmed(BOX + side));
        if texts.iter().all(Option::is_none) {
            return None;
        }
        let mut sides = [0.0f32; 4];
        let mut fine = true;
        for (side, text) in texts.iter().enumerate() {
            match text.as_deref().map(str::parse::<f32>) {
                Some(Ok(value)) if value.is_finite() => sides[side] = value,
                Some(_) => {
                    let remedy = "write the box in pixels of the image, as x1, y1, x2, y2";
                    self.problem(BOX + side, text.as_deref(), "is not a number".into(), remedy);
                    fine = false;
                }
                None => {
                    let remedy = "a box needs all of x1, y1, x2 and y2, or none for the whole image";
                    self.problem(
                        BOX + side,
                        None,
                        "is empty, but other sides of the box are not".into(),
                        remedy,
                    );
                    fine = false;
                }
            }
        }
        let all_numbers = fine;
        for (low, high) in [(0, 2), (1, 3)] {
            if all_numbers && sides[high] <= sides[low] {
                let (low_name, high_name) = (COLUMNS[BOX + low], COLUMNS[BOX + high]);
                let message = format!("is not greater than {low_name} = {}", sides[low]);
                let remedy = format!("{high_name} is the far side of the box, not its width or height");
                self.problem(BOX + high, texts[high].as_deref(), message, &remedy);
                fine = false;
            }
        }
        fine.then_some(sides)
    }

    fn problem(&mut self, column: usize, value: Option<&str>, message: String, remedy: &str) {
        self.problems.push(Problem {
            place: self.raw.place.to_string(),
            column: Some(COLUMNS[column].into()),
            value: value.map(shorten),
            message,
            remedy: remedy.into(),
        });
    }
}
