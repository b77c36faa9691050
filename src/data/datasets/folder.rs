//! An image folder: `<class>/<image>`, or `<split>/<class>/<image>` where every folder at the top is a split.
//!
//! Splits are `train`, `valid` (`val`, `validation`), `test`, and instead of `test` also `query` with `gallery`.
//! Without split folders whole classes are drawn: a share of them to train on, the others to test on as products that
//! training never saw; in a closed set, whose classes are categories, a share of each class's images instead. Every held-out image is
//! both query and gallery unless `queries_per_class` says how many of each
//! class are queries; the others are then the gallery, and at least one image of each class is.

use std::path::{Path, PathBuf};

use super::listing::{list, note_unread, require_folder};
use crate::data::error::DataError;
use crate::data::table::{ImageRef, Item, Split, Table, counted};

/// How an image folder is divided.
#[derive(Clone, Debug, Default)]
pub struct FolderOptions {
    /// The share of the classes to train on, where no folder says the split; half of them by default. In a closed set the share of each
    /// class's images.
    pub train_fraction: Option<f64>,
    /// Classes are categories, known ones of which are to be found again: each is divided, none is held out whole.
    pub closed_set: bool,
    /// Queries of each held-out class, where no folder says which images are.
    pub queries_per_class: Option<usize>,
    /// Draws the classes and the queries.
    pub seed: u64,
}

/// What a top folder stands for: (split, query, gallery).
fn role(folder: &str) -> Option<(Split, bool, bool)> {
    Some(match folder.to_ascii_lowercase().as_str() {
        "train" => (Split::Train, false, false),
        "val" | "valid" | "validation" => (Split::Valid, true, true),
        "test" => (Split::Test, true, true),
        "query" => (Split::Test, true, false),
        "gallery" => (Split::Test, false, true),
        _ => return None,
    })
}

/// Reads an image folder.
pub fn read(root: &Path, options: &FolderOptions) -> Result<Table, DataError> {
    require_folder(root)?;
    let top = list(root)?;
    let layout = |expected: &str, remedy: String| DataError::Layout {
        dataset: "an image folder",
        root: root.into(),
        expected: expected.into(),
        found: top.found(),
        remedy,
    };
    if top.folders.is_empty() {
        return Err(layout(
            "a folder for each class, with its images",
            "put the images of each product into a folder named after it".into(),
        ));
    }
    let (splits, classes): (Vec<&String>, Vec<&String>) =
        top.folders.iter().partition(|name| role(name).is_some());
    if !splits.is_empty() && !classes.is_empty() {
        return Err(layout(
            "either folders of classes or folders of splits",
            format!("move {} out of the root, or rename {}/", classes[0], splits[0]),
        ));
    }
    let mut walk = Walk {
        root,
        items: Vec::new(),
        unread: Vec::new(),
        empty: Vec::new(),
    };
    walk.unread.extend(top.images.iter().chain(&top.others).cloned());
    if splits.is_empty() {
        let held_out = match options.closed_set {
            true => vec![false; classes.len()],
            false => held_out_classes(&classes, options)?,
        };
        for (number, (class, held_out)) in classes.iter().zip(held_out).enumerate() {
            let split = if held_out { Split::Test } else { Split::Train };
            let first = walk.items.len();
            walk.class(&root.join(class), class, (split, held_out, held_out))?;
            if options.closed_set {
                let mut rows: Vec<&mut Item> = walk.items[first..].iter_mut().collect();
                divide_class(&mut rows, options, number as u64)?;
            }
        }
    } else {
        if options.train_fraction.is_some() {
            return Err(DataError::Setting {
                key: "train_fraction",
                message: format!("the folders of {} say the split already", root.display()),
                remedy: "remove the key, or set data.root to a folder of classes".into(),
            });
        }
        for split in &splits {
            let folder = root.join(split);
            let listing = list(&folder)?;
            walk.unread
                .extend(listing.images.into_iter().chain(listing.others));
            for class in listing.folders {
                walk.class(
                    &folder.join(&class),
                    &class,
                    role(split).unwrap_or((Split::Train, false, false)),
                )?;
            }
        }
    }
    let Walk {
        mut items,
        unread,
        empty,
        ..
    } = walk;
    if items.is_empty() {
        return Err(layout(
            "images in the folders of the classes",
            "images end in .jpg, .jpeg, .png, .webp, .bmp, .gif or .tiff".into(),
        ));
    }
    let drawn = splits.is_empty() && options.closed_set;
    if let Some(queries) = options.queries_per_class
        && !drawn
    {
        draw_queries(&mut items, queries, options.seed)?;
    }
    let name = root
        .file_name()
        .map_or("folder".into(), |name| name.to_string_lossy().into_owned());
    let mut table = Table::new(name, Some(root), items);
    if splits.is_empty() && options.train_fraction.is_none() {
        let of = match options.closed_set {
            true => "of each class's images",
            false => "of the classes",
        };
        let note = format!("no folder says the split: half {of} are to train on (data.train_fraction)");
        table.notes.push(note);
    }
    table.notes.extend(note_unread(root, &unread));
    if !empty.is_empty() {
        let folders = counted(empty.len(), "folder holds", "folders hold");
        table.notes.push(format!("{folders} no image: {}", first(&empty)));
    }
    let single = single_image_classes(&table);
    if !single.is_empty() {
        let classes = counted(single.len(), "class has", "classes have");
        table
            .notes
            .push(format!("{classes} a single image: {}", first(&single)));
    }
    Ok(table)
}

fn first(names: &[String]) -> String {
    let more = if names.len() > 5 { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(5)].join(", "))
}

struct Walk<'a> {
    root: &'a Path,
    items: Vec<Item>,
    unread: Vec<PathBuf>,
    empty: Vec<String>,
}

impl Walk<'_> {
    fn below_root(&self, path: &Path) -> String {
        path.strip_prefix(self.root)
            .unwrap_or(path)
            .to_string_lossy()
            .replace('\\', "/")
    }

    fn class(&mut self, folder: &Path, label: &str, role: (Split, bool, bool)) -> Result<(), DataError> {
        let listing = list(folder)?;
        self.unread.extend(listing.others);
        self.unread
            .extend(listing.folders.iter().map(|name| folder.join(name)));
        if listing.images.is_empty() {
            self.empty.push(self.below_root(folder));
        }
        for path in listing.images {
            self.items.push(Item {
                id: self.below_root(&path),
                image: ImageRef::File(path),
                label: label.into(),
                category: None,
                text: None,
                split: role.0,
                is_query: role.1,
                is_gallery: role.2,
                camera: None,
                domain: None,
                bbox: None,
            });
        }
        Ok(())
    }
}

/// How many of them are trained on.
fn trained(count: usize, options: &FolderOptions) -> Result<usize, DataError> {
    let fraction = options.train_fraction.unwrap_or(0.5);
    if !(0.0..=1.0).contains(&fraction) {
        return Err(DataError::Setting {
            key: "train_fraction",
            message: format!("{fraction} is not a share of the classes"),
            remedy: "write a number from 0 (all classes are tested on) to 1 (all are trained on)".into(),
        });
    }
    let train = (fraction * count as f64).round() as usize;
    // A share that is neither nothing nor all leaves both sides something, where there are two.
    match fraction > 0.0 && fraction < 1.0 && count > 1 {
        true => Ok(train.clamp(1, count - 1)),
        false => Ok(train),
    }
}

/// Holds a share of a class of a closed set out, the same on every machine: to search with and in, or some for each where the
/// options say how many queries a class has.
pub(super) fn divide_class(
    rows: &mut [&mut Item],
    options: &FolderOptions,
    class: u64,
) -> Result<(), DataError> {
    if options.queries_per_class == Some(0) {
        return Err(no_queries());
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    crate::random::stream(options.seed, "closed set: split of a class", &[class]).shuffle(&mut order);
    let held_out = &order[trained(rows.len(), options)?.min(rows.len())..];
    let queries = options
        .queries_per_class
        .map(|queries| queries.min(held_out.len().saturating_sub(1)));
    for (place, &row) in held_out.iter().enumerate() {
        rows[row].split = Split::Test;
        rows[row].is_query = queries.is_none_or(|queries| place < queries);
        rows[row].is_gallery = queries.is_none_or(|queries| place >= queries);
    }
    Ok(())
}

pub(super) fn no_queries() -> DataError {
    DataError::Setting {
        key: "queries_per_class",
        message: "0 leaves nothing to evaluate with".into(),
        remedy: "write at least 1, or remove the key: every held-out image is then a query".into(),
    }
}

/// For each class, whether it is held out: the same draw on every machine.
pub(super) fn held_out_classes(classes: &[&String], options: &FolderOptions) -> Result<Vec<bool>, DataError> {
    let count = classes.len();
    let train = trained(count, options)?;
    let mut order: Vec<usize> = (0..count).collect();
    crate::random::stream(options.seed, "image folder: split of the classes", &[]).shuffle(&mut order);
    let mut held_out = vec![true; count];
    for &class in &order[..train.min(count)] {
        held_out[class] = false;
    }
    Ok(held_out)
}

/// Of each held-out class that is both query and gallery: some are queries, the others the gallery.
fn draw_queries(items: &mut [Item], queries: usize, seed: u64) -> Result<(), DataError> {
    if queries == 0 {
        return Err(no_queries());
    }
    if items.iter().any(|item| item.is_query != item.is_gallery) {
        return Err(DataError::Setting {
            key: "queries_per_class",
            message: "the folders query/ and gallery/ say which images are queries already".into(),
            remedy: "remove the key".into(),
        });
    }
    let mut class = 0u64;
    // Rows of one class of one split follow each other.
    for group in items.chunk_by_mut(|a, b| a.label == b.label && a.split == b.split) {
        class += 1;
        if group[0].split == Split::Train {
            continue;
        }
        let mut order: Vec<usize> = (0..group.len()).collect();
        crate::random::stream(seed, "image folder: queries of a class", &[class]).shuffle(&mut order);
        let count = queries.min(group.len() - 1);
        for (place, &row) in order.iter().enumerate() {
            group[row].is_query = place < count;
            group[row].is_gallery = place >= count;
        }
    }
    Ok(())
}

fn single_image_classes(table: &Table) -> Vec<String> {
    let mut counts = std::collections::BTreeMap::new();
    for item in &table.items {
        *counts.entry(&item.label).or_insert(0usize) += 1;
    }
    counts
        .into_iter()
        .filter(|(_, count)| *count == 1)
        .map(|(label, _)| label.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets::tests::{layout, rows};

    fn no_options() -> FolderOptions {
        FolderOptions::default()
    }

    #[test]
    fn split_folders_say_the_split() {
        let folder = layout(&[
            "train/b/1.jpg",
            "train/b/2.PNG",
            "train/a/1.jpg",
            "val/c/1.jpg",
            "test/d/1.jpg",
            "test/d/2.jpeg",
            "train/a/.hidden.jpg",
            "train/a/Thumbs.db",
            "train/a/.DS_Store",
            "train/a/notes.txt",
        ]);
        let table = read(folder.path(), &no_options()).unwrap();
        assert_eq!(
            rows(&table),
            [
                "test/d/1.jpg d test q g",
                "test/d/2.jpeg d test q g",
                "train/a/1.jpg a train",
                "train/b/1.jpg b train",
                "train/b/2.PNG b train",
                "val/c/1.jpg c valid q g",
            ]
        );
        assert_eq!(
            table.notes,
            [
                "1 entry that is no image was not read: train/a/notes.txt",
                "2 classes have a single image: a, c"
            ]
        );
    }

    #[test]
    fn query_and_gallery_folders_say_the_roles() {
        let folder = layout(&["train/a/1.jpg", "query/b/1.jpg", "gallery/b/2.jpg"]);
        let table = read(folder.path(), &no_options()).unwrap();
        assert_eq!(
            rows(&table),
            [
                "gallery/b/2.jpg b test g",
                "query/b/1.jpg b test q",
                "train/a/1.jpg a train"
            ]
        );
        let options = FolderOptions {
            queries_per_class: Some(1),
            ..no_options()
        };
        let error = read(folder.path(), &options).unwrap_err().to_string();
        assert!(
            error.contains("data.queries_per_class: the folders query/ and gallery/"),
            "{error}"
        );
    }

    #[test]
    fn classes_are_drawn_whole_and_by_the_seed() {
        let names: Vec<String> = (0..40).map(|i| format!("{:02}/{}.jpg", i / 4, i % 4)).collect();
        let folder = layout(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let read = |options: &FolderOptions| read(folder.path(), options).unwrap();
        let options = FolderOptions {
            train_fraction: Some(0.7),
            queries_per_class: Some(1),
            closed_set: false,
            seed: 3,
        };
        let table = read(&options);
        assert_eq!(table, read(&options));
        let train = table.classes(&table.train());
        let test = table.classes(&table.rows(Split::Test));
        assert_eq!((train.len(), test.len()), (7, 3));
        assert!(train.labels().iter().all(|label| test.index(label).is_none()));
        assert_eq!((table.queries().len(), table.gallery().len()), (3, 9));
        let other = read(&FolderOptions { seed: 4, ..options });
        assert_ne!(table.classes(&table.train()), other.classes(&other.train()));
        // Defaults: half of the classes, every held-out image both.
        let table = read(&no_options());
        assert_eq!(
            (table.train().len(), table.queries().len(), table.gallery().len()),
            (20, 20, 20)
        );
    }

    #[test]
    fn a_class_keeps_one_gallery_image() {
        let folder = layout(&["a/1.jpg", "b/1.jpg", "b/2.jpg"]);
        let options = FolderOptions {
            train_fraction: Some(0.0),
            queries_per_class: Some(5),
            closed_set: false,
            seed: 0,
        };
        let table = read(folder.path(), &options).unwrap();
        assert_eq!((table.queries().len(), table.gallery().len()), (1, 2));
    }

    #[test]
    fn wrong_folders_say_what_was_expected_and_found() {
        let error = |names: &[&str], options: &FolderOptions| {
            let folder = layout(names);
            let error = read(folder.path(), options).unwrap_err();
            format!("{error} | {}", miette::Diagnostic::help(&error).unwrap())
        };
        let text = error(&["1.jpg", "2.jpg", "a.txt"], &no_options());
        assert!(
            text.contains("expected a folder for each class, with its images, found 2 images, 1 other file"),
            "{text}"
        );
        let text = error(&["train/a/1.jpg", "chairs/1.jpg"], &no_options());
        assert!(
            text.contains("found chairs/, train/ | move chairs out of the root"),
            "{text}"
        );
        let text = error(&["a/1.txt"], &no_options());
        assert!(
            text.contains("expected images in the folders of the classes, found a/"),
            "{text}"
        );
        let options = FolderOptions {
            train_fraction: Some(0.5),
            ..no_options()
        };
        assert!(error(&["train/a/1.jpg"], &options).contains("say the split already"));
        let options = FolderOptions {
            train_fraction: Some(1.5),
            ..no_options()
        };
        assert!(error(&["a/1.jpg"], &options).contains("1.5 is not a share"));
        let gone = read(Path::new("/nowhere/at/all"), &no_options())
            .unwrap_err()
            .to_string();
        assert!(gone.contains("/nowhere/at/all"), "{gone}");
    }
}
