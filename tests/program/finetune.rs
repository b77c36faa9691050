//! Fine-tuning of published networks.

use crate::common::Place;
use std::path::Path;

/// Three categories, four photos of each to train on and two to test with.
fn photos(place: &Place) -> String {
    for (index, category) in ["dress", "hat", "shoes"].iter().enumerate() {
        for photo in 0..6 {
            let split = if photo < 4 { "train" } else { "test" };
            place.jpeg(
                &format!("photos/{split}/{category}/{photo}.jpg"),
                index as u32,
                photo,
            );
        }
    }
    "data.root=photos".into()
}

const SMALL: [&str; 5] = [
    "model.weights=none",
    "data.sampler={ kind = \"pk\", classes = 2, per_class = 2, small_classes = \"repeat\", remainder = \"drop\" }",
    "data.train_transform=[{ op = \"resize\", height = 48, width = 48 }, { op = \"flip\", p = 0.5 }, { op = \"normalize\" }]",
    "data.eval_transform=[{ op = \"resize\", height = 48, width = 48 }, { op = \"normalize\" }]",
    "eval.train_gallery=9",
];

fn with<'a>(args: &[&'a str], sets: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = args.to_vec();
    all.extend(sets.into_iter().flat_map(|set| ["--set", set]));
    all
}

#[test]
fn every_trunk_takes_a_step() {
    let place = Place::new();
    let root = photos(&place);
    let step = |recipe: &str, more: &[&str]| {
        let args = ["train", recipe, "--device", "cpu", "--dry-run", "--json"];
        let sets = SMALL
            .into_iter()
            .chain([root.as_str()])
            .chain(more.iter().copied());
        let facts = place.json(&with(&args, sets));
        assert!(facts["losses"]["id"].as_f64().unwrap().is_finite(), "{facts}");
        // The neck's two vectors and three classes are the head's.
        facts["parameters"].as_u64().unwrap()
    };
    assert_eq!(step("finetune-clothing", &[]), 3_371_008 + 5 * 1280);
    let small = "model.trunk={ depth = 18, width = 8 }";
    step("finetune-clothing-resnet", &[small]);
    let v2 = "model.trunk={ kind = \"mobilenet-v2\", dropout = 0.2 }";
    assert_eq!(step("finetune-clothing-resnet", &[v2]), 2_223_872 + 5 * 1280);
    let b0 = "model.trunk={ kind = \"efficientnet-b0\", flavour = \"tf\" }";
    assert_eq!(step("finetune-clothing-resnet", &[b0]), 4_007_548 + 5 * 1280);
}

#[test]
fn a_new_picture_searches_training_pictures() {
    let place = Place::new();
    let root = photos(&place);
    let trunk = "model.trunk={ depth = 18, width = 8 }";
    let sets = SMALL
        .into_iter()
        .chain([root.as_str(), trunk, "train.epochs=2", "eval.resamples=20"]);
    let args = [
        "train",
        "finetune-clothing-resnet",
        "--device",
        "cpu",
        "--run",
        "a",
    ];
    let (_, words) = place.both(&with(&args, sets));
    assert!(
        words.contains("the gallery is 9 of the 12 training images"),
        "{words}"
    );
    let eval = std::fs::read_to_string(place.run("a").join("eval.json")).unwrap();
    let eval: serde_json::Value = serde_json::from_str(&eval).unwrap();
    assert!(eval["metrics"]["recall@1"]["value"].as_f64().is_some(), "{eval}");
    let wrong = [
        "train",
        "finetune-clothing-resnet",
        "--dry-run",
        "--set",
        "model.trunk.dropout=0.5",
    ];
    place
        .fails(&with(&wrong, [root.as_str()]))
        .says(&["`dropout` means nothing to a ResNet"]);
}

/// The whole claim, on the photos and the weights that the recipe names: some minutes.
#[test]
fn fine_tuning_beats_the_frozen_features_by_a_tenth() {
    let named = |name: &str| std::env::var(name).is_ok_and(|path| Path::new(&path).exists());
    if !named("TAILOR_CLOTHING") || !named("TAILOR_EFFICIENTNET_LITE0") {
        eprintln!("skipped: TAILOR_CLOTHING and TAILOR_EFFICIENTNET_LITE0 name no photos and no weights");
        return;
    }
    let place = Place::new();
    let recall = |args: &[&str]| {
        let report = place.json(args);
        report["metrics"]["recall@1"]["value"].as_f64().unwrap()
    };
    let frozen = recall(&["eval", "finetune-clothing", "--device", "cpu", "--json"]);
    let tuned = recall(&[
        "train",
        "finetune-clothing",
        "--device",
        "cpu",
        "--run",
        "a",
        "--json",
    ]);
    eprintln!("recall@1 {frozen:.3} frozen, {tuned:.3} fine-tuned");
    assert!(tuned >= frozen + 0.10, "{frozen} {tuned}");
}
