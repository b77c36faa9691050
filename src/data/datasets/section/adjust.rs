//! What the keys that hold for every data set make of a table.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use super::{DatasetSection, Missing};
use crate::data::table::{ImageRef, Split, Table, counted};

/// Leaves rows out (`missing`, `min_images`, `limit_classes`) and changes boxes (`boxes`, `box_margin`), each with a note.
pub(super) fn adjust(table: Table, section: &DatasetSection) -> Table {
    let mut table = table;
    if section.missing == Missing::Skip {
        table = without_missing(table);
    }
    if let Some(least) = section.min_images {
        table = without_small(table, least);
    }
    if section.boxes == Some(false) {
        table = with_boxes(table, |_| None);
    } else if let Some(margin) = section.box_margin.filter(|&margin| margin > 0.0) {
        table = with_boxes(table, |[x1, y1, x2, y2]| {
            let (x, y) = (margin * (x2 - x1), margin * (y2 - y1));
            Some([x1 - x, y1 - y, x2 + x, y2 + y])
        });
    }
    match section.limit_classes {
        Some(count) => limit(&table, count),
        None => table,
    }
}

fn without_missing(table: Table) -> Table {
    // Several rows may be boxes of one picture.
    let mut seen: HashMap<&Path, Fate> = HashMap::new();
    let mut fates = Vec::with_capacity(table.items.len());
    for item in &table.items {
        fates.push(match &item.image {
            ImageRef::File(path) => *seen.entry(path).or_insert_with(|| fate(path)),
            _ => Fate::Fine,
        });
    }
    let count = |fate: Fate| fates.iter().filter(|&&own| own == fate).count();
    let (absent, broken) = (count(Fate::Absent), count(Fate::NoPicture));
    if absent + broken == 0 {
        return table;
    }
    let example = fates.iter().position(|&fate| fate != Fate::Fine).unwrap_or(0);
    let note = format!(
        "missing = \"skip\" leaves out {} of {}: {} not there, {} empty or no picture, such as {}",
        counted(absent + broken, "row", "rows"),
        table.items.len(),
        absent,
        broken,
        table.image_name(&table.items[example])
    );
    let mut kept = fates.iter().map(|&fate| fate == Fate::Fine);
    let mut table = table.filtered(|_| kept.next().unwrap_or(true));
    table.notes.push(note);
    table
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Fine,
    Absent,
    NoPicture,
}

/// What the first bytes of a file say.
fn fate(path: &Path) -> Fate {
    // Before it is opened: a pipe would be waited for.
    if !path.is_file() {
        return Fate::Absent;
    }
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(32).read_to_end(&mut start));
    match read {
        Ok(_) if image::guess_format(&start).is_ok() => Fate::Fine,
        Ok(_) => Fate::NoPicture,
        Err(_) => Fate::Absent,
    }
}

fn without_small(table: Table, least: usize) -> Table {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for item in table.items.iter().filter(|item| item.split == Split::Train) {
        *counts.entry(&item.label).or_default() += 1;
    }
    let small: Vec<bool> = table
        .items
        .iter()
        .map(|item| item.split == Split::Train && counts[item.label.as_str()] < least)
        .collect();
    let classes = counts.values().filter(|&&count| count < least).count();
    if classes == 0 {
        return table;
    }
    let rows = small.iter().filter(|&&small| small).count();
    let note = format!(
        "min_images = {least} leaves out {} with {}",
        counted(classes, "training class", "training classes"),
        counted(rows, "image", "images")
    );
    let mut small = small.into_iter();
    let mut table = table.filtered(|_| !small.next().unwrap_or(false));
    table.notes.push(note);
    table
}

fn with_boxes(mut table: Table, change: impl Fn([f32; 4]) -> Option<[f32; 4]>) -> Table {
    let mut items = std::mem::take(&mut table.items);
    for item in &mut items {
        item.bbox = item.bbox.and_then(&change);
    }
    table.with_items(items)
}

/// The first classes by name of each split; of the test and valid splits, those that have a query, where any has.
fn limit(table: &Table, count: usize) -> Table {
    let kept: Vec<_> = [Split::Train, Split::Valid, Split::Test]
        .into_iter()
        .map(|split| {
            let queries = table.queries_of(split);
            let rows = if queries.is_empty() {
                table.rows(split)
            } else {
                queries
            };
            let mut labels = table.classes(&rows).labels().to_vec();
            labels.truncate(count);
            (split, labels)
        })
        .collect();
    let keep = |split: Split, label: &String| {
        kept.iter()
            .any(|(s, labels)| *s == split && labels.binary_search(label).is_ok())
    };
    let mut limited = table.filtered(|item| keep(item.split, &item.label));
    let (before, after) = (table.items.len(), limited.items.len());
    limited.notes.push(format!(
        "limit_classes = {count} keeps {after} of {before} images"
    ));
    limited
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets::tests::layout;
    use crate::data::datasets::{Layout, open};
    use crate::data::table::tests::item;

    fn section() -> DatasetSection {
        DatasetSection::new(Layout::Furniture)
    }

    fn ids(table: &Table) -> Vec<&str> {
        table.items.iter().map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn files_that_are_no_pictures_are_left_out_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("a.jpg", b"\xff\xd8\xff\xe0 begins as a JPEG does");
        write("b.jpg", b"");
        write("c.jpg", b"<html>gone</html>");
        let items = ["a", "b", "c", "d"].map(|id| {
            let mut row = item(id, "1", Split::Train);
            row.image = ImageRef::File(folder.path().join(format!("{id}.jpg")));
            row
        });
        let table = Table::new("t", Some(folder.path()), items.to_vec());
        assert_eq!(ids(&adjust(table.clone(), &section())), ["a", "b", "c", "d"]);
        let skip = DatasetSection {
            missing: Missing::Skip,
            ..section()
        };
        let left = adjust(table, &skip);
        assert_eq!(ids(&left), ["a"]);
        assert_eq!(
            left.notes,
            ["missing = \"skip\" leaves out 3 rows of 4: 1 not there, 2 empty or no picture, such as b.jpg"]
        );
    }

    #[test]
    fn small_training_classes_are_left_out_and_held_out_ones_stay() {
        let items = vec![
            item("a", "1", Split::Train),
            item("b", "1", Split::Train),
            item("c", "2", Split::Train),
            item("d", "3", Split::Test),
        ];
        let table = Table::new("t", None, items);
        let two = DatasetSection {
            min_images: Some(2),
            ..section()
        };
        let left = adjust(table, &two);
        assert_eq!(ids(&left), ["a", "b", "d"]);
        assert_eq!(
            left.notes,
            ["min_images = 2 leaves out 1 training class with 1 image"]
        );
    }

    #[test]
    fn boxes_grow_on_each_side_or_go() {
        let mut row = item("a", "1", Split::Train);
        row.bbox = Some([10.0, 20.0, 30.0, 60.0]);
        let table = Table::new("t", None, vec![row, item("b", "1", Split::Train)]);
        let grown = adjust(
            table.clone(),
            &DatasetSection {
                box_margin: Some(0.25),
                ..section()
            },
        );
        assert_eq!(grown.items[0].bbox, Some([5.0, 10.0, 35.0, 70.0]));
        assert_eq!(grown.items[1].bbox, None);
        assert_ne!(grown.fingerprint, table.fingerprint);
        let whole = adjust(
            table,
            &DatasetSection {
                boxes: Some(false),
                ..section()
            },
        );
        assert_eq!(whole.items[0].bbox, None);
    }

    #[test]
    fn limited_classes_are_the_first_of_each_split() {
        let folder = layout(&[
            "train/a/1.jpg",
            "train/b/1.jpg",
            "train/c/1.jpg",
            "query/e/1.jpg",
            "query/f/1.jpg",
            "gallery/d/1.jpg",
            "gallery/e/2.jpg",
            "gallery/f/2.jpg",
        ]);
        let mut section = DatasetSection::new(Layout::Folder);
        section.root = Some(folder.path().to_str().unwrap().into());
        let all = open(&section).unwrap();
        section.limit_classes = Some(1);
        let table = open(&section).unwrap();
        let labels: Vec<&str> = table.items.iter().map(|item| item.label.as_str()).collect();
        assert_eq!(labels, ["e", "e", "a"]);
        assert_ne!(all.fingerprint, table.fingerprint);
        assert_eq!(
            table.notes.last().unwrap(),
            "limit_classes = 1 keeps 3 of 8 images"
        );
    }
}
