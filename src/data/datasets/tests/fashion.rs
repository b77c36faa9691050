//! The fashion and product sets: DeepFashion, Street2Shop, Stanford Online Products.

use tempfile::TempDir;

use super::{layout, rows};
use crate::data::datasets::*;
use crate::data::error::DataError;
use crate::data::error::tests::says;
use crate::data::table::Table;

/// A folder of files with their content.
fn files(files: &[(&str, &str)]) -> TempDir {
    let folder = layout(&[]);
    for (name, content) in files {
        write(&folder, name, content);
    }
    folder
}

fn write(folder: &TempDir, name: &str, content: &str) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn boxes(table: &Table) -> Vec<Option<[f32; 4]>> {
    table.items.iter().map(|item| item.bbox).collect()
}

const INSHOP: [(&str, &str); 2] = [
    (
        "Eval/list_eval_partition.txt",
        "5\n\
         image_name item_id evaluation_status\n\
         img/WOMEN/Dresses/id_00000002/02_1_front.jpg                      id_00000002 train\n\
         img/WOMEN/Dresses/id_00000002/02_2_side.jpg                       id_00000002 train\n\
         img/MEN/Denim/id_00000080/01_1_front.jpg                          id_00000080 query\n\
         img/MEN/Denim/id_00000080/01_7_additional.jpg                     id_00000080 gallery\n\
         img/MEN/Denim/id_00000081/01_3_back.jpg                           id_00000081 gallery\n",
    ),
    (
        "Anno/list_bbox_inshop.txt",
        "4\n\
         image_name  clothes_type  pose_type  x_1  y_1  x_2  y_2\n\
         img/WOMEN/Dresses/id_00000002/02_1_front.jpg 3 1 50 49 208 235\n\
         img/WOMEN/Dresses/id_00000002/02_2_side.jpg  3 2 119 48 136 234\n\
         img/MEN/Denim/id_00000080/01_1_front.jpg     2 1 10 20 200 220\n\
         img/MEN/Denim/id_00000080/01_7_additional.jpg 2 6 9 9 9 30\n",
    ),
];

#[test]
fn inshop_has_boxes_of_two_corners() {
    let folder = files(&INSHOP);
    let table = deepfashion_inshop(folder.path()).unwrap();
    assert_eq!(
        rows(&table),
        [
            "img/WOMEN/Dresses/id_00000002/02_1_front.jpg id_00000002 train",
            "img/WOMEN/Dresses/id_00000002/02_2_side.jpg id_00000002 train",
            "img/MEN/Denim/id_00000080/01_1_front.jpg id_00000080 test q",
            "img/MEN/Denim/id_00000080/01_7_additional.jpg id_00000080 test g",
            "img/MEN/Denim/id_00000081/01_3_back.jpg id_00000081 test g",
        ]
    );
    assert_eq!(table.items[0].category.as_deref(), Some("WOMEN/Dresses"));
    assert_eq!(table.items[0].bbox, Some([50.0, 49.0, 208.0, 235.0]));
    assert_eq!(table.items[3].bbox, None);
    assert_eq!(table.extra["clothes_type"][2].as_deref(), Some("lower-body"));
    assert_eq!(table.extra["pose"][3].as_deref(), Some("stand-alone"));
    assert_eq!(table.extra["pose"][4], None);
    assert_eq!(
        table.notes,
        [
            "1 box has no pixel in them (x_2 ≤ x_1 or y_2 ≤ y_1): those pictures are taken whole",
            "1 image has no row in list_bbox_inshop.txt: taken whole"
        ]
    );
    let whole = files(&INSHOP[..1]);
    let table = deepfashion_inshop(whole.path()).unwrap();
    assert!(boxes(&table).iter().all(Option::is_none) && table.notes.len() == 1);
}

#[test]
fn inshop_pictures_may_lie_below_img() {
    let folder = files(&INSHOP);
    write(&folder, "Img/img/WOMEN/Dresses/id_00000002/02_1_front.jpg", "x");
    let table = deepfashion_inshop(folder.path()).unwrap();
    assert_eq!(table.missing(), [1, 2, 3, 4]);
    assert_eq!(
        table.image_name(&table.items[0]),
        "img/WOMEN/Dresses/id_00000002/02_1_front.jpg"
    );
}

/// The list of In-shop with one line changed.
fn inshop_with(line: usize, text: &str) -> Result<Table, DataError> {
    let mut lines: Vec<&str> = INSHOP[0].1.lines().collect();
    match line {
        0 => lines.push(text),
        line => lines[line - 1] = text,
    }
    let list = lines.join("\r\n");
    let folder = files(&[(INSHOP[0].0, &list), INSHOP[1]]);
    deepfashion_inshop(folder.path())
}

#[test]
fn broken_lists_name_file_and_line() {
    assert!(inshop_with(1, "5").is_ok(), "lines may end in \\r\\n");
    let image = "img/MEN/Denim/id_00000080/01_1_front.jpg";
    for (line, text, parts) in [
        (
            1,
            "image_name",
            &["list_eval_partition.txt", "line 1", "not the number of rows"][..],
        ),
        (2, "image_name item_id", &["line 2", "the columns are"]),
        (0, "a b train", &["line 1", "says 5 rows, but there are 6"]),
        (
            3,
            "img/a.jpg id_00000002",
            &["line 3", "has 2 columns, the header has 3"],
        ),
        (
            3,
            "img/a.jpg id_1 val",
            &[
                "line 3",
                "evaluation_status",
                "\"val\"",
                "train, query or gallery",
            ],
        ),
        (
            4,
            "../../etc/passwd id_1 train",
            &["line 4", "leaves the folder", "data.root"],
        ),
        (
            4,
            "/etc/passwd id_1 train",
            &["line 4", "leaves the folder", "data.root"],
        ),
        (
            4,
            &format!("{image} id_00000080 query"),
            &["line 5", "stands on line 4 too"],
        ),
        (
            4,
            "img/a.jpg id_00000080 train",
            &[
                "line 5, column `item_id`",
                "of the test split here, but of train on line 4",
            ],
        ),
    ] {
        says(inshop_with(line, text), parts);
    }
    let folder = files(&[
        INSHOP[0],
        (
            INSHOP[1].0,
            "1\nimage_name clothes_type pose_type x_1 y_1 x_2 y_2\na.jpg 1 1 1 two 3 4\n",
        ),
    ]);
    says(
        deepfashion_inshop(folder.path()),
        &["list_bbox_inshop.txt", "line 3", "\"two\" is not a number"],
    );
    says(
        deepfashion_inshop(files(&[(INSHOP[0].0, "")]).path()),
        &["list_eval_partition.txt", "line 1"],
    );
    says(
        deepfashion_inshop(files(&[("In-shop/Eval/list_eval_partition.txt", "")]).path()),
        &["deepfashion-inshop", "found In-shop/", "set data.root to"],
    );
}

const C2S: [(&str, &str); 2] = [
    (
        "Eval/list_eval_partition.txt",
        "5\n\
         image_pair_name_1 image_pair_name_2 item_id evaluation_status\n\
         img/CLOTHING/Summer_Wear/id_1/comsumer_01.jpg img/CLOTHING/Summer_Wear/id_1/shop_01.jpg id_1 train\n\
         img/CLOTHING/Summer_Wear/id_1/comsumer_02.jpg img/CLOTHING/Summer_Wear/id_1/shop_01.jpg id_1 train\n\
         img/TOPS/Blouse/id_2/comsumer_01.jpg img/TOPS/Blouse/id_2/shop_01.jpg id_2 val\n\
         img/TOPS/Blouse/id_3/comsumer_01.jpg img/TOPS/Blouse/id_3/shop_01.jpg id_3 test\n\
         img/TOPS/Blouse/id_3/comsumer_01.jpg img/TOPS/Blouse/id_3/shop_02.jpg id_3 test\n",
    ),
    (
        "Anno/list_bbox_consumer2shop.txt",
        "2\n\
         image_name clothes_type source_type x_1 y_1 x_2 y_2\n\
         img/CLOTHING/Summer_Wear/id_1/comsumer_01.jpg 3 2 30 10 90 60\n\
         img/TOPS/Blouse/id_3/shop_02.jpg 1 1 0 0 75 100\n",
    ),
];

fn c2s() -> TempDir {
    let folder = files(&C2S);
    write(&folder, "img/TOPS/Blouse/id_3/shop_02.jpg", "not decoded");
    folder
}

#[test]
fn consumer_photos_of_test_items_search_the_shop_photos_of_test_and_validation() {
    let folder = c2s();
    let table = deepfashion_c2s(folder.path(), &ConsumerToShopOptions::default()).unwrap();
    assert_eq!(
        rows(&table),
        [
            "img/CLOTHING/Summer_Wear/id_1/comsumer_01.jpg id_1 train",
            "img/CLOTHING/Summer_Wear/id_1/shop_01.jpg id_1 train",
            "img/CLOTHING/Summer_Wear/id_1/comsumer_02.jpg id_1 train",
            "img/TOPS/Blouse/id_2/shop_01.jpg id_2 test g",
            "img/TOPS/Blouse/id_3/comsumer_01.jpg id_3 test q",
            "img/TOPS/Blouse/id_3/shop_01.jpg id_3 test g",
            "img/TOPS/Blouse/id_3/shop_02.jpg id_3 test g",
        ]
    );
    assert_eq!(table.items[0].bbox, Some([30.0, 10.0, 90.0, 60.0]));
    let domains: Vec<_> = table
        .items
        .iter()
        .map(|item| item.domain.as_deref().unwrap())
        .collect();
    assert_eq!(
        domains,
        ["consumer", "shop", "consumer", "shop", "consumer", "shop", "shop"]
    );
    assert!(
        table.notes[0].contains("1 consumer photo of a validation item takes no part"),
        "{:?}",
        table.notes
    );
    assert!(
        table.notes[1].contains("5 photos have no box"),
        "{:?}",
        table.notes
    );
}

#[test]
fn validation_items_may_be_a_split_of_their_own() {
    let options = ConsumerToShopOptions {
        val: Val::Valid,
        ..Default::default()
    };
    let table = deepfashion_c2s(c2s().path(), &options).unwrap();
    assert_eq!(
        rows(&table)[3..5],
        [
            "img/TOPS/Blouse/id_2/comsumer_01.jpg id_2 valid q",
            "img/TOPS/Blouse/id_2/shop_01.jpg id_2 valid g",
        ]
    );
    assert_eq!(table.gallery().len(), 2);
}

#[test]
fn the_legacy_crop_reads_corners_as_sizes() {
    let options = ConsumerToShopOptions {
        legacy_crop: true,
        ..Default::default()
    };
    let table = deepfashion_c2s(c2s().path(), &options).unwrap();
    assert_eq!(table.items[0].bbox, Some([30.0, 10.0, 120.0, 70.0]));
    assert!(table.notes.iter().any(|note| note.contains("legacy_df_crop")));
}

#[test]
fn boxes_are_scaled_to_the_large_pictures_and_the_renamed_folder_is_found() {
    let folder = files(&C2S);
    let picture = |name: &str, width: u32, height: u32| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::new(width, height).save(path).unwrap();
    };
    picture("img_highres/CLOTHING/Summer_Suit/id_1/comsumer_01.jpg", 400, 200);
    picture("img/CLOTHING/Summer_Wear/id_1/comsumer_01.jpg", 100, 80);
    picture("img_highres/TOPS/Blouse/id_3/shop_02.jpg", 450, 600);
    let options = ConsumerToShopOptions {
        images: Some("img_highres".into()),
        ..Default::default()
    };
    let table = deepfashion_c2s(folder.path(), &options).unwrap();
    // Four times as wide, two and a half times as high.
    assert_eq!(table.items[0].bbox, Some([120.0, 25.0, 360.0, 150.0]));
    assert_eq!(
        table.image_name(&table.items[0]),
        "img_highres/CLOTHING/Summer_Suit/id_1/comsumer_01.jpg"
    );
    assert_eq!(table.items[0].id, "img/CLOTHING/Summer_Wear/id_1/comsumer_01.jpg");
    // Its small twin is not there: 600 / 300.
    assert_eq!(table.items[6].bbox, Some([0.0, 0.0, 150.0, 200.0]));
    let notes = table.notes.join("\n");
    assert!(
        notes.contains("1 box is scaled as if") && notes.contains("Summer_Suit"),
        "{notes}"
    );
    let gone = ConsumerToShopOptions {
        images: Some("../x".into()),
        ..Default::default()
    };
    says(
        deepfashion_c2s(folder.path(), &gone),
        &["expected the pictures in ../x/", "data.images"],
    );
}

#[test]
fn pairs_that_contradict_each_other_name_both_lines() {
    let with = |line: &str| {
        let list = C2S[0].1.replacen('5', "6", 1) + line;
        let folder = files(&[(C2S[0].0, &list), C2S[1]]);
        write(&folder, "img/a.jpg", "");
        deepfashion_c2s(folder.path(), &ConsumerToShopOptions::default())
    };
    says(
        with("img/TOPS/Blouse/id_3/comsumer_01.jpg img/b.jpg id_4 test\n"),
        &["line 8, column `image_pair_name_1`", "belongs to id_3 on line 6"],
    );
    says(
        with("img/a.jpg img/b.jpg id_1 test\n"),
        &[
            "line 8, column `item_id`",
            "of the test split here, but of train on line 3",
        ],
    );
    says(
        with("img/a.jpg ../b.jpg id_9 test\n"),
        &["line 8", "leaves the folder"],
    );
    says(
        with("img/a.jpg img/b.jpg id_9 query\n"),
        &["line 8", "train, val or test"],
    );
    says(with(""), &["says 6 rows, but there are 5"]);
    // Only the lists are there.
    says(
        deepfashion_c2s(files(&C2S).path(), &ConsumerToShopOptions::default()),
        &["expected the pictures in img/", "data.images"],
    );
}

fn street2shop_files() -> TempDir {
    let folder = layout(&[]);
    for category in STREET2SHOP_CATEGORIES {
        for part in ["train_pairs", "test_pairs", "retrieval"] {
            write(&folder, &format!("meta/json/{part}_{category}.json"), "[]");
        }
    }
    let json = |name: &str, text: &str| write(&folder, &format!("meta/json/{name}.json"), text);
    json(
        "train_pairs_bags",
        r#"[{"photo": 1, "product": 7, "bbox": {"left": 10, "top": 20, "width": 30.5, "height": 40}}]"#,
    );
    json(
        "retrieval_bags",
        r#"[{"photo": 2, "product": 7}, {"photo": 3, "product": 8}, {"photo": 3, "product": 8}, {"photo": 4, "product": 9}]"#,
    );
    json(
        "test_pairs_bags",
        r#"[{"photo": 5, "product": 8, "bbox": {"left": 0, "top": 0, "width": 5, "height": 6}},
            {"photo": 6, "product": 7, "bbox": {"left": 0, "top": 0, "width": 5, "height": 6}},
            {"photo": 5, "product": 11, "bbox": {"left": 0, "top": 0, "width": 5, "height": 6}},
            {"photo": 6, "product": 8, "bbox": {"left": 0, "top": 0, "width": 0, "height": 6}}]"#,
    );
    // The same number of a product in another category is another product.
    json("retrieval_tops", r#"[{"photo": 2, "product": 7}]"#);
    for name in [
        "000000001.jpg",
        "000000002.png",
        "000000003",
        "000000004.jpg",
        "000000005.jpeg",
    ] {
        write(&folder, &format!("images/{name}"), "photo");
    }
    folder
}

#[test]
fn street_photos_search_the_shop_photos_of_products_that_are_not_trained_on() {
    let folder = street2shop_files();
    let table = street2shop(folder.path(), &Street2ShopOptions::default()).unwrap();
    assert_eq!(
        rows(&table),
        [
            "bags/7/street/1@10,20,40.5,60 bags/7 train",
            "bags/7/shop/2 bags/7 train",
            "bags/8/street/5@0,0,5,6 bags/8 test q",
            "bags/11/street/5@0,0,5,6 bags/11 test q",
            "bags/8/shop/3 bags/8 test g",
            "bags/9/shop/4 bags/9 test g",
            "tops/7/shop/2 tops/7 test g",
        ]
    );
    // left, top, width and height, unlike DeepFashion's boxes.
    assert_eq!(table.items[0].bbox, Some([10.0, 20.0, 40.5, 60.0]));
    assert_eq!(table.items[1].bbox, None);
    let names: Vec<_> = table.items.iter().map(|item| table.image_name(item)).collect();
    assert_eq!(names[..2], ["images/000000001.jpg", "images/000000002.png"]);
    assert_eq!(names[4], "images/000000003");
    assert!(table.missing().is_empty());
    assert_eq!(
        table.notes,
        [
            "1 product is searched for without a photo in the gallery: their queries are in no figure",
            "1 test query shows products that are trained on, whose photos are not in the gallery: left out",
            "1 street photo was left out: their boxes are less than a pixel wide or high",
            "1 entry was left out: the same photo, product and box stands there twice",
        ]
    );
    assert!(table.leaked().is_empty());
}

#[test]
fn some_categories_and_absent_photos() {
    let folder = street2shop_files();
    let tops = Street2ShopOptions {
        categories: Some(vec!["tops".into()]),
        ..Default::default()
    };
    assert_eq!(
        rows(&street2shop(folder.path(), &tops).unwrap()),
        ["tops/7/shop/2 tops/7 test g"]
    );
    std::fs::remove_file(folder.path().join("images/000000004.jpg")).unwrap();
    let table = street2shop(folder.path(), &Street2ShopOptions::default()).unwrap();
    let missing = table.missing();
    assert_eq!(missing.len(), 1);
    assert_eq!(
        table.image_name(&table.items[missing[0]]),
        "images/000000004.jpg",
        "nine digits, where it would lie"
    );
    let unknown = Street2ShopOptions {
        categories: Some(vec!["shoes".into()]),
        ..Default::default()
    };
    says(
        street2shop(folder.path(), &unknown),
        &["data.categories", "\"shoes\"", "footwear"],
    );
    std::fs::remove_file(folder.path().join("meta/json/retrieval_hats.json")).unwrap();
    says(
        street2shop(folder.path(), &Street2ShopOptions::default()),
        &["also of hats", "data.categories = [\"bags\""],
    );
    assert!(street2shop(folder.path(), &tops).is_ok());
}

#[test]
fn broken_street2shop_files_name_file_and_entry() {
    let with = |name: &str, text: &str| {
        let folder = street2shop_files();
        write(&folder, &format!("meta/json/{name}.json"), text);
        street2shop(folder.path(), &Street2ShopOptions::default())
    };
    says(
        with("train_pairs_hats", "[{\"photo\": 1,"),
        &["train_pairs_hats.json", "is not a JSON array", "line 1"],
    );
    says(with("train_pairs_hats", "{}"), &["is not a JSON array"]);
    says(
        with("train_pairs_hats", r#"[{"photo": 1, "product": 2}]"#),
        &["entry 1, column `bbox`", "is not a box"],
    );
    says(
        with(
            "retrieval_hats",
            r#"[{"photo": 1, "product": 2}, {"photo": -1}, 5]"#,
        ),
        &[
            "4 problems",
            "entry 2, column `photo`: \"-1\" is not a number",
            "entry 2, column `product`: is missing",
            "entry 3, column `photo`: is missing",
        ],
    );
    let folder = files(&[("street/meta/json/a.json", "")]);
    says(
        street2shop(folder.path(), &Street2ShopOptions::default()),
        &["street2shop", "found street/", "meta.zip"],
    );
    let folder = street2shop_files();
    let images = Street2ShopOptions {
        images: Some("../images".into()),
        ..Default::default()
    };
    says(
        street2shop(folder.path(), &images),
        &["data.images", "is no folder"],
    );
    std::fs::remove_dir_all(folder.path().join("images")).unwrap();
    says(
        street2shop(folder.path(), &Street2ShopOptions::default()),
        &["photos named by their number", "data.images"],
    );
}

const SOP: [(&str, &str); 2] = [
    (
        "Ebay_train.txt",
        "image_id class_id super_class_id path\n\
         1 1 1 bicycle_final/111085122871_0.JPG\n\
         2 1 1 bicycle_final/111085122871_1.JPG\n",
    ),
    (
        "Ebay_test.txt",
        "image_id class_id super_class_id path\n\
         59552 11319 1 chair_final/251952414262_0.JPG\n\
         59553 11319 1 chair_final/251952414262_1.JPG\n",
    ),
];

#[test]
fn online_products_are_searched_among_all_others() {
    let table = sop(files(&SOP).path()).unwrap();
    assert_eq!(
        rows(&table),
        [
            "bicycle_final/111085122871_0.JPG 1 train",
            "bicycle_final/111085122871_1.JPG 1 train",
            "chair_final/251952414262_0.JPG 11319 test q g",
            "chair_final/251952414262_1.JPG 11319 test q g",
        ]
    );
    assert_eq!(table.items[2].category.as_deref(), Some("chair"));
    assert_eq!(
        table.notes,
        [
            "Ebay_train.txt has 2 images; as published it has 59551",
            "Ebay_test.txt has 2 images; as published it has 60502"
        ]
    );
}

#[test]
fn broken_online_products_name_file_and_line() {
    let with = |line: &str| {
        let list = format!("{}{line}\n", SOP[1].1);
        sop(files(&[SOP[0], (SOP[1].0, &list)]).path())
    };
    says(
        with("3 1 1 chair_final/a.JPG"),
        &[
            "Ebay_test.txt",
            "line 4, column `class_id`",
            "Ebay_train.txt line 2",
        ],
    );
    says(
        with("x 11320 1 chair_final/a.JPG"),
        &["line 4, column `image_id`"],
    );
    says(
        with("3 11320 1 ../a.JPG"),
        &["line 4, column `path`", "leaves the folder"],
    );
    says(
        with("3 11320 1 bicycle_final/111085122871_0.JPG"),
        &["line 4", "is the image of Ebay_train.txt line 2 too"],
    );
    says(with("3 11320"), &["line 4", "has 2 columns"]);
    says(
        sop(files(&[SOP[0]]).path()),
        &["expected the files Ebay_train.txt and Ebay_test.txt"],
    );
    says(
        sop(files(&[("Stanford_Online_Products/Ebay_train.txt", "")]).path()),
        &["found Stanford_Online_Products/", "set data.root to"],
    );
    says(sop(std::path::Path::new("/nowhere/sop")), &["/nowhere/sop"]);
}
