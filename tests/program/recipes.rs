//! The recipes that come with the program.

use crate::common::{Place, jpeg};
use serde_json::Value;

const NAMES: [&str; 6] = [
    "quickstart",
    "ctl-market1501",
    "ctl-dukemtmc",
    "fashion-reid-market1501",
    "finetune-clothing",
    "finetune-clothing-resnet",
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
    // Those that begin from published weights take theirs in finetune.rs.
    for name in NAMES.into_iter().filter(|name| !name.starts_with("finetune")) {
        let root = match name {
            "quickstart" => None,
            "ctl-dukemtmc" => Some(pedestrians(&place, false)),
            _ => Some(pedestrians(&place, true)),
        };
        let mut sets: Vec<String> = SMALL.map(str::to_string).to_vec();
        sets.extend(root.map(|root| format!("data.root={root}")));
        let mut args = vec!["train", name, "--device", "cpu", "--dry-run", "--json"];
        args.extend(sets.iter().flat_map(|set| ["--set", set]));
        let facts = place.json(&args);
        let losses = facts["losses"].as_object().unwrap();
        let terms: &[&str] = match name {
            "fashion-reid-market1501" => &["id", "triplet", "center"],
            "quickstart" => &["id", "triplet", "centroid"],
            _ => &["id", "triplet", "center", "centroid"],
        };
        for term in terms {
            assert!(losses[*term].as_f64().unwrap().is_finite(), "{name}: {facts}");
        }
        if name != "quickstart" {
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
