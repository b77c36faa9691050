//! A table that says no split, divided by class; in a closed set, each class by rows.

use std::collections::BTreeMap;

use crate::data::datasets::folder::{FolderOptions, divide_class, held_out_classes, no_queries};
use crate::data::error::DataError;
use crate::data::table::{Item, Split, Table};

/// Holds whole classes out, as a folder of classes is divided, and draws their queries.
pub(super) fn split(mut table: Table, options: &FolderOptions) -> Result<Table, DataError> {
    if let Some(held_out) = table.items.iter().find(|item| item.split != Split::Train) {
        return Err(DataError::Setting {
            key: "train_fraction",
            message: format!(
                "the table says the split already: {} is {}",
                held_out.id, held_out.split
            ),
            remedy: "remove the key, or the table's column `split`".into(),
        });
    }
    if options.closed_set {
        return within_classes(table, options);
    }
    let mut rows_of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (row, item) in table.items.iter().enumerate() {
        rows_of.entry(item.label.clone()).or_default().push(row);
    }
    let classes: Vec<&String> = rows_of.keys().collect();
    let held_out = held_out_classes(&classes, options)?;
    if options.queries_per_class == Some(0) {
        return Err(no_queries());
    }
    let mut items = std::mem::take(&mut table.items);
    for (class, (rows, _)) in rows_of
        .values()
        .zip(held_out)
        .enumerate()
        .filter(|(_, (_, held_out))| *held_out)
    {
        let mut order = rows.clone();
        crate::random::stream(options.seed, "table: queries of a class", &[class as u64]).shuffle(&mut order);
        let queries = options
            .queries_per_class
            .map(|queries| queries.min(rows.len() - 1));
        for (place, row) in order.into_iter().enumerate() {
            let item = &mut items[row];
            item.split = Split::Test;
            item.is_query = queries.is_none_or(|queries| place < queries);
            item.is_gallery = queries.is_none_or(|queries| place >= queries);
        }
    }
    let mut divided = table.with_items(items);
    divided.notes.push(format!(
        "divided by class: {} to train on, {} to test on",
        divided.classes(&divided.train()).len(),
        divided.classes(&divided.rows(Split::Test)).len()
    ));
    Ok(divided)
}

/// Holds some rows of every class out.
fn within_classes(mut table: Table, options: &FolderOptions) -> Result<Table, DataError> {
    let mut items = std::mem::take(&mut table.items);
    let mut classes: BTreeMap<String, Vec<&mut Item>> = BTreeMap::new();
    for item in &mut items {
        classes.entry(item.label.clone()).or_default().push(item);
    }
    for (class, rows) in classes.values_mut().enumerate() {
        divide_class(rows, options, class as u64)?;
    }
    let mut divided = table.with_items(items);
    divided.notes.push(format!(
        "each class is divided: {} rows to train on, {} to test on",
        divided.train().len(),
        divided.rows(Split::Test).len()
    ));
    Ok(divided)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::table::tests::item;

    fn table() -> Table {
        let items = (0..40).map(|row| {
            let mut item = item(&row.to_string(), &format!("{:02}", row % 10), Split::Train);
            item.is_query = false;
            item
        });
        Table::new("t", None, items.collect())
    }

    #[test]
    fn a_closed_set_holds_rows_of_every_class_out() {
        let options = FolderOptions {
            train_fraction: Some(0.75),
            closed_set: true,
            seed: 5,
            ..FolderOptions::default()
        };
        let divided = split(table(), &options).unwrap();
        assert_eq!((divided.train().len(), divided.queries().len()), (30, 10));
        assert_eq!(divided.classes(&divided.train()).len(), 10);
        assert_eq!(divided.leaked().len(), 10);
        assert_eq!(divided.fingerprint, split(table(), &options).unwrap().fingerprint);
        let half = FolderOptions {
            train_fraction: Some(0.5),
            queries_per_class: Some(1),
            ..options
        };
        let divided = split(table(), &half).unwrap();
        assert_eq!((divided.queries().len(), divided.gallery().len()), (10, 10));
    }

    #[test]
    fn classes_are_held_out_whole_wherever_their_rows_stand() {
        let options = FolderOptions {
            train_fraction: Some(0.7),
            queries_per_class: Some(1),
            closed_set: false,
            seed: 5,
        };
        let divided = split(table(), &options).unwrap();
        assert_eq!(divided.leaked(), Vec::<&str>::new());
        assert_eq!(divided.classes(&divided.train()).len(), 7);
        assert_eq!((divided.queries().len(), divided.gallery().len()), (3, 9));
        assert_eq!(divided.fingerprint, split(table(), &options).unwrap().fingerprint);
        let both = FolderOptions {
            queries_per_class: None,
            ..options.clone()
        };
        let divided = split(table(), &both).unwrap();
        assert_eq!((divided.queries().len(), divided.gallery().len()), (12, 12));
        let mut said = table();
        said.items[3].split = Split::Test;
        let error = split(said, &options).unwrap_err().to_string();
        assert!(
            error.contains("data.train_fraction: the table says the split already: 3 is test"),
            "{error}"
        );
    }
}
