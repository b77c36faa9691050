//! The recipes that come with the program.

use crate::common::{Place, jpeg};
use serde_json::Value;

pub const NAMES: [&str; 29] = [
    "quickstart",
    "ctl-market1501",
    "ctl-dukemtmc",
    "ctl-deepfashion",
    "ctl-street2shop",
    "fashion-reid-market1501",
    "fashion-reid-deepfashion-s",
    "fashion-reid-deepfashion-l",
    "fashion-reid-street2shop-s",
    "fashion-reid-street2shop-l",
    "sop",
    "wardrobe-street2shop",
    "wardrobe-street2shop-triplet",
    "finetune-clothing",
    "finetune-clothing-resnet",
    "t-emde-emoji",
    "t-emde-emoji-attention",
    "t-emde-emoji-mean",
    "t-emde-furniture",
    "t-emde-furniture-attention",
    "t-emde-furniture-mean",
    "t-emde-saf-f30k",
    "t-emde-sgr-f30k",
    "t-emde-saf-coco",
    "t-emde-sgr-coco",
    "sgraf-saf-f30k",
    "sgraf-sgr-f30k",
    "sgraf-saf-f30k-mean",
    "sgraf-sgr-f30k-mean",
];

/// Small enough for a test; what is left is the recipe's own.
const SMALL: [&str; 4] = [
    "model.weights=none",
    "data.sampler={ kind = \"pk\", classes = 2, per_class = 2, small_classes = \"repeat\", remainder = \"drop\" }",
    "data.train_transform=[{ op = \"resize\", height = 64, width = 32 }, { op = \"flip\", p = 0.5 }, { op = \"normalize\" }]",
    "data.eval_transform=[{ op = \"resize\", height = 64, width = 32 }, { op = \"normalize\" }]",
];

/// A data set of a few people in the layout that Market-1501 and DukeMTMC-reID share.
fn pedestrians(place: &Place, market: bool) -> String {
    let name = |person: u32, camera: u32, frame: u32| match market {
        true => format!("{person:04}_c{camera}s1_{frame:06}_01.jpg"),
        false => format!("{person:04}_c{camera}_f{frame:07}.jpg"),
    };
    let root = if market { "market" } else { "duke" };
    for person in 1..=8 {
        for camera in 1..=3 {
            for frame in 0..2 {
                let folder = match (person, camera, frame) {
                    (..5, _, _) => "bounding_box_train",
                    (_, 1, 0) => "query",
                    _ => "bounding_box_test",
                };
                place.jpeg(
                    &format!("{root}/{folder}/{}", name(person, camera, frame)),
                    person,
                    camera * 2 + frame,
                );
            }
        }
    }
    if market {
        // A distractor, and junk that takes no part.
        place.jpeg(&format!("{root}/bounding_box_test/{}", name(0, 2, 9)), 9, 1);
        place.write(
            &format!("{root}/bounding_box_test/-1_c1s1_000401_03.jpg"),
            jpeg(9, 2),
        );
    }
    root.into()
}

/// Eight items in DeepFashion's layout, four of them to train on; boxes in pixels of small pictures that are not there.
fn deepfashion(place: &Place) -> String {
    let (mut pairs, mut boxes) = (Vec::new(), Vec::new());
    for item in 1..=8 {
        let split = ["train", "train", "train", "train", "val", "test", "test", "test"][item as usize - 1];
        let folder = format!("TOPS/Blouse/id_{item:08}");
        let photo = |kind: &str, view: u32| format!("{folder}/{kind}_{view:02}.jpg");
        for view in 1..=2 {
            let (consumer, shop) = (photo("comsumer", view), photo("shop", view));
            place.jpeg(&format!("deepfashion/img_highres/{consumer}"), item, view);
            place.jpeg(&format!("deepfashion/img_highres/{shop}"), item, view + 2);
            pairs.push(format!("img/{consumer} img/{shop} id_{item:08} {split}"));
            boxes.push(format!("img/{consumer} 1 2 30 30 250 280"));
        }
    }
    let list = |head: &str, rows: &[String]| format!("{}\n{head}\n{}\n", rows.len(), rows.join("\n"));
    place.write(
        "deepfashion/Eval/list_eval_partition.txt",
        list(
            "image_pair_name_1 image_pair_name_2 item_id evaluation_status",
            &pairs,
        ),
    );
    place.write(
        "deepfashion/Anno/list_bbox_consumer2shop.txt",
        list("image_name clothes_type source_type x_1 y_1 x_2 y_2", &boxes),
    );
    "deepfashion".into()
}

/// Eight products of two categories in Street2Shop's layout, four of them to train on.
fn street2shop(place: &Place) -> String {
    let categories = [
        "bags",
        "belts",
        "dresses",
        "eyewear",
        "footwear",
        "hats",
        "leggings",
        "outerwear",
        "pants",
        "skirts",
        "tops",
    ];
    for category in categories {
        let (mut train, mut test, mut shop) = (Vec::new(), Vec::new(), Vec::new());
        let first = match category {
            "bags" => 1,
            "tops" => 5,
            _ => 0,
        };
        for product in (first..first + 4).filter(|_| first > 0) {
            let photos = [product * 10, product * 10 + 1, product * 10 + 2];
            for (view, photo) in photos.iter().enumerate() {
                // Whatever they are called, the bytes are JPEGs.
                let extension = ["jpg", "png", "gif"][view];
                place.jpeg(
                    &format!("street2shop/images/{photo:09}.{extension}"),
                    product,
                    view as u32,
                );
            }
            let pair = serde_json::json!({
                "photo": photos[0],
                "product": product,
                "bbox": { "left": 4, "top": 5, "width": 30.5, "height": 35 },
            });
            if product % 2 == 1 { &mut train } else { &mut test }.push(pair);
            shop.extend(
                photos[1..]
                    .iter()
                    .map(|photo| serde_json::json!({ "photo": photo, "product": product })),
            );
        }
        for (part, entries) in [("train_pairs", train), ("test_pairs", test), ("retrieval", shop)] {
            let text = Value::Array(entries).to_string();
            place.write(&format!("street2shop/meta/json/{part}_{category}.json"), text);
        }
    }
    "street2shop".into()
}

/// Eight products in the layout of Stanford Online Products, four of them to train on.
fn online_products(place: &Place) -> String {
    let mut lists = [String::new(), String::new()];
    for class in 1..=8 {
        for view in 0..3 {
            let path = format!("chair_final/{class}_{view}.JPG");
            place.jpeg(&format!("sop/{path}"), class, view);
            let row = format!("{} {class} 1 {path}\n", class * 3 + view);
            lists[usize::from(class > 4)].push_str(&row);
        }
    }
    for (file, list) in ["Ebay_train.txt", "Ebay_test.txt"].iter().zip(lists) {
        let text = format!("image_id class_id super_class_id path\n{list}");
        place.write(&format!("sop/{file}"), text);
    }
    "sop".into()
}

#[test]
fn every_recipe_reads_resolves_and_comes_back_the_same() {
    let place = Place::new();
    let listed = place.json(&["recipes", "--json"]);
    let mut listed: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    let mut names = NAMES;
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names, "a recipe without a test here");
    for name in NAMES {
        let resolved = place.ok(&["recipes", "show", name, "--resolved"]);
        place.write("again.toml", &resolved);
        assert_eq!(
            place.ok(&["recipes", "show", "again.toml", "--resolved"]),
            resolved,
            "{name}"
        );
        assert_eq!(
            place.json(&["recipes", "diff", name, "again.toml", "--json"]),
            Value::Array(vec![]),
            "{name}"
        );
    }
}

/// A full-size ResNet-50 takes one step, so these are the slowest of these tests.
#[test]
fn every_recipe_takes_a_step_on_data_of_its_layout() {
    let place = Place::new();
    // Those that begin from published weights take theirs in finetune.rs, those of pairs in pairs.rs.
    let elsewhere = ["finetune", "t-emde", "sgraf"];
    for name in NAMES
        .into_iter()
        .filter(|name| !elsewhere.iter().any(|kind| name.starts_with(kind)))
    {
        let root = match name {
            "quickstart" | "wardrobe-street2shop" | "wardrobe-street2shop-triplet" => None,
            "ctl-dukemtmc" => Some(pedestrians(&place, false)),
            "sop" => Some(online_products(&place)),
            name if name.contains("deepfashion") => Some(deepfashion(&place)),
            name if name.contains("street2shop") => Some(street2shop(&place)),
            _ => Some(pedestrians(&place, true)),
        };
        let mut sets: Vec<String> = SMALL.map(str::to_string).to_vec();
        sets.extend(root.map(|root| format!("data.root={root}")));
        let mut args = vec!["train", name, "--device", "cpu", "--dry-run", "--json"];
        args.extend(sets.iter().flat_map(|set| ["--set", set]));
        let facts = place.json(&args);
        let losses = facts["losses"].as_object().unwrap();
        let terms: &[&str] = match name {
            "quickstart" | "wardrobe-street2shop" => &["id", "triplet", "centroid"],
            "wardrobe-street2shop-triplet" => &["triplet"],
            name if name.starts_with("fashion-reid") => &["id", "triplet", "center"],
            _ => &["id", "triplet", "center", "centroid"],
        };
        for term in terms {
            assert!(losses[*term].as_f64().unwrap().is_finite(), "{name}: {facts}");
        }
        if name != "quickstart" && !name.starts_with("wardrobe") {
            assert_eq!(facts["classes"], 4, "{name}");
            // torchvision's ResNet-50 without its classifier has 23,508,032 parameters; neck, classifier and centres are ours.
            let head = 2 * 2048 + 4 * 2048 + 4 * 2048;
            assert_eq!(facts["parameters"], 23_508_032 + head, "{name}: {facts}");
        }
    }
    assert!(!place.path().join("checkpoints").exists());
}

#[test]
fn a_market_recipe_trains_and_is_evaluated_beside_the_paper() {
    let place = Place::new();
    let root = format!("data.root={}", pedestrians(&place, true));
    let mut args = vec![
        "train",
        "ctl-market1501",
        "--device",
        "cpu",
        "--run",
        "a",
        "--max-steps",
        "2",
        "--set",
        &root,
    ];
    args.extend([
        "--set",
        "model.trunk={ depth = 18, last_stride = 1, stem_relu = false, width = 4 }",
    ]);
    args.extend(SMALL.iter().flat_map(|set| ["--set", *set]));
    args.extend(["--set", "eval.resamples=20"]);
    let (text, words) = place.both(&args);
    for part in ["instance", "centroid", "mAP", "98.3?", "93.9?"] {
        assert!(text.contains(part), "`{part}`: {text}");
    }
    assert!(
        words.contains("junk") || words.contains("-1"),
        "the junk image is not mentioned: {words}"
    );
}

#[test]
fn a_recipe_without_its_data_says_where_it_is_looked_for() {
    let place = Place::new();
    let failure = place.fails(&[
        "train",
        "ctl-market1501",
        "--device",
        "cpu",
        "--set",
        "model.weights=none",
    ]);
    failure.says(&["TAILOR_DATA", "data.root"]);
    place.ok(&["recipes", "show", "ctl-market1501"]);
    let failure = place.fails(&[
        "train",
        "ctl-market1501",
        "--device",
        "cpu",
        "--set",
        "model.weights=none",
        "--set",
        "data.root=nowhere",
    ]);
    failure.says(&["nowhere"]);
    place.write("wrong/photos/a.jpg", jpeg(0, 0));
    place
        .fails(&[
            "check",
            "ctl-market1501",
            "--device",
            "cpu",
            "--set",
            "data.root=wrong",
        ])
        .says(&["bounding_box_train"]);
}

#[test]
fn published_weights_are_not_fetched_offline_and_the_error_says_where_they_go() {
    let place = Place::new();
    let root = format!("data.root={}", pedestrians(&place, true));
    let cache = place.path().join("cache");
    let output = place
        .command(&[
            "train",
            "ctl-market1501",
            "--device",
            "cpu",
            "--dry-run",
            "--set",
            &root,
            "--set",
            SMALL[1],
        ])
        .env("TAILOR_CACHE", &cache)
        .env("XDG_CACHE_HOME", &cache)
        .env("HOME", &cache)
        .output()
        .unwrap();
    crate::common::failed("train", &output).says(&["TAILOR_OFFLINE", "https://", "resnet50"]);
}

/// The quick start with two thirds of its epochs, so that it takes about a minute.
#[test]
fn the_quick_start_learns_to_find_products_it_has_never_seen() {
    let place = Place::new();
    let sets = ["train.epochs=8", "train.evaluate_every=0"];
    let mut args = vec!["train", "quickstart", "--device", "cpu", "--run", "a", "--json"];
    args.extend(sets.iter().flat_map(|set| ["--set", *set]));
    let report = place.json(&args);
    let ours = report["metrics"]["recall@1"].clone();
    let pixels = report["also"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["protocol"] == "pixels")
        .unwrap();
    let pixels = pixels["metrics"]["recall@1"]["value"].as_f64().unwrap();
    let value = ours["value"].as_f64().unwrap();
    println!("recall@1 {value:.3}, of pixels {pixels:.3}");
    assert!(
        value > pixels + 0.1,
        "{ours} against {pixels} of pixels: {report}"
    );
}

/// Street to studio among garments that are drawn while it trains: small pictures, a narrow network, a few steps.
#[test]
fn the_wardrobe_is_learned_from_drawings() {
    let place = Place::new();
    let sets = [
        "data.wardrobe={ products = 320, studio = 2, street = 3, size = 64, siblings = 1 }",
        "data.train_transform=[{ op = \"resize\", height = 40, width = 40 }, { op = \"flip\", p = 0.5 }, { op = \"normalize\" }]",
        "data.eval_transform=[{ op = \"resize\", height = 40, width = 40 }, { op = \"normalize\" }]",
        "model.trunk={ depth = 18, last_stride = 1, width = 12 }",
        "train.epochs=8",
        "eval.resamples=100",
    ];
    let mut args = vec![
        "train",
        "wardrobe-street2shop",
        "--device",
        "cpu",
        "--run",
        "a",
        "--json",
    ];
    args.extend(sets.iter().flat_map(|set| ["--set", *set]));
    let report = place.json(&args);
    let value = report["metrics"]["recall@1"]["value"].as_f64().unwrap();
    let also = report["also"].as_array().unwrap();
    let pixels = also.iter().find(|p| p["protocol"] == "pixels").unwrap();
    let pixels = pixels["metrics"]["recall@1"]["value"].as_f64().unwrap();
    println!("recall@1 {value:.3}, of pixels {pixels:.3}");
    assert!(
        value > pixels + 0.1,
        "{value} against {pixels} of pixels: {report}"
    );
}
