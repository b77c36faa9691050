//! What a person looks at: reports, embeddings of any pictures, searches, the projector.

use crate::common::{Place, TRAINED};
use serde_json::Value;
use std::path::Path;

pub fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// The run that other tests read too, by its path.
fn run() -> String {
    TRAINED.run("first").to_str().unwrap().to_owned()
}

/// Nothing is fetched: every source and link is inside the page.
#[track_caller]
pub fn stands_alone(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(!page.contains("<script"));
    for name in ["src=\"", "href=\""] {
        for value in page.split(name).skip(1) {
            let value = &value[..value.len().min(40)];
            assert!(
                value.starts_with("data:image/jpeg;base64,") || value.starts_with('#'),
                "{name}{value}"
            );
        }
    }
    assert_eq!(
        page.matches("<section").count(),
        page.matches("</section>").count()
    );
    assert_eq!(
        page.matches("<article").count(),
        page.matches("</article>").count()
    );
}

#[test]
fn training_leaves_a_report() {
    let page = read(TRAINED.run("first").join("report.html"));
    stands_alone(&page);
    for words in [
        "Training loss",
        "Figures on the test split while training",
        "Learning rate",
        "Images per second",
        "95 % intervals",
        "centroid",
        "id=\"searches\"",
        "limit_classes",
        "fingerprint",
        "trained on",
    ] {
        assert!(page.contains(words), "`{words}` is missing");
    }
    assert!(page.matches("data:image/jpeg").count() > 30);
}

#[test]
fn the_same_evaluation_writes_the_same_page() {
    let place = Place::new();
    let run = run();
    let eval = |out: &str| place.json(&["eval", &run, "--device", "cpu", "--json", "--out", out]);
    let (first, second) = (eval("a"), eval("b"));
    assert_eq!(first, second);
    let page = read(place.path().join("a/report.html"));
    stands_alone(&page);
    assert!(
        page == read(place.path().join("b/report.html")),
        "the pages differ"
    );
    let figures: Value = serde_json::from_str(&read(place.path().join("a/eval.json"))).unwrap();
    assert_eq!(figures, first);
    // Without a run there is no record of training, and the figures have a folder of their own.
    place.ok(&["eval", "tiny.toml", "--device", "cpu"]);
    let folders: Vec<_> = std::fs::read_dir(place.path().join("checkpoints"))
        .unwrap()
        .collect();
    assert_eq!(folders.len(), 1);
    let folder = folders[0].as_ref().unwrap().path();
    assert!(folder.join("eval.json").is_file());
    let page = read(folder.join("report.html"));
    stands_alone(&page);
    assert!(page.contains("No record of training"));
    assert!(place.ok(&["runs"]).contains("no runs"));
}

#[test]
fn a_report_that_cannot_be_written_costs_no_figure() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("out/report.html")).unwrap();
    let (stdout, stderr) = place.both(&["eval", &run(), "--device", "cpu", "--out", "out"]);
    assert!(stderr.contains("report.html was not written"), "{stderr}");
    assert!(
        stdout.contains("recall@1") && !stdout.contains("look  "),
        "{stdout}"
    );
    assert!(place.path().join("out/eval.json").is_file());
}

#[test]
fn neighbours_are_protocols_of_their_own() {
    let place = Place::new();
    let run = run();
    let eval = |more: &[&str]| {
        let base = ["eval", &run, "--device", "cpu", "--json", "--out", "out"];
        place.json(&[&base[..], more].concat())
    };
    let plain = eval(&[]);
    let both = eval(&["--rerank=6,3,0.3", "--qe", "--dba", "2", "--projector=20"]);
    assert_eq!(plain["metrics"], both["metrics"]);
    assert_eq!(plain["also"][0], both["also"][0]);
    let protocols = |report: &Value| -> Vec<(String, String)> {
        let also = report["also"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        also.map(|p| (text(&p["protocol"]), text(&p["settings"])))
            .collect()
    };
    let added: Vec<_> = protocols(&both)[protocols(&plain).len()..].to_vec();
    let expected = [
        ("instance, re-ranked", "k1 6, k2 3, λ 0.3"),
        ("instance, expanded", "5 neighbours, α 3, gallery with 2"),
        (
            "instance, expanded and re-ranked",
            "5 neighbours, α 3, gallery with 2; k1 6, k2 3, λ 0.3",
        ),
    ];
    assert_eq!(
        added,
        expected.map(|(name, settings)| (name.to_owned(), settings.to_owned()))
    );
    let again = eval(&["--rerank=6,3,0.3", "--qe", "--dba", "2"]);
    assert_eq!(again["also"], both["also"]);
    // In a recipe they are keys, whose mistakes are named.
    let keys = ["--set", "eval.rerank={ k1 = 6, k2 = 3, lambda = 0.3 }"];
    let set = eval(&keys);
    assert_eq!(protocols(&set).last().unwrap().1, "k1 6, k2 3, λ 0.3");
    place
        .fails(&["eval", &run, "--device", "cpu", "--set", "eval.rerank={ k3 = 6 }"])
        .says(&["k3"]);
    place
        .fails(&[
            "eval",
            &run,
            "--device",
            "cpu",
            "--set",
            "eval.rerank={ k1 = 4, k2 = 9 }",
        ])
        .says(&["rerank.k2", "9"]);
    let page = read(place.path().join("out/report.html"));
    assert!(page.contains("re-ranked"));
    // The projector stands beside the figures.
    let events = place.path().join("out/events");
    let config = read(events.join("projector_config.pbtxt"));
    assert!(config.contains("tensor_shape: 20\n"), "{config}");
    assert_eq!(read(events.join("tensors.tsv")).lines().count(), 20);
    assert_eq!(read(events.join("metadata.tsv")).lines().count(), 21);
    assert!(image::open(events.join("sprite.png")).is_ok());
}

#[test]
fn neighbours_leave_the_run_s_own_figures() {
    let place = Place::with_photos();
    place.ok(&[
        "train",
        "folder.toml",
        "--device",
        "cpu",
        "--run",
        "n",
        "--max-steps",
        "2",
    ]);
    let run = place.run("n");
    let own = || ["eval.json", "report.html"].map(|file| read(run.join(file)));
    let before = own();
    let text = place.ok(&["eval", "n", "--device", "cpu", "--rerank=6,3,0.3"]);
    assert!(text.contains("n/re-ranked/eval.json"), "{text}");
    assert!(own() == before, "the run's own figures were replaced");
    assert!(read(run.join("re-ranked/report.html")).contains("instance, re-ranked"));
    // Twelve classes, of which a few are tested on: too few to resample.
    assert!(text.contains("make intervals too narrow"), "{text}");
    assert!(before[1].contains("make intervals too narrow"));
}

#[test]
fn pictures_are_embedded_and_found() {
    let place = Place::with_photos();
    let run = run();
    for gallery in ["gallery.parquet", "gallery.npy"] {
        let printed = place.ok(&[
            "embed", &run, "--images", "photos", "--out", gallery, "--device", "cpu",
        ]);
        assert!(printed.starts_with(gallery), "{printed}");
        let query = "photos/test/c5/0.jpg";
        let search = [
            "search",
            &run,
            "--query",
            query,
            "--gallery",
            gallery,
            "--device",
            "cpu",
            "--k",
            "3",
        ];
        let found = place.json(&[&search[..], &["--json", "--page", "found.html"]].concat());
        let results = found["queries"][0]["results"].as_array().unwrap();
        assert_eq!(found["queries"][0]["query"], query);
        assert_eq!(results.len(), 3);
        assert_eq!(results[0]["id"], "test/c5/0.jpg");
        assert_eq!(results[0]["label"], "test/c5");
        let score = |at: usize| results[at]["score"].as_f64().unwrap();
        assert!((score(0) - 1.0).abs() < 1e-4 && score(0) >= score(1) && score(1) >= score(2));
        let page = read(place.path().join("found.html"));
        stands_alone(&page);
        assert_eq!(page.matches("data:image/jpeg").count(), 4);
        // A folder of queries, a table for people, neighbours.
        let text = place.ok(&[
            "search",
            &run,
            "--query",
            "photos/test",
            "--gallery",
            gallery,
            "--device",
            "cpu",
            "--rerank=5,2,0.3",
            "--qe",
        ]);
        assert_eq!(text.matches("place   score").count(), 16, "{text}");
        assert!(text.contains("among 32"), "{text}");
    }
    // The same gallery for a database, and a single picture.
    let database = ["--format", "qdrant", "--out", "points.jsonl", "--device", "cpu"];
    let printed = place.ok(&[&["embed", &run, "--images", "photos"], &database[..]].concat());
    assert_eq!(printed, "points.jsonl\npoints.collection.json\n");
    let points = read(place.path().join("points.jsonl"));
    assert_eq!(points.matches("\"payload\"").count(), 32, "{points}");
    let one = [
        "embed",
        &run,
        "--images",
        "photos/test/c5/0.jpg",
        "--out",
        "one.parquet",
        "--device",
        "cpu",
    ];
    place.ok(&one);
    place
        .fails(&["embed", &run, "--images", "photos", "--out", "gallery.npy"])
        .says(&["gallery.npy", "exists", "--force"]);
    // A table names its own pictures, and the recipe's own data need no files.
    place.write(
        "items.csv",
        "image,label\nphotos/test/c5/0.jpg,a\nphotos/test/c5/1.jpg,b\n",
    );
    place.ok(&[
        "embed",
        &run,
        "--data",
        "items.csv",
        "--out",
        "two.npy",
        "--device",
        "cpu",
    ]);
    assert_eq!(read(place.path().join("two.csv")).lines().count(), 3);
    place
        .fails(&[
            "embed",
            &run,
            "--data",
            "items.csv",
            "--out",
            "items.npy",
            "--force",
        ])
        .says(&["items.csv", "is read", "another name"]);
    place.ok(&[
        "embed",
        &run,
        "--split",
        "test",
        "--out",
        "own.parquet",
        "--device",
        "cpu",
    ]);
    let search = [
        "search",
        &run,
        "--query",
        "photos/test/c5/0.jpg",
        "--gallery",
        "own.parquet",
    ];
    place.ok(&[&search[..], &["--device", "cpu", "--page", "own.html"]].concat());
    // Pictures without a path are found in the recipe's data.
    assert_eq!(
        read(place.path().join("own.html"))
            .matches("data:image/jpeg")
            .count(),
        11
    );
}

#[test]
fn what_cannot_be_searched_is_said() {
    let place = Place::with_photos();
    let run = run();
    place.ok(&[
        "embed",
        &run,
        "--images",
        "photos/test",
        "--out",
        "g.npy",
        "--device",
        "cpu",
    ]);
    place.ok(&[
        "embed",
        &run,
        "--images",
        "photos/test",
        "--out",
        "g.parquet",
        "--device",
        "cpu",
    ]);
    let fails = |query: &str, gallery: &str, more: &[&str]| {
        let base = [
            "search",
            &run,
            "--query",
            query,
            "--gallery",
            gallery,
            "--device",
            "cpu",
        ];
        place.fails(&[&base[..], more].concat())
    };
    let photo = "photos/test/c5/0.jpg";
    fails(photo, "g.npy", &["--k", "0"]).says(&["--k 0", "--k 10"]);
    fails("nowhere.jpg", "g.npy", &[]).says(&["nowhere.jpg", "nothing is there"]);
    place.write("notes.jpg", "not a picture");
    for name in ["notes.jpg", "tiny.toml"] {
        fails(name, "g.npy", &[]).says(&[name, "is no picture", "a folder of pictures, or a table"]);
    }
    std::fs::create_dir(place.path().join("empty")).unwrap();
    fails("empty", "g.npy", &[]).says(&["empty", "expected pictures"]);
    fails(photo, "g.txt", &[]).says(&["g.txt", ".parquet or .npy"]);
    for name in ["g.npy", "g.parquet"] {
        let bytes = std::fs::read(place.path().join(name)).unwrap();
        place.write(&format!("cut-{name}"), &bytes[..bytes.len() / 2]);
        fails(photo, &format!("cut-{name}"), &[]).says(&["cut-g", "tailor embed"]);
    }
    // A table names its pictures.
    place.write(
        "wanted.csv",
        "image,label\nphotos/test/c5/0.jpg,x\nphotos/test/c6/1.jpg,y\n",
    );
    let table = [
        "search",
        &run,
        "--query",
        "wanted.csv",
        "--gallery",
        "g.npy",
        "--device",
        "cpu",
        "--json",
    ];
    assert_eq!(place.json(&table)["queries"].as_array().unwrap().len(), 2);
    // Other weights, another width, and vectors that nothing is known of.
    fails(photo, "g.npy", &["--weights", "last"]).says(&["g.npy", "other weights", "--force"]);
    let forced = [
        "search",
        &run,
        "--query",
        photo,
        "--gallery",
        "g.npy",
        "--device",
        "cpu",
        "--weights",
        "last",
        "--force",
    ];
    assert!(place.both(&forced).1.contains("other weights"));
    std::fs::remove_file(place.path().join("g.json")).unwrap();
    let unknown = [
        "search",
        &run,
        "--query",
        photo,
        "--gallery",
        "g.npy",
        "--device",
        "cpu",
    ];
    assert!(place.both(&unknown).1.contains("does not say which model"));
    let rows = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    let mut narrow = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    narrow.extend(format!("{rows:<117}\n").bytes());
    narrow.extend([0u8; 24]);
    place.write("narrow.npy", narrow);
    fails(photo, "narrow.npy", &[]).says(&["narrow.npy", "3 dimensions"]);
    place
        .fails(&["embed", &run, "--images", "photos", "--out", "x.txt"])
        .says(&["x.txt", ".parquet or .npy"]);
    place
        .fails(&["embed", "tiny.toml", "--images", "photos", "--out", "x.npy"])
        .says(&["no trained weights"]);
}
