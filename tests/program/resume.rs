//! A run that was killed, stopped or caught while saving goes on bit for bit as if nothing had happened (on the CPU).

use crate::common::{Place, checkpoint, figures};
use std::path::Path;
use std::time::{Duration, Instant};

/// Everything that the rest of a run depends on, at a step.
fn assert_same(a: &Path, b: &Path, step: u64) {
    let (left, right) = (checkpoint(a, step), checkpoint(b, step));
    for file in [
        "model.safetensors",
        "optimizer.model.safetensors",
        "ema.safetensors",
        "state.json",
    ] {
        let read = |folder: &Path| {
            let bytes = std::fs::read(folder.join(file)).unwrap();
            match file {
                // The event file's length depends on the figures of the machine, so only the record's is compared.
                "state.json" => {
                    let mut state: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                    state["offsets"] = serde_json::Value::Null;
                    state.to_string().into_bytes()
                }
                _ => bytes,
            }
        };
        assert!(read(&left) == read(&right), "{file} differs at step {step}");
    }
    assert_eq!(figures(a), figures(b));
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{} never came",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_run_goes_on_bit_for_bit() {
    let place = Place::new();
    place.train("whole", &["--max-steps", "20"]);
    let mut child = place
        .command(&["train", "tiny.toml", "--device", "cpu", "--run", "killed"])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&checkpoint(&place.run("killed"), 10));
    child.kill().unwrap();
    child.wait().unwrap();
    place.train("killed", &["--resume", "--max-steps", "20"]);
    assert_same(&place.run("whole"), &place.run("killed"), 20);
    let read = |run: &str| std::fs::read(place.run(run).join("eval.json")).unwrap();
    let metrics =
        |run: &str| serde_json::from_slice::<serde_json::Value>(&read(run)).unwrap()["metrics"].clone();
    assert_eq!(metrics("whole"), metrics("killed"));
}

#[test]
fn the_number_of_loader_threads_changes_nothing() {
    let place = Place::new();
    for workers in ["1", "3"] {
        let set = format!("train.workers={workers}");
        place.train(&format!("w{workers}"), &["--max-steps", "7", "--set", &set]);
    }
    let read = |run| std::fs::read(checkpoint(&place.run(run), 7).join("model.safetensors")).unwrap();
    assert!(read("w1") == read("w3"));
    assert_eq!(figures(&place.run("w1")), figures(&place.run("w3")));
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_exits_and_the_rest_is_the_same() {
    let place = Place::new();
    place.train("whole", &["--max-steps", "20"]);
    let child = place
        .command(&["train", "tiny.toml", "--device", "cpu", "--run", "stopped"])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&checkpoint(&place.run("stopped"), 5));
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("--resume"), "{text}");
    place.train("stopped", &["--resume", "--max-steps", "20"]);
    assert_same(&place.run("whole"), &place.run("stopped"), 20);
}

#[test]
fn a_run_killed_while_it_saved_goes_on_from_the_checkpoint_before() {
    let place = Place::new();
    place.train("whole", &["--max-steps", "20"]);
    place.train("torn", &["--max-steps", "10"]);
    let run = place.run("torn");
    // What a killed process leaves: a folder that was never renamed, and a checkpoint whose file was cut off.
    let scratch = run.join("checkpoints/.tmp-step-00000010-1");
    std::fs::create_dir(&scratch).unwrap();
    std::fs::write(scratch.join("model.safetensors"), b"half").unwrap();
    let torn = checkpoint(&run, 10).join("model.safetensors");
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    place.train("torn", &["--resume", "--max-steps", "20"]);
    assert_same(&place.run("whole"), &run, 20);
}

/// Trains `recipe changes` in one go and in pieces that end at `stops`, and holds the two against each other at the last stop.
fn assert_same_in_pieces(name: &str, changes: &[&str], stops: &[u64]) -> Place {
    let place = Place::new();
    let sets: Vec<&str> = changes.iter().flat_map(|set| ["--set", set]).collect();
    let last = stops.last().unwrap();
    let train = |run: &str, stop: u64, more: &[&str]| {
        let stop = stop.to_string();
        let mut args = vec!["--max-steps", &stop];
        args.extend(&sets);
        args.extend(more);
        place.train(run, &args);
    };
    train("whole", *last, &[]);
    for (i, &stop) in stops.iter().enumerate() {
        train(name, stop, if i == 0 { &[] } else { &["--resume"] });
    }
    assert_same(&place.run("whole"), &place.run(name), *last);
    place
}

#[test]
fn accumulated_and_clipped_steps_go_on_bit_for_bit() {
    // Every training epoch has six batches, so three steps: 4 and 8 stand within an epoch.
    let changes = ["optimizer.accumulate=2", "optimizer.clip_norm=0.5"];
    let place = assert_same_in_pieces("pieces", &changes, &[4, 8, 11]);
    let text = std::fs::read_to_string(place.run("pieces").join("metrics.jsonl")).unwrap();
    assert!(text.contains("grad_norm"), "{text}");
}

#[test]
fn the_plateau_schedule_and_early_stopping_remember() {
    let changes = [
        "schedule.kind=plateau",
        "schedule.patience=0",
        "schedule.gamma=0.5",
        "train.evaluate_every=1",
    ];
    let place = assert_same_in_pieces("pieces", &changes, &[8, 13, 25]);
    let rates: Vec<f64> = figures(&place.run("pieces"))
        .iter()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["lr/base"].as_f64())
        .collect();
    assert!(rates.last() < rates.first(), "the rate never fell: {rates:?}");
}

#[test]
fn parameters_that_thaw_go_on_bit_for_bit() {
    let groups = r#"optimizer.groups=[{ params = "^trunk", frozen_epochs = 2 }, { params = "centers$", kind = "sgd", lr = 0.5 }]"#;
    // Frozen until step 11 or so: one piece ends while it is frozen, one just after.
    assert_same_in_pieces("pieces", &[groups], &[7, 13, 17]);
}

#[test]
fn sgd_with_momentum_and_adamw_go_on_bit_for_bit() {
    assert_same_in_pieces(
        "sgd",
        &[
            "optimizer.kind=sgd",
            "optimizer.lr=0.01",
            "optimizer.momentum=0.9",
            "optimizer.nesterov=true",
        ],
        &[3, 8],
    );
    assert_same_in_pieces(
        "adamw",
        &["optimizer.kind=adamw", "optimizer.weight_decay=0.05"],
        &[3, 8],
    );
}

#[test]
fn a_finished_run_and_fewer_steps_than_were_taken_change_nothing() {
    let place = Place::new();
    let short = ["--set", "train.epochs=2"];
    place.train("done", &short);
    let run = place.run("done");
    let state = |run: &Path| {
        let runs = place.json(&["runs", "--json"]);
        let info = runs["runs"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["name"] == run.file_name().unwrap().to_str().unwrap());
        info.unwrap()["status"].as_str().unwrap().to_string()
    };
    assert_eq!(state(&run), "finished");
    let before = (figures(&run), std::fs::read(run.join("eval.json")).unwrap());
    let resumed = ["--set", "train.epochs=2", "--resume"];
    place.train("done", &resumed);
    assert_eq!(
        before,
        (figures(&run), std::fs::read(run.join("eval.json")).unwrap())
    );
    assert_eq!(state(&run), "finished");
    place.train(
        "done",
        &["--set", "train.epochs=2", "--resume", "--max-steps", "3"],
    );
    assert_eq!(before.0, figures(&run));
    assert_eq!(state(&run), "finished", "a run that is done stays done");
}

#[test]
fn resume_refuses_another_recipe_and_a_name_that_is_taken() {
    let place = Place::new();
    place.train("first", &["--max-steps", "3"]);
    place
        .fails(&["train", "tiny.toml", "--device", "cpu", "--run", "first"])
        .says(&["--resume", "exists"]);
    let failure = place.fails(&[
        "train",
        "tiny.toml",
        "--device",
        "cpu",
        "--run",
        "first",
        "--resume",
        "--set",
        "optimizer.lr=0.5",
    ]);
    failure.says(&["the recipe has changed", "optimizer.lr: 0.002 → 0.5"]);
    // Nothing was touched: the run still goes on.
    let info: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.run("first").join("run.json")).unwrap()).unwrap();
    assert_eq!(info["status"], "stopped");
    place.train("first", &["--resume", "--max-steps", "4"]);
}

#[test]
fn resume_refuses_other_data() {
    let place = Place::with_photos();
    let train = [
        "train",
        "folder.toml",
        "--device",
        "cpu",
        "--run",
        "a",
        "--max-steps",
        "2",
    ];
    place.ok(&train);
    place.jpeg("photos/train/c0/9.jpg", 0, 9);
    place
        .fails(&[&train[..], &["--resume"]].concat())
        .says(&["the data has changed", "fingerprint"]);
}
