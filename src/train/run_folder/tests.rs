use std::fs;

use serde_json::{Map, json};

use super::*;

fn new_run(parent: &Path) -> RunFolder {
    let info = RunInfo {
        recipe: "ctl".to_string(),
        seed: 7,
        ..Default::default()
    };
    RunFolder::create(parent, "a", info, "seed = 7\n").unwrap()
}

fn save(run: &mut RunFolder, step: u64) -> Result<Checkpoint, RunError> {
    run.save_checkpoint(step, |folder| {
        fs::create_dir(folder.join("deep")).unwrap();
        fs::write(folder.join("weights"), vec![1; step as usize]).unwrap();
        fs::write(folder.join("deep/adam"), b"moments").unwrap();
        let state = json!({"step": step, "loss": 0.1 + 0.2});
        Ok(state.as_object().unwrap().clone())
    })
}

fn steps(run: &RunFolder) -> Vec<u64> {
    run.checkpoints().unwrap().iter().map(|c| c.step).collect()
}

/// Resumes a run as a new process would, and gives its last step with what it noted.
fn resumed(parent: &Path) -> (RunFolder, Option<u64>, String) {
    let mut run = RunFolder::resume(&parent.join("a")).unwrap();
    let last = run.last().unwrap().map(|c| c.step);
    let notes = run.take_notes().join("\n");
    (run, last, notes)
}

#[test]
fn a_run_is_made_saved_and_resumed() {
    let parent = tempfile::tempdir().unwrap();
    let mut run = new_run(parent.path());
    assert_eq!(run.recipe().unwrap(), "seed = 7\n");
    assert_eq!(run.status(), "running");
    save(&mut run, 20).unwrap();
    save(&mut run, 40).unwrap();
    run.mark_best(20, "valid/mAP", f64::INFINITY).unwrap();
    let state = run.last().unwrap().unwrap().state().unwrap();
    assert_eq!(
        state["loss"].as_f64().unwrap().to_bits(),
        (0.1f64 + 0.2).to_bits()
    );
    assert_eq!(state["files"], json!({"deep/adam": 7, "weights": 40}));

    let reader = RunFolder::open(&parent.path().join("a")).unwrap();
    assert_eq!(
        (reader.info().seed, reader.info().last_step, reader.status()),
        (7, 40, "running")
    );
    assert_eq!(reader.best().unwrap().step, 20);
    let locked = RunFolder::resume(&parent.path().join("a")).unwrap_err();
    assert!(
        locked.to_string().contains("is being written by process"),
        "{locked}"
    );
    run.set_status(Status::Interrupted, 40).unwrap();
    drop(run);
    let mut reader = RunFolder::open(&parent.path().join("a")).unwrap();
    assert_eq!(reader.status(), "interrupted");
    assert!(matches!(
        reader.set_status(Status::Failed, 0),
        Err(RunError::ReadOnly { .. })
    ));
    assert!(matches!(save(&mut reader, 60), Err(RunError::ReadOnly { .. })));

    let (run, last, notes) = resumed(parent.path());
    assert_eq!((last, notes.as_str(), run.status()), (Some(40), "", "running"));
    let best = run.info().best.clone().unwrap();
    assert_eq!(
        (best.step, best.metric.as_str(), best.value),
        (20, "valid/mAP", f64::INFINITY)
    );
}

#[test]
fn an_existing_run_is_refused_with_both_ways_out() {
    let parent = tempfile::tempdir().unwrap();
    drop(new_run(parent.path()));
    let error = RunFolder::create(parent.path(), "a", RunInfo::default(), "").unwrap_err();
    assert!(error.to_string().contains("the run `a` exists"), "{error}");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("--resume") && help.contains("--run NAME"), "{help}");
    // One that appears between the look and the renaming is not replaced either.
    let late = commit::new_folder(parent.path(), "a", |_| Ok::<_, RunError>(())).unwrap();
    assert_eq!(late, None);
    assert_eq!(list(parent.path()).unwrap(), [parent.path().join("a")]);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    assert!(RunFolder::create(parent.path(), "../b", RunInfo::default(), "").is_err());
    assert!(matches!(
        RunFolder::open(parent.path()),
        Err(RunError::Missing { .. })
    ));
    assert_eq!(find(parent.path(), "a"), parent.path().join("a"));
    assert_eq!(
        find(Path::new("x"), &parent.path().join("a").to_string_lossy()),
        parent.path().join("a")
    );
}

#[test]
fn a_failed_save_leaves_everything_as_it_was() {
    let parent = tempfile::tempdir().unwrap();
    let mut run = new_run(parent.path());
    save(&mut run, 20).unwrap();
    let full = run.save_checkpoint(20, |folder| {
        fs::write(folder.join("weights"), b"half").unwrap();
        Err::<Map<_, _>, _>(RunError::from(FileError::new(
            "write",
            folder.join("weights"),
            std::io::ErrorKind::StorageFull.into(),
        )))
    });
    assert!(full.unwrap_err().to_string().contains("weights"));
    assert_eq!(steps(&run), [20]);
    assert_eq!(fs::read_dir(run.root().join("checkpoints")).unwrap().count(), 1);
    // The same step again replaces.
    run.save_checkpoint(20, |folder| {
        fs::write(folder.join("other"), b"new").unwrap();
        Ok::<_, RunError>(Map::new())
    })
    .unwrap();
    assert_eq!(
        run.last().unwrap().unwrap().state().unwrap()["files"],
        json!({"other": 3})
    );
    assert_eq!(fs::read_dir(run.root().join("checkpoints")).unwrap().count(), 1);
}

#[test]
fn the_newest_the_last_and_the_best_stay() {
    let parent = tempfile::tempdir().unwrap();
    let mut run = new_run(parent.path());
    for step in [20, 40, 60, 80, 100] {
        save(&mut run, step).unwrap();
    }
    run.mark_best(40, "valid/mAP", 0.5).unwrap();
    assert_eq!(run.retain(2).unwrap(), [20, 60]);
    assert_eq!(steps(&run), [40, 80, 100]);
    assert_eq!(run.retain(0).unwrap(), [80]);
    assert_eq!(steps(&run), [40, 100]);
    assert!(matches!(
        run.mark_best(80, "valid/mAP", 0.6),
        Err(RunError::Incomplete { .. })
    ));
    assert_eq!(fs::read_dir(run.root().join("checkpoints")).unwrap().count(), 2);
}

#[test]
fn killed_at_any_point_the_run_goes_on() {
    // What a process that is killed leaves, by the point at which it is killed; then the step it goes on from and a word of the note.
    type Crash = fn(&Path);
    let crashes: [(&str, Crash, u64, &str); 8] = [
        (
            "while filling the scratch folder",
            |c| {
                fs::create_dir(c.join(".tmp-step-00000060-9")).unwrap();
                fs::write(c.join(".tmp-step-00000060-9/weights"), b"half").unwrap();
            },
            40,
            "never finished",
        ),
        (
            "between renaming and pointing",
            |c| {
                fs::write(
                    c.join("../pointers.json"),
                    r#"{"last":"step-00000020","best":"step-00000020","best_metric":"m","best_value":1.0}"#,
                )
                .unwrap();
            },
            40,
            "step-00000020 as the last",
        ),
        (
            "while replacing a checkpoint",
            |c| {
                fs::rename(c.join("step-00000040"), c.join(".old-step-00000040")).unwrap();
                fs::create_dir(c.join(".tmp-step-00000040-9")).unwrap();
            },
            40,
            "put step-00000040 back",
        ),
        (
            "after replacing, before removing the old",
            |c| {
                fs::create_dir(c.join(".old-step-00000040")).unwrap();
            },
            40,
            "",
        ),
        (
            "while removing an old checkpoint",
            |c| {
                fs::rename(c.join("step-00000020"), c.join(".tmp-step-00000020-gone")).unwrap();
                fs::remove_file(c.join(".tmp-step-00000020-gone/weights")).unwrap();
            },
            40,
            "step-00000020, is missing",
        ),
        (
            "a file of the last checkpoint was cut by a power failure",
            |c| {
                fs::write(c.join("step-00000040/weights"), b"short").unwrap();
            },
            20,
            "newest complete one is step-00000020",
        ),
        (
            "the folder is there, its state is not",
            |c| {
                fs::remove_file(c.join("step-00000040/state.json")).unwrap();
            },
            20,
            "newest complete one is step-00000020",
        ),
        (
            "half-written files beside whole ones",
            |c| {
                fs::write(c.join("../.tailor-x.part"), b"{").unwrap();
                fs::write(c.join("../pointers.json"), b"{\"last\": \"st").unwrap();
            },
            40,
            ".tailor-x.part",
        ),
    ];
    for (what, crash, step, note) in crashes {
        let parent = tempfile::tempdir().unwrap();
        let mut run = new_run(parent.path());
        save(&mut run, 20).unwrap();
        run.mark_best(20, "m", 1.0).unwrap();
        save(&mut run, 40).unwrap();
        drop(run);
        crash(&parent.path().join("a/checkpoints"));
        let (mut run, last, notes) = resumed(parent.path());
        assert_eq!(last, Some(step), "killed {what}");
        assert!(notes.contains(note), "killed {what}: {notes}");
        assert_eq!(run.info().last_step, step);
        let left = fs::read_dir(run.root().join("checkpoints")).unwrap().flatten();
        assert!(
            left.into_iter()
                .all(|e| !e.file_name().to_string_lossy().starts_with('.')),
            "killed {what}"
        );
        // It goes on, and is in order the next time.
        save(&mut run, 60).unwrap();
        drop(run);
        let (_, last, notes) = resumed(parent.path());
        assert_eq!((last, notes.as_str()), (Some(60), ""), "killed {what}");
    }
}

#[test]
fn a_run_without_a_checkpoint_begins_again_and_a_dead_writer_is_noted() {
    let parent = tempfile::tempdir().unwrap();
    drop(new_run(parent.path()));
    let root = parent.path().join("a");
    fs::write(root.join("metrics.jsonl"), b"{}\n").unwrap();
    fs::create_dir(root.join("events")).unwrap();
    fs::write(root.join("events/events.out.tfevents.1.tailor"), b"x").unwrap();
    let host = sysinfo::System::host_name().unwrap();
    fs::write(
        root.join("lock"),
        json!({"pid": 4_194_304, "host": host}).to_string(),
    )
    .unwrap();
    assert_eq!(RunFolder::open(&root).unwrap().status(), "died");
    let (_run, last, notes) = resumed(parent.path());
    assert_eq!(last, None);
    assert!(
        notes.contains("process 4194304") && notes.contains("begins again"),
        "{notes}"
    );
    assert!(!root.join("metrics.jsonl").exists() && !root.join("events").exists());
}

#[test]
fn damaged_and_hostile_files_are_errors_that_name_them() {
    let parent = tempfile::tempdir().unwrap();
    let mut run = new_run(parent.path());
    save(&mut run, 20).unwrap();
    let root = run.root().to_owned();
    drop(run);
    let state = root.join("checkpoints/step-00000020/state.json");
    for (text, word) in [
        (r#"{"files": {"../../run.json": 1}}"#, "outside"),
        (r#"{"files": {"/etc/hostname": 1}}"#, "outside"),
        (r#"{"files": {"deep": 1}}"#, "deep is missing"),
        (r#"{"files": {"weights": "20"}}"#, "has 20 bytes"),
        (r#"{"files": 3}"#, "no list"),
        ("[", "state.json"),
    ] {
        fs::write(&state, text).unwrap();
        let error = Checkpoint::open(state.parent().unwrap()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(Checkpoint::open(&root.join("checkpoints/step-20")).is_err());
    for text in ["", "{}", r#"{"format": 99}"#, "null"] {
        fs::write(root.join("run.json"), text).unwrap();
        let error = RunFolder::open(&root).unwrap_err();
        assert!(error.to_string().contains("run.json"), "{error}");
    }
}
