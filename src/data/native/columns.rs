//! The columns that have a meaning, and how a file's header maps to them.

/// The names, in the order that [`super::write`] uses.
pub const COLUMNS: [&str; COUNT] = [
    "id",
    "image",
    "text",
    "label",
    "category",
    "split",
    "is_query",
    "is_gallery",
    "camera",
    "domain",
    "x1",
    "y1",
    "x2",
    "y2",
];
/// How many there are.
pub(crate) const COUNT: usize = 14;

pub(crate) const ID: usize = 0;
pub(crate) const IMAGE: usize = 1;
pub(crate) const TEXT: usize = 2;
pub(crate) const LABEL: usize = 3;
pub(crate) const CATEGORY: usize = 4;
pub(crate) const SPLIT: usize = 5;
pub(crate) const IS_QUERY: usize = 6;
pub(crate) const IS_GALLERY: usize = 7;
pub(crate) const CAMERA: usize = 8;
pub(crate) const DOMAIN: usize = 9;
/// x1; y1, x2 and y2 follow.
pub(crate) const BOX: usize = 10;

/// Names that other tools give to the required columns: suggested, never guessed.
const ALIASES: [(usize, &[&str]); 2] = [
    (
        IMAGE,
        &[
            "path",
            "file",
            "filename",
            "filepath",
            "file_name",
            "img",
            "image_path",
            "image_url",
            "url",
        ],
    ),
    (
        LABEL,
        &[
            "class",
            "target",
            "product",
            "product_id",
            "item_id",
            "identity",
            "pid",
            "sku",
        ],
    ),
];

/// The column that a header names: case and surrounding space do not count.
pub(super) fn known(name: &str) -> Option<usize> {
    let name = name.trim();
    COLUMNS
        .iter()
        .position(|column| column.eq_ignore_ascii_case(name))
}

/// Required columns among those that are not `present`.
pub(super) fn missing(present: &[bool; COUNT]) -> Vec<usize> {
    [IMAGE, LABEL]
        .into_iter()
        .filter(|&column| !present[column])
        .collect()
}

/// What to rename so that the missing columns are there.
pub(super) fn rename_remedy(missing: &[usize], found: &[String]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for &column in missing {
        let aliases = ALIASES
            .iter()
            .find(|(c, _)| *c == column)
            .map_or(&[][..], |(_, names)| names);
        let alias = found
            .iter()
            .find(|name| aliases.contains(&name.to_lowercase().as_str()));
        let near = || found.iter().find(|name| close(name, COLUMNS[column]));
        lines.push(match alias.or_else(near) {
            Some(name) => format!(
                "rename the column `{name}` to `{}`, if that is what it holds",
                COLUMNS[column]
            ),
            None if column == IMAGE => "add a column `image`: paths relative to the table's folder".into(),
            None => "add a column `label`: the product (or person) whose images belong together".into(),
        });
    }
    lines.join("\n")
}

/// A column without meaning whose name looks like a slip of one that has: (the column meant).
pub(super) fn meant(name: &str, present: &[bool; COUNT]) -> Option<&'static str> {
    let absent = (0..COUNT).filter(|&column| !present[column] && COLUMNS[column].len() > 4);
    absent
        .map(|column| COLUMNS[column])
        .find(|column| close(name, column))
}

fn close(a: &str, b: &str) -> bool {
    let a: String = a.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let b: String = b.chars().filter(|c| c.is_alphanumeric()).collect();
    strsim::damerau_levenshtein(&a, &b) <= 1
}
