use std::path::Path;

use super::read;
use crate::data::error::DataError;
use crate::data::error::tests::says;
use crate::data::table::{ImageRef, Table};

/// A tar archive in memory.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // A header's own field, so that names which `set_path` refuses can be written too.
        let bytes = name.as_bytes();
        header.as_old_mut().name[..bytes.len()].copy_from_slice(bytes);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn shards(shards: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in shards {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn open(folder: &Path) -> Result<Table, DataError> {
    read(folder.to_str().unwrap())
}

#[test]
fn samples_are_rows_whose_pictures_are_read_in_place() {
    let first = archive(&[
        ("0001.jpg", b"first picture"),
        (
            "0001.json",
            br#"{"id": "a", "label": 7, "split": "test", "is_query": true, "is_gallery": false, "x1": 1, "y1": 2, "x2": 3.5, "y2": 4, "price": 9}"#,
        ),
        ("dir/0002.left.PNG", b"second"),
        ("dir/0002.right.png", b"not taken"),
        ("dir/0002.json", br#"{"label": "8", "split": "train", "caption": "b"}"#),
        ("dir/0002.txt", "Stra\u{df}e".as_bytes()),
        ("dir/0002.npy", b"?"),
    ]);
    let folder = shards(&[("data-000000.tar", &first), ("notes.txt", b"")]);
    let table = open(folder.path()).unwrap();
    let [a, b] = &table.items[..] else {
        panic!("{:?}", table.items)
    };
    assert_eq!((a.id.as_str(), a.label.as_str(), a.is_query), ("a", "7", true));
    assert_eq!(a.bbox, Some([1.0, 2.0, 3.5, 4.0]));
    assert_eq!(a.image.read().unwrap().as_ref(), b"first picture");
    assert_eq!(
        (b.id.as_str(), b.text.as_deref()),
        ("data-000000.tar/dir/0002", Some("Straße"))
    );
    assert_eq!(b.image.read().unwrap().as_ref(), b"second");
    assert_eq!(b.image.name(), "data-000000.tar/dir/0002.left.PNG");
    assert_eq!(table.extra["price"], [Some("9".to_string()), None]);
    assert_eq!(table.extra["caption"][1].as_deref(), Some("b"));
    let notes = table.notes.join("\n");
    for part in [
        "1 sample has several pictures",
        "cls nor txt were not read: npy",
        "from 1 shard",
    ] {
        assert!(notes.contains(part), "{notes}");
    }
    // Another folder, the same rows.
    let again = shards(&[("data-000000.tar", &first)]);
    assert_eq!(open(again.path()).unwrap().fingerprint, table.fingerprint);
}

#[test]
fn labels_may_be_cls_files_and_splits_names_of_shards() {
    let sample = |label: &str| archive(&[("1.jpg", b"x"), ("1.cls", label.as_bytes())]);
    let folder = shards(&[
        ("train-000000.tar", &sample("3\n")),
        ("query_0.tar", &sample("4")),
        ("gallery.tar", &sample("4")),
        ("val-1.tar", &sample("5")),
    ]);
    let table = open(folder.path()).unwrap();
    let rows: Vec<String> = table
        .items
        .iter()
        .map(|item| {
            format!(
                "{} {} {} {} {}",
                item.id, item.label, item.split, item.is_query, item.is_gallery
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "gallery.tar/1 4 test false true",
            "query_0.tar/1 4 test true false",
            "train-000000.tar/1 3 train false false",
            "val-1.tar/1 5 valid true true",
        ]
    );
}

#[test]
fn broken_shards_name_shard_and_sample() {
    let with = |files: &[(&str, &[u8])]| open(shards(&[("a.tar", &archive(files))]).path());
    says(with(&[("1.jpg", b"x")]), &["label"]);
    says(
        with(&[("1.jpg", b"x"), ("1.json", b"{]")]),
        &["a.tar/1: 1.json is not a JSON object", "write one object"],
    );
    says(
        with(&[("1.jpg", b"x"), ("1.cls", b"\xff")]),
        &["a.tar/1: 1.cls is not UTF-8"],
    );
    says(
        with(&[("1.json", br#"{"label": 1}"#), ("2.jpg", b"x"), ("2.cls", b"1")]),
        &["a.tar/1: has no picture"],
    );
    says(
        with(&[
            ("1.jpg", b"x"),
            ("1.cls", b"1"),
            ("2.jpg", b"x"),
            ("2.cls", b"1"),
            ("1.jpg", b"x"),
            ("1.cls", b"1"),
        ]),
        &["a.tar/1: stands there twice"],
    );
    says(
        with(&[
            ("1.jpg", b"x"),
            ("1.json", br#"{"label": [1], "split": "later"}"#),
        ]),
        &["a.tar/1, column `label`", "is not a text"],
    );

    let whole = archive(&[("1.jpg", &[7; 2000]), ("1.cls", b"1")]);
    says(
        open(shards(&[("a.tar", &whole[..1500])]).path()),
        &["a.tar", "1.jpg is cut short"],
    );
    says(open(shards(&[("a.tar", b"")]).path()), &["a.tar", "is empty"]);
    says(
        open(shards(&[("a.tar", &[b'x'; 2048])]).path()),
        &["a.tar", "is no sound tar archive"],
    );
    says(
        open(shards(&[("a.tar", b"\x1f\x8b\x08 packed")]).path()),
        &["a.tar", "compressed", "gunzip"],
    );
    says(read("/nowhere/a-{0..1}.tar"), &["/nowhere/a-0.tar"]);
    says(read("a-{0..1.tar"), &["data.shards", "without closing"]);
    says(open(shards(&[]).path()), &["there is no shard"]);
}

#[test]
fn nothing_in_a_shard_can_reach_a_file_outside_of_it() {
    let folder = shards(&[("secret.jpg", b"secret")]);
    let mut builder = tar::Builder::new(Vec::new());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder
        .append_link(&mut link, "1.jpg", folder.path().join("secret.jpg"))
        .unwrap();
    let mut bytes = builder.into_inner().unwrap();
    // Without the end marker, so that more can follow.
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(archive(&[
        ("../../2.jpg", b"own bytes"),
        ("../../2.cls", b"1"),
        ("/etc/passwd.jpg", b"also own"),
        ("/etc/passwd.cls", b"1"),
    ]));
    std::fs::write(folder.path().join("a.tar"), bytes).unwrap();
    let table = read(folder.path().join("a.tar").to_str().unwrap()).unwrap();
    assert_eq!(table.items.len(), 2);
    for (item, content) in table.items.iter().zip(["own bytes", "also own"]) {
        assert!(
            matches!(&item.image, ImageRef::Slice { archive, .. } if archive.ends_with("a.tar")),
            "{:?}",
            item.image
        );
        assert_eq!(item.image.read().unwrap().as_ref(), content.as_bytes());
    }
    assert!(
        table.notes.iter().any(|note| note.contains("1 entry is a link")),
        "{:?}",
        table.notes
    );
    // Bytes that are gone by the time they are read are an error.
    std::fs::write(folder.path().join("a.tar"), b"short").unwrap();
    assert!(
        table.items[0]
            .image
            .read()
            .unwrap_err()
            .to_string()
            .contains("a.tar")
    );
}
