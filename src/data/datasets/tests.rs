//! Every layout on a small folder of the same form.

mod fashion;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::data::error::DataError;
use crate::data::table::{ImageRef, Table};

/// A folder with files of these names; what is in them does not matter to a reader.
pub(super) fn layout(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    folder
}

/// Rows as `id label split`, with `q` and `g` for query and gallery, and the camera.
pub(super) fn rows(table: &Table) -> Vec<String> {
    let row = |item: &crate::data::Item| {
        let mut text = format!("{} {} {}", item.id, item.label, item.split);
        for (flag, mark) in [(item.is_query, " q"), (item.is_gallery, " g")] {
            text.push_str(if flag { mark } else { "" });
        }
        item.camera
            .iter()
            .for_each(|camera| text.push_str(&format!(" c{camera}")));
        text
    };
    table.items.iter().map(row).collect()
}

const MARKET: [&str; 10] = [
    "bounding_box_train/0007_c3s3_077419_03.jpg",
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/Thumbs.db",
    "query/0001_c1s1_001051_00.jpg",
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "bounding_box_test/-1_c2s1_000401_03.jpg",
    "bounding_box_test/0000_c1s1_000151_01.jpg",
    "bounding_box_test/0001_c6s1_001051_00.jpg",
    "gt_bbox/0001_c1s1_001051_00.jpg",
    "readme.txt",
];

#[test]
fn market_drops_junk_and_keeps_distractors() {
    let folder = layout(&MARKET);
    let table = market1501(folder.path()).unwrap();
    assert_eq!(
        rows(&table),
        [
            "bounding_box_train/0002_c1s1_000451_03.jpg 0002 train c1",
            "bounding_box_train/0007_c3s3_077419_03.jpg 0007 train c3",
            "query/0001_c1s1_001051_00.jpg 0001 test q c1",
            "bounding_box_test/0000_c1s1_000151_01.jpg 0000 test g c1",
            "bounding_box_test/0001_c6s1_001051_00.jpg 0001 test g c6",
        ]
    );
    assert_eq!(
        table.notes,
        [
            "2 junk detections (identity -1) were dropped, as the protocol says",
            "1 gallery image is a distractor (identity 0000): no query has it",
        ]
    );
}

#[test]
fn duke_has_its_own_names() {
    let folder = layout(&[
        "bounding_box_train/0001_c2_f0046182.jpg",
        "query/0005_c2_f0046985.jpg",
        "bounding_box_test/0005_c8_f0000001.jpg",
        "bounding_box_test/0000_c8_f0000001.jpg",
    ]);
    let table = dukemtmc_reid(folder.path()).unwrap();
    assert_eq!(
        rows(&table),
        [
            "bounding_box_train/0001_c2_f0046182.jpg 0001 train c2",
            "query/0005_c2_f0046985.jpg 0005 test q c2",
            "bounding_box_test/0000_c8_f0000001.jpg 0000 test g c8",
            "bounding_box_test/0005_c8_f0000001.jpg 0005 test g c8",
        ]
    );
    assert!(table.notes.is_empty());
}

#[test]
fn a_wrong_root_says_what_was_expected_and_found() {
    let help = |error: &DataError| miette::Diagnostic::help(error).unwrap().to_string();
    let folder = layout(&["bounding_box_train/0001_c2s1_1.jpg", "images/a.jpg"]);
    let error = market1501(folder.path()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("is not laid out as market1501: expected the folders bounding_box_train/, query/"),
        "{text}"
    );
    assert!(text.ends_with("found bounding_box_train/, images/"), "{text}");

    let folder = layout(&["Market-1501-v15.09.15/bounding_box_train/0001_c2s1_1.jpg"]);
    assert!(help(&market1501(folder.path()).unwrap_err()).contains("Market-1501-v15.09.15"));

    let mut names = MARKET.to_vec();
    names.push("query/IMG_1.jpg");
    let text = market1501(layout(&names).path()).unwrap_err().to_string();
    assert!(
        text.contains("query/IMG_1.jpg: does not begin with an identity and a camera"),
        "{text}"
    );

    let folder = layout(&[
        "bounding_box_train/0001_c2s1_1.jpg",
        "query/Thumbs.db",
        "bounding_box_test/x.txt",
    ]);
    let text = market1501(folder.path()).unwrap_err().to_string();
    assert!(
        text.contains("query is not laid out as market1501: expected images such as"),
        "{text}"
    );
}

/// A plain tar archive in memory.
fn archive(files: &[(&str, &[u8])]) -> Bytes {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap().into()
}

const ITEMS: &str = "id,image,label,category,text,split,is_query,is_gallery\n\
    a0,images/a0.jpg,a,Chair,A chair,train,0,0\n\
    b0,images/b0.jpg,b,Table,A table,test,1,0\n\
    b1,images/b1.jpg,b,Table,A table,test,0,1\n";

#[test]
fn the_catalogue_is_read_without_copying() {
    let images: [&[u8]; 3] = [b"first", b"second image", b"third"];
    let archive = archive(&[
        ("items.csv", ITEMS.as_bytes()),
        ("images/a0.jpg", images[0]),
        ("images/b0.jpg", images[1]),
        ("images/b1.jpg", images[2]),
    ]);
    let table = furniture::catalogue("furniture", &archive).unwrap();
    assert_eq!(rows(&table), ["a0 a train", "b0 b test q", "b1 b test g"]);
    let span = archive.as_ptr() as usize..archive.as_ptr() as usize + archive.len();
    for (item, content) in table.items.iter().zip(images) {
        let ImageRef::Memory { bytes, name } = &item.image else {
            panic!("{:?}", item.image)
        };
        assert_eq!(bytes.as_ref(), content);
        assert!(span.contains(&(bytes.as_ptr() as usize)), "{name} was copied");
    }
    assert_eq!(table.items[1].category.as_deref(), Some("Table"));
}

#[test]
fn a_broken_catalogue_is_an_error() {
    let whole = archive(&[("items.csv", ITEMS.as_bytes()), ("images/a0.jpg", b"1")]);
    let text = furniture::catalogue("f", &whole).unwrap_err().to_string();
    assert!(
        text.contains("line 3, column `image`: \"images/b0.jpg\" is not in the archive"),
        "{text}"
    );
    for length in [0, 100, 512, 700] {
        assert!(
            furniture::catalogue("f", &whole.slice(..length)).is_err(),
            "{length}"
        );
    }
    let without = archive(&[("images/a0.jpg", b"1")]);
    assert!(
        furniture::catalogue("f", &without)
            .unwrap_err()
            .to_string()
            .contains("no items.csv")
    );
}

#[test]
fn the_embedded_studio_pictures_have_white_corners() {
    // A JPEG that is decoded wrongly is no error, but it is not white.
    let table = furniture::read().unwrap();
    for item in table
        .items
        .iter()
        .filter(|item| item.domain.as_deref() == Some("studio"))
        .step_by(7)
    {
        let bytes = item.image.read().unwrap();
        let picture = crate::data::image::decode(&bytes, &item.id, None, &Default::default()).unwrap();
        assert!(
            picture.pixels[..3].iter().all(|&v| v > 200),
            "{}: {:?}",
            item.id,
            &picture.pixels[..3]
        );
    }
}
