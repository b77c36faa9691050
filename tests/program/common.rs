//! What the tests of the program share: a recipe that trains in seconds, and ways to run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

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

/// The same on images in files, which is as small as training can be.
pub const FOLDER: &str = r#"
extends = "quickstart"
replaces = ["data", "schedule"]

[data]
dataset = "folder"
root = "photos"
sampler = { kind = "pk", classes = 2, per_class = 2, small_classes = "repeat", remainder = "drop" }
train_transform = [{ op = "resize", height = 32, width = 32 }, { op = "normalize" }]
eval_transform = [{ op = "resize", height = 32, width = 32 }, { op = "normalize" }]

[model]
trunk = { depth = 18, last_stride = 1, width = 4 }

[schedule]
kind = "constant"

[train]
epochs = 2
evaluate_every = 1

[eval]
resamples = 20
pixel_baseline = false
"#;

/// A folder of its own with the tiny recipe in it.
pub struct Place {
    pub folder: tempfile::TempDir,
}

/// A finished run of the tiny recipe, `first`, for tests that only read it.
pub static TRAINED: LazyLock<Place> = LazyLock::new(|| {
    let place = Place::new();
    place.train("first", &["--max-steps", "12"]);
    place
});

/// What a failing command printed.
pub struct Failure {
    /// As it was printed.
    pub raw: String,
    /// On one line, without the frame.
    pub text: String,
}

impl Failure {
    /// Every one of these words stands in it.
    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.text.contains(word), "`{word}` is missing:\n{}", self.raw);
        }
    }
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
        Self { folder }
    }

    /// With the recipe `folder.toml` and its photos: four classes to train on, four others to test on, four images each.
    pub fn with_photos() -> Self {
        let place = Self::new();
        place.write("folder.toml", FOLDER);
        for class in 0..8 {
            let split = if class < 4 { "train" } else { "test" };
            for view in 0..4 {
                place.jpeg(&format!("photos/{split}/c{class}/{view}.jpg"), class, view);
            }
        }
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn run(&self, name: &str) -> PathBuf {
        self.path().join("checkpoints").join(name)
    }

    /// Writes a file below the folder.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a small photo of a coloured thing with some noise.
    pub fn jpeg(&self, name: &str, class: u32, view: u32) -> PathBuf {
        self.write(name, jpeg(class, view))
    }

    /// The program, started in the folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.current_dir(self.path()).args(args);
        command
            .env("TAILOR_OFFLINE", "1")
            .env("TAILOR_CACHE", self.path().join("cache"))
            .env_remove("RUST_BACKTRACE")
            .env_remove("TAILOR_DATA");
        command
    }

    pub fn tailor(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs and expects success; gives stdout.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.both(args).0
    }

    /// Runs and expects success; gives stdout and stderr.
    #[track_caller]
    pub fn both(&self, args: &[&str]) -> (String, String) {
        let output = self.tailor(args);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "tailor {args:?} failed:\n{stdout}{stderr}"
        );
        assert!(
            !stderr.contains("panicked"),
            "tailor {args:?} panicked:\n{stderr}"
        );
        (stdout, stderr)
    }

    /// Runs and expects success and exactly one JSON object on stdout.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let stdout = self.ok(args);
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("tailor {args:?}: {e}:\n{stdout}"))
    }

    /// Runs and expects an error: exit code 1, a remedy, and no panic.
    #[track_caller]
    pub fn fails(&self, args: &[&str]) -> Failure {
        failed(&format!("tailor {args:?}"), &self.tailor(args))
    }

    /// Trains the tiny recipe on the CPU under a name.
    #[track_caller]
    pub fn train(&self, run: &str, more: &[&str]) -> String {
        let mut args = vec!["train", "tiny.toml", "--device", "cpu", "--run", run];
        args.extend(more);
        self.ok(&args)
    }
}

/// An error as it should be: exit code 1, a remedy, and no panic.
#[track_caller]
pub fn failed(what: &str, output: &Output) -> Failure {
    let raw = String::from_utf8_lossy(&output.stderr).to_string();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{what} should have failed with code 1:\n{raw}"
    );
    assert!(
        !raw.contains("panicked") && !raw.contains("stack backtrace"),
        "{what} panicked:\n{raw}"
    );
    assert!(raw.contains("help:"), "{what} names no remedy:\n{raw}");
    let words: Vec<&str> = raw
        .split(|c: char| c.is_whitespace() || c == '│')
        .filter(|w| !w.is_empty())
        .collect();
    Failure {
        text: words.join(" "),
        raw,
    }
}

/// A small photo of a coloured thing with some noise, as a JPEG.
pub fn jpeg(class: u32, view: u32) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(40, 48, |x, y| {
        let noise = (x * 7 + y * 13 + view * 31) * 2_654_435_761 % 61;
        let inside = x.abs_diff(20 + view) < 8 + class && y.abs_diff(24) < 20 - class;
        let base = if inside {
            [class * 30, 255 - class * 25, class * 97 % 256]
        } else {
            [200, 200, 200]
        };
        image::Rgb(base.map(|v| (v + noise).min(255) as u8))
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
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
