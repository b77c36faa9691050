//! Rooms that learn from images and captions, on features that are computed here: the furniture catalogue, emoji and tables of one's own.

use crate::common::{Place, TRAINED, figures};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The furniture recipe on a few products, with patches of pixels.
const TINY: &str = r#"
extends = "t-emde-furniture"
replaces = ["data.features", "schedule"]

[data]
limit_classes = 12
least = 1
batch = 16
valid_fraction = 0.25

[data.features]
kind = "patches"
grid = 4
transform = [{ op = "resize", height = 16, width = 16 }, { op = "normalize" }]
standardize = true

[model]
dim = 16
similarity_dim = 8
word_dim = 8
dropout = 0.1

[model.t_emde]
partitions = 2
bits = 3

[schedule]
kind = "constant"

[train]
epochs = 3
log_every = 2
checkpoint_every = 4
evaluate_every = 1

[eval]
resamples = 20
"#;

/// Pictures of eight products with texts, four to train on.
pub fn table(place: &Place, texts: &[&str; 8]) -> PathBuf {
    let mut rows = String::from("id,image,text,label,split\n");
    for (product, text) in texts.iter().enumerate() {
        let split = if product < 4 { "train" } else { "test" };
        for view in 0..3 {
            let image = format!("photos/{product}-{view}.jpg");
            place.jpeg(&image, product as u32, view);
            rows.push_str(&format!("{product}-{view},{image},{text},p{product},{split}\n"));
        }
    }
    place.write("items.csv", rows)
}

pub const TEXTS: [&str; 8] = [
    "red chair",
    "blue lamp",
    "red lamp",
    "blue chair",
    "red chair",
    "blue lamp",
    "green lamp",
    "blue sofa",
];

/// The tiny recipe on that table.
pub const TABLE: [&str; 8] = [
    "--set",
    "data.dataset=table",
    "--set",
    "data.table=items.csv",
    "--set",
    "data.limit_classes=100",
    "--set",
    "data.captions=[\"{text}\"]",
];

pub fn place() -> Place {
    let place = Place::new();
    place.write("grid.toml", TINY);
    place
}

pub fn train(place: &Place, run: &str, more: &[&str]) -> (Value, String) {
    let mut args = vec!["train", "grid.toml", "--device", "cpu", "--run", run, "--json"];
    args.extend(more);
    let (stdout, stderr) = place.both(&args);
    (serde_json::from_str(&stdout).unwrap(), stderr)
}

/// The array of the only features in the cache.
fn cached(place: &Place) -> PathBuf {
    let folders: Vec<_> = std::fs::read_dir(place.path().join("cache/features"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].join("ims.npy")
}

const COMPUTED: &str = "pictures are computed once and kept";

#[test]
fn the_catalogue_trains_resumes_and_evaluates() {
    let place = place();
    let (whole, words) = train(&place, "whole", &[]);
    // 12 products of five views, three of them held out; the same again to test on.
    assert!(words.contains("features of 120 pictures"), "{words}");
    assert!(words.contains("train: 45 images of 16 × 48"), "{words}");
    assert!(
        words.contains("valid: 15 images") && words.contains("test: 60 images"),
        "{words}"
    );
    assert_eq!(whole["data"], "furniture");
    assert_eq!(whole["protocol"], "rsum");
    let i2t = &whole["also"][0];
    assert_eq!((&i2t["protocol"], &i2t["queries"]), (&"i2t".into(), &60.into()));
    let run = place.run("whole");
    for file in ["vocabulary.json", "standard.json", "eval.json", "report.html"] {
        assert!(run.join(file).exists(), "{file}");
    }

    // What is in the cache is used, and a stopped run goes on exactly.
    let (_, words) = train(&place, "parts", &["--max-steps", "5"]);
    assert!(!words.contains(COMPUTED), "{words}");
    let (parts, words) = train(&place, "parts", &["--resume"]);
    assert!(words.contains("resume   from step"), "{words}");
    assert_eq!(parts["metrics"], whole["metrics"]);
    assert_eq!(parts["weights_hash"], whole["weights_hash"]);
    assert_eq!(figures(&place.run("parts")), figures(&run));

    // A damaged array is noticed, said and made again, to the bit.
    let array = cached(&place);
    let bytes = std::fs::read(&array).unwrap();
    let mut broken = bytes.clone();
    *broken.last_mut().unwrap() ^= 1;
    std::fs::write(&array, broken).unwrap();
    let (stdout, words) = place.both(&["eval", "whole", "--device", "cpu", "--json"]);
    assert!(
        words.contains("the cached features are not those that were written"),
        "{words}"
    );
    assert_eq!(std::fs::read(&array).unwrap(), bytes);
    let again: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(again["metrics"], whole["metrics"]);
    assert_eq!(again["data_fingerprint"], whole["data_fingerprint"]);

    // Other pixels are other features.
    place.ok(&[
        "check",
        "grid.toml",
        "--device",
        "cpu",
        "--set",
        "data.features.grid=2",
    ]);
    let folders = std::fs::read_dir(place.path().join("cache/features")).unwrap();
    assert_eq!(folders.count(), 2);
}

#[test]
fn a_run_keeps_its_words() {
    let place = place();
    table(&place, &TEXTS);
    let (report, words) = train(&place, "a", &[&TABLE[..], &["--set", "data.batch=6"]].concat());
    // The special words, red, blue, chair and lamp: each of the three products that are left has three pictures and one caption.
    assert!(words.contains("vocabulary of 8 words"), "{words}");
    assert!(
        words.contains("train: 9 images of 16 × 48, 3 captions"),
        "{words}"
    );
    assert_eq!(report["data"], "items");
    // Words of training that come later change neither the run's vocabulary nor its figures.
    let mut texts = TEXTS;
    texts[0] = "a wholly different armchair";
    table(&place, &texts);
    let (stdout, words) = place.both(&["eval", "a", "--device", "cpu", "--json"]);
    assert!(words.contains("vocabulary of 8 words"), "{words}");
    let again: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(again["metrics"], report["metrics"]);
    // Training goes on only with the words that it began with.
    let resume = ["train", "grid.toml", "--device", "cpu", "--run", "a", "--resume"];
    place
        .fails(&[&resume[..], &TABLE[..], &["--set", "data.batch=6"]].concat())
        .says(&["the data has changed"]);
}

#[test]
fn the_trunk_of_a_run_makes_features() {
    let place = place();
    table(&place, &TEXTS);
    let set = |weights: &Path, width: usize| {
        [
            "data.features.kind=trunk".to_string(),
            "data.features.grid=2".into(),
            "data.features.transform=[{ op = \"resize\", height = 32, width = 32 }, { op = \"normalize\" }]"
                .into(),
            format!("data.features.trunk={{ depth = 18, last_stride = 1, width = {width} }}"),
            format!("data.features.weights={}", weights.display()),
            "data.batch=6".into(),
        ]
    };
    let args = |sets: &[String]| -> Vec<String> {
        let mut args: Vec<String> = ["check", "grid.toml", "--device", "cpu"].map(String::from).into();
        args.extend(TABLE.map(String::from));
        args.extend(sets.iter().flat_map(|set| ["--set".to_string(), set.clone()]));
        args
    };
    let first = TRAINED.run("first");
    let sets = args(&set(&first, 4));
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let (_, words) = place.both(&sets);
    assert!(words.contains("9 images of 4 × 32"), "{words}");
    // Of another width: refused with both shapes.
    let sets = args(&set(&first, 8));
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    place
        .fails(&sets)
        .says(&["conv1.weight", "[4, 3, 7, 7]", "[8, 3, 7, 7]"]);
    let sets = args(&set(Path::new("nowhere.pth"), 4));
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    place.fails(&sets).says(&["nowhere.pth"]);
}

#[test]
fn data_that_does_not_do_is_refused() {
    let place = place();
    table(&place, &TEXTS);
    let mut check = vec!["check", "grid.toml", "--device", "cpu", "--set", "data.batch=6"];
    check.extend(TABLE);
    let set = |set: &str| place.fails(&[&check[..], &["--set", set]].concat());
    set("data.captions=[\"{name}\"]").says(&["column `name`", "items has not got", "text, label, id"]);
    set("data.captions=[\"chair\"]").says(&["names no column"]);
    set("data.captions=[]").says(&["is empty"]);
    set("data.features.grid=5").says(&["data.features.grid = 5", "16 × 16"]);
    set("data.features.kind=trunk").says(&["data.features.trunk is missing"]);
    set("data.features.weights=none.pth").says(&["takes pixels as they are"]);
    set("data.features.transform=[{ op = \"resize\", height = 16, width = 16 }, { op = \"flip\", p = 0.5 }, { op = \"normalize\" }]")
        .says(&["flip"]);
    set("data.vocabulary=vocab.json").says(&["vocabulary"]);
    set("data.batch=100").says(&["9 pairs of an image and a caption", "data.batch"]);
    set("data.least=100").says(&["data.least: 100 leaves no word"]);
    // Without products that are held out there is nothing to choose by.
    place
        .fails(&[
            "check",
            "t-emde-furniture",
            "--device",
            "cpu",
            "--set",
            "train.evaluate_every=1",
        ])
        .says(&["data.valid_fraction", "no valid rows", "train.evaluate_every = 0"]);
    // Texts that are missing: everywhere, or of one product.
    let mut silent = TEXTS;
    silent[5] = "";
    table(&place, &silent);
    place.fails(&check).says(&["1 of 4 products have no caption: p5"]);
    table(&place, &[""; 8]);
    place
        .fails(&check)
        .says(&["column `text`", "empty in every row of items"]);
    // A picture that is gone.
    table(&place, &TEXTS);
    std::fs::remove_file(place.path().join("photos/2-1.jpg")).unwrap();
    place.fails(&check).says(&["photos/2-1.jpg", "is not there"]);
}

#[test]
fn every_furniture_recipe_takes_a_step() {
    let place = Place::new();
    let mut found = Vec::new();
    for name in [
        "t-emde-furniture",
        "t-emde-furniture-attention",
        "t-emde-furniture-mean",
    ] {
        let facts = place.json(&[
            "train",
            name,
            "--device",
            "cpu",
            "--dry-run",
            "--json",
            "--set",
            "data.limit_classes=20",
        ]);
        assert!(facts["losses"]["hinge"].as_f64().unwrap().is_finite(), "{facts}");
        found.push(facts["parameters"].as_u64().unwrap());
    }
    // Four bits in eight partitions of 128 numbers and their offsets; the host's attention of both kinds, with 16 cells.
    assert_eq!(found[0] - found[2], 8 * 4 * 129);
    assert_eq!(
        found[1] - found[2],
        4 * (128 * 128 + 128) + 2 * 129 + 2 * 16 + 2 * 128
    );
    assert!(!place.path().join("checkpoints").exists());
}

/// A few emoji as scripts/data/emoji.sh writes them: 18 concepts, four of them new.
const EMOJI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/emoji_tiny");

#[test]
fn every_emoji_recipe_takes_a_step() {
    let place = Place::new();
    let table = format!("data.table={EMOJI}/items.csv");
    let mut found = Vec::new();
    for name in ["t-emde-emoji", "t-emde-emoji-attention", "t-emde-emoji-mean"] {
        let facts = place.json(&[
            "train",
            name,
            "--device",
            "cpu",
            "--dry-run",
            "--json",
            "--set",
            &table,
        ]);
        assert!(facts["losses"]["hinge"].as_f64().unwrap().is_finite(), "{facts}");
        assert_eq!(facts["items"], "pairs", "{facts}");
        found.push(facts["parameters"].as_u64().unwrap());
    }
    assert!(found[0] > found[2] && found[1] > found[0], "{found:?}");
    assert!(!place.path().join("checkpoints").exists());
}

#[test]
fn emoji_have_captions_in_every_language() {
    let place = Place::new();
    let table = format!("data.table={EMOJI}/items.csv");
    let set = |sets: &[&str]| {
        let mut args: Vec<String> = ["train", "t-emde-emoji", "--device", "cpu", "--run", "a", "--json"]
            .map(String::from)
            .into();
        args.extend(sets.iter().flat_map(|set| ["--set".to_string(), set.to_string()]));
        args
    };
    let args = set(&[&table, "train.epochs=1", "data.batch=16", "eval.resamples=20"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (stdout, words) = place.both(&args);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    // Two vendors' drawings of 14 concepts; names that two languages share are one caption.
    assert!(words.contains("train: 28 images of 16 × 256"), "{words}");
    let queries = |report: &Value| {
        ["i2t", "t2i"].map(|way| {
            let also = report["also"].as_array().unwrap();
            let protocol = also.iter().find(|p| p["protocol"] == way).unwrap();
            protocol["queries"].as_u64().unwrap()
        })
    };
    let [images, captions] = queries(&report);
    assert_eq!(images, 10);
    assert!((60..=70).contains(&captions), "{captions}");

    // The same run by one language, and on concepts that it was not trained on.
    let eval = |set: &str| place.json(&["eval", "a", "--device", "cpu", "--json", "--set", set]);
    for language in ["en", "de", "pl"] {
        let report = eval(&format!("data.captions=[\"{{name_{language}}}\"]"));
        assert_eq!(queries(&report), [10, 10], "{language}");
    }
    let [images, _] = queries(&eval(&format!("data.table={EMOJI}/new.csv")));
    assert_eq!(images, 4);
}

#[test]
fn the_emoji_tables_pass_the_check() {
    let place = Place::new();
    let check = |table: &str, closed_set: bool| {
        let sets = [
            format!("data.table={EMOJI}/{table}"),
            format!("data.closed_set={closed_set}"),
        ];
        let mut args = vec!["data", "check", "t-emde-emoji", "--json"];
        args.extend(sets.iter().flat_map(|set| ["--set", set]));
        let output = place.tailor(&args);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.success(), report)
    };
    // A drawing alone is found by its names: it needs no second one.
    let (passed, report) = check("items.csv", true);
    assert!(passed && report["images"] == 42, "{report}");
    // The concepts of its test are trained on, those of the other table's test are not.
    let (passed, report) = check("items.csv", false);
    assert!(!passed, "{report}");
    let (passed, report) = check("new.csv", false);
    assert!(passed && report["images"] == 32, "{report}");
}
