//! What is wrong with a user's files is said clearly, with a remedy and exit code 1, and costs nothing that was there.

use crate::common::{FOLDER, Failure, Place, TRAINED, checkpoint, failed, jpeg};
use std::path::Path;

/// Trains the recipe on photos and expects it to fail.
#[track_caller]
fn train_fails(place: &Place, run: &str, more: &[&str]) -> Failure {
    let mut args = vec!["train", "folder.toml", "--device", "cpu", "--run", run];
    args.extend(more);
    place.fails(&args)
}

/// A table of photos, with the recipe `table.toml` that reads it.
fn with_table(text: impl AsRef<[u8]>) -> Place {
    let place = Place::with_photos();
    place.write("items.csv", text);
    let recipe = FOLDER.replace(
        "dataset = \"folder\"\nroot = \"photos\"",
        "dataset = \"table\"\ntable = \"items.csv\"",
    );
    assert_ne!(recipe, FOLDER);
    place.write("table.toml", recipe);
    place
}

#[test]
fn broken_empty_and_huge_images_are_named() {
    let place = Place::with_photos();
    let name = "photos/train/c1/1.jpg";
    place.write(name, &jpeg(1, 1)[..300]);
    train_fails(&place, "cut", &[]).says(&[
        name,
        "the picture train/c1/1.jpg of the train split",
        "cannot be decoded",
        "tailor data check",
    ]);
    place.write(name, "");
    train_fails(&place, "empty", &[]).says(&[name, "the file is empty"]);
    place.write(name, "<html>not found</html>");
    train_fails(&place, "page", &[]).says(&[name, "not an image"]);
    place.write(name, png_header(30_000, 30_000));
    train_fails(&place, "huge", &[]).says(&[name, "30000", "16384"]);

    // The check names all of them at once.
    place.write("photos/test/c5/0.jpg", "");
    place.write("photos/test/c5/1.jpg", &jpeg(5, 1)[..200]);
    let output = place.tailor(&["data", "check", "folder.toml"]);
    let failure = failed("data check", &output);
    failure.says(&["3 errors"]);
    let report = String::from_utf8(output.stdout).unwrap();
    for file in ["train/c1/1.jpg", "test/c5/0.jpg", "test/c5/1.jpg"] {
        assert!(report.contains(file), "{report}");
    }
}

#[test]
fn a_broken_picture_at_evaluation_is_named_with_its_split() {
    let place = Place::with_photos();
    place.write("photos/test/c5/0.jpg", &jpeg(5, 0)[..200]);
    let failure = train_fails(&place, "held_out", &[]);
    failure.says(&[
        "evaluation failed",
        "the picture test/c5/0.jpg of the test split",
        "cannot be decoded",
    ]);
    assert!(!failure.text.contains("batch"), "{}", failure.text);
}

#[test]
fn a_file_that_claims_to_be_huge_takes_no_memory() {
    let place = Place::with_photos();
    place.write("photos/train/c1/1.jpg", png_header(30_000, 30_000));
    place.write("photos/train/c1/2.jpg", png_header(16_000, 16_000));
    // 1 GB of address space would not hold its 2.7 GB; the program itself takes less.
    let output = shell(
        &place,
        "ulimit -v 4000000; exec \"$0\" train folder.toml --device cpu --run a",
    );
    failed("train", &output).says(&["photos/train/c1/", "000", "pixels"]);
}

#[test]
fn a_wrong_extension_works_and_is_noted() {
    let place = Place::with_photos();
    place.jpeg("photos/train/c1/4.png", 1, 4);
    place.ok(&[
        "train",
        "folder.toml",
        "--device",
        "cpu",
        "--run",
        "a",
        "--max-steps",
        "4",
    ]);
    let report = place.ok(&["data", "check", "folder.toml"]);
    assert!(
        report.contains("train/c1/4.png is a JPEG") && report.contains("0 errors"),
        "{report}"
    );
}

#[test]
fn missing_columns_are_named_with_what_was_found() {
    let place = with_table("picture,product\nphotos/train/c0/0.jpg,c0\n");
    place.fails(&["check", "table.toml", "--device", "cpu"]).says(&[
        "items.csv",
        "`image`",
        "`label`",
        "`picture`",
        "rename the column",
    ]);
    place
        .fails(&["data", "check", "--table", "items.csv"])
        .says(&["`image`"]);
    place.write("items.csv", "");
    place
        .fails(&["data", "check", "--table", "items.csv"])
        .says(&["items.csv"]);
}

#[test]
fn a_table_that_is_not_utf_8_is_refused_with_its_line() {
    let place = with_table(b"image,label,split\nphotos/train/c0/0.jpg,caf\xe9,train\n");
    place
        .fails(&["check", "table.toml", "--device", "cpu"])
        .says(&["items.csv", "UTF-8", "2"]);
}

#[test]
fn a_table_names_its_missing_and_escaping_files() {
    let place = with_table("image,label,split\nphotos/train/c0/0.jpg,a,train\n../../etc/passwd,a,train\n");
    let check = ["check", "table.toml", "--device", "cpu"];
    place
        .fails(&check)
        .says(&["items.csv", "line 3", "leaves the root", "allow_outside"]);
    let rows = [
        "image,label,split",
        "photos/none.jpg,a,train",
        "photos/train/c0/0.jpg,a,train",
        "photos/no.jpg,b,test\n",
    ];
    place.write("items.csv", rows.join("\n"));
    let failure = place.fails(&check);
    failure.says(&[
        "2 problems",
        "row 1",
        "photos/none.jpg",
        "is not there",
        "row 3",
        "photos/no.jpg",
    ]);
}

#[test]
fn classes_of_one_image_are_trained_on_or_refused_with_a_reason() {
    // A class of one image repeats it: the recipe says so.
    let place = Place::with_photos();
    for view in 1..4 {
        std::fs::remove_file(place.path().join(format!("photos/train/c0/{view}.jpg"))).unwrap();
    }
    place.ok(&[
        "train",
        "folder.toml",
        "--device",
        "cpu",
        "--run",
        "repeat",
        "--max-steps",
        "4",
    ]);
    // A recipe that drops such classes has too few left for a batch.
    train_fails(
        &place,
        "drop",
        &["--set", "data.sampler={ kind = \"pk\", classes = 4, per_class = 2, small_classes = \"repeat\", remainder = \"drop\", drop_singletons = true }"],
    )
    .says(&["4", "3", "classes"]);
    // Test classes of one image have nothing to find.
    for class in 4..8 {
        for view in 1..4 {
            std::fs::remove_file(place.path().join(format!("photos/test/c{class}/{view}.jpg"))).unwrap();
        }
    }
    train_fails(&place, "alone", &[]).says(&["quer"]);
}

#[test]
fn a_table_without_a_usable_split_names_the_column() {
    let mut rows = String::from("image,label\n");
    for class in 0..4 {
        for view in 0..4 {
            rows.push_str(&format!("photos/train/c{class}/{view}.jpg,c{class}\n"));
        }
    }
    let place = with_table(&rows);
    let check = ["check", "table.toml", "--device", "cpu"];
    place
        .fails(&check)
        .says(&["items.csv", "no column `split`", "data.train_fraction"]);
    place.ok(&[
        &check[..],
        &[
            "--set",
            "data.train_fraction=0.5",
            "--set",
            "data.sampler.classes=2",
        ],
    ]
    .concat());
    let said = |split: &str| {
        let mut lines = rows.lines();
        let head = format!("{},split\n", lines.next().unwrap());
        lines.fold(head, |text, line| format!("{text}{line},{split}\n"))
    };
    place.write("items.csv", said("test"));
    place.fails(&check).says(&[
        "items.csv",
        "the train split has no row",
        "`split` says test of 16 rows",
    ]);
    place.write("items.csv", said("train"));
    place.fails(&check).says(&[
        "items.csv",
        "the test split has no query",
        "`split` says train of 16 rows",
    ]);
}

#[test]
fn a_class_in_both_splits_is_refused_unless_the_recipe_says_so() {
    let mut rows = String::from("image,label,split\n");
    for class in 0..8 {
        let split = if class < 4 { "train" } else { "test" };
        for view in 0..4 {
            rows.push_str(&format!(
                "photos/{split}/c{class}/{view}.jpg,c{},{split}\n",
                class % 7
            ));
        }
    }
    let place = with_table(rows);
    place.fails(&["check", "table.toml", "--device", "cpu"]).says(&[
        "c0",
        "train split",
        "closed_set = true",
    ]);
    place.ok(&[
        "check",
        "table.toml",
        "--device",
        "cpu",
        "--set",
        "data.closed_set=true",
    ]);
}

#[test]
fn unknown_keys_and_wrong_types_come_all_at_once_with_line_and_nearest_key() {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path().join("tiny.toml")).unwrap();
    let text = text
        .replace("log_every", "log_evry")
        .replace("epochs = 8", "epochs = \"many\"");
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("log_evry"))
        .unwrap();
    place.write("wrong.toml", text);
    let failure = place.fails(&[
        "train",
        "wrong.toml",
        "--device",
        "cpu",
        "--run",
        "a",
        "--set",
        "optimizr.lr=1",
    ]);
    failure.says(&[
        "3 errors",
        "log_evry",
        "log_every",
        "train.epochs",
        "an integer",
        "did you mean [optimizer]",
    ]);
    failure.says(&[&format!("wrong.toml:{line}:")]);
    assert!(
        !place.path().join("checkpoints").exists(),
        "a refused recipe began a run"
    );
    place
        .fails(&["train", "qickstart", "--device", "cpu"])
        .says(&["quickstart"]);
    place
        .fails(&["train", "tine.toml", "--device", "cpu"])
        .says(&["did you mean `tiny.toml`?"]);
    place
        .fails(&["data", "check", "nofolder"])
        .says(&["no folder, table or recipe `nofolder`"]);
    place
        .fails(&["train", "nowhere.toml", "--device", "cpu"])
        .says(&["nowhere.toml"]);
    place.write("broken.toml", "[train\nepochs = 1");
    place
        .fails(&["check", "broken.toml", "--device", "cpu"])
        .says(&["broken.toml:1"]);
    place
        .fails(&["train", "tiny.toml", "--device", "gpu"])
        .says(&["gpu", "wgpu"]);
}

#[test]
fn a_network_is_named_and_what_another_leaves_behind_is_explained() {
    let place = Place::new();
    let check = |set: &'static str| ["check", "tiny.toml", "--device", "cpu", "--set", set];
    place.ok(&check("model.trunk=mobilenet-v2"));
    place.fails(&check("model.trunk=resnet19")).says(&[
        "model.trunk",
        "resnet19",
        "did you mean \"resnet18\"?",
    ]);
    // The line that is shown is the user's, and the remedy what to write instead.
    place.fails(&check("model.trunk.kind=mobilenet-v2")).says(&[
        "means nothing to kind = \"mobilenet-v2\"",
        "--set model.trunk.kind=mobilenet-v2",
        "set here",
        "come from tiny.toml",
        "--set 'model.trunk={ kind = \"mobilenet-v2\" }'",
        "replaces = [\"model.trunk\"]",
    ]);
    place.write(
        "over.toml",
        "extends = \"wardrobe-street2shop\"\n[model]\ntrunk = { kind = \"mobilenet-v2\" }\n",
    );
    place.fails(&["check", "over.toml", "--device", "cpu"]).says(&[
        "over.toml:3",
        "come from wardrobe-street2shop (built-in)",
        "replaces = [\"model.trunk\"]",
    ]);
}

#[test]
fn weights_of_another_model_are_reported_and_nothing_is_loaded() {
    let place = Place::new();
    let other = checkpoint(&TRAINED.run("first"), 12).join("model.safetensors");
    let other = other.to_str().unwrap();
    let wide = ["--set", "model.trunk={ depth = 18, last_stride = 1, width = 8 }"];
    let mut args = vec!["eval", "tiny.toml", "--device", "cpu", "--weights", other];
    args.extend(wide);
    place
        .fails(&args)
        .says(&["does not fit the model", "of another shape", "trunk.conv1.weight"]);
    let missing = place.fails(&["eval", "tiny.toml", "--device", "cpu", "--weights", "gone.pth"]);
    assert_eq!(missing.text.matches("os error 2").count(), 1, "{}", missing.raw);
    let mut args = vec![
        "train",
        "tiny.toml",
        "--device",
        "cpu",
        "--run",
        "a",
        "--init-from",
        other,
    ];
    args.extend(wide);
    place
        .fails(&args)
        .says(&["does not fit the model", "trunk.conv1.weight"]);
    assert!(!place.run("a").exists());
    place.write("text.safetensors", "not weights");
    place
        .fails(&[
            "eval",
            "tiny.toml",
            "--device",
            "cpu",
            "--weights",
            "text.safetensors",
        ])
        .says(&["text.safetensors", "cut off or of another kind"]);
    place
        .fails(&["eval", "tiny.toml", "--device", "cpu", "--weights", "none.pth"])
        .says(&["none.pth"]);
    place
        .fails(&[
            "train",
            "tiny.toml",
            "--device",
            "cpu",
            "--set",
            "model.weights=torchvision/resnet19",
        ])
        .says(&["torchvision/resnet19", "did you mean `torchvision/resnet50-v1`"]);
}

#[test]
fn a_cut_checkpoint_is_never_read_and_the_one_before_it_is() {
    let place = Place::new();
    place.train("a", &["--max-steps", "10"]);
    let run = place.run("a");
    let cut = |step: u64| {
        let file = checkpoint(&run, step).join("model.safetensors");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    };
    cut(10);
    let report = place.json(&["eval", "a", "--device", "cpu", "--weights", "last", "--json"]);
    assert!(report["weights"].as_str().unwrap().contains("step 5"), "{report}");
    place.ok(&[
        "export",
        "a",
        "--device",
        "cpu",
        "--format",
        "safetensors",
        "--out",
        "before.safetensors",
    ]);
    cut(5);
    for verb in [
        vec!["eval", "a", "--device", "cpu"],
        vec![
            "export",
            "a",
            "--device",
            "cpu",
            "--format",
            "safetensors",
            "--out",
            "x.safetensors",
        ],
    ] {
        place.fails(&verb).says(&["no complete checkpoint"]);
    }
    assert!(!place.path().join("x.safetensors").exists());
    // Nothing is left to go on from: the run begins again, and says so.
    let args = [
        "train",
        "tiny.toml",
        "--device",
        "cpu",
        "--run",
        "a",
        "--resume",
        "--max-steps",
        "3",
    ];
    let (_, words) = place.both(&args);
    assert!(words.contains("begins again at step 0"), "{words}");
}

#[test]
fn a_checkpoint_with_changed_bytes_is_an_error() {
    let place = Place::new();
    place.train("a", &["--max-steps", "3"]);
    let file = checkpoint(&place.run("a"), 3).join("model.safetensors");
    let size = std::fs::read(&file).unwrap().len();
    std::fs::write(&file, vec![0xff; size]).unwrap();
    place
        .fails(&["eval", "a", "--device", "cpu", "--weights", "last"])
        .says(&["model.safetensors"]);
    place
        .fails(&["train", "tiny.toml", "--device", "cpu", "--run", "a", "--resume"])
        .says(&["model.safetensors", "cut off or of another kind"]);
    std::fs::write(place.run("a").join("run.json"), "{").unwrap();
    place.fails(&["eval", "a", "--device", "cpu"]).says(&["run.json"]);
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_run_and_keeps_the_last_checkpoint() {
    let place = Place::new();
    place.train("a", &["--max-steps", "4"]);
    let run = place.run("a");
    // No file may grow past 64 KiB: the next checkpoint's weights cannot be written.
    let train = "ulimit -f 128; exec \"$0\" train tiny.toml --device cpu --run a --resume --max-steps 12";
    let output = shell(&place, train);
    failed("train", &output).says(&["cannot write", "model.safetensors", "free some space"]);
    assert_whole(&run, &[4]);
    let info: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(
        (&info["status"], &info["last_step"]),
        (&"failed".into(), &5.into()),
        "{info}"
    );
    // An export that does not fit leaves nothing.
    let output = shell(
        &place,
        "ulimit -f 128; exec \"$0\" export a --format safetensors --out e.safetensors",
    );
    failed("export", &output).says(&["cannot write", "e.safetensors"]);
    let left = |folder: &Path| {
        let names = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("e.") || name.starts_with(".tailor"))
            .collect::<Vec<_>>()
    };
    assert_eq!(left(place.path()), Vec::<String>::new());
    // With room again it goes on, as if nothing had happened.
    place.train("a", &["--resume", "--max-steps", "12"]);
    place.train("b", &["--max-steps", "12"]);
    let weights =
        |run: &str| std::fs::read(checkpoint(&place.run(run), 12).join("model.safetensors")).unwrap();
    assert!(weights("a") == weights("b"));
}

/// A file system of its own that really is full; only where the tests may mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_stops_the_run_and_keeps_the_last_checkpoint() {
    let place = Place::new();
    let disk = place.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1200k", "none"])
        .arg(&disk)
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("no right to mount a file system: not tested");
        return;
    }
    let train = [
        "train",
        "tiny.toml",
        "--device",
        "cpu",
        "--run",
        "a",
        "--runs",
        "disk",
    ];
    let keep = ["--set", "train.keep=9", "--set", "train.checkpoint_every=1"];
    let output = place.tailor(&[&train[..], &keep].concat());
    let result = std::panic::catch_unwind(|| {
        failed("train", &output).says(&["space"]);
        let run = disk.join("a");
        let steps: Vec<u64> = steps(&run);
        assert!(!steps.is_empty(), "no checkpoint was kept");
        assert_whole(&run, &steps);
        place.ok(&[
            "eval",
            "disk/a",
            "--runs",
            "disk",
            "--device",
            "cpu",
            "--set",
            "eval.resamples=10",
        ]);
    });
    let unmounted = std::process::Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_with_step_and_term() {
    let place = Place::new();
    let train = |run: &'static str, more: &[&'static str]| {
        let mut args = vec![
            "train",
            "tiny.toml",
            "--device",
            "cpu",
            "--run",
            run,
            "--set",
            "optimizer.lr=1e30",
        ];
        args.extend(more);
        args
    };
    let every = ["--set", "train.checkpoint_every=1"];
    let failure = place.fails(&train("a", &every));
    failure.says(&["at step 2: training has diverged", "optimizer.lr", "untouched"]);
    assert!(
        ["`id`", "`triplet`", "`centroid`"]
            .iter()
            .any(|term| failure.text.contains(term)),
        "{}",
        failure.raw
    );
    let run = place.run("a");
    let info: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["status"], "failed");
    // The checkpoint before it stays; none with NaN is written.
    assert_whole(&run, &[1]);
    let again = place.fails(&train("a", &["--set", "train.checkpoint_every=1", "--resume"]));
    let error = |failure: &Failure| failure.text.split('×').nth(1).unwrap().to_string();
    assert_eq!(error(&again), error(&failure));
    assert_whole(&run, &[1]);
    // Without a checkpoint before it, it begins again and fails alike.
    let first = place.fails(&train("b", &[]));
    assert_eq!(error(&first), error(&failure));
    assert_eq!(error(&place.fails(&train("b", &["--resume"]))), error(&failure));
    assert_whole(&place.run("b"), &[]);
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let place = Place::new();
    let output = shell(
        &place,
        "\"$0\" recipes schema | head -1; \"$0\" recipes show quickstart 2>&- | head -1",
    );
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!words.contains("panicked") && words.is_empty(), "{words}");
    let output = shell(&place, "exec \"$0\" recipes schema > /dev/full");
    if Path::new("/dev/full").exists() {
        failed("recipes", &output).says(&["standard output"]);
    }
}

/// The run holds complete checkpoints of these steps, and nothing half-written.
#[track_caller]
fn assert_whole(run: &Path, expected: &[u64]) {
    assert_eq!(steps(run), expected);
    for step in expected {
        let folder = checkpoint(run, *step);
        let state: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("state.json")).unwrap()).unwrap();
        for (file, size) in state["files"].as_object().unwrap() {
            let bytes = std::fs::read(folder.join(file)).unwrap();
            assert_eq!(Some(bytes.len() as u64), size.as_u64(), "{file}");
            safetensors::SafeTensors::deserialize(&bytes).unwrap();
        }
    }
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text}");
    for name in names(run) {
        assert!(!name.starts_with(".tailor-"), "{name} was left");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The steps of a run's checkpoints; anything else in their folder is an error.
#[track_caller]
fn steps(run: &Path) -> Vec<u64> {
    let mut steps: Vec<u64> = names(&run.join("checkpoints"))
        .iter()
        .map(|name| {
            name.strip_prefix("step-")
                .unwrap_or_else(|| panic!("{name} was left"))
                .parse()
                .unwrap()
        })
        .collect();
    steps.sort_unstable();
    steps
}

/// Runs a line of shell in the folder; `$0` is the program.
fn shell(place: &Place, line: &str) -> std::process::Output {
    std::process::Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_tailor")])
        .current_dir(place.path())
        .env("TAILOR_OFFLINE", "1")
        .output()
        .unwrap()
}

/// A PNG whose head claims this size, with hardly any pixels.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        let body = [kind, data].concat();
        bytes.extend(&body);
        bytes.extend(crc32(&body).to_be_bytes());
    };
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    chunk(b"IHDR", &head);
    // An empty deflate stream.
    chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]);
    chunk(b"IEND", &[]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (0u32.wrapping_sub(crc & 1)))
        })
    })
}
