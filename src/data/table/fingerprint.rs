//! The hash of what a table says.

use super::{ImageRef, Table};

/// Fields are length-prefixed, so that no two different tables hash the same bytes.
pub(super) fn fingerprint(table: &Table) -> String {
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use bytes::Bytes;

    use crate::data::table::tests::{item, table};
    use crate::data::table::{ImageRef, Item, Split, Table};

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
}
