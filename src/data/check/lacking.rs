//! Why a run finds nothing to train on, to search with or to search in.

use crate::data::error::DataError;
use crate::data::native::is_table;
use crate::data::table::{Origin, Split, Table, counted};

/// The rows that a run asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// What is trained on.
    Train,
    /// A split's queries.
    Queries(Split),
    /// A split's gallery.
    Gallery(Split),
}

impl Needed {
    fn split(self) -> Split {
        match self {
            Needed::Train => Split::Train,
            Needed::Queries(split) | Needed::Gallery(split) => split,
        }
    }
}

/// The error of a table that has none of those rows: the file, the column that should name them, and what to write into it.
pub fn lacking(table: &Table, part: Needed) -> DataError {
    let split = part.split();
    let what = match part {
        Needed::Train => "row",
        Needed::Queries(_) => "query",
        Needed::Gallery(_) => "gallery item",
    };
    let (why, remedy) = match &table.origin {
        _ if !table.rows(split).is_empty() => (
            "the columns `is_query` and `is_gallery` mark none of its rows so".to_string(),
            "mark rows with is_query and is_gallery, or set eval.split".to_string(),
        ),
        Some(origin) => why(table, origin, split),
        None => (
            format!("the data has {}", counts(table)),
            "choose data with rows of that split, or set eval.split".to_string(),
        ),
    };
    let path = match (&table.origin, &table.root) {
        (Some(origin), _) => origin.path.clone(),
        (None, Some(root)) => root.clone(),
        (None, None) => table.name.clone().into(),
    };
    DataError::Format {
        path,
        message: format!("the {split} split has no {what}: {why}"),
        remedy,
    }
}

/// Of a file whose column `split` names no row of a split.
fn why(table: &Table, origin: &Origin, split: Split) -> (String, String) {
    let (why, mut remedy) = match (origin.says_split, split) {
        (false, _) => (
            "there is no column `split`, which leaves every row to train on".to_string(),
            "add a column `split` that says train, valid or test of each row".to_string(),
        ),
        (true, Split::Train) => (
            format!("the column `split` says {}", counts(table)),
            "write train there for the rows to train on".to_string(),
        ),
        (true, _) => (
            format!("the column `split` says {}", counts(table)),
            format!("write {split} there for the rows to evaluate on"),
        ),
    };
    let held_out = |other: &Split| *other != split && !table.queries_of(*other).is_empty();
    if table.rows(Split::Train).len() == table.items.len() && is_table(&origin.path) {
        remedy.push_str(
            ", or hold whole classes out with data.train_fraction (`--set data.train_fraction=0.8`)",
        );
    } else if split != Split::Train
        && let Some(other) = [Split::Valid, Split::Test].iter().find(|other| held_out(other))
    {
        remedy.push_str(&format!(", or set eval.split = \"{other}\""));
    }
    (why, remedy)
}

/// `train of 30 rows, valid of 1 row`.
fn counts(table: &Table) -> String {
    let of = |split: Split| match table.rows(split).len() {
        0 => None,
        rows => Some(format!("{split} of {}", counted(rows, "row", "rows"))),
    };
    let all: Vec<String> = [Split::Train, Split::Valid, Split::Test]
        .into_iter()
        .filter_map(of)
        .collect();
    match all.is_empty() {
        true => "no row".to_string(),
        false => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use miette::Diagnostic;

    use super::*;
    use crate::data::native::{ReadOptions, read};

    fn table(text: &str) -> (tempfile::TempDir, Table) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue.csv");
        std::fs::write(&path, text).unwrap();
        let table = read(&path, &ReadOptions::default()).unwrap();
        (folder, table)
    }

    fn words(text: &str, part: Needed) -> [String; 2] {
        let (folder, table) = table(text);
        let error = lacking(&table, part);
        let path = folder.path().join("catalogue.csv").display().to_string();
        let message = error.to_string();
        let message = message.strip_prefix(&path).expect(&message);
        [message.to_string(), error.help().unwrap().to_string()]
    }

    #[test]
    fn the_file_the_column_and_the_remedy_are_named() {
        let without = "image,label\na.jpg,a\nb.jpg,b\n";
        assert_eq!(
            words(without, Needed::Queries(Split::Test)),
            [
                ": the test split has no query: there is no column `split`, which leaves every row to train on",
                "add a column `split` that says train, valid or test of each row, or hold whole classes out with \
                 data.train_fraction (`--set data.train_fraction=0.8`)"
            ]
        );
        let all_train = "image,label,split\na.jpg,a,train\nb.jpg,b,train\n";
        assert_eq!(
            words(all_train, Needed::Gallery(Split::Test)),
            [
                ": the test split has no gallery item: the column `split` says train of 2 rows",
                "write test there for the rows to evaluate on, or hold whole classes out with data.train_fraction \
                 (`--set data.train_fraction=0.8`)"
            ]
        );
        let valid = "image,label,split\na.jpg,a,train\nb.jpg,b,valid\nc.jpg,b,valid\n";
        assert_eq!(
            words(valid, Needed::Queries(Split::Test)),
            [
                ": the test split has no query: the column `split` says train of 1 row, valid of 2 rows",
                "write test there for the rows to evaluate on, or set eval.split = \"valid\""
            ]
        );
        let held_out = "image,label,split\na.jpg,a,test\nb.jpg,a,test\n";
        assert_eq!(
            words(held_out, Needed::Train),
            [
                ": the train split has no row: the column `split` says test of 2 rows",
                "write train there for the rows to train on"
            ]
        );
        let marked = "image,label,split,is_query\na.jpg,a,train,\nb.jpg,a,test,\n";
        let [message, help] = words(marked, Needed::Queries(Split::Test));
        assert!(
            message.contains("`is_query`") && help.contains("is_query"),
            "{message} {help}"
        );
    }

    #[test]
    fn what_is_made_of_a_table_is_still_of_its_file() {
        let (folder, table) = table("image,label\na.jpg,a\nb.jpg,b\n");
        let path = folder.path().join("catalogue.csv");
        let kept = table.filtered(|item| item.label == "a");
        assert_eq!(kept.origin.as_ref().unwrap().path, path);
        let items = kept.items.clone();
        assert_eq!(kept.with_items(items).origin.unwrap().path, path);
        // Nothing is said of a column where there is no file.
        let made = Table::new("t", None, table.items);
        let error = lacking(&made, Needed::Queries(Split::Test)).to_string();
        assert_eq!(
            error,
            "t: the test split has no query: the data has train of 2 rows"
        );
    }
}
