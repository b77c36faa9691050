//! Where the figures of a run go: [`jsonl`] (the exact record), [`tensorboard`] (curves to look at), [`progress`] (the terminal).
//!
//! A run makes one [`Sinks`], hands every figure to it, and calls [`Sinks::sync`] before each checkpoint. The byte offsets that
//! come back are stored in the checkpoint; a resumed run cuts the files back to them and goes on, so that the record of a run that
//! was stopped equals the record of one that was not.

pub mod histogram;
mod hparams;
pub mod jsonl;
mod log;
pub mod progress;
pub mod system;
pub mod tensorboard;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::files::FileError;
pub use histogram::Histogram;
pub use log::Log;

/// What a figure was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntrySplit {
    /// The training data.
    Train,
    /// The data that chooses the best checkpoint.
    Valid,
    /// The data of the final figures.
    Test,
    /// The machine: speed, memory, waiting. The only figures that depend on the clock, and so differ between equal runs.
    System,
}

impl EntrySplit {
    /// The name in files: `train`, `valid`, `test`, `system`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
            Self::System => "system",
        }
    }
}

/// Figures of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Optimiser steps done.
    pub step: u64,
    /// Epochs done, with the part of the current one.
    pub epoch: f64,
    /// What the figures were measured on.
    pub split: EntrySplit,
    /// Names and figures. A name that starts with `lr/` is a learning rate, by parameter group.
    pub values: &'a [(String, f64)],
    /// Seconds since 1970. Never written beside figures in `metrics.jsonl`.
    pub wall: f64,
}

impl Entry<'_> {
    /// The figure of this name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// It was stopped and can be resumed.
    Interrupted,
    /// It cannot go on.
    Failed,
}

/// Lengths in bytes of the files that sinks write, by file name relative to the run folder (with `/`).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Offsets(pub BTreeMap<String, u64>);

/// A receiver of figures.
///
/// Steps in every call are optimiser steps done. An error means that the figure was not recorded, for instance because the disk is
/// full; the files then end with the last whole record.
pub trait Sink: Send {
    /// Takes figures.
    fn scalars(&mut self, entry: &Entry) -> Result<(), SinkError>;

    /// Takes the distribution of many values, such as the weights of a layer.
    fn histogram(&mut self, _step: u64, _tag: &str, _histogram: &Histogram) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes a text in Markdown.
    fn text(&mut self, _step: u64, _tag: &str, _markdown: &str) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes a picture: `rgb` is `[height, width, 3]`, row by row.
    fn image(
        &mut self,
        _step: u64,
        _tag: &str,
        _width: u32,
        _height: u32,
        _rgb: &[u8],
    ) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes what the run was set to (a map; inner maps are flattened with dots) and the tags of the figures to judge it by,
    /// such as `valid/recall@1`. TensorBoard then shows these figures only, but takes the columns of settings from one run for all
    /// runs of a folder; with no `metrics` it shows all settings of all runs, and every figure. Once, at the start of a run; not when it is resumed.
    fn hparams(&mut self, _settings: &serde_json::Value, _metrics: &[String]) -> Result<(), SinkError> {
        Ok(())
    }

    /// Hears that one more optimiser step is done. Called at every step, so it must be cheap.
    fn tick(&mut self, _step: u64, _epoch: f64) {}

    /// Hears that the run ends.
    fn finish(&mut self, _outcome: Outcome) -> Result<(), SinkError> {
        Ok(())
    }

    /// Makes everything durable. Gives the lengths of this sink's files.
    fn sync(&mut self) -> Result<Offsets, SinkError> {
        Ok(Offsets::default())
    }
}

/// All sinks of a run. Each call reaches every sink, even if one fails; the first error is returned.
#[derive(Default)]
pub struct Sinks(Vec<Box<dyn Sink>>);

impl Sinks {
    /// No sinks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sink.
    pub fn push(&mut self, sink: impl Sink + 'static) {
        self.0.push(Box::new(sink));
    }

    fn each(
        &mut self,
        mut call: impl FnMut(&mut dyn Sink) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let mut result = Ok(());
        for sink in &mut self.0 {
            result = result.and(call(sink.as_mut()));
        }
        result
    }
}

impl Sink for Sinks {
    fn scalars(&mut self, entry: &Entry) -> Result<(), SinkError> {
        self.each(|s| s.scalars(entry))
    }

    fn histogram(&mut self, step: u64, tag: &str, histogram: &Histogram) -> Result<(), SinkError> {
        self.each(|s| s.histogram(step, tag, histogram))
    }

    fn text(&mut self, step: u64, tag: &str, markdown: &str) -> Result<(), SinkError> {
        self.each(|s| s.text(step, tag, markdown))
    }

    fn image(&mut self, step: u64, tag: &str, width: u32, height: u32, rgb: &[u8]) -> Result<(), SinkError> {
        self.each(|s| s.image(step, tag, width, height, rgb))
    }

    fn hparams(&mut self, settings: &serde_json::Value, metrics: &[String]) -> Result<(), SinkError> {
        self.each(|s| s.hparams(settings, metrics))
    }

    fn tick(&mut self, step: u64, epoch: f64) {
        for sink in &mut self.0 {
            sink.tick(step, epoch);
        }
    }

    fn finish(&mut self, outcome: Outcome) -> Result<(), SinkError> {
        self.each(|s| s.finish(outcome))
    }

    fn sync(&mut self) -> Result<Offsets, SinkError> {
        let mut all = Offsets::default();
        self.each(|s| {
            all.0.extend(s.sync()?.0);
            Ok(())
        })?;
        Ok(all)
    }
}

/// A figure that could not be recorded, or a record that cannot be gone on with.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SinkError {
    /// The file system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),

    /// The record has lost bytes that the checkpoint counts on.
    #[error("{} has {length} bytes, but the checkpoint was saved when it had {offset}", path.display())]
    #[diagnostic(help(
        "restore the file, or resume from an older checkpoint: delete the newer folders in the run's checkpoints/"
    ))]
    Short {
        /// The file.
        path: PathBuf,
        /// Its bytes now.
        length: u64,
        /// Its bytes when the checkpoint was saved.
        offset: u64,
    },

    /// The checkpoint names no record of this sink.
    #[error("the checkpoint has no byte offset of a file named {name}")]
    #[diagnostic(help("resume from another checkpoint of this run, or start a new run"))]
    NoOffset {
        /// The name or pattern looked for.
        name: String,
    },

    /// Two figures of one entry share a name, or a figure has the name of a field.
    #[error("figure `{name}` at step {step} ({split}) has a name that is taken")]
    #[diagnostic(help(
        "rename it: `step`, `epoch` and `split` are fields of the line, and every name may appear once"
    ))]
    TakenName {
        /// The name.
        name: String,
        /// The step.
        step: u64,
        /// The split's name.
        split: &'static str,
    },

    /// A line of a record that is not one.
    #[error("{} line {line}: {problem}", path.display())]
    #[diagnostic(help("the file was edited or damaged; delete the line, or restore the file"))]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },

    /// A picture whose bytes do not fit its size.
    #[error("image `{tag}` is {width} x {height}, which takes {expected} bytes of RGB, but has {actual}")]
    #[diagnostic(help("give [height, width, 3] bytes, and at least one pixel"))]
    ImageSize {
        /// The tag.
        tag: String,
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes for that size.
        expected: u64,
        /// Bytes given.
        actual: usize,
    },

    /// A message that could not be encoded.
    #[error("cannot encode `{tag}` for TensorBoard: {problem}")]
    #[diagnostic(help("give it a smaller or simpler value"))]
    Encode {
        /// The tag.
        tag: String,
        /// What the encoder said.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Counting(Arc<Mutex<usize>>, bool);

    impl Sink for Counting {
        fn scalars(&mut self, entry: &Entry) -> Result<(), SinkError> {
            *self.0.lock().unwrap() += 1;
            if self.1 {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                return Err(FileError::new("append to", format!("{}.log", entry.step), full).into());
            }
            Ok(())
        }

        fn sync(&mut self) -> Result<Offsets, SinkError> {
            Ok(Offsets(BTreeMap::from([("a".to_string(), 3)])))
        }
    }

    #[test]
    fn every_sink_is_called_and_the_error_comes_up() {
        let calls = Arc::new(Mutex::new(0));
        let mut sinks = Sinks::new();
        sinks.push(Counting(calls.clone(), true));
        sinks.push(Counting(calls.clone(), false));
        let entry = Entry {
            step: 7,
            epoch: 0.5,
            split: EntrySplit::Train,
            values: &[],
            wall: 0.0,
        };
        let message = sinks.scalars(&entry).unwrap_err().to_string();
        assert!(message.contains("7.log"), "{message}");
        assert_eq!(*calls.lock().unwrap(), 2);
        assert_eq!(sinks.sync().unwrap().0["a"], 3);
    }
}
