//! A run that was killed, stopped or caught while saving goes on bit for bit as if nothing had happened (on the CPU).

mod common;

use common::{Place, checkpoint, figures};
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
    assert!(output.status.success());
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

#[test]
fn resume_refuses_another_recipe_and_a_name_that_is_taken() {
    let place = Place::new();
    place.train("first", &["--max-steps", "3"]);
    let text = place.fails(&["train", "tiny.toml", "--device", "cpu", "--run", "first"]);
    assert!(text.contains("--resume"), "{text}");
    let text = place.fails(&[
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
    assert!(text.contains("optimizer.lr"), "{text}");
}
