//! What a person sees of a matcher: both galleries of its report, why a pair scores as it does, and its figures on other data.

use crate::common::{Place, TRAINED};
use crate::look::{read, stands_alone};
use crate::pairs::{DIM, REGIONS, images, npy};
use crate::{grid, pairs};
use serde_json::Value;

const EXPLAIN: [&str; 4] = ["explain", "a", "--device", "cpu"];

fn explain(place: &Place, more: &[&str]) -> Value {
    place.json(&[&EXPLAIN[..], more, &["--json"]].concat())
}

/// The published layout with the ids img0 to img39 in the test split, and a run `a` of a few steps.
fn matcher(sets: &[&str]) -> Place {
    let place = pairs::place();
    let ids: String = (0..40).map(|image| format!("img{image}\n")).collect();
    place.write("pairs/test_ids.txt", ids);
    pairs::train(&place, "a", &[&["--max-steps", "16"], sets].concat());
    place
}

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

#[track_caller]
fn shares(map: &Value, shape: [usize; 2]) {
    assert_eq!(map["shape"], serde_json::json!(shape));
    let rows = map["values"].as_array().unwrap();
    assert_eq!(rows.len(), shape[0]);
    for row in rows {
        let row = numbers(row);
        assert_eq!(row.len(), shape[1]);
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{row:?}");
    }
}

#[test]
fn a_matcher_shows_what_it_finds_and_why() {
    let place = matcher(&[]);
    let page = read(place.run("a").join("report.html"));
    stands_alone(&page);
    for part in [
        "<section id=\"captions\"",
        "<section id=\"images\"",
        "Images drawn at random",
        "Captions drawn at random",
        "5 to find among 200",
        "1 to find among 40",
        "stands lowest",
        ">image img",
    ] {
        assert!(page.contains(part), "`{part}` is missing");
    }
    assert!(page.contains(" ✓") && page.contains(" ✗") && !page.contains("<img"));

    let found = explain(&place, &["--image", "img7", "--page", "why.html"]);
    assert_eq!(
        (&found["image"]["number"], &found["caption"]["number"]),
        (&7.into(), &35.into())
    );
    assert_eq!(found["belong_together"], true);
    let words = found["caption"]["words"].as_array().unwrap();
    assert_eq!(
        (words.len(), &words[0], &words[4]),
        (5, &"<start>".into(), &"<end>".into())
    );
    shares(&found["attention"], [5, REGIONS]);
    let filtration = &found["filtration"];
    let weights = numbers(&filtration["weights"]);
    assert_eq!(weights.len(), 6);
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{weights:?}");
    let sum = numbers(&filtration["shares"]).iter().sum::<f64>() + filtration["bias"].as_f64().unwrap();
    let logit = found["logit"].as_f64().unwrap();
    assert!((sum - logit).abs() < 1e-4, "{sum} {logit}");
    assert!((found["score"].as_f64().unwrap() - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-6);
    let sketch = &found["sketches"]["image"];
    assert_eq!(sketch["shape"], serde_json::json!([8, 16]));
    for row in sketch["values"].as_array().unwrap() {
        let regions: f64 = numbers(row).iter().sum();
        assert!((regions - REGIONS as f64).abs() < 1e-3, "{regions}");
    }
    assert_eq!(found["edges"], serde_json::json!([]));
    let page = read(place.path().join("why.html"));
    stands_alone(&page);
    for part in [
        "Where each word looks",
        "What carried the score",
        "Sketches",
        "img7",
    ] {
        assert!(page.contains(part), "`{part}` is missing");
    }
    // By its number it is the same; the caption's first image is the other way round.
    assert_eq!(explain(&place, &["--image", "7"]), found);
    assert_eq!(explain(&place, &["--caption", "35"]), found);

    let (text, notes) =
        place.both(&[&EXPLAIN[..], &["--image", "3", "--caption", "thing3 the zebra"]].concat());
    assert!(
        notes.contains("does not know these words and reads them all alike: zebra"),
        "{notes}"
    );
    assert!(text.contains("looks at") && text.contains("zebra"), "{text}");
    let own = explain(&place, &["--image", "3", "--caption", "Thing3 the ZEBRA"]);
    assert_eq!(own["caption"]["number"], Value::Null);
    assert_eq!(own["caption"]["unknown"], serde_json::json!(["zebra"]));
    assert_eq!(own["belong_together"], Value::Null);

    // Where there are pictures of the regions, they are looked at.
    place.jpeg("shown/img7.jpg", 1, 1);
    let set = ["--set", "data.pictures=shown"];
    explain(
        &place,
        &[&["--image", "7", "--page", "why.html"], &set[..]].concat(),
    );
    assert_eq!(read(place.path().join("why.html")).matches("<img ").count(), 1);
    place.ok(&[&["eval", "a", "--device", "cpu", "--out", "seen"], &set[..]].concat());
    let page = read(place.path().join("seen/report.html"));
    stands_alone(&page);
    assert!(page.contains("39 of 40 images have no picture"));

    // What is not there, or cannot be read.
    let fails = |more: &[&str]| place.fails(&[&EXPLAIN[..], more].concat());
    fails(&["--image", "img700"]).says(&[
        "`img700`",
        "test has 40 images",
        "0 to 39",
        "near it are",
        "`img7`",
    ]);
    fails(&["--image", "40"]).says(&["`40`", "0 to 39"]);
    fails(&["--image", "pairs.toml"]).says(&["pairs.toml cannot be described", "id or number"]);
    fails(&["--caption", "200"]).says(&["no caption 200", "0 to 199"]);
    fails(&["--caption=-1"]).says(&["no caption"]);
    fails(&["--caption", "  "]).says(&["holds no word"]);
    fails(&["--caption", "thinge quagga"]).says(&["knows no word", "thinge, quagga", "did you mean `thing"]);
    fails(&["--caption", "quagga"]).says(&["knows no word", "such as"]);
    fails(&["--set", "data.pictures=nowhere"]).says(&["data.pictures", "nowhere is no folder"]);
    place
        .fails(&["explain", "pairs.toml", "--device", "cpu"])
        .says(&["pairs.toml is a recipe, not a run"]);
    let other = TRAINED.run("first");
    place
        .fails(&["explain", other.to_str().unwrap(), "--device", "cpu"])
        .says(&["score pairs of an image and a caption", "embed pictures"]);
}

#[test]
fn the_steps_of_the_reasoning_are_shown() {
    let place = matcher(&["--set", "model.module=sgr", "--set", "model.steps=2"]);
    let found = explain(&place, &["--page", "why.html"]);
    assert_eq!(
        (&found["image"]["number"], &found["caption"]["number"]),
        (&0.into(), &0.into())
    );
    let edges = found["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 2);
    // The whole and five words; of the last step the whole alone.
    shares(&edges[0], [6, 6]);
    shares(&edges[1], [1, 6]);
    assert_eq!(found["filtration"], Value::Null);
    let page = read(place.path().join("why.html"));
    stands_alone(&page);
    assert!(page.contains("Step 2 of 2") && !page.contains("What carried the score"));
    let train = [
        "train",
        "pairs.toml",
        "--device",
        "cpu",
        "--run",
        "b",
        "--max-steps",
        "1",
    ];
    let text = place.ok(&train);
    assert!(text.contains("tailor explain checkpoints/b"), "{text}");
}

#[test]
fn pictures_are_shown_with_what_words_attend_to() {
    let place = grid::place();
    grid::table(&place, &grid::TEXTS);
    let sets = [&grid::TABLE[..], &["--set", "data.batch=6"]].concat();
    grid::train(&place, "a", &sets);
    let page = read(place.run("a").join("report.html"));
    stands_alone(&page);
    assert!(page.contains("<section id=\"captions\"") && page.contains("<section id=\"images\""));
    assert!(page.matches("data:image/jpeg").count() > 20);

    let found = explain(
        &place,
        &["--image", "5-1", "--caption", "blue lamp", "--out", "why.html"],
    );
    assert_eq!(found["grid"], serde_json::json!([4, 4]));
    shares(&found["attention"], [4, 16]);
    let page = read(place.path().join("why.html"));
    stands_alone(&page);
    assert!(page.matches("href=\"#picture\"").count() == 4 && page.contains("class=\"hot\""));
    // The same picture as a file is seen as it is in the table.
    let file = ["--image", "photos/5-1.jpg", "--caption", "blue lamp"];
    let again = explain(&place, &file);
    assert_eq!(again["image"]["number"], Value::Null);
    let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-4;
    assert!(
        near(&again["logit"], &found["logit"]),
        "{} {}",
        again["logit"],
        found["logit"]
    );
    let fails = |more: &[&str]| place.fails(&[&EXPLAIN[..], more].concat());
    fails(&["--image", "photos/5-1.jpg"]).says(&["picture from elsewhere", "add --caption"]);
    place.write("notes.jpg", "not a picture");
    fails(&["--image", "notes.jpg", "--caption", "0"]).says(&["notes.jpg", "not an image"]);
    fails(&["--image", "nowhere.jpg"])
        .says(&["no image `nowhere.jpg`, and no such file", "a picture's file"]);
}

#[test]
fn a_matcher_is_measured_on_other_data_with_its_own_words() {
    let place = matcher(&[]);
    // Other images of the same concepts, with words that the run does not know and a vocabulary of their own.
    let mut there = images("elsewhere", 30);
    for caption in &mut there.captions {
        *caption = caption.replace("one", "uno solo");
    }
    place.write("other/test_ims.npy", npy([30, REGIONS, DIM], &there.features));
    place.write("other/test_caps.txt", there.captions.join("\n") + "\n");
    place.ok(&[
        "data",
        "vocabulary",
        "other/test_caps.txt",
        "--out",
        "other/vocab.json",
    ]);
    let recipe = "extends = \"t-emde-saf-f30k\"\n[data]\nroot = \"other\"\nvocabulary = \"other/vocab.json\"\n[eval]\nresamples = 20\n";
    place.write("other.toml", recipe);
    let on = |more: &[&'static str]| [&["eval", "a", "--on", "other.toml", "--device", "cpu"], more].concat();
    let (stdout, notes) = place.both(&on(&["--json"]));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["data"], "other (recipe other)");
    assert!(
        notes.contains("of the words of its captions are unknown"),
        "{notes}"
    );
    assert!(!notes.contains("note     0.0 %"), "{notes}");
    assert_eq!(report["also"][0]["queries"], 30);
    let protocols: Vec<&str> = report["also"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["protocol"].as_str().unwrap())
        .collect();
    assert!(protocols.contains(&"rsum on pairs"), "{protocols:?}");
    // Its words are numbered as in training: the concepts are found far above chance (0.033).
    let recall = report["also"][0]["metrics"]["recall@5"]["value"]
        .as_f64()
        .unwrap();
    assert!(recall > 0.3, "{recall}");
    let page = read(place.run("a").join("on-other/report.html"));
    stands_alone(&page);
    // What was published is of models that were trained on such data.
    assert!(page.contains("paper, trained on it"));

    place.write(
        "other/test_ims.npy",
        npy([30, 2 * REGIONS, DIM / 2], &there.features),
    );
    place.fails(&on(&[])).says(&["regions of 16 numbers", "have 8"]);
    place.write("grid.toml", "extends = \"t-emde-furniture\"\n");
    place
        .fails(&["eval", "a", "--on", "grid.toml", "--device", "cpu"])
        .says(&["cannot be measured on grid", "its images are pictures"]);
    place
        .fails(&["eval", "a", "--on", "quickstart", "--device", "cpu"])
        .says(&["cannot be measured on quickstart", "another room"]);
    // A vocabulary of another size is not that of the weights.
    place
        .fails(&[
            "eval",
            "a",
            "--device",
            "cpu",
            "--set",
            "data.vocabulary=other/vocab.json",
        ])
        .says(&[
            "other/vocab.json numbers words otherwise",
            "the run checkpoints/a was trained with",
        ]);
    let weights = std::fs::read_dir(place.run("a").join("checkpoints"))
        .unwrap()
        .next()
        .unwrap();
    let weights = weights.unwrap().path().join("model.safetensors");
    let alone = [
        "eval",
        "pairs.toml",
        "--weights",
        weights.to_str().unwrap(),
        "--device",
        "cpu",
    ];
    place
        .fails(&[&alone[..], &["--set", "data.vocabulary=other/vocab.json"]].concat())
        .says(&["vocabulary of 31 words, this one has 32", "data.vocabulary"]);
}

#[test]
fn a_matcher_of_pictures_is_measured_on_another_table() {
    let place = grid::place();
    grid::table(&place, &grid::TEXTS);
    let sets = [&grid::TABLE[..], &["--set", "data.batch=6"]].concat();
    grid::train(&place, "a", &sets);
    let mut rows = String::from("id,image,title,label,split\n");
    for product in 0..3 {
        for view in 0..2 {
            let image = format!("more/{product}-{view}.jpg");
            place.jpeg(&image, product + 2, view + 4);
            let title = ["red chair", "violet chair", "blue lamp"][product as usize];
            rows.push_str(&format!("{product}-{view},{image},{title},q{product},test\n"));
        }
    }
    place.write("more.csv", rows);
    place.write(
        "more.toml",
        "extends = \"t-emde-furniture\"\n[data]\ndataset = \"table\"\ntable = \"more.csv\"\ncaptions = [\"{title}\"]\n\
         [data.features]\ngrid = 2\n",
    );
    // The pictures are cut into the cells that the run was trained on, not into those of the other recipe.
    let (stdout, notes) = place.both(&["eval", "a", "--on", "more.toml", "--device", "cpu", "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert!(notes.contains("vocabulary of 8 words"), "{notes}");
    assert!(notes.contains("test: 6 images of 16 × 48, 3 captions"), "{notes}");
    assert_eq!(report["data"], "more (recipe more)");
    let weights = std::fs::read_dir(place.run("a").join("checkpoints"))
        .unwrap()
        .next()
        .unwrap();
    let weights = weights.unwrap().path().join("model.safetensors");
    place
        .fails(
            &[
                &[
                    "eval",
                    "grid.toml",
                    "--weights",
                    weights.to_str().unwrap(),
                    "--on",
                    "more.toml",
                ][..],
                &["--device", "cpu"],
                &sets,
            ]
            .concat(),
        )
        .says(&["cannot be measured on more", "of no run"]);
}
