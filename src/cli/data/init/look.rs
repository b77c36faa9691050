//! What a folder or a table holds.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::refuse;
use crate::data::datasets::Missing;
use crate::data::image::dimensions;
use crate::data::table::{Item, Split};
use crate::data::{DataError, DatasetSection, Layout, Table, open};

/// How many pictures are measured.
const MEASURED: usize = 200;

/// What was found.
pub(super) struct Found {
    /// The data section's own keys.
    pub section: DatasetSection,
    /// The data, as that section opens it.
    pub table: Table,
    /// Median height and width of pictures, or of their boxes.
    pub size: [f64; 2],
    /// Whether the shapes differ so much that squeezing them into one would distort them.
    pub mixed_shapes: bool,
    /// Pictures that could not be measured.
    pub unread: usize,
    /// The table said no split.
    pub divided: bool,
    /// Files that are not there.
    pub missing: usize,
}

/// Looks at a folder or a table.
pub(super) fn look(place: &Path, categories: bool) -> Result<Found, DataError> {
    let mut section = section(place)?;
    section.closed_set = categories;
    let mut table = open(&section)?;
    let unsplit = table.items.iter().all(|item| item.split == Split::Train);
    let mut divided = false;
    if unsplit && section.dataset == Layout::Table {
        section.train_fraction = Some(0.7);
        table = open(&section)?;
        divided = true;
    }
    if section.dataset == Layout::Folder && !has_split_folders(place) {
        section.train_fraction = Some(0.7);
        table = open(&section)?;
        divided = true;
    }
    section.closed_set = !table.leaked().is_empty();
    if divided && section.closed_set != categories {
        return Err(refuse(
            place,
            "has no class with two pictures",
            "put the pictures of a category into a folder of its own",
        ));
    }
    let missing = table.missing().len();
    if missing > 0 {
        section.missing = Missing::Skip;
        table = open(&section)?;
    }
    let (size, mixed_shapes, unread) = measure(place, &table)?;
    Ok(Found {
        section,
        table,
        size,
        mixed_shapes,
        unread,
        divided,
        missing,
    })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Which layout it is, by the files that only that one has.
pub(in crate::cli::data) fn section(place: &Path) -> Result<DatasetSection, DataError> {
    let of = |layout: Layout, place: &Path| {
        let mut section = DatasetSection::new(layout);
        match layout {
            Layout::Table => section.table = Some(text(place)),
            Layout::Shards => section.shards = Some(text(place)),
            _ => section.root = Some(text(place)),
        }
        section
    };
    if !place.exists() {
        return Err(refuse(
            place,
            "is not there",
            "name a folder of pictures, or a table",
        ));
    }
    if !place.is_dir() {
        let extension = place
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        return match extension.as_str() {
            "tar" => Ok(of(Layout::Shards, place)),
            _ if crate::data::native::is_table(place) => Ok(of(Layout::Table, place)),
            _ => Err(refuse(
                place,
                "is neither a folder nor a table",
                "name a folder of pictures, or a .csv, .jsonl or .parquet table",
            )),
        };
    }
    let has = |name: &str| place.join(name).exists();
    if has("Ebay_train.txt") {
        return Ok(of(Layout::Sop, place));
    }
    if has("bounding_box_train") && has("bounding_box_test") {
        let junk = std::fs::read_dir(place.join("bounding_box_train"))
            .ok()
            .and_then(|mut entries| {
                let name = entries.next()?.ok()?.file_name();
                Some(name.to_string_lossy().contains("_f"))
            });
        let layout = if junk == Some(true) {
            Layout::DukeMtmcReid
        } else {
            Layout::Market1501
        };
        return Ok(of(layout, place));
    }
    for list in ["Eval/list_eval_partition.txt", "list_eval_partition.txt"] {
        if let Ok(list) = std::fs::read_to_string(place.join(list)) {
            let pairs = list
                .lines()
                .nth(1)
                .is_some_and(|head| head.contains("image_pair_name_1"));
            let layout = if pairs {
                Layout::DeepFashionC2s
            } else {
                Layout::DeepFashionInShop
            };
            return Ok(of(layout, place));
        }
    }
    if has("meta/json") || has("json/retrieval_bags.json") {
        return Ok(of(Layout::Street2Shop, place));
    }
    let mut tables: Vec<PathBuf> = Vec::new();
    let (mut shards, mut folders) = (false, false);
    let entries = std::fs::read_dir(place)
        .map_err(|error| crate::files::FileError::new("list the folder", place, error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        match path.is_dir() {
            _ if hidden => {}
            true => folders = true,
            false if crate::data::native::is_table(&path) => tables.push(path),
            false => shards |= path.extension().is_some_and(|extension| extension == "tar"),
        }
    }
    tables.sort();
    match &tables[..] {
        [table] if !shards => Ok(of(Layout::Table, table)),
        [] if shards => Ok(of(Layout::Shards, place)),
        [_, _, ..] if !folders => {
            let names: Vec<String> = tables.iter().map(|path| text(path)).collect();
            Err(refuse(
                place,
                format!("holds {} tables: {}", names.len(), names.join(", ")),
                "name the one that is meant",
            ))
        }
        _ => Ok(of(Layout::Folder, place)),
    }
}

fn has_split_folders(place: &Path) -> bool {
    ["train", "test", "val", "valid", "validation", "query", "gallery"]
        .iter()
        .any(|name| place.join(name).is_dir() || place.join(name.to_uppercase()).is_dir())
        || std::fs::read_dir(place).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                let name = entry.file_name().to_string_lossy().to_lowercase();
                ["train", "test", "query", "gallery"].contains(&name.as_str())
            })
        })
}

/// The size of the middle picture, whether shapes are mixed, and how many of the looked at could not be measured.
fn measure(place: &Path, table: &Table) -> Result<([f64; 2], bool, usize), DataError> {
    let count = table.items.len();
    let step = count.div_ceil(MEASURED).max(1);
    let size = |item: &Item| -> Option<[f64; 2]> {
        if let Some([x1, y1, x2, y2]) = item.bbox {
            return Some([f64::from(y2 - y1), f64::from(x2 - x1)]);
        }
        let bytes = item.image.read().ok()?;
        let [width, height] = dimensions(Cursor::new(bytes.as_ref()))?;
        Some([f64::from(height), f64::from(width)])
    };
    let looked: Vec<Option<[f64; 2]>> = table.items.iter().step_by(step).map(size).collect();
    let unread = looked.iter().filter(|size| size.is_none()).count();
    let sizes: Vec<[f64; 2]> = looked
        .into_iter()
        .flatten()
        .filter(|s| s[0] > 0.0 && s[1] > 0.0)
        .collect();
    if sizes.is_empty() {
        return Err(refuse(
            place,
            "none of the pictures that were looked at can be read",
            "`tailor data check` says what is wrong with each",
        ));
    }
    let sorted = |of: &dyn Fn(&[f64; 2]) -> f64| {
        let mut values: Vec<f64> = sizes.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (heights, widths, shapes) = (sorted(&|s| s[0]), sorted(&|s| s[1]), sorted(&|s| s[0] / s[1]));
    let middle = |values: &[f64]| values[values.len() / 2];
    let tenth = shapes.len() / 10;
    let mixed = shapes[shapes.len() - 1 - tenth] / shapes[tenth] > 1.4;
    Ok(([middle(&heights), middle(&widths)], mixed, unread))
}
