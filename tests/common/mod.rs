//! What the tests of the program share: a recipe that trains in seconds, and ways to run it.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The quick start, small: few products, tiny pictures, a narrow network.
pub const TINY: &str = r#"
extends = "quickstart"
replaces = ["schedule"]

[data]
limit_classes = 12
sampler = { kind = "pk", classes = 4, per_class = 2, small_classes = "repeat", remainder = "drop" }
train_transform = [
  { op = "random_resized_crop", height = 32, width = 32 },
  { op = "flip", p = 0.5 },
  { op = "normalize" },
  { op = "random_erase", p = 0.3, fill = "zero" },
]
eval_transform = [{ op = "resize", height = 32, width = 32 }, { op = "normalize" }]

[model]
trunk = { depth = 18, last_stride = 1, width = 4 }

[schedule]
kind = "cosine"
by = "step"

[train]
epochs = 8
log_every = 3
checkpoint_every = 5
evaluate_every = 2
ema = 0.9

[eval]
resamples = 50
pixel_baseline = false
"#;

/// A folder of its own with the tiny recipe in it.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn run(&self, name: &str) -> PathBuf {
        self.path().join("checkpoints").join(name)
    }

    /// The program, started in the folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command
            .current_dir(self.path())
            .args(args)
            .env("TAILOR_OFFLINE", "1")
            .env_remove("RUST_BACKTRACE");
        command
    }

    pub fn tailor(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs and expects success; gives stdout.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.tailor(args);
        assert!(
            output.status.success(),
            "tailor {args:?} failed:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs and expects an error; gives stderr on one line, which must neither be a panic nor lack a remedy.
    pub fn fails(&self, args: &[&str]) -> String {
        let output = self.tailor(args);
        let text = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(
            !output.status.success(),
            "tailor {args:?} should have failed:\n{text}"
        );
        assert!(!text.contains("panicked"), "tailor {args:?} panicked:\n{text}");
        assert!(text.contains("help:"), "tailor {args:?} names no remedy:\n{text}");
        text.replace(['\n', '│'], " ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Trains the tiny recipe on the CPU under a name.
    pub fn train(&self, run: &str, more: &[&str]) -> String {
        let mut args = vec!["train", "tiny.toml", "--device", "cpu", "--run", run];
        args.extend(more);
        self.ok(&args)
    }
}

/// The folder of a run's checkpoint at a step.
pub fn checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join("checkpoints").join(format!("step-{step:08}"))
}

/// The lines of a run's record that do not depend on the clock.
pub fn figures(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines()
        .filter(|line| !line.contains("\"split\":\"system\""))
        .map(str::to_string)
        .collect()
}
