//! A table that says no split, divided by class.

use std::collections::BTreeMap;

use crate::data::datasets::folder::{FolderOptions, held_out_classes};
use crate::data::error::DataError;
use crate::data::table::{Split, Table};

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
    let mut rows_of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (row, item) in table.items.iter().enumerate() {
        rows_of.entry(item.label.clone()).or_default().push(row);
    }
    let classes: Vec<&String> = rows_of.keys().collect();
    let held_out = held_out_classes(&classes, options)?;
    if options.queries_per_class == Some(0) {
        return Err(DataError::Setting {
            key: "queries_per_class",
            message: "0 leaves nothing to evaluate with".into(),
            remedy: "write at least 1, or remove the key: every held-out image is then a query".into(),
        });
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
    fn classes_are_held_out_whole_wherever_their_rows_stand() {
        let options = FolderOptions {
            train_fraction: Some(0.7),
            queries_per_class: Some(1),
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
