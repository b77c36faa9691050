use std::path::Path;

use super::*;
use crate::data::image::tests::{jpeg, noise};
use crate::data::native::{ReadOptions, read};
use crate::data::table::{ImageRef, Item, Split};
use crate::data::{DatasetSection, Layout, open, shards as reader};

fn silent() -> impl FnMut(usize, usize) {
    |_, _| {}
}

/// Pictures of two classes in files, with boxes, flags and columns of all kinds.
fn table(folder: &Path) -> Table {
    let item = |number: usize| -> Item {
        let path = folder.join(format!("photos/{number}.jpg"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, jpeg(&noise(number as u32, 30, 20 + number), 90)).unwrap();
        Item {
            id: format!("id {number}, \"quoted\""),
            image: ImageRef::File(path),
            label: format!("class/{}", number / 2),
            category: (number == 1).then(|| "Sofa".into()),
            text: (number == 2).then(|| "red,\nsoft".into()),
            split: [Split::Train, Split::Train, Split::Test, Split::Valid][number % 4],
            is_query: number == 2,
            is_gallery: number == 3,
            camera: (number == 3).then_some(-2),
            domain: (number == 0).then(|| "street".into()),
            bbox: (number > 1).then_some([2.0, 3.5, 15.25, 28.0]),
        }
    };
    let mut items: Vec<Item> = (0..4).map(item).collect();
    // A second box of one picture.
    let mut second = items[3].clone();
    second.id = "second".into();
    second.bbox = Some([0.0, 0.0, 10.0, 10.0]);
    items.push(second);
    let mut table = Table::new("t", Some(folder), items);
    table
        .extra
        .insert("price".into(), vec![None, Some("9".into()), None, None, None]);
    table
}

fn back(path: &Path) -> Table {
    read(path, &ReadOptions::default()).unwrap()
}

#[test]
fn a_table_beside_its_pictures_says_the_same_rows() {
    for extension in ["csv", "jsonl", "parquet"] {
        let folder = tempfile::tempdir().unwrap();
        let table = table(folder.path());
        let out = folder.path().join(format!("t.{extension}"));
        let converted = convert(&table, &out, &Options::default(), &mut silent()).unwrap();
        assert_eq!((converted.rows, converted.notes.len()), (5, 0));
        let read = back(&out);
        assert_eq!(read.fingerprint, table.fingerprint, "{extension}");
        assert_eq!(
            (read.items, read.extra),
            (table.items.clone(), table.extra.clone())
        );
        let again = convert(&table, &out, &Options::default(), &mut silent()).unwrap_err();
        assert!(again.to_string().contains("exists already"), "{again}");
        let elsewhere = tempfile::tempdir().unwrap();
        let out = elsewhere.path().join("t.csv");
        let converted = convert(&table, &out, &Options::default(), &mut silent()).unwrap();
        assert!(
            converted.notes[0].contains("5 pictures lie outside"),
            "{:?}",
            converted.notes
        );
        assert_eq!(back(&out).items, table.items);
    }
}

#[test]
fn every_layout_comes_back_as_a_table_with_the_same_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for name in [
        "market/bounding_box_train/0002_c1s1_000451_03.jpg",
        "market/query/0001_c1s1_001051_00.jpg",
        "market/bounding_box_test/0001_c6s1_001051_00.jpg",
        "duke/bounding_box_train/0001_c2_f0046182.jpg",
        "duke/query/0005_c2_f0046985.jpg",
        "duke/bounding_box_test/0005_c8_f0000001.jpg",
        "folder/train/a/1.jpg",
        "folder/test/b/1.jpg",
        "sop/chair_final/1.JPG",
        "sop/chair_final/2.JPG",
        "inshop/img/MEN/Denim/id_1/01_1_front.jpg",
        "inshop/img/MEN/Denim/id_2/01_1_front.jpg",
        "c2s/img/TOPS/Blouse/id_1/comsumer_01.jpg",
        "c2s/img/TOPS/Blouse/id_1/shop_01.jpg",
        "street/images/000000001.jpg",
        "street/images/000000002.png",
    ] {
        write(name, name);
    }
    write(
        "sop/Ebay_train.txt",
        "image_id class_id super_class_id path\n1 1 1 chair_final/1.JPG\n",
    );
    write(
        "sop/Ebay_test.txt",
        "image_id class_id super_class_id path\n2 2 1 chair_final/2.JPG\n",
    );
    write(
        "inshop/Eval/list_eval_partition.txt",
        "2\nimage_name item_id evaluation_status\nimg/MEN/Denim/id_1/01_1_front.jpg id_1 train\n\
         img/MEN/Denim/id_2/01_1_front.jpg id_2 query\n",
    );
    write(
        "inshop/Anno/list_bbox_inshop.txt",
        "1\nimage_name clothes_type pose_type x_1 y_1 x_2 y_2\nimg/MEN/Denim/id_1/01_1_front.jpg 2 1 1 2 30 40\n",
    );
    write(
        "c2s/Eval/list_eval_partition.txt",
        "1\nimage_pair_name_1 image_pair_name_2 item_id evaluation_status\n\
         img/TOPS/Blouse/id_1/comsumer_01.jpg img/TOPS/Blouse/id_1/shop_01.jpg id_1 test\n",
    );
    write(
        "c2s/Anno/list_bbox_consumer2shop.txt",
        "1\nimage_name clothes_type source_type x_1 y_1 x_2 y_2\nimg/TOPS/Blouse/id_1/shop_01.jpg 1 1 1 2 3 4\n",
    );
    for part in ["train_pairs", "test_pairs", "retrieval"] {
        let text = match part {
            "test_pairs" => {
                r#"[{"photo": 1, "product": 5, "bbox": {"left": 1.5, "top": 2, "width": 3.25, "height": 4}}]"#
            }
            "retrieval" => r#"[{"photo": 2, "product": 5}]"#,
            _ => "[]",
        };
        write(&format!("street/meta/json/{part}_bags.json"), text);
    }
    for (name, layout) in [
        ("market", Layout::Market1501),
        ("duke", Layout::DukeMtmcReid),
        ("folder", Layout::Folder),
        ("sop", Layout::Sop),
        ("inshop", Layout::DeepFashionInShop),
        ("c2s", Layout::DeepFashionC2s),
        ("street", Layout::Street2Shop),
    ] {
        let mut section = DatasetSection::new(layout);
        section.root = Some(folder.path().join(name).to_str().unwrap().into());
        section.categories = (layout == Layout::Street2Shop).then(|| vec!["bags".into()]);
        let table = open(&section).unwrap();
        for extension in ["csv", "jsonl", "parquet"] {
            let out = folder.path().join(name).join(format!("table.{extension}"));
            convert(&table, &out, &Options::default(), &mut silent()).unwrap();
            let mut section = DatasetSection::new(Layout::Table);
            section.table = Some(out.to_str().unwrap().into());
            let read = open(&section).unwrap();
            assert_eq!(read.fingerprint, table.fingerprint, "{name} as {extension}");
            assert_eq!(read.items, table.items, "{name} as {extension}");
            assert_eq!(read.extra, table.extra, "{name} as {extension}");
        }
    }
}

#[test]
fn copied_pictures_lie_beside_the_table() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let table = table(folder.path());
    let out = elsewhere.path().join("new/t.csv");
    let options = Options {
        pictures: Pictures::Copy,
        workers: 3,
        ..Options::default()
    };
    let converted = convert(&table, &out, &options, &mut silent()).unwrap();
    assert_eq!(
        (converted.pictures, converted.found),
        (4, 0),
        "two boxes of one picture"
    );
    let read = back(&out);
    for (old, new) in table.items.iter().zip(&read.items) {
        assert_eq!(old.image.read().unwrap(), new.image.read().unwrap());
        assert_eq!(
            (&old.id, &old.label, old.bbox, old.split),
            (&new.id, &new.label, new.bbox, new.split)
        );
    }
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.contains("t_images/00000/00000003.jpg"), "{text}");
    // What an interrupted attempt wrote is found; the table was not there yet.
    std::fs::remove_file(&out).unwrap();
    std::fs::remove_file(elsewhere.path().join("new/t_images/00000/00000001.jpg")).unwrap();
    let again = convert(&table, &out, &options, &mut silent()).unwrap();
    assert_eq!((again.pictures, again.found), (4, 3));
    // Pictures of other data are not mixed with them.
    std::fs::remove_file(&out).unwrap();
    let fewer = table.filtered(|item| item.split == Split::Train);
    let error = convert(&fewer, &out, &options, &mut silent())
        .unwrap_err()
        .to_string();
    assert!(error.contains("t_images exists already"), "{error}");
    let force = Options {
        force: true,
        ..options.clone()
    };
    assert_eq!(convert(&fewer, &out, &force, &mut silent()).unwrap().pictures, 2);
    // A folder that is not ours is never removed.
    let own = elsewhere.path().join("own_images/precious.txt");
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::write(&own, "x").unwrap();
    assert!(convert(&table, &elsewhere.path().join("own.csv"), &force, &mut silent()).is_err());
    assert!(own.exists());
}

#[test]
fn prepared_pictures_are_boxes_on_white() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path());
    let prepare = Prepare {
        height: 16,
        width: 24,
        filter: Filter::Lanczos,
        quality: None,
    };
    let options = Options {
        pictures: Pictures::Prepare(prepare),
        ..Options::default()
    };
    let out = folder.path().join("small.jsonl");
    let converted = convert(&table, &out, &options, &mut silent()).unwrap();
    assert_eq!(converted.pictures, 5);
    let read = back(&out);
    assert!(read.items.iter().all(|item| item.bbox.is_none()));
    let picture = |item: &Item| {
        let bytes = item.image.read().unwrap();
        crate::data::image::decode(&bytes, "x", None, &Default::default()).unwrap()
    };
    let small = picture(&read.items[4]);
    assert_eq!((small.height, small.width), (16, 24));
    // A box of 10 × 10 is not enlarged: white around it, its own pixels within.
    let whole = picture(&table.items[4]);
    assert_eq!(
        [small.pixel(0, 0), small.pixel(6, 8), small.pixel(7, 2)],
        [[255; 3]; 3]
    );
    assert_eq!(small.pixel(7, 3), whole.pixel(0, 0));
    assert_eq!(small.pixel(16, 12), whole.pixel(9, 9));
    let broken = folder.path().join("photos/1.jpg");
    std::fs::write(&broken, "no picture").unwrap();
    let out = folder.path().join("broken.csv");
    let error = convert(&table, &out, &options, &mut silent()).unwrap_err();
    assert!(
        error.to_string().contains("photos/1.jpg: not an image"),
        "{error}"
    );
    assert!(!out.exists(), "a table without all of its pictures");
    let nothing = Options {
        pictures: Pictures::Prepare(Prepare { height: 0, ..prepare }),
        ..Options::default()
    };
    assert!(convert(&table, &out, &nothing, &mut silent()).is_err());
}

#[test]
fn shards_hold_the_same_rows() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let table = table(folder.path());
    let out = elsewhere.path().join("s.tar");
    let options = Options {
        shard_bytes: 6000,
        workers: 2,
        ..Options::default()
    };
    let converted = convert(&table, &out, &options, &mut silent()).unwrap();
    assert!(converted.files.len() > 1, "{:?}", converted.files);
    assert!(converted.files[1].ends_with("s-000001.tar"));
    let same = |read: &Table| {
        for (old, new) in table.items.iter().zip(&read.items) {
            assert_eq!(old.image.read().unwrap(), new.image.read().unwrap());
            let item = Item {
                image: old.image.clone(),
                ..new.clone()
            };
            assert_eq!(&item, old);
        }
        assert_eq!(read.extra, table.extra);
    };
    let pattern = elsewhere.path().join("s-*.tar");
    let read = reader::read(pattern.to_str().unwrap()).unwrap();
    same(&read);
    let names: Vec<_> = std::fs::read_dir(elsewhere.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names.len(),
        converted.files.len(),
        "nothing else is left: {names:?}"
    );
    let error = convert(&table, &out, &options, &mut silent())
        .unwrap_err()
        .to_string();
    assert!(error.contains("s-000000.tar exists already"), "{error}");
    // Larger shards are fewer: the others go with --force.
    let force = Options {
        force: true,
        shard_bytes: 1 << 20,
        ..options
    };
    assert_eq!(
        convert(&table, &out, &force, &mut silent()).unwrap().files.len(),
        1
    );
    let read = reader::read(elsewhere.path().to_str().unwrap()).unwrap();
    same(&read);
    // Shards become a table again, with their pictures.
    let csv = elsewhere.path().join("again.csv");
    let options = Options {
        pictures: Pictures::Copy,
        ..Options::default()
    };
    convert(&read, &csv, &options, &mut silent()).unwrap();
    same(&back(&csv));
    // In an order of their own.
    let shuffled = Options {
        shuffle: Some(1),
        ..Options::default()
    };
    convert(&table, &elsewhere.path().join("r.tar"), &shuffled, &mut silent()).unwrap();
    let mixed = reader::read(elsewhere.path().join("r-*.tar").to_str().unwrap()).unwrap();
    assert_ne!(mixed.items[..2], read.items[..2]);
    assert_eq!(mixed.items.len(), 5);
}

#[test]
fn an_interrupted_conversion_to_shards_goes_on() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let table = table(folder.path());
    let (out, whole) = (elsewhere.path().join("s.tar"), elsewhere.path().join("w.tar"));
    let options = Options {
        shard_bytes: 1,
        ..Options::default()
    };
    convert(&table, &whole, &options, &mut silent()).unwrap();
    // The fourth picture cannot be read.
    let fourth = folder.path().join("photos/3.jpg");
    let bytes = std::fs::read(&fourth).unwrap();
    std::fs::write(&fourth, vec![0; bytes.len()]).unwrap();
    assert!(convert(&table, &out, &options, &mut silent()).is_err());
    assert!(
        reader::read(elsewhere.path().join("s-*.tar").to_str().unwrap()).is_err(),
        "nothing is half there"
    );
    std::fs::write(&fourth, &bytes).unwrap();
    let converted = convert(&table, &out, &options, &mut silent()).unwrap();
    assert_eq!(
        (converted.files.len(), converted.found),
        (5, 2),
        "a shard is complete when the next begins"
    );
    for number in 0..5 {
        let read =
            |stem: &str| std::fs::read(elsewhere.path().join(format!("{stem}-{number:06}.tar"))).unwrap();
        assert!(read("s") == read("w"), "shard {number}");
    }
}
