//! A recipe at every point of a grid.

use crate::common::Place;
use serde_json::{Value, json};

/// A sweep of the photo recipe that takes seconds.
const ARGS: [&str; 8] = [
    "sweep",
    "folder.toml",
    "--device",
    "cpu",
    "--run",
    "s",
    "--set",
    "optimizer.lr=1e-3,1e-4",
];

fn record(place: &Place) -> Value {
    let text = std::fs::read(place.run("s").join("sweep.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_grid_is_trained_tabled_and_extended() {
    let place = Place::with_photos();
    let printed = place.ok(&[&ARGS[..], &["--seeds", "1,2"]].concat());
    assert!(printed.contains("± "), "{printed}");
    assert!(printed.contains("* best by recall@1: optimizer.lr="), "{printed}");
    let folder = place.run("s");
    assert_eq!(
        std::fs::read_to_string(folder.join("table.txt")).unwrap(),
        printed
            .split("\nsweep ")
            .next()
            .unwrap()
            .strip_prefix('\n')
            .unwrap()
            .to_string()
    );
    let first = record(&place);
    let runs: Vec<&str> = first["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["run"].as_str().unwrap())
        .collect();
    assert_eq!(
        runs,
        [
            "001-lr=1e-3-seed1",
            "002-lr=1e-3-seed2",
            "003-lr=1e-4-seed1",
            "004-lr=1e-4-seed2"
        ]
    );
    assert!(
        runs.iter()
            .all(|run| folder.join(run).join("eval.json").is_file())
    );
    let lines = std::fs::read_to_string(folder.join("cells.csv")).unwrap();
    assert!(
        lines.starts_with("run,optimizer.lr,seed,status,recall@1,") && lines.lines().count() == 5,
        "{lines}"
    );
    let listed = place.ok(&["runs", folder.to_str().unwrap()]);
    assert!(listed.contains("003-lr=1e-4-seed1"), "{listed}");

    // Refused without --resume; with it, finished cells are left alone and a new value is added.
    place.fails(&ARGS).says(&["exists already", "--resume"]);
    let time = |run: &str| {
        std::fs::metadata(folder.join(run).join("eval.json"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = time(runs[0]);
    let more = [
        &ARGS[..7],
        &[
            "optimizer.lr=1e-3,1e-4,1e-5",
            "--seeds",
            "1,2",
            "--resume",
            "--json",
        ],
    ]
    .concat();
    let found = place.json(&more);
    assert_eq!(found["cells"].as_array().unwrap().len(), 6);
    assert_eq!(found["rows"].as_array().unwrap().len(), 3);
    assert_eq!(found["rows"][0]["metrics"]["recall@1"]["runs"], 2);
    assert_eq!(time(runs[0]), before);
    // Another recipe is not the same sweep.
    place
        .fails(&[&more[..], &["--set", "train.epochs=3"]].concat())
        .says(&["was begun otherwise", "train.epochs", "--run"]);
}

#[test]
fn a_cell_that_diverges_is_written_down_and_one_that_was_cut_off_goes_on() {
    let place = Place::with_photos();
    let args = [&ARGS[..7], &["optimizer.lr=1e30,1e-3"]].concat();
    let (printed, said) = place.both(&args);
    assert!(
        printed.contains("diverged") && printed.contains("training has diverged"),
        "{printed}"
    );
    assert!(said.contains("cell     2 of 2"), "{said}");
    let first = record(&place);
    assert_eq!(
        [&first["cells"][0]["status"], &first["cells"][1]["status"]],
        [&json!("diverged"), &json!("finished")]
    );
    // As if the process had died in the second cell.
    let mut cut = first.clone();
    cut["cells"][1]["status"] = json!("running");
    cut["cells"][1].as_object_mut().unwrap().remove("eval");
    std::fs::write(place.run("s").join("sweep.json"), cut.to_string()).unwrap();
    let (_, said) = place.both(&[&args[..], &["--resume"]].concat());
    assert!(
        said.contains("skip     001-lr=1e30 is diverged") && said.contains("resume   from step"),
        "{said}"
    );
    assert_eq!(
        record(&place)["cells"][1]["eval"]["metrics"],
        first["cells"][1]["eval"]["metrics"]
    );
    // Where nothing at all comes out, it is an error.
    let none = [
        "sweep",
        "folder.toml",
        "--device",
        "cpu",
        "--run",
        "none",
        "--set",
        "optimizer.lr=1e30,1e29",
    ];
    place.fails(&none).says(&["none of the 2 cells has finished"]);
}

#[test]
fn slips_are_found_before_anything_is_trained() {
    let place = Place::with_photos();
    for (set, words) in [
        ("optimizer.lr=1e-3,fast", &["lr"][..]),
        ("optimizer.learning_rate=1,2", &["learning_rate", "lr"]),
        ("optimizer.lr=1e-3,,1e-4", &["empty value"]),
        ("optimizer.lr=1e-3,1e-3", &["a second time"]),
        ("optimizer.lr", &["without `=`"]),
    ] {
        let args = [
            "sweep",
            "folder.toml",
            "--device",
            "cpu",
            "--run",
            "s",
            "--set",
            set,
        ];
        place.fails(&args).says(words);
        assert!(!place.run("s").exists(), "{set}");
    }
    place
        .fails(&[&ARGS[..], &["--seeds", "1,1"]].concat())
        .says(&["names 1 twice"]);
    place.write("checkpoints/s/thesis.txt", "years");
    place
        .fails(&[&ARGS[..], &["--resume"]].concat())
        .says(&["no sweep"]);
}
