//! Stanford Online Products (Oh Song et al., CVPR 2016), as its archive unpacks: `Ebay_train.txt` (59,551 images of 11,318
//! products), `Ebay_test.txt` (60,502 of 11,316), each with the header `image_id class_id super_class_id path`, and twelve folders
//! of images such as `bicycle_final/`.
//!
//! The label is the class; the category is the folder without `_final`. Every test image is a query and part of the gallery: it is
//! searched among all the others.

use std::collections::HashMap;
use std::path::Path;

use super::listing::{list, require_folder};
use super::lists::{List, below, problem};
use crate::data::error::DataError;
use crate::data::table::{ImageRef, Item, Split, Table};

const COLUMNS: [&str; 4] = ["image_id", "class_id", "super_class_id", "path"];
const FILES: [(&str, Split, usize); 2] = [
    ("Ebay_train.txt", Split::Train, 59_551),
    ("Ebay_test.txt", Split::Test, 60_502),
];

/// Reads the folder that holds `Ebay_train.txt` and `Ebay_test.txt`.
pub fn read(root: &Path) -> Result<Table, DataError> {
    require_folder(root)?;
    if FILES.iter().any(|(file, ..)| !root.join(file).is_file()) {
        let top = list(root)?;
        let inner = top
            .folders
            .iter()
            .find(|name| root.join(name).join(FILES[0].0).is_file());
        return Err(DataError::Layout {
            dataset: "sop",
            root: root.into(),
            expected: "the files Ebay_train.txt and Ebay_test.txt".into(),
            found: top.found(),
            remedy: match inner {
                Some(name) => format!("set data.root to {}", root.join(name).display()),
                None => "set data.root to the folder Stanford_Online_Products of the archive".into(),
            },
        });
    }
    let mut items = Vec::new();
    let mut notes = Vec::new();
    // Where each class and each path was met first.
    let mut split_of: HashMap<String, (Split, usize)> = HashMap::new();
    let mut line_of: HashMap<String, (&str, usize)> = HashMap::new();
    for (file, split, published) in FILES {
        let mut list = List::read(root.join(file), &COLUMNS, false)?;
        let mut problems = std::mem::take(&mut list.problems);
        let before = items.len();
        for row in list.rows() {
            let [id, class, _, path] = row.cells[..] else {
                continue;
            };
            let number = |text: &str| text.parse::<u64>().is_ok();
            for (column, value) in [("image_id", id), ("class_id", class)] {
                if !number(value) {
                    let remedy = "take the file as it was published";
                    problems.push(problem(
                        row.line,
                        column,
                        value,
                        "is not a whole number".into(),
                        remedy,
                    ));
                }
            }
            let Some(image) = below(root, path) else {
                let message = "leaves the folder of the data set".into();
                problems.push(problem(
                    row.line,
                    "path",
                    path,
                    message,
                    "name images below data.root",
                ));
                continue;
            };
            if let Some((first, line)) = line_of.insert(path.to_string(), (file, row.line)) {
                let message = format!("is the image of {first} line {line} too");
                problems.push(problem(row.line, "path", path, message, "remove one of the rows"));
            }
            let (first, line) = *split_of.entry(class.to_string()).or_insert((split, row.line));
            if first != split {
                let message = format!("is a class of Ebay_train.txt line {line} too");
                let remedy =
                    "classes of the two files are disjoint as published: take the files as they were";
                problems.push(problem(row.line, "class_id", class, message, remedy));
            }
            let folder = path.split('/').next().unwrap_or_default();
            items.push(Item {
                id: path.to_string(),
                image: ImageRef::File(image),
                label: class.to_string(),
                category: Some(folder.strip_suffix("_final").unwrap_or(folder).to_string()),
                text: None,
                split,
                is_query: split == Split::Test,
                is_gallery: split == Split::Test,
                camera: None,
                domain: None,
                bbox: None,
            });
        }
        problems.into_result(&list.path)?;
        let count = items.len() - before;
        if count != published {
            notes.push(format!(
                "{file} has {count} images; as published it has {published}"
            ));
        }
    }
    let mut table = Table::new("sop", Some(root), items);
    table.notes = notes;
    Ok(table)
}
