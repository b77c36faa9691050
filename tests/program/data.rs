//! Data in other forms: conversion, shards, first recipes, and figures on the data of another recipe.

use crate::common::{FOLDER, Place, checkpoint, figures, jpeg};

/// The recipe on photos with another data section.
fn recipe(data: &str) -> String {
    let recipe = FOLDER.replace("dataset = \"folder\"\nroot = \"photos\"", data);
    assert_ne!(recipe, FOLDER);
    recipe
}

fn train<'a>(recipe: &'a str, run: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", recipe, "--device", "cpu", "--run", run], more].concat()
}

#[test]
fn a_converted_folder_trains_to_the_same_figures() {
    let place = Place::with_photos();
    place.ok(&["data", "convert", "folder", "photos", "photos/t.csv"]);
    place.ok(&["data", "convert", "folder", "photos", "t.parquet", "--copy"]);
    let text = place.ok(&[
        "data",
        "convert",
        "folder",
        "photos",
        "s/photos.tar",
        "--shard-size",
        "1",
    ]);
    assert!(text.contains("32 rows in s/photos-000000.tar"), "{text}");
    place.write(
        "beside.toml",
        recipe("dataset = \"table\"\ntable = \"photos/t.csv\""),
    );
    place.write(
        "copied.toml",
        recipe("dataset = \"table\"\ntable = \"t.parquet\""),
    );
    place.write(
        "shards.toml",
        recipe("dataset = \"shards\"\nshards = \"s/photos-{000000..000000}.tar\""),
    );
    let run = |recipe: &str, name: &str| {
        place.ok(&train(recipe, name, &[]));
        figures(&place.run(name)).join("\n")
    };
    let first = run("folder.toml", "a");
    assert!(first.contains("recall@1"), "{first}");
    assert_eq!(run("beside.toml", "b"), first);
    assert_eq!(run("copied.toml", "c"), first);
    assert_eq!(run("shards.toml", "d"), first);

    for (args, parts) in [
        (
            &["folder", "photos", "photos/t.csv"][..],
            &["exists already", "--force"][..],
        ),
        (&["folder", "photos", "t.txt"], &["t.txt", ".parquet"]),
        (&["folder", "nowhere", "x.csv"], &["nowhere"]),
        (&["furniture", "-", "f.csv"], &["held in memory", "--copy"]),
        (
            &["folder", "photos", "x.csv", "--set", "rot=1"],
            &["--set", "rot", "missing"],
        ),
    ] {
        place.fails(&[&["data", "convert"], args].concat()).says(parts);
    }
    assert!(!place.path().join("x.csv").exists());
}

#[test]
fn prepared_pictures_say_their_size() {
    let place = Place::with_photos();
    let facts = place.json(&[
        "data",
        "convert",
        "folder",
        "photos",
        "small.jsonl",
        "--prepare",
        "24x16",
        "--json",
    ]);
    assert_eq!((&facts["rows"], &facts["pictures"]), (&32.into(), &32.into()));
    let picture = image::open(place.path().join("small_images/00000/00000000.jpg")).unwrap();
    assert_eq!((picture.width(), picture.height()), (16, 24));
    let report = place.ok(&["data", "check", "--table", "small.jsonl"]);
    assert!(report.contains("0 errors"), "{report}");
    // A broken picture leaves no table.
    place.write("photos/train/c1/1.jpg", &jpeg(1, 1)[..200]);
    place
        .fails(&[
            "data",
            "convert",
            "folder",
            "photos",
            "other.csv",
            "--prepare",
            "16",
        ])
        .says(&["train/c1/1.jpg", "cannot be decoded"]);
    assert!(!place.path().join("other.csv").exists());
}

#[test]
fn shards_in_their_own_order_resume_exactly() {
    let place = Place::with_photos();
    place.ok(&[
        "data",
        "convert",
        "folder",
        "photos",
        "s/photos.tar",
        "--shuffle",
        "3",
    ]);
    let shards = recipe("dataset = \"shards\"\nshards = \"s\"").replace(
        "sampler = { kind = \"pk\", classes = 2, per_class = 2, small_classes = \"repeat\", remainder = \"drop\" }",
        "sampler = { kind = \"sharded\", batch = 4, buffer = 6 }",
    );
    assert!(shards.contains("sharded"));
    // Without classes in batches there is no centroid loss.
    let shards = shards.replace("\"schedule\"]", "\"schedule\", \"loss\"]")
        + "\n[loss]\nid = { weight = 1.0, epsilon = 0.1 }\n";
    place.write("shards.toml", shards);
    place.ok(&train("shards.toml", "whole", &["--max-steps", "8"]));
    place.ok(&train("shards.toml", "cut", &["--max-steps", "3"]));
    place.ok(&train("shards.toml", "cut", &["--resume", "--max-steps", "8"]));
    let weights =
        |run: &str| std::fs::read(checkpoint(&place.run(run), 8).join("model.safetensors")).unwrap();
    assert!(weights("whole") == weights("cut"));

    let bytes = std::fs::read(place.path().join("s/photos-000000.tar")).unwrap();
    place.write("s/photos-000000.tar", &bytes[..bytes.len() / 2]);
    place
        .fails(&["check", "shards.toml", "--device", "cpu"])
        .says(&["photos-000000.tar", "cut short"]);
    place
        .fails(&["data", "convert", "shards", "none-*.tar", "x.csv"])
        .says(&["data.shards", "none-"]);
}

#[test]
fn init_writes_recipes_that_pass_their_check() {
    let place = Place::with_photos();
    let text = place.ok(&["data", "init", "photos"]);
    for part in [
        "16 images of 4 classes",
        "assumed:",
        "4 classes × 4",
        "written to photos.toml",
        "tailor train",
    ] {
        assert!(text.contains(part), "`{part}`: {text}");
    }
    place.ok(&["check", "photos.toml", "--device", "cpu"]);
    place
        .fails(&["data", "init", "photos"])
        .says(&["photos.toml exists already", "--force"]);

    // A table without splits, with an ending line of a picture that is gone.
    let mut rows = String::from("image,label\n");
    for class in 0..8 {
        let split = if class < 4 { "train" } else { "test" };
        for view in 0..4 {
            rows.push_str(&format!("photos/{split}/c{class}/{view}.jpg,c{class}\n"));
        }
    }
    rows.push_str("photos/gone.jpg,c1\n");
    place.write("items.csv", rows);
    let facts = place.json(&["data", "init", "items.csv", "--out", "own/table.toml", "--json"]);
    assert_eq!(facts["dataset"], "table");
    let assumed = facts["assumed"].to_string();
    for part in ["70 %", "1 picture is not there"] {
        assert!(assumed.contains(part), "`{part}`: {assumed}");
    }
    let written = std::fs::read_to_string(place.path().join("own/table.toml")).unwrap();
    assert!(
        written.contains("train_fraction = 0.7") && written.contains("missing = \"skip\""),
        "{written}"
    );
    let sets = [
        "--set",
        "model.trunk={ depth = 18, last_stride = 1, width = 4 }",
        "--set",
        "eval.resamples=10",
    ];
    let args = [
        "train",
        "own/table.toml",
        "--device",
        "cpu",
        "--run",
        "a",
        "--max-steps",
        "2",
    ];
    place.ok(&[&args[..], &sets].concat());

    // Categories in one flat folder: each is divided.
    for class in 0..3 {
        for view in 0..6 {
            place.jpeg(&format!("kinds/k{class}/{view}.jpg"), class, view);
        }
    }
    let text = place.ok(&["data", "init", "kinds", "--categories"]);
    for part in ["each class's pictures", "test  6 images of 3 classes"] {
        assert!(text.contains(part), "`{part}`: {text}");
    }
    place.ok(&["check", "kinds.toml", "--device", "cpu"]);
    // What a base fixes of pictures stays: its weights may expect it.
    let base = ["--base", "finetune-clothing", "--out", "tuned.toml"];
    place.ok(&[&["data", "init", "kinds"], &base[..]].concat());
    let written = std::fs::read_to_string(place.path().join("tuned.toml")).unwrap();
    for part in [
        "closed_set = true",
        "std = [0.5, 0.5, 0.5]",
        "kind = \"random\"",
        "height = 144",
    ] {
        assert!(written.contains(part), "`{part}`: {written}");
    }
    place.ok(&["recipes", "show", "tuned.toml", "--resolved"]);

    // A base that has a base: what it changes is repeated, what it says of its own data is not.
    for base in ["finetune-clothing-resnet", "wardrobe-street2shop-triplet", "sop"] {
        let out = format!("{base}-photos.toml");
        place.ok(&["data", "init", "photos", "--base", base, "--out", &out]);
        let shown = |name: &str| -> toml::Table {
            toml::from_str(&place.ok(&["recipes", "show", name, "--resolved"])).unwrap()
        };
        let (ours, theirs) = (shown(&out), shown(base));
        for section in ["model", "loss", "optimizer", "schedule", "train"] {
            assert_eq!(ours.get(section), theirs.get(section), "[{section}] of {base}");
        }
        assert_eq!(ours["paper"]["title"], theirs["paper"]["title"]);
        assert_eq!(ours["data"]["dataset"].as_str(), Some("folder"));
        assert_eq!(ours["eval"]["modes"].as_array().unwrap().len(), 1);
        // Four classes are trained on: no batch is of more.
        let classes = ours["data"]["sampler"].get("classes");
        assert!(
            classes.is_none_or(|count| count.as_integer() == Some(4)),
            "{ours}"
        );
    }
    let step = [
        "check",
        "wardrobe-street2shop-triplet-photos.toml",
        "--device",
        "cpu",
    ];
    place.ok(&step);
    // A base in a file is found from where the recipe lies.
    place.write("mine.toml", "extends = \"quickstart\"\n[train]\nepochs = 3\n");
    place.ok(&[
        "data",
        "init",
        "photos",
        "--base",
        "mine.toml",
        "--out",
        "deep/er.toml",
    ]);
    let shown = place.ok(&["recipes", "show", "deep/er.toml", "--resolved"]);
    assert!(shown.contains("epochs = 3"), "{shown}");

    // Classes on both sides: a closed set.
    for class in 0..3 {
        for (split, view) in [("train", 0), ("train", 1), ("test", 2), ("test", 3)] {
            place.jpeg(&format!("closed/{split}/c{class}/{view}.jpg"), class, view);
        }
    }
    let checked = place.ok(&["data", "check", "closed"]);
    for part in [
        "3 classes are trained on and tested on",
        "--closed-set",
        "0 errors",
    ] {
        assert!(checked.contains(part), "`{part}`: {checked}");
    }
    let checked = place.ok(&["data", "check", "--folder", "closed", "--closed-set"]);
    assert!(!checked.contains("--closed-set"), "{checked}");
    place.ok(&["data", "init", "closed"]);
    place.ok(&["check", "closed.toml", "--device", "cpu"]);

    for data in ["own", "items.csv"] {
        let init = format!("`tailor data init {data}` writes a recipe");
        place.fails(&["train", data]).says(&[&init]);
    }
    place
        .fails(&["data", "init", "nowhere"])
        .says(&["nowhere", "is not there"]);
    place.write("notes.txt", "x");
    place
        .fails(&["data", "init", "notes.txt"])
        .says(&["neither a folder nor a table"]);
    place.jpeg("single/a/1.jpg", 0, 0);
    place.jpeg("single/b/1.jpg", 1, 0);
    place
        .fails(&["data", "init", "single"])
        .says(&["at least two pictures"]);
    assert!(!place.path().join("single.toml").exists());
}

#[test]
fn a_run_is_measured_on_the_data_of_another_recipe() {
    let place = Place::with_photos();
    place.ok(&train("folder.toml", "a", &[]));
    for class in 0..6 {
        let split = if class < 3 { "train" } else { "test" };
        for view in 0..3 {
            place.jpeg(
                &format!("others/{split}/d{class}/{view}.jpg"),
                class + 1,
                view + 5,
            );
        }
    }
    place.write("other.toml", recipe("dataset = \"folder\"\nroot = \"others\""));
    let own = std::fs::read(place.run("a").join("eval.json")).unwrap();
    let report = place.json(&["eval", "a", "--on", "other.toml", "--device", "cpu", "--json"]);
    assert_eq!(report["data"], "others (recipe other)");
    assert_eq!((&report["queries"], &report["gallery"]), (&9.into(), &9.into()));
    assert!(report["metrics"]["mAP"]["low"].is_f64());
    // Its figures on its own data stand beside them, and stay what they were.
    assert_eq!(report["also"][0]["protocol"], "instance on photos");
    assert_eq!(std::fs::read(place.run("a").join("eval.json")).unwrap(), own);
    let written = std::fs::read_to_string(place.run("a").join("on-other/eval.json")).unwrap();
    assert!(written.contains("others (recipe other)"));
    let more = ["--rerank=3,2,0.3", "--set", "data.limit_classes=2"];
    let table = place.ok(&[&["eval", "a", "--on", "other.toml", "--device", "cpu"], &more[..]].concat());
    for part in [
        "on others (recipe other)",
        "6 queries",
        "instance on photos",
        "re-ranked",
    ] {
        assert!(table.contains(part), "`{part}`: {table}");
    }
    place
        .fails(&["eval", "a", "--on", "others.toml", "--device", "cpu"])
        .says(&["others.toml"]);
    place
        .fails(&[
            "eval",
            "a",
            "--on",
            "other.toml",
            "--device",
            "cpu",
            "--set",
            "data.root=gone",
        ])
        .says(&["gone"]);
}
