//! The native form of every data set: one row an image.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::drawn::Drawn;
use crate::files::FileError;

/// What a row is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Gradients come from here.
    Train,
    /// Choices (early stopping, the best checkpoint) come from here.
    Valid,
    /// Figures come from here.
    Test,
}

impl Split {
    /// `train`, `valid` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Valid => "valid",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the encoded bytes of an image are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImageRef {
    /// A file.
    File(PathBuf),
    /// Encoded bytes in memory: those of the embedded catalogue are part of the binary and are never copied.
    Memory {
        /// The encoded image (JPEG, PNG, …).
        bytes: Bytes,
        /// What errors call it: the path inside its archive.
        name: String,
    },
    /// A part of an archive file, which is read when it is needed and never unpacked.
    Slice {
        /// The archive.
        archive: Arc<Path>,
        /// Where the encoded image begins, in bytes.
        offset: u64,
        /// How many bytes it has.
        length: u64,
        /// The archive's file name and the path inside.
        name: String,
    },
    /// Nowhere: it is drawn when it is asked for.
    Drawn(Drawn),
}

impl ImageRef {
    /// What errors and reports call this image.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            ImageRef::File(path) => path.to_string_lossy(),
            ImageRef::Memory { name, .. } | ImageRef::Slice { name, .. } => Cow::Borrowed(name),
            ImageRef::Drawn(drawn) => Cow::Borrowed(drawn.name()),
        }
    }

    /// The encoded bytes; of a drawing, those of a PNG.
    pub fn read(&self) -> Result<Bytes, FileError> {
        match self {
            ImageRef::File(path) => crate::files::read_bytes(path).map(Bytes::from),
            ImageRef::Memory { bytes, .. } => Ok(bytes.clone()),
            ImageRef::Slice {
                archive,
                offset,
                length,
                ..
            } => crate::files::read_part(archive, *offset, *length).map(Bytes::from),
            ImageRef::Drawn(drawn) => drawn.png(),
        }
    }
}

/// One row: an image, or one box of it, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique in its table.
    pub id: String,
    /// The picture.
    pub image: ImageRef,
    /// The identity (product, person) whose images belong together.
    pub label: String,
    /// The kind of thing, where the data says so.
    pub category: Option<String>,
    /// A title or description.
    pub text: Option<String>,
    /// What the row is used for.
    pub split: Split,
    /// Searched with, when its split is evaluated.
    pub is_query: bool,
    /// Searched in, when its split is evaluated.
    pub is_gallery: bool,
    /// Who took it: retrieval protocols of people leave out the query's own camera.
    pub camera: Option<i64>,
    /// Studio, street, a shop's name.
    pub domain: Option<String>,
    /// The part of the image that is meant, in its pixels: x1, y1, x2, y2 with x1 < x2 and y1 < y2.
    pub bbox: Option<[f32; 4]>,
}

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
        };
        table.fingerprint = fingerprint(&table);
        table
    }

    /// The rows for which `keep` is true, as a table of its own with its own fingerprint.
    pub fn filtered(&self, mut keep: impl FnMut(&Item) -> bool) -> Table {
        let kept: Vec<usize> = (0..self.items.len())
            .filter(|&row| keep(&self.items[row]))
            .collect();
        let items = kept.iter().map(|&row| self.items[row].clone()).collect();
        let mut table = Table::new(self.name.clone(), self.root.as_deref(), items);
        table.notes.clone_from(&self.notes);
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

/// Labels as class indices: sorted by text, so that the same labels always get the same indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    labels: Vec<String>,
    index: HashMap<String, usize>,
}

impl Classes {
    /// The distinct labels of an iterator.
    pub fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let sorted: BTreeSet<&str> = labels.into_iter().collect();
        let labels: Vec<String> = sorted.into_iter().map(String::from).collect();
        let index = labels
            .iter()
            .enumerate()
            .map(|(i, label)| (label.clone(), i))
            .collect();
        Classes { labels, index }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The class index of a label.
    pub fn index(&self, label: &str) -> Option<usize> {
        self.index.get(label).copied()
    }

    /// The labels, by class index.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}

/// Fields are length-prefixed, so that no two different tables hash the same bytes.
fn fingerprint(table: &Table) -> String {
    fn text(hash: &mut blake3::Hasher, value: Option<&str>) {
        match value {
            None => {
                hash.update(&[0]);
            }
            Some(value) => {
                hash.update(&[1]);
                hash.update(&(value.len() as u64).to_le_bytes());
                hash.update(value.as_bytes());
            }
        }
    }
    let mut hash = blake3::Hasher::new();
    hash.update(b"tailor table 1\n");
    hash.update(&(table.items.len() as u64).to_le_bytes());
    for item in &table.items {
        text(&mut hash, Some(&item.id));
        text(&mut hash, Some(&item.label));
        text(&mut hash, item.category.as_deref());
        text(&mut hash, item.text.as_deref());
        text(&mut hash, item.domain.as_deref());
        hash.update(&[item.split as u8, item.is_query.into(), item.is_gallery.into()]);
        hash.update(&[item.camera.is_some().into()]);
        hash.update(&item.camera.unwrap_or(0).to_le_bytes());
        hash.update(&[item.bbox.is_some().into()]);
        for side in item.bbox.unwrap_or_default() {
            hash.update(&side.to_bits().to_le_bytes());
        }
        text(&mut hash, Some(&table.image_name(item).replace('\\', "/")));
        match &item.image {
            ImageRef::File(path) => {
                // A missing file is a row like any other here: `check` is what names it.
                let size = std::fs::metadata(path).map_or(u64::MAX, |m| m.len());
                hash.update(&size.to_le_bytes());
            }
            ImageRef::Memory { bytes, .. } => {
                hash.update(blake3::hash(bytes).as_bytes());
            }
            ImageRef::Slice { length, .. } => {
                hash.update(&length.to_le_bytes());
            }
            // What it would be drawn as: drawing every picture of a large catalogue to hash it would take longer than training.
            ImageRef::Drawn(drawn) => {
                let (identity, number) = drawn.identity();
                text(&mut hash, Some(&identity));
                hash.update(&number.to_le_bytes());
            }
        }
    }
    hash.finalize().to_hex().to_string()
}

/// What a table holds, in counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The table's name.
    pub name: String,
    /// The table's fingerprint.
    pub fingerprint: String,
    /// Rows.
    pub items: usize,
    /// Distinct labels.
    pub classes: usize,
    /// Images a class.
    pub images_per_class: Spread,
    /// Each split that has rows.
    pub splits: Vec<SplitSummary>,
    /// Distinct cameras.
    pub cameras: usize,
    /// Distinct domains, sorted.
    pub domains: Vec<String>,
    /// Rows of each category.
    pub categories: BTreeMap<String, usize>,
    /// What the reader left out or decided.
    pub notes: Vec<String>,
}

/// The smallest, the middle and the largest of some counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The smallest.
    pub min: usize,
    /// The middle one; the mean of the two middle ones for an even number.
    pub median: f64,
    /// The largest.
    pub max: usize,
}

impl Spread {
    fn of(mut counts: Vec<usize>) -> Self {
        counts.sort_unstable();
        let (Some(&min), Some(&max)) = (counts.first(), counts.last()) else {
            return Self::default();
        };
        let half = counts.len() / 2;
        let median = match counts.len() % 2 {
            1 => counts[half] as f64,
            _ => (counts[half - 1] + counts[half]) as f64 / 2.0,
        };
        Spread { min, median, max }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            return write!(f, "{}", self.min);
        }
        write!(f, "{} to {}, median {}", self.min, self.max, self.median)
    }
}

/// Counts of one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitSummary {
    /// Which.
    pub split: Split,
    /// Rows.
    pub items: usize,
    /// Distinct labels.
    pub classes: usize,
    /// Images a class.
    pub images_per_class: Spread,
    /// Rows that are searched with.
    pub queries: usize,
    /// Rows that are searched in.
    pub gallery: usize,
}

impl Summary {
    fn of(table: &Table) -> Self {
        let per_class = |rows: &[usize]| {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            for &row in rows {
                *counts.entry(&table.items[row].label).or_default() += 1;
            }
            (counts.len(), Spread::of(counts.into_values().collect()))
        };
        let all: Vec<usize> = (0..table.items.len()).collect();
        let (classes, images_per_class) = per_class(&all);
        let mut splits = Vec::new();
        for split in [Split::Train, Split::Valid, Split::Test] {
            let rows = table.rows(split);
            if rows.is_empty() {
                continue;
            }
            let (classes, images_per_class) = per_class(&rows);
            splits.push(SplitSummary {
                split,
                items: rows.len(),
                classes,
                images_per_class,
                queries: table.queries_of(split).len(),
                gallery: table.gallery_of(split).len(),
            });
        }
        let mut categories = BTreeMap::new();
        for category in table.items.iter().filter_map(|item| item.category.clone()) {
            *categories.entry(category).or_default() += 1;
        }
        let domains: BTreeSet<&String> = table
            .items
            .iter()
            .filter_map(|item| item.domain.as_ref())
            .collect();
        let cameras: HashSet<i64> = table.items.iter().filter_map(|item| item.camera).collect();
        Summary {
            name: table.name.clone(),
            fingerprint: table.fingerprint.clone(),
            items: table.items.len(),
            classes,
            images_per_class,
            splits,
            cameras: cameras.len(),
            domains: domains.into_iter().cloned().collect(),
            categories,
            notes: table.notes.clone(),
        }
    }
}

/// `1 image`, `2 images`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} of {} ({} a class)",
            self.name,
            counted(self.items, "image", "images"),
            counted(self.classes, "class", "classes"),
            self.images_per_class
        )?;
        for split in &self.splits {
            write!(
                f,
                "  {:<5} {} of {} ({} a class)",
                split.split.name(),
                counted(split.items, "image", "images"),
                counted(split.classes, "class", "classes"),
                split.images_per_class
            )?;
            if split.queries + split.gallery > 0 {
                let queries = counted(split.queries, "query", "queries");
                write!(f, "; {queries}, {} in the gallery", split.gallery)?;
            }
            writeln!(f)?;
        }
        if self.cameras > 0 {
            writeln!(f, "  {}", counted(self.cameras, "camera", "cameras"))?;
        }
        if !self.domains.is_empty() {
            writeln!(f, "  domains: {}", self.domains.join(", "))?;
        }
        if !self.categories.is_empty() {
            let mut largest: Vec<_> = self.categories.iter().collect();
            largest.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            let named: Vec<String> = largest
                .iter()
                .take(6)
                .map(|(name, n)| format!("{name} {n}"))
                .collect();
            let more = if largest.len() > 6 { ", …" } else { "" };
            let count = counted(largest.len(), "category", "categories");
            writeln!(f, "  {count}: {}{more}", named.join(", "))?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        write!(
            f,
            "  fingerprint {}",
            &self.fingerprint[..self.fingerprint.len().min(16)]
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
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

    fn table() -> Table {
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
    fn the_summary_counts() {
        let summary = table().summary();
        assert_eq!((summary.items, summary.classes, summary.cameras), (5, 3, 1));
        assert_eq!(
            summary.images_per_class,
            Spread {
                min: 1,
                median: 2.0,
                max: 2
            }
        );
        assert_eq!(summary.splits.len(), 2);
        assert_eq!((summary.splits[1].queries, summary.splits[1].gallery), (1, 1));
        assert_eq!(summary.splits[0].images_per_class.median, 1.5);
        let text = summary.to_string();
        assert!(
            text.contains("train 3 images of 2 classes (1 to 2, median 1.5 a class)"),
            "{text}"
        );
        assert!(
            text.contains("test  2 images of 1 class (2 a class); 1 query, 1 in the gallery"),
            "{text}"
        );
    }

    #[test]
    fn the_fingerprint_sees_every_field_but_not_the_root() {
        let base = table();
        let changes: [fn(&mut Item); 11] = [
            |i| i.id = "z".into(),
            |i| i.label = "z".into(),
            |i| i.category = Some("z".into()),
            |i| i.text = Some(String::new()),
            |i| i.split = Split::Valid,
            |i| i.is_query = !i.is_query,
            |i| i.is_gallery = !i.is_gallery,
            |i| i.camera = Some(0),
            |i| i.domain = Some("z".into()),
            |i| i.bbox = Some([0.0, 0.0, 1.0, 1.0]),
            |i| {
                i.image = ImageRef::Memory {
                    bytes: Bytes::from_static(b"other"),
                    name: "a.jpg".into(),
                };
            },
        ];
        let mut seen = HashSet::from([base.fingerprint.clone()]);
        for change in changes {
            let mut items = base.items.clone();
            change(&mut items[0]);
            assert!(seen.insert(Table::new("t", None, items).fingerprint));
        }
        let mut swapped = base.items.clone();
        swapped.swap(0, 1);
        assert!(seen.insert(Table::new("t", None, swapped).fingerprint));
        assert_eq!(
            Table::new("other name", None, base.items.clone()).fingerprint,
            base.fingerprint
        );

        let write = |content: &[u8]| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.jpg");
            std::fs::write(&path, content).unwrap();
            let mut row = item("a", "1", Split::Train);
            row.image = ImageRef::File(path);
            Table::new("t", Some(folder.path()), vec![row]).fingerprint
        };
        assert_eq!(
            write(b"1234"),
            write(b"1234"),
            "two folders with the same content"
        );
        assert_ne!(write(b"1234"), write(b"123"), "another file size");
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
