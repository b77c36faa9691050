use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};

use super::*;
use crate::data::table::tests::item;
use crate::data::table::{Item, Split};

/// A smooth picture of its own for each number: a few random blobs on a plain ground.
fn picture(number: u64, width: u32, height: u32) -> RgbImage {
    let mut stream = crate::random::stream(number, "test picture", &[]);
    let blobs: Vec<[f64; 6]> = (0..6)
        .map(|_| {
            let mut draw = |low, high| stream.between(low, high);
            [
                draw(0.0, 1.0),
                draw(0.0, 1.0),
                draw(0.1, 0.3),
                draw(-200.0, 200.0),
                draw(-200.0, 200.0),
                draw(-200.0, 200.0),
            ]
        })
        .collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        let mut levels = [128.0; 3];
        for [cx, cy, radius, colour @ ..] in &blobs {
            let weight = (-((x - cx).powi(2) + (y - cy).powi(2)) / (radius * radius)).exp();
            levels
                .iter_mut()
                .zip(colour)
                .for_each(|(level, c)| *level += weight * c);
        }
        Rgb(levels.map(|level| level as u8))
    })
}

fn encoded(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn png(number: u64) -> Vec<u8> {
    encoded(&picture(number, 32, 24), ImageFormat::Png)
}

/// A row: (file name, label, split).
fn row(folder: &Path, name: &str, label: &str, split: Split) -> Item {
    let mut row = item(name, label, split);
    row.image = ImageRef::File(folder.join(name));
    row
}

fn of(report: &Report, kind: Kind) -> &[String] {
    report.of(kind).map_or(&[], |finding| &finding.items)
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn every_bad_image_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let jpeg = encoded(&picture(1, 64, 64), ImageFormat::Jpeg);
    write("fine.jpg", &jpeg);
    write("fine2.png", &png(2));
    write("cut.jpg", &jpeg[..jpeg.len() - 20]);
    write("cut.png", &png(3)[..200]);
    write("empty.jpg", b"");
    write("text.jpg", b"<!DOCTYPE html><p>404");
    write("noise.jpg", &[7; 40]);
    write("png.jpg", &png(4));
    fs::create_dir(folder.path().join("folder.jpg")).unwrap();
    // A PNG of 30,000 x 30,000 pixels is 2.7 GB decoded; its header is enough to refuse it.
    let mut huge = png(5);
    huge[16..20].copy_from_slice(&30_000u32.to_be_bytes());
    huge[20..24].copy_from_slice(&30_000u32.to_be_bytes());
    let crc = crc32(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.to_be_bytes());
    write("huge.png", &huge);
    let names = [
        "fine.jpg",
        "fine2.png",
        "cut.jpg",
        "cut.png",
        "empty.jpg",
        "text.jpg",
        "noise.jpg",
        "png.jpg",
        "folder.jpg",
        "huge.png",
        "gone.jpg",
    ];
    let rows = names
        .iter()
        .map(|name| row(folder.path(), name, "a", Split::Train))
        .collect();
    let table = Table::new("t", Some(folder.path()), rows);

    let report = check(&table, &CheckOptions::default());
    assert_eq!(
        of(&report, Kind::Missing),
        ["folder.jpg: is not a file", "gone.jpg"]
    );
    assert_eq!(of(&report, Kind::Empty), ["empty.jpg"]);
    assert_eq!(of(&report, Kind::WrongExtension), ["png.jpg is a PNG"]);
    assert_eq!(
        of(&report, Kind::TooLarge),
        ["huge.png: 30000 x 30000 pixels; the limit is 16384 a side and 200 million in all"]
    );
    let broken = of(&report, Kind::Broken);
    assert_eq!(broken.len(), 4, "{broken:?}");
    for (text, part) in broken.iter().zip([
        "cut.jpg: the JPEG ends before its end-of-image marker",
        "cut.png: ",
        "text.jpg: it is a web page",
        "noise.jpg: its format is not known (it starts with 07 07",
    ]) {
        assert!(text.starts_with(part), "{text}");
    }
    assert_eq!((report.errors, report.notes, report.images), (8, 1, 11));
    let text = report.to_string();
    assert!(
        text.contains(
            "\nerror: 2 images are missing\n    folder.jpg: is not a file\n    gone.jpg\n  → check the root"
        ),
        "{text}"
    );
    assert!(text.ends_with("11 images decoded: 8 errors, 1 note"), "{text}");

    // One thread or many: the same report.
    assert_eq!(
        report,
        check(
            &table,
            &CheckOptions {
                threads: 1,
                ..Default::default()
            }
        )
    );
    // A fast check sees what the head of a file shows.
    let fast = check(
        &table,
        &CheckOptions {
            fast: true,
            ..Default::default()
        },
    );
    assert_eq!(
        kinds(&fast),
        [
            Kind::Missing,
            Kind::Empty,
            Kind::Broken,
            Kind::TooLarge,
            Kind::WrongExtension
        ]
    );
    assert_eq!(of(&fast, Kind::TooLarge), of(&report, Kind::TooLarge));
}

/// As PNG chunks have it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    })
}

/// Rows of images in memory.
fn memory(rows: &[(&str, &str, Split, Vec<u8>)]) -> Vec<Item> {
    rows.iter()
        .map(|(id, label, split, bytes)| {
            let mut item = item(id, label, *split);
            item.image = ImageRef::Memory {
                bytes: bytes.clone().into(),
                name: format!("{id}.png"),
            };
            item
        })
        .collect()
}

use Split::{Test, Train, Valid};

#[test]
fn classes_and_queries_are_checked() {
    let mut items = memory(&[
        ("a1", "a", Train, png(1)),
        ("a2", "a", Train, png(2)),
        ("b1", "b", Train, png(3)),
        ("c1", "c", Test, png(4)),
        ("c2", "c", Test, png(5)),
        ("d1", "d", Test, png(6)),
    ]);
    let report = |items: &[Item]| check(&Table::new("t", None, items.to_vec()), &CheckOptions::default());
    let first = report(&items);
    assert_eq!(
        kinds(&first),
        [Kind::QueryWithoutPositive, Kind::SingleImageClass]
    );
    assert_eq!(of(&first, Kind::QueryWithoutPositive), ["d1 (label d)"]);
    assert_eq!(of(&first, Kind::SingleImageClass), ["b"]);
    assert_eq!(first.errors, 0);
    // By its caption a single picture is found, too.
    let captions = CheckOptions {
        captions: true,
        ..CheckOptions::default()
    };
    let captioned = check(&Table::new("t", None, items.clone()), &captions);
    assert_eq!(kinds(&captioned), []);

    // With cameras, a positive is one of another camera.
    let mut filmed = items.clone();
    filmed[3].camera = Some(1);
    filmed[4].camera = Some(2);
    assert_eq!(of(&report(&filmed), Kind::QueryWithoutPositive).len(), 1);
    filmed[4].camera = Some(1);
    let text = of(&report(&filmed), Kind::NothingToFind).join("");
    assert_eq!(text, "test: 3 queries, e.g. c1 (label c)");

    items[2].label = "c".into();
    items[1].label = "d".into();
    let table = Table::new("t", None, items);
    let checked = |closed_set: Option<bool>| {
        let options = CheckOptions {
            closed_set,
            ..Default::default()
        };
        check(&table, &options)
    };
    let shared = checked(Some(false));
    let both = ["c: 1 train, 2 test images", "d: 1 train, 1 test images"];
    assert_eq!(of(&shared, Kind::ClassInTwoSplits), both);
    assert_eq!(shared.errors, 2);
    assert_eq!(checked(Some(true)).errors, 0);
    // Nobody said so, and every held-out class is known: categories.
    let unsaid = checked(None);
    assert_eq!(of(&unsaid, Kind::KnownClass), both);
    let text = unsaid.to_string();
    assert!(
        unsaid.errors == 0 && text.contains("--closed-set") && text.contains("data.closed_set = true"),
        "{text}"
    );
    // One that is not: the others have leaked.
    let mut more = table.items.clone();
    more.extend(memory(&[("e1", "e", Test, png(7)), ("e2", "e", Test, png(8))]));
    let leaked = report(&more);
    assert_eq!(of(&leaked, Kind::ClassInTwoSplits), both);
    assert_eq!(leaked.errors, 2);
}

#[test]
fn the_same_image_in_two_splits_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.png"), png(1)).unwrap();
    fs::write(folder.path().join("y.png"), png(2)).unwrap();
    // The pixels of y in another format.
    let pixels = picture(2, 32, 24);
    fs::write(folder.path().join("y.bmp"), encoded(&pixels, ImageFormat::Bmp)).unwrap();
    let mut items = vec![
        row(folder.path(), "x.png", "a", Train),
        row(folder.path(), "x.png", "b", Test),
        row(folder.path(), "y.png", "a", Train),
        row(folder.path(), "y.bmp", "b", Test),
    ];
    items[1].id = "x again".into();
    let table = Table::new("t", Some(folder.path()), items.clone());
    let report = check(&table, &CheckOptions::default());
    assert_eq!(
        of(&report, Kind::ImageInTwoSplits),
        [
            "x.png: train and test",
            "y.png (train, a) has the pixels of y.bmp (test, b)"
        ]
    );
    assert_eq!(of(&report, Kind::TwoLabels).len(), 2);
    assert!(
        of(&report, Kind::NearlyInTwoSplits).is_empty(),
        "the same pixels are not named twice"
    );

    // Different boxes of one file are different products.
    items.truncate(2);
    items[0].bbox = Some([0.0, 0.0, 16.0, 12.0]);
    items[1].bbox = Some([16.0, 12.0, 32.0, 24.0]);
    let report = check(
        &Table::new("t", Some(folder.path()), items),
        &CheckOptions::default(),
    );
    assert_eq!(of(&report, Kind::BoxesInTwoSplits), ["x.png: train and test"]);
    assert!(of(&report, Kind::ImageInTwoSplits).is_empty());
}

#[test]
fn a_query_whose_pixels_are_in_the_gallery_is_named() {
    let rows = memory(&[
        ("a1", "a", Test, png(1)),
        ("a2", "a", Test, png(1)),
        ("a3", "a", Test, png(2)),
    ]);
    let report = check(&Table::new("t", None, rows), &CheckOptions::default());
    assert_eq!(of(&report, Kind::QueryInGallery), ["a1 is a2", "a2 is a1"]);
    assert_eq!(report.errors, 0);
}

#[test]
fn copies_at_another_size_or_quality_are_near() {
    let original = picture(7, 200, 150);
    let smaller = image::imageops::resize(&original, 90, 68, image::imageops::FilterType::Triangle);
    let mut rough = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut rough, 50)
        .encode_image(&original)
        .unwrap();
    let mut rows = vec![
        ("original", "a", Train, encoded(&original, ImageFormat::Png)),
        ("smaller", "b", Test, encoded(&smaller, ImageFormat::Png)),
        ("rough", "c", Valid, rough),
    ];
    // Different pictures are not.
    let names: Vec<String> = (0..60).map(|i| format!("other {i}")).collect();
    for (i, name) in names.iter().enumerate() {
        rows.push((
            name,
            "d",
            if i % 2 == 0 { Valid } else { Test },
            png(100 + i as u64),
        ));
    }
    let report = check(&Table::new("t", None, memory(&rows)), &CheckOptions::default());
    assert_eq!(
        of(&report, Kind::NearlyInTwoSplits),
        [
            "original (train, a) and smaller (test, b)",
            "original (train, a) and rough (valid, c)",
            "smaller (test, b) and rough (valid, c)",
        ]
    );
    assert_eq!(report.errors, 0, "{report}");
}

#[test]
fn boxes_are_compared_with_their_images() {
    let mut items = memory(&[
        ("in", "a", Train, png(1)),
        ("edge", "a", Train, png(2)),
        ("out", "a", Train, png(3)),
    ]);
    items[0].bbox = Some([0.0, 0.0, 32.0, 24.0]);
    items[1].bbox = Some([16.0, -2.0, 40.0, 24.0]);
    items[2].bbox = Some([32.0, 0.0, 40.0, 24.0]);
    let report = check(&Table::new("t", None, items), &CheckOptions::default());
    assert_eq!(
        of(&report, Kind::BoxBeyondEdge),
        ["edge: box 16,-2 to 40,24 of edge.png, which is 32 x 24"]
    );
    assert_eq!(
        of(&report, Kind::BoxOutside),
        ["out: box 32,0 to 40,24 of out.png, which is 32 x 24"]
    );
}

#[test]
fn long_lists_are_shown_in_part_and_json_has_them() {
    let rows: Vec<Item> = (0..15)
        .map(|i| row(Path::new("/nowhere"), &format!("{i}.jpg"), "a", Train))
        .collect();
    let report = check(
        &Table::new("t", Some(Path::new("/nowhere")), rows),
        &CheckOptions::default(),
    );
    let text = report.to_string();
    assert!(
        text.contains("error: 15 images are missing") && text.contains("    … and 5 more\n"),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["errors"], 15);
    assert_eq!(json["findings"][0]["kind"], "missing");
    assert_eq!(json["findings"][0]["severity"], "error");
    assert_eq!(json["findings"][0]["items"].as_array().unwrap().len(), 15);
    assert_eq!(json["data"]["items"], 15);
}

#[test]
fn a_fast_check_reads_headers_that_stand_last() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = encoded(&picture(1, 400, 300), ImageFormat::Tiff);
    // Where the directory of a TIFF is: beyond the part that a fast check reads first.
    assert!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) > 256 << 10);
    fs::write(folder.path().join("a.tif"), bytes).unwrap();
    let rows = vec![
        row(folder.path(), "a.tif", "a", Train),
        row(folder.path(), "a.tif", "a", Train),
    ];
    let options = CheckOptions {
        fast: true,
        ..Default::default()
    };
    let report = check(&Table::new("t", Some(folder.path()), rows), &options);
    assert_eq!((report.images, report.errors), (1, 0), "{report}");
}

#[test]
fn a_run_refuses_missing_files_and_classes_in_two_splits() {
    let mut items = vec![
        item("a", "x", Split::Train),
        item("b", "y", Split::Train),
        item("c", "x", Split::Test),
        item("d", "z", Split::Test),
    ];
    let table = Table::new("t", None, items.clone());
    assert_eq!(table.leaked(), ["x"]);
    assert!(super::refuse(&table, true).is_ok());
    let error = super::refuse(&table, false).unwrap_err().to_string();
    assert!(
        error.contains("1 class stands in the train split") && error.ends_with(": x"),
        "{error}"
    );
    items[2].image = ImageRef::File("nowhere/c.jpg".into());
    let error = super::refuse(&Table::new("t", None, items), true)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1 problem\n  row 3, column `image`: \"nowhere/c.jpg\" is not there"),
        "{error}"
    );
}
