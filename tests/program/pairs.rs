//! Rooms that learn from images and captions: the matchers with the density estimator, on small features with planted concepts.

use crate::common::{Failure, Place, checkpoint, figures};
use crate::recipes::NAMES;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tailor::random;

const CONCEPTS: usize = 24;
pub const DIM: usize = 16;
pub const REGIONS: usize = 6;

/// A matcher that trains in seconds.
const TINY: &str = r#"
extends = "t-emde-saf-f30k"
replaces = ["schedule"]

[data]
root = "pairs"
vocabulary = "pairs/vocab.json"
batch = 50

[model]
dim = 64
similarity_dim = 16
word_dim = 32
dropout = 0.1

[model.t_emde]
partitions = 8
bits = 4

[loss]
warmup_epochs = 4

[optimizer]
lr = 1e-2

[schedule]
kind = "cosine"
by = "step"

[train]
epochs = 12
log_every = 5

[eval]
resamples = 50
"#;

/// An image shows three of the concepts, each in two regions with some noise; a caption names two of the three among other words.
pub struct Images {
    /// `[images, regions, dim]`.
    pub features: Vec<f32>,
    pub captions: Vec<String>,
}

pub fn images(split: &str, count: usize) -> Images {
    let mut stream = random::stream(1, "concepts", &[]);
    let concepts: Vec<f32> = (0..CONCEPTS * DIM).map(|_| stream.normal() as f32).collect();
    let mut stream = random::stream(1, split, &[]);
    let (mut features, mut captions) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut shown: Vec<usize> = (0..CONCEPTS).collect();
        stream.shuffle(&mut shown);
        for region in 0..REGIONS {
            let concept = shown[region / 2];
            features.extend(
                concepts[concept * DIM..(concept + 1) * DIM]
                    .iter()
                    .map(|v| v + 0.5 * stream.normal() as f32),
            );
        }
        for caption in 0..5 {
            let left_out = caption % 3;
            let mut words: Vec<String> = (0..3)
                .filter(|&at| at != left_out)
                .map(|at| format!("thing{}", shown[at]))
                .collect();
            words.push(["a", "the", "one"][stream.below(3)].into());
            stream.shuffle(&mut words);
            captions.push(words.join(" "));
        }
    }
    Images { features, captions }
}

/// NumPy's format, version 1.
pub fn npy(shape: [usize; 3], values: &[f32]) -> Vec<u8> {
    let [a, b, c] = shape;
    let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({a}, {b}, {c}), }}");
    while (head.len() + 11) % 64 != 0 {
        head.push(' ');
    }
    head.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn write_split(place: &Place, split: &str, count: usize) -> Images {
    let images = images(split, count);
    let bytes = npy([count, REGIONS, DIM], &images.features);
    place.write(&format!("pairs/{split}_ims.npy"), bytes);
    place.write(
        &format!("pairs/{split}_caps.txt"),
        images.captions.join("\n") + "\n",
    );
    images
}

/// A folder in the published layout, with its vocabulary and the recipe `pairs.toml`.
pub fn place() -> Place {
    let place = Place::new();
    for (split, count) in [("train", 160), ("dev", 20), ("test", 40)] {
        write_split(&place, split, count);
    }
    place.write("pairs.toml", TINY);
    let made = place.json(&[
        "data",
        "vocabulary",
        "pairs/train_caps.txt",
        "pairs/dev_caps.txt",
        "--out",
        "pairs/vocab.json",
        "--json",
    ]);
    // The special words, the concepts and three fillers.
    assert_eq!(made["words"], 4 + CONCEPTS + 3, "{made}");
    assert_eq!(
        (&made["captions"], &made["unknown"]),
        (&900.into(), &0.into()),
        "{made}"
    );
    place
}

pub fn train(place: &Place, run: &str, more: &[&str]) -> Value {
    let mut args = vec!["train", "pairs.toml", "--device", "cpu", "--run", run, "--json"];
    args.extend(more);
    place.json(&args)
}

/// The values of every protocol's figures, by `protocol metric`.
fn values(report: &Value) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let also = report["also"].as_array().cloned().unwrap_or_default();
    for protocol in std::iter::once(report).chain(&also) {
        let name = protocol["protocol"].as_str().unwrap();
        for (metric, figure) in protocol["metrics"].as_object().unwrap() {
            found.insert(format!("{name} {metric}"), figure["value"].as_f64().unwrap());
        }
    }
    found
}

#[test]
fn every_recipe_takes_a_step_at_full_size() {
    let place = place();
    let names: Vec<&str> = NAMES
        .into_iter()
        .filter(|name| name.contains("-saf-") || name.contains("-sgr-"))
        .collect();
    assert_eq!(names.len(), 8);
    for name in names {
        let test = name.contains("coco").then_some("data.test=test");
        let mut args = vec!["train", name, "--device", "cpu", "--dry-run", "--json"];
        let sets = [
            "data.root=pairs",
            "data.vocabulary=pairs/vocab.json",
            "data.batch=4",
        ];
        args.extend(sets.into_iter().chain(test).flat_map(|set| ["--set", set]));
        let facts = place.json(&args);
        assert!(
            facts["losses"]["hinge"].as_f64().unwrap().is_finite(),
            "{name}: {facts}"
        );
        assert_eq!(facts["items"], "pairs", "{name}");
        assert!(facts.get("classes").is_none(), "{name}: {facts}");
        // The released SAF and SGR of Flickr30K, with our features and vocabulary in the place of theirs.
        let words = 4 + CONCEPTS + 3;
        let host = if name.contains("saf") {
            17_517_306
        } else {
            18_109_175
        };
        let host = host - (2048 - DIM) * 1024 - (8481 - words) * 300 - 2 * 36;
        let pooling = 2_102_345 - 2 * 36 + 2_100_225;
        let expected = match name {
            name if name.starts_with("t-emde") => host - pooling + 57_400,
            name if name.ends_with("mean") => host - pooling,
            _ => host + 2 * REGIONS,
        };
        assert_eq!(facts["parameters"], expected, "{name}: {facts}");
    }
    assert!(!place.path().join("checkpoints").exists());
}

#[test]
fn a_matcher_learns_and_its_figures_come_back() {
    let place = place();
    let report = train(&place, "a", &[]);
    let found = values(&report);
    println!("{found:#?}");
    assert_eq!(report["protocol"], "rsum");
    // Chance: one in 40 images, five in 200 captions, so 0.025, 0.125 and 0.25 each way.
    for (figure, least) in [("i2t recall@1", 0.4), ("t2i recall@1", 0.4), ("rsum rsum", 4.5)] {
        assert!(found[figure] > least, "{figure}: {}", found[figure]);
    }
    let sum: f64 = ["i2t", "t2i"]
        .iter()
        .flat_map(|way| [1, 5, 10].map(|k| found[&format!("{way} recall@{k}")]))
        .sum();
    assert!((sum - found["rsum rsum"]).abs() < 1e-9, "{found:?}");
    assert!(found["t2i mean_rank"] < 10.0 && found["i2t median_rank"] <= 2.0);

    // The run ends with its best epoch on dev, and says so.
    let run = place.run("a");
    let info: Value = serde_json::from_slice(&std::fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["best"]["metric"], "rsum", "{info}");
    assert!(report["weights"].as_str().unwrap().contains("best"), "{report}");
    for file in ["eval.json", "report.html", "metrics.jsonl", "events"] {
        assert!(run.join(file).exists(), "{file}");
    }
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("160 images of 6 × 16, 800 captions"), "{page}");
    let again = place.json(&["eval", "a", "--device", "cpu", "--json"]);
    assert_eq!(values(&again), found);
    assert_eq!(again["weights_hash"], report["weights_hash"]);
    assert_eq!(again["data_fingerprint"], report["data_fingerprint"]);
    // Evaluation needs no training data.
    std::fs::rename(
        place.path().join("pairs/train_ims.npy"),
        place.path().join("elsewhere"),
    )
    .unwrap();
    let text = place.ok(&[
        "eval",
        "a",
        "--device",
        "cpu",
        "--set",
        "eval.folds=2",
        "--out",
        "folds",
    ]);
    for part in ["i2t, mean of 2 folds", "rsum", "494.1?", "492.1"] {
        assert!(text.contains(part), "`{part}`: {text}");
    }
    let runs = place.ok(&["runs"]);
    assert!(runs.contains("rsum"), "{runs}");

    // What needs vectors is refused, with what this room can do.
    let refused = |args: &[&str]| -> Failure { place.fails(args) };
    for args in [
        &[
            "embed", "a", "--split", "test", "--out", "x.npy", "--device", "cpu",
        ][..],
        &["export", "a", "--format", "hub", "--out", "x"],
        &["export", "a", "--format", "npy", "--out", "x.npy"],
    ] {
        // Lines are broken at hyphens, too.
        refused(args).says(&["embed pictures", "score pairs of an image and a caption", "ctl"]);
    }
    refused(&["eval", "a", "--device", "cpu", "--rerank"]).says(&["--rerank", "means nothing"]);
}

#[test]
fn a_matcher_goes_on_bit_for_bit_and_starts_from_another() {
    let place = place();
    let sets = ["--set", "train.checkpoint_every=7", "--set", "model.module=sgr"];
    let steps = |stop: &'static str| [&["--max-steps", stop], &sets[..]].concat();
    train(&place, "whole", &steps("25"));
    train(&place, "pieces", &steps("9"));
    train(&place, "pieces", &[&steps("25")[..], &["--resume"]].concat());
    let same = |file: &str| {
        let read = |run: &str| std::fs::read(checkpoint(&place.run(run), 25).join(file)).unwrap();
        assert!(read("whole") == read("pieces"), "{file} differs");
    };
    same("model.safetensors");
    same("optimizer.model.safetensors");
    assert_eq!(figures(&place.run("whole")), figures(&place.run("pieces")));

    // SGRAF is the average of a SAF and an SGR.
    train(&place, "saf", &["--max-steps", "25"]);
    let both = place.json(&["eval", "whole", "--ensemble", "saf", "--device", "cpu", "--json"]);
    assert_eq!(both["protocol"], "rsum, average of 2 runs", "{both}");
    assert!(both["weights"].as_str().unwrap().contains("saf ("), "{both}");
    // A model averaged with itself ranks as before.
    let own = place.json(&["eval", "saf", "--device", "cpu", "--json"]);
    let twice = place.json(&["eval", "saf", "--ensemble", "saf", "--device", "cpu", "--json"]);
    assert_eq!(twice["metrics"]["rsum"]["value"], own["metrics"]["rsum"]["value"]);
    place
        .fails(&["eval", "saf", "--ensemble", "pairs.toml", "--device", "cpu"])
        .says(&["pairs.toml is a recipe, not a run"]);

    // A sweep chooses by rsum, several seeds are laid side by side by it.
    let swept = place.ok(&[
        "sweep",
        "pairs.toml",
        "--device",
        "cpu",
        "--run",
        "sweep",
        "--max-steps",
        "3",
        "--set",
        "model.pooling=mean,t_emde",
    ]);
    assert!(swept.contains("best by rsum: model.pooling="), "{swept}");
    let seeds = place.ok(&[
        "train",
        "pairs.toml",
        "--device",
        "cpu",
        "--run",
        "many",
        "--max-steps",
        "3",
        "--seeds",
        "1,2",
    ]);
    assert!(seeds.contains("rsum") && seeds.contains('±'), "{seeds}");

    // Another pooling takes over everything but the global vector.
    let run = place.run("whole");
    let (_, words) = place.both(&[
        "train",
        "pairs.toml",
        "--device",
        "cpu",
        "--run",
        "warm",
        "--max-steps",
        "1",
        "--init-from",
        run.to_str().unwrap(),
        "--set",
        "model.module=sgr",
        "--set",
        "model.pooling=self_attention",
    ]);
    assert!(
        words.contains("v_global_w") || words.contains("missing"),
        "{words}"
    );
    // Weights of another width are refused.
    place
        .fails(&[
            "eval",
            "pairs.toml",
            "--device",
            "cpu",
            "--weights",
            checkpoint(&run, 25).join("model.safetensors").to_str().unwrap(),
            "--set",
            "model.module=sgr",
            "--set",
            "model.dim=48",
        ])
        .says(&["image.fc.weight", "64", "48"]);
}

#[test]
fn features_and_captions_that_do_not_fit_are_named() {
    let place = place();
    let check = ["check", "pairs.toml", "--device", "cpu"];
    let whole = |file: &str| std::fs::read(place.path().join("pairs").join(file)).unwrap();
    let (features, captions) = (whole("train_ims.npy"), whole("train_caps.txt"));
    let put = |file: &str, bytes: &[u8]| {
        place.write(&format!("pairs/{file}"), bytes);
    };

    // A feature file that is cut off, and one of fewer images than captions.
    put("train_ims.npy", &features[..features.len() - 100]);
    place.fails(&check).says(&["train_ims.npy", "promises", "NumPy"]);
    put(
        "train_ims.npy",
        &npy([150, REGIONS, DIM], &images("train", 150).features),
    );
    place.fails(&check).says(&[
        "train_caps.txt has 800 captions",
        "150 images",
        "5 consecutive lines",
    ]);
    put("train_ims.npy", b"<html>not found</html>");
    place.fails(&check).says(&["train_ims.npy", "no NumPy array"]);

    // Rows that are not finite stop the run where they are read, and the row is named.
    let mut values = images("train", 160).features;
    for region in 0..REGIONS {
        for value in &mut values[(17 * REGIONS + region) * DIM..][..DIM] {
            *value = f32::NAN;
        }
    }
    put("train_ims.npy", &npy([160, REGIONS, DIM], &values));
    place
        .fails(&["train", "pairs.toml", "--device", "cpu", "--run", "nan"])
        .says(&["train_ims.npy", "row 17", "not finite"]);
    // The check names all of them at once.
    let output = place.tailor(&["data", "check", "pairs.toml"]);
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(
        report.contains("row 17") && report.contains("1 error"),
        "{report}"
    );
    assert_eq!(output.status.code(), Some(1));
    put("train_ims.npy", &features);
    let report = place.json(&["data", "check", "pairs.toml", "--json"]);
    assert_eq!(report["splits"][0]["captions"], 800, "{report}");

    // All-zero regions (padding, dead detections) are trained through.
    let mut values = images("train", 160).features;
    values[..3 * REGIONS * DIM].fill(0.0);
    put("train_ims.npy", &npy([160, REGIONS, DIM], &values));
    let report = train(
        &place,
        "zeros",
        &["--max-steps", "16", "--set", "loss.warmup_epochs=0"],
    );
    assert!(values_are_finite(&report), "{report}");
    put("train_ims.npy", &features);

    // Captions: empty ones are refused with their line, one of 500 words is read whole and said.
    let text = String::from_utf8(captions).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[41] = "  ";
    put("train_caps.txt", lines.join("\n").as_bytes());
    place
        .fails(&check)
        .says(&["train_caps.txt, line 42", "the caption is empty"]);
    let long = vec!["thing3"; 500].join(" ");
    lines[41] = &long;
    put("train_caps.txt", lines.join("\n").as_bytes());
    let (_, words) = place.both(&[
        "train",
        "pairs.toml",
        "--device",
        "cpu",
        "--run",
        "long",
        "--max-steps",
        "16",
    ]);
    assert!(words.contains("captions of up to 500 words"), "{words}");
    let (_, words) = place.both(&[&check[..], &["--set", "data.max_words=12"]].concat());
    assert!(words.contains("captions of up to 12 words"), "{words}");
    put("train_caps.txt", b"\xff\xfe\n");
    place.fails(&check).says(&["train_caps.txt", "UTF-8"]);
    put("train_caps.txt", text.as_bytes());

    // Vocabularies.
    for (vocabulary, words) in [
        (r#"{"word2idx": {"a": 0, "the": 1}}"#, "not `<pad>`"),
        (
            r#"{"word2idx": {"<pad>": 0, "<start>": 1, "<end>": 2}}"#,
            "lacks `<unk>`",
        ),
        ("nonsense", "no vocabulary"),
    ] {
        put("vocab.json", vocabulary.as_bytes());
        place
            .fails(&check)
            .says(&["vocab.json", words, "tailor data vocabulary"]);
    }

    // Settings.
    let set = |set: &str| place.fails(&[&check[..], &["--set", set]].concat());
    set("data.bacth=3").says(&["bacth", "batch"]);
    set("data.sampler={}").says(&["sampler"]);
    set("eval.modes=[\"instance\"]").says(&["modes"]);
    set("train.best=recall@1").says(&["no figure `recall@1`", "rsum"]);
    set("model.pooling=max").says(&["pooling", "t_emde"]);
    set("data.root=nowhere").says(&["vocab.json"]);
}

fn values_are_finite(report: &Value) -> bool {
    values(report).values().all(|value| value.is_finite())
}

#[test]
fn a_schema_describes_both_kinds_of_rooms() {
    let place = Place::new();
    let text = place.ok(&["recipes", "schema", "--section", "data"]);
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["anyOf"].as_array().unwrap().len(), 3);
    for key in ["sampler", "valid_captions", "valid_fraction"] {
        assert!(text.contains(key), "{key}");
    }
    let eval = place.ok(&["recipes", "schema", "--section", "eval"]);
    assert!(eval.contains("same_camera_rule") && eval.contains("folds"));
    let resolved = place.ok(&["recipes", "show", "t-emde-sgr-coco", "--resolved"]);
    for line in [
        "module = \"sgr\"",
        "folds = 5",
        "test = \"testall\"",
        "milestones = [10]",
    ] {
        assert!(resolved.contains(line), "{line}: {resolved}");
    }
}

#[test]
fn region_files_become_the_array_of_a_split() {
    let place = place();
    let images = images("train", 160);
    let line = |image: usize| {
        let values = &images.features[image * REGIONS * DIM..][..REGIONS * DIM];
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let boxes = BASE64_STANDARD.encode([0; REGIONS * 16]);
        format!(
            "{image}\t640\t480\t{REGIONS}\t{boxes}\t{}\n",
            BASE64_STANDARD.encode(&bytes)
        )
    };
    // Two files, the second half first, as detectors that ran side by side leave them.
    let file = |images: std::ops::Range<usize>| images.map(line).collect::<String>();
    place.write("tsv/train.tsv.0", file(80..160));
    place.write("tsv/train.tsv.1", file(0..80));
    let ids: String = (0..160).map(|image| format!("{image}\n")).collect();
    place.write("ids.txt", ids);
    let convert = ["data", "convert", "regions", "tsv", "new/train_ims.npy"];
    place.ok(&[&convert[..], &["--ids", "ids.txt"]].concat());
    assert_eq!(
        std::fs::read(place.path().join("new/train_ims.npy")).unwrap(),
        std::fs::read(place.path().join("pairs/train_ims.npy")).unwrap()
    );
    place
        .fails(&[&convert[..], &["--ids", "ids.txt"]].concat())
        .says(&["exists already"]);
    let stacked = place.json(&[&convert[..], &["--force", "--json"]].concat());
    assert_eq!(stacked["shape"], serde_json::json!([160, REGIONS, DIM]));
    let order = std::fs::read_to_string(place.path().join("new/train_ids.txt")).unwrap();
    assert!(order.starts_with("80\n81\n"), "{order}");
    place.write("ids.txt", "7\n700\n");
    place
        .fails(&[&convert[..], &["--force", "--ids", "ids.txt"]].concat())
        .says(&["image 700", "2 files", "160 images"]);
    place
        .fails(&[&convert[..], &["--copy"]].concat())
        .says(&["--copy", "regions"]);
    place.write("tsv/train.tsv.2", "1\t2\n");
    place
        .fails(&[&convert[..], &["--force"]].concat())
        .says(&["train.tsv.2, line 1", "2 columns"]);
    assert!(Path::new(&place.path().join("new/train_ims.npy")).exists());
}

/// Checkpoints as SGRAF's train.py saves them, and the figures that its evaluation.py computes of them.
#[test]
fn checkpoints_of_the_released_code_have_the_figures_of_its_evaluation() {
    let place = Place::new();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sgraf_tiny");
    let read = |name: &str| std::fs::read(Path::new(fixtures).join(name)).unwrap();
    let figures: Value = serde_json::from_slice(&read("figures.json")).unwrap();
    for head in ["saf", "sgr"] {
        let weights = format!("{fixtures}/{head}.pth.tar");
        let recipe = format!("sgraf-{head}-f30k");
        let root = format!("data.root={fixtures}");
        let vocabulary = format!("data.vocabulary={fixtures}/vocab.json");
        let mut args = vec![
            "eval",
            &recipe,
            "--device",
            "cpu",
            "--json",
            "--weights",
            &weights,
        ];
        let sets = [
            root.as_str(),
            &vocabulary,
            "model.dim=32",
            "model.similarity_dim=16",
            "model.word_dim=16",
            "eval.batch=5",
            "eval.captions=7",
            "eval.resamples=20",
        ];
        args.extend(sets.iter().flat_map(|set| ["--set", set]));
        let found = values(&place.json(&args));
        for way in ["i2t", "t2i"] {
            let theirs: Vec<f64> = (0..5)
                .map(|at| figures[head][way][at].as_f64().unwrap())
                .collect();
            let names = ["recall@1", "recall@5", "recall@10", "median_rank", "mean_rank"];
            let ours = names.map(|name| found[&format!("{way} {name}")]);
            for ((name, ours), theirs) in names.iter().zip(ours).zip(theirs) {
                let ours = if name.starts_with("recall") {
                    100.0 * ours
                } else {
                    ours
                };
                assert!(
                    (ours - theirs).abs() < 1e-9,
                    "{head} {way} {name}: {ours}, theirs {theirs}"
                );
            }
        }
    }
    // The head of one is not that of the other.
    let weights = format!("{fixtures}/sgr.pth.tar");
    let root = format!("data.root={fixtures}");
    let vocabulary = format!("data.vocabulary={fixtures}/vocab.json");
    place
        .fails(&[
            "eval",
            "sgraf-saf-f30k",
            "--device",
            "cpu",
            "--weights",
            &weights,
            "--set",
            &root,
            "--set",
            &vocabulary,
        ])
        .says(&["similarity.saf"]);
}
