//! Every verb, as a user meets it.

use crate::common::{Place, TRAINED, checkpoint};
use serde_json::Value;

#[test]
fn every_verb_explains_itself() {
    let place = Place::new();
    let verbs: [&[&str]; 16] = [
        &[],
        &["train"],
        &["eval"],
        &["export"],
        &["check"],
        &["devices"],
        &["recipes"],
        &["recipes", "show"],
        &["recipes", "copy"],
        &["recipes", "diff"],
        &["recipes", "schema"],
        &["runs"],
        &["runs", "show"],
        &["runs", "compare"],
        &["data"],
        &["data", "check"],
    ];
    for verb in verbs {
        let text = place.ok(&[verb, &["--help"]].concat());
        assert!(text.contains("Usage:"), "{verb:?}: {text}");
        // An option without a word of explanation is none.
        for line in text.lines().filter(|line| line.trim_start().starts_with("--")) {
            assert!(
                line.trim().contains("  ") || line.contains("--help") || line.trim().len() > 2,
                "{line}"
            );
        }
    }
    assert!(place.ok(&["--version"]).starts_with("tailor "));
}

#[test]
fn recipes_are_listed_shown_copied_compared_and_described() {
    let place = Place::new();
    let list = place.ok(&["recipes"]);
    assert_eq!(place.ok(&["recipes", "list"]), list);
    for words in [
        "quickstart",
        "ctl-market1501",
        "ctl-dukemtmc",
        "ctl-street2shop",
        "fashion-reid-market1501",
        "sop",
        "Market-1501",
        "(2021)",
    ] {
        assert!(list.contains(words), "{list}");
    }
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    let list = place.json(&["recipes", "--json"]);
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .all(|recipe| recipe["paper"]["headline"].is_string())
    );

    let shown = place.ok(&["recipes", "show", "ctl-dukemtmc"]);
    assert!(shown.contains("extends = \"ctl-market1501\""), "{shown}");
    let resolved = place.ok(&["recipes", "show", "ctl-dukemtmc", "--resolved"]);
    assert!(
        !resolved.contains("extends") && resolved.contains("margin = 0.5"),
        "{resolved}"
    );

    place.ok(&["recipes", "copy", "quickstart", "mine/own.toml"]);
    place
        .fails(&["recipes", "copy", "quickstart", "mine/own.toml"])
        .says(&["exists already", "--force"]);
    assert!(
        place
            .ok(&["recipes", "diff", "quickstart", "mine/own.toml"])
            .contains("say the same")
    );
    let difference = place.ok(&["recipes", "diff", "quickstart", "tiny.toml"]);
    assert!(difference.contains("train.epochs: 12 → 8\n"), "{difference}");
    assert!(
        difference.contains("train.ema: (not set) → 0.9\n"),
        "{difference}"
    );
    assert_eq!(
        place.json(&["recipes", "diff", "quickstart", "mine/own.toml", "--json"]),
        Value::Array(vec![])
    );

    let schema = place.json(&["recipes", "schema"]);
    for section in [
        "paper",
        "data",
        "model",
        "loss",
        "optimizer",
        "schedule",
        "train",
        "eval",
    ] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    place
        .fails(&["recipes", "schema", "--section", "opt"])
        .says(&["optimizer"]);
}

#[test]
fn devices_say_what_auto_takes_and_why() {
    let place = Place::new();
    let text = place.ok(&["devices"]);
    assert!(
        text.contains("cpu") && text.contains("--device auto takes"),
        "{text}"
    );
    let found = place.json(&["devices", "--json"]);
    assert!(found["reason"].is_string());
    let names: Vec<&str> = found["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"cpu") && names.contains(&found["auto"].as_str().unwrap()),
        "{found}"
    );
}

#[test]
fn check_takes_a_step_and_writes_nothing() {
    let place = Place::new();
    let text = place.ok(&["check", "tiny.toml", "--device", "cpu"]);
    for words in [
        "classes  12",
        "batch    8 pictures",
        "parameters",
        "MiB",
        "loss",
        "centroid",
        "\nok\n",
    ] {
        assert!(text.contains(words), "`{words}`: {text}");
    }
    let facts = place.json(&["check", "tiny.toml", "--device", "cpu", "--json"]);
    assert_eq!(facts["classes"], 12);
    assert!(facts["losses"]["loss"].as_f64().unwrap() > 0.0, "{facts}");
    // What the check says of the memory of weights is their number.
    assert_eq!(facts["state_bytes"], facts["parameters"].as_u64().unwrap() * 20);
    let dry = place.json(&["train", "tiny.toml", "--device", "cpu", "--dry-run", "--json"]);
    assert_eq!(
        dry["losses"], facts["losses"],
        "check and --dry-run take the same step"
    );
    assert!(!place.path().join("checkpoints").exists());
}

/// The object of DESIGN's evaluation: conditions and figures with their intervals.
#[track_caller]
fn assert_report(report: &Value) {
    for key in ["recipe", "data", "split", "protocol"] {
        assert!(report[key].is_string(), "{key}: {report}");
    }
    let metrics = report["metrics"].as_object().unwrap();
    for name in ["recall@1", "recall@5", "mAP", "mAP@R", "mINP", "MRR"] {
        let figure = &metrics[name];
        let [low, value, high] = ["low", "value", "high"].map(|key| figure[key].as_f64().unwrap());
        assert!(
            0.0 <= low && low <= value && value <= high && high <= 1.0,
            "{name}: {figure}"
        );
    }
}

#[test]
fn train_prints_one_json_object_and_the_run_holds_the_same() {
    let place = Place::new();
    let report: Value = serde_json::from_str(&place.train("a", &["--max-steps", "3", "--json"])).unwrap();
    assert_report(&report);
    let written: Value =
        serde_json::from_slice(&std::fs::read(place.run("a").join("eval.json")).unwrap()).unwrap();
    assert_eq!(report, written);
    assert_eq!(report["also"][0]["protocol"], "centroid");
    // The terminal interface needs a terminal; without one nothing of it may reach stdout.
    let args = [
        "train",
        "tiny.toml",
        "--device",
        "cpu",
        "--run",
        "b",
        "--max-steps",
        "3",
        "--tui",
        "--json",
    ];
    let (stdout, words) = place.both(&args);
    let second: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(second["metrics"], report["metrics"]);
    assert!(words.contains("--tui needs a terminal"), "{words}");
    // Figures of the record are numbers of every line.
    let record = std::fs::read_to_string(place.run("a").join("metrics.jsonl")).unwrap();
    for line in record.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["step"].is_u64() && line["split"].is_string(), "{line}");
    }
}

#[test]
fn train_ends_with_where_to_look() {
    let place = Place::new();
    let args = [
        "train",
        "tiny.toml",
        "--device",
        "cpu",
        "--run",
        "a",
        "--max-steps",
        "12",
    ];
    let (stdout, words) = place.both(&args);
    for text in [
        "recall@1",
        "eval.json",
        "tensorboard --logdir",
        "tailor eval checkpoints/a",
        "tailor export",
    ] {
        assert!(stdout.contains(text), "`{text}`: {stdout}");
    }
    for text in [
        "recipe   tiny",
        "device   cpu",
        "data     furniture",
        "step 12/12",
        "ETA",
        "images/s",
        "data wait",
        "test  step 11",
    ] {
        assert!(words.contains(text), "`{text}`: {words}");
    }
    let long: Vec<&str> = words
        .lines()
        .chain(stdout.lines())
        .filter(|l| l.chars().count() > 140)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
    assert_eq!(
        words.matches("limit_classes = 12 keeps").count(),
        1,
        "said twice: {words}"
    );
}

#[test]
fn several_seeds_give_mean_and_deviation() {
    let place = Place::new();
    let text = place.train("s", &["--seeds", "1,2", "--max-steps", "2"]);
    assert!(text.contains("mean ± deviation"), "{text}");
    assert!(place.run("s-seed1").exists() && place.run("s-seed2").exists());
    let compared = place.ok(&["runs", "compare", "s-seed1", "s-seed2"]);
    assert!(text.ends_with(&compared), "{text}\n---\n{compared}");
    assert!(compared.contains("train.seed"), "{compared}");
    let compared = place.json(&["runs", "compare", "s-seed1", "s-seed2", "--json"]);
    let metrics = &compared["groups"][0]["metrics"]["mAP"];
    let [a, b] = ["s-seed1", "s-seed2"].map(|run| metrics[run]["value"].as_f64().unwrap());
    let seeds = &compared["groups"][0]["seeds"][0]["metrics"]["mAP"];
    assert!((seeds["mean"].as_f64().unwrap() - (a + b) / 2.0).abs() < 1e-12);
    assert!((seeds["standard_deviation"].as_f64().unwrap() - (a - b).abs() / 2f64.sqrt()).abs() < 1e-12);
    assert_ne!(a, b, "seeds change nothing");
    let one = place.json(&[
        "train",
        "tiny.toml",
        "--device",
        "cpu",
        "--run",
        "j",
        "--seeds",
        "1",
        "--max-steps",
        "2",
        "--json",
    ]);
    assert_report(&one);
    let both = place.json(&[
        "train",
        "tiny.toml",
        "--device",
        "cpu",
        "--run",
        "k",
        "--seeds",
        "1,2",
        "--max-steps",
        "2",
        "--json",
    ]);
    assert_eq!(both["runs"].as_array().unwrap().len(), 2);
}

#[test]
fn the_trunk_can_compute_in_half_precision() {
    let place = Place::new();
    let loss = |precision: &str| {
        let set = format!("model.precision={precision}");
        let sets = ["--set", &set, "--set", "data.limit_classes=8"];
        let step = ["train", "tiny.toml", "--device", "cpu", "--dry-run", "--json"];
        let facts = place.json(&[&step[..], &sets].concat());
        facts["losses"]["id"].as_f64().unwrap()
    };
    let exact = loss("f32");
    for (precision, tolerance) in [("bf16", 0.05), ("f16", 0.01)] {
        let rounded = loss(precision);
        assert!(rounded != exact, "{precision} was not used");
        assert!(
            (rounded - exact).abs() < tolerance * exact,
            "{precision}: {rounded} {exact}"
        );
    }
}

#[test]
fn overfitting_one_batch_makes_the_loss_fall() {
    let place = Place::new();
    let sets = [
        "--set",
        "train.epochs=60",
        "--set",
        "train.evaluate_every=0",
        "--set",
        "train.log_every=1",
    ];
    place.train(
        "o",
        &[&["--overfit", "1", "--max-steps", "40"], &sets[..]].concat(),
    );
    let losses: Vec<f64> = crate::common::figures(&place.run("o"))
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["loss"].as_f64())
        .collect();
    assert_eq!(losses.len(), 40);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..5]), mean(&losses[35..]));
    assert!(last < 0.7 * first, "{first} → {last}");
}

#[test]
fn training_starts_from_another_run_or_from_torchvision_s_names() {
    let trained = &*TRAINED;
    let place = Place::new();
    let from = trained.run("first");
    let from = from.to_str().unwrap();
    let start = ["train", "tiny.toml", "--device", "cpu", "--max-steps", "1"];
    let (_, words) = place.both(&[&start[..], &["--run", "a", "--init-from", from]].concat());
    assert!(words.contains("weights") && words.contains("loaded"), "{words}");
    // A run of the same folder goes by its name.
    let (_, words) = place.both(&[&start[..], &["--run", "named", "--init-from", "a"]].concat());
    assert!(words.contains("weights") && words.contains("loaded"), "{words}");
    // Other classes: an error, unless the recipe lets the classifier begin anew; then the report says so.
    let fewer = ["--run", "b", "--init-from", from, "--set", "data.limit_classes=8"];
    place
        .fails(&[&start[..], &fewer].concat())
        .says(&["this data has", "model.new_classifier=true"]);
    let fewer = [&fewer[..], &["--set", "model.new_classifier=true"]].concat();
    let (_, words) = place.both(&[&start[..], &fewer].concat());
    assert!(words.contains("head.classifier"), "{words}");
    let file = place.path().join("torchvision.safetensors");
    let file = file.to_str().unwrap();
    trained.ok(&["export", "first", "--format", "safetensors", "--out", file]);
    let (_, words) = place.both(&[&start[..], &["--run", "c", "--init-from", file]].concat());
    assert!(words.contains("loaded"), "{words}");
    // The first step stands on those weights: it is not the step of a fresh start.
    place.ok(&[&start[..], &["--run", "fresh"]].concat());
    let weights =
        |run: &str| std::fs::read(checkpoint(&place.run(run), 1).join("model.safetensors")).unwrap();
    assert!(weights("a") != weights("fresh") && weights("c") != weights("fresh"));
    place
        .fails(&[&start[..], &["--run", "d", "--init-from", "nowhere"]].concat())
        .says(&["nowhere"]);
}

#[test]
fn eval_takes_each_of_a_run_s_weights_and_a_file() {
    let place = Place::new();
    place.train("a", &["--max-steps", "12"]);
    let eval =
        |weights: &[&str]| place.json(&[&["eval", "a", "--device", "cpu", "--json"], weights].concat());
    let trained: Value =
        serde_json::from_slice(&std::fs::read(place.run("a").join("eval.json")).unwrap()).unwrap();
    let [best, last, ema] = ["best", "last", "ema"].map(|which| eval(&["--weights", which]));
    for report in [&best, &last, &ema] {
        assert_report(report);
    }
    // Training ends by evaluating the average: so does `eval`, unless told otherwise.
    assert_eq!(eval(&[])["metrics"], trained["metrics"]);
    assert_eq!(ema["metrics"], trained["metrics"]);
    assert_eq!(ema["weights_hash"], trained["weights_hash"]);
    assert_ne!(last["weights_hash"], ema["weights_hash"]);
    assert!(
        best["weights"].as_str().unwrap().contains("best, step 11"),
        "{best}"
    );
    // The best figure of the record is that of the best weights.
    let runs = place.json(&["runs", "--json"]);
    let value = runs["runs"][0]["best"]["value"].as_f64().unwrap();
    assert!(
        (best["metrics"]["recall@1"]["value"].as_f64().unwrap() - value).abs() < 1e-9,
        "{best} {value}"
    );
    let file = checkpoint(&place.run("a"), 12).join("model.safetensors");
    let recipe = place.json(&[
        "eval",
        "tiny.toml",
        "--device",
        "cpu",
        "--json",
        "--weights",
        file.to_str().unwrap(),
    ]);
    assert_eq!(recipe["metrics"], last["metrics"]);
    // Another run's weights are said to be that run's, and leave this run's figures alone.
    let other = TRAINED.run("first");
    let borrowed = eval(&["--weights", other.to_str().unwrap()]);
    assert!(
        borrowed["weights"]
            .as_str()
            .unwrap()
            .contains("first/checkpoints"),
        "{borrowed}"
    );
    let own: Value =
        serde_json::from_slice(&std::fs::read(place.run("a").join("eval.json")).unwrap()).unwrap();
    assert_eq!(own, trained);
    // What serves elsewhere serves here: an export under torchvision's names embeds as its run does.
    place.ok(&["export", "a", "--format", "safetensors", "--out", "e.safetensors"]);
    let exported = [
        "eval",
        "tiny.toml",
        "--device",
        "cpu",
        "--json",
        "--weights",
        "e.safetensors",
    ];
    assert_eq!(place.json(&exported)["metrics"], ema["metrics"]);
    // Without weights, the recipe's own start.
    let start = place.json(&["eval", "tiny.toml", "--device", "cpu", "--json"]);
    assert_ne!(start["weights_hash"], last["weights_hash"]);
    // The table beside the paper's figures.
    let table = place.ok(&["eval", "a", "--device", "cpu"]);
    assert!(
        table.contains("95 % intervals") && table.contains("centroid"),
        "{table}"
    );
    place
        .fails(&["eval", "nothing-of-that-name"])
        .says(&["nothing-of-that-name"]);
}

#[test]
fn runs_are_listed_and_shown() {
    let place = &*TRAINED;
    let text = place.ok(&["runs"]);
    assert!(
        text.contains("first") && text.contains("stopped") && text.contains("recall@1"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert_eq!(place.ok(&["runs", "list"]), text);
    let none = Place::new().ok(&["runs"]);
    assert!(none.contains("no runs in checkpoints"), "{none}");
    let shown = place.ok(&["runs", "show", "first"]);
    for words in ["recipe", "seed", "status", "checkpoints", "mAP"] {
        assert!(shown.contains(words), "{shown}");
    }
    let shown = place.json(&["runs", "show", "first", "--json"]);
    assert_eq!(shown["run"]["last_step"], 12);
    place
        .fails(&["runs", "show", "second"])
        .says(&["second", "run.json"]);
}

#[test]
fn tensorboard_files_are_whole_records() {
    let events = TRAINED.run("first").join("events");
    let file = std::fs::read_dir(&events).unwrap().next().unwrap().unwrap();
    assert!(
        file.file_name()
            .to_string_lossy()
            .starts_with("events.out.tfevents.")
    );
    let bytes = std::fs::read(file.path()).unwrap();
    let (mut at, mut records) = (0, Vec::new());
    while at < bytes.len() {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        assert_eq!(
            number(at + 8),
            masked(&bytes[at..at + 8]),
            "the length of record {}",
            records.len()
        );
        let record = &bytes[at + 12..at + 12 + length];
        assert_eq!(
            number(at + 12 + length),
            masked(record),
            "the bytes of record {}",
            records.len()
        );
        records.push(record);
        at += 16 + length;
    }
    let holds = |text: &str| {
        records
            .iter()
            .any(|r| r.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    for tag in [
        "brain.Event:2",
        "train/loss",
        "test/recall@1",
        "lr/base",
        "recipe",
        "batch",
        "hparams",
    ] {
        assert!(holds(tag), "no record of {tag}");
    }
}

/// TensorBoard's checksum: CRC-32C, rotated and offset.
fn masked(bytes: &[u8]) -> u32 {
    let crc = !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (0u32.wrapping_sub(crc & 1)))
        })
    });
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
