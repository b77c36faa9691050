//! The native form of every data set: one row an image.

mod classes;
mod fingerprint;
mod item;
mod summary;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fingerprint::fingerprint;

pub use classes::Classes;
pub use item::{ImageRef, Item, Split};
pub(crate) use summary::counted;
pub use summary::{SplitSummary, Spread, Summary};

/// A data set: rows in a fixed order, and the hash of what they say.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What reports call it.
    pub name: String,
    /// The rows. Their order is part of the data: samplers and figures refer to rows by number.
    pub items: Vec<Item>,
    /// BLAKE3 in hex of all rows: ids, labels, flags, boxes, text, image paths below the root and the sizes of the files
    /// (for images in memory: their content; for drawings: what they are drawn from). It does not depend on where the root is.
    pub fingerprint: String,
    /// What a reader left out or decided, in sentences for people.
    pub notes: Vec<String>,
    /// Columns that tailor gives no meaning to, by name; each has one value a row.
    pub extra: BTreeMap<String, Vec<Option<String>>>,
    /// The folder that image paths are relative to, where there is one.
    pub root: Option<PathBuf>,
    /// The file that the rows were read from, where a person can edit it.
    pub origin: Option<Origin>,
}

/// The file that a table was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file; of shards, the pattern.
    pub path: PathBuf,
    /// Whether it has the column `split`. Without it every row is to train on.
    pub says_split: bool,
}

impl Table {
    /// A table of rows whose image files, if any, lie under `root`.
    pub fn new(name: impl Into<String>, root: Option<&Path>, items: Vec<Item>) -> Self {
        let mut table = Table {
            name: name.into(),
            items,
            fingerprint: String::new(),
            notes: Vec::new(),
            extra: BTreeMap::new(),
            root: root.map(Path::to_path_buf),
            origin: None,
        };
        table.fingerprint = fingerprint(&table);
        table
    }

    /// The same table with other rows in the places of its own.
    pub(crate) fn with_items(self, items: Vec<Item>) -> Table {
        let table = Table::new(self.name, self.root.as_deref(), items);
        Table {
            notes: self.notes,
            extra: self.extra,
            origin: self.origin,
            ..table
        }
    }

    /// The rows for which `keep` is true, as a table of its own with its own fingerprint.
    pub fn filtered(&self, mut keep: impl FnMut(&Item) -> bool) -> Table {
        let kept: Vec<usize> = (0..self.items.len())
            .filter(|&row| keep(&self.items[row]))
            .collect();
        let items = kept.iter().map(|&row| self.items[row].clone()).collect();
        let mut table = Table::new(self.name.clone(), self.root.as_deref(), items);
        table.notes.clone_from(&self.notes);
        table.origin.clone_from(&self.origin);
        for (name, values) in &self.extra {
            let values = kept
                .iter()
                .map(|&row| values.get(row).cloned().flatten())
                .collect();
            table.extra.insert(name.clone(), values);
        }
        table
    }

    /// The rows of a split, in table order.
    pub fn rows(&self, split: Split) -> Vec<usize> {
        self.rows_where(|item| item.split == split)
    }

    /// The rows to train on.
    pub fn train(&self) -> Vec<usize> {
        self.rows(Split::Train)
    }

    /// The test split's queries.
    pub fn queries(&self) -> Vec<usize> {
        self.queries_of(Split::Test)
    }

    /// The test split's gallery.
    pub fn gallery(&self) -> Vec<usize> {
        self.gallery_of(Split::Test)
    }

    /// A split's queries.
    pub fn queries_of(&self, split: Split) -> Vec<usize> {
        self.rows_where(|item| item.split == split && item.is_query)
    }

    /// A split's gallery.
    pub fn gallery_of(&self, split: Split) -> Vec<usize> {
        self.rows_where(|item| item.split == split && item.is_gallery)
    }

    fn rows_where(&self, keep: impl Fn(&Item) -> bool) -> Vec<usize> {
        let rows = self.items.iter().enumerate();
        rows.filter(|(_, item)| keep(item)).map(|(row, _)| row).collect()
    }

    /// Labels that stand in the train split and in another one, sorted.
    pub fn leaked(&self) -> Vec<&str> {
        let labels = |train: bool| -> BTreeSet<&str> {
            let items = self
                .items
                .iter()
                .filter(|item| (item.split == Split::Train) == train);
            items.map(|item| item.label.as_str()).collect()
        };
        labels(true).intersection(&labels(false)).copied().collect()
    }

    /// Rows whose image file is not there.
    pub fn missing(&self) -> Vec<usize> {
        self.rows_where(|item| matches!(&item.image, ImageRef::File(path) if !path.is_file()))
    }

    /// The classes among some rows.
    pub fn classes(&self, rows: &[usize]) -> Classes {
        Classes::new(rows.iter().map(|&row| self.items[row].label.as_str()))
    }

    /// Counts for people and for `--json`.
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }

    /// An image as this table names it: the path below the root, or the name in memory.
    pub fn image_name<'a>(&'a self, item: &'a Item) -> Cow<'a, str> {
        match (&item.image, &self.root) {
            (ImageRef::File(path), Some(root)) => path.strip_prefix(root).unwrap_or(path).to_string_lossy(),
            (image, _) => image.name(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;

    use super::*;

    /// A row with the fields that most tests set.
    pub(crate) fn item(id: &str, label: &str, split: Split) -> Item {
        Item {
            id: id.into(),
            image: ImageRef::Memory {
                bytes: Bytes::copy_from_slice(id.as_bytes()),
                name: format!("{id}.jpg"),
            },
            label: label.into(),
            category: None,
            text: None,
            split,
            is_query: split != Split::Train,
            is_gallery: split != Split::Train,
            camera: None,
            domain: None,
            bbox: None,
        }
    }

    /// Three rows to train on and two to test on.
    pub(super) fn table() -> Table {
        let mut items = vec![
            item("a", "10", Split::Train),
            item("b", "9", Split::Train),
            item("c", "10", Split::Train),
            item("d", "x", Split::Test),
            item("e", "x", Split::Test),
        ];
        items[3].is_gallery = false;
        items[4].is_query = false;
        items[4].camera = Some(2);
        items[4].category = Some("chair".into());
        Table::new("t", None, items)
    }

    #[test]
    fn views_and_classes_follow_the_rows() {
        let table = table();
        assert_eq!(table.train(), [0, 1, 2]);
        assert_eq!(table.queries(), [3]);
        assert_eq!(table.gallery(), [4]);
        let classes = table.classes(&table.train());
        assert_eq!(classes.labels(), ["10", "9"], "sorted by text");
        assert_eq!(
            (classes.index("10"), classes.index("9"), classes.index("x")),
            (Some(0), Some(1), None)
        );
    }

    #[test]
    fn a_filtered_table_keeps_its_columns_aligned() {
        let mut table = table();
        table
            .extra
            .insert("price".into(), (0..5).map(|i| Some(i.to_string())).collect());
        let test = table.filtered(|item| item.split == Split::Test);
        assert_eq!(test.items.len(), 2);
        assert_eq!(
            test.extra["price"],
            [Some("3".to_string()), Some("4".to_string())]
        );
        assert_ne!(test.fingerprint, table.fingerprint);
    }
}
