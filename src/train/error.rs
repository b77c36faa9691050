//! What can stop a training run.

use crate::backbones::weights::WeightsError;
use crate::data::feed::FeedError;
use crate::data::loader::LoadError;
use crate::files::FileError;
use crate::train::run_folder::RunError;
use crate::train::sinks::SinkError;
use std::path::PathBuf;

/// A run that cannot go on. The last checkpoint stays as it is.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TrainError {
    /// A value became NaN or infinite.
    #[error("`{name}` is {value} at step {step}: training has diverged")]
    #[diagnostic(help(
        "the checkpoints before it are untouched. Lower optimizer.lr, lengthen schedule.warmup_epochs or set optimizer.clip_norm (for instance `--set optimizer.clip_norm=1.0`) in a new run; `--init-from` this run's folder begins with its last good weights"
    ))]
    NotFinite {
        /// The loss term or the weight.
        name: String,
        /// Its value.
        value: f32,
        /// The optimiser step, from 1.
        step: u64,
    },
    /// A checkpoint that does not belong to this run.
    #[error("the checkpoint {} does not fit: {problem}", path.display())]
    #[diagnostic(help(
        "resume with the recipe that the run was started with (its recipe.toml), or start a new run with --init-from"
    ))]
    Checkpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A pattern or setting that only the model can judge.
    #[error("{0}")]
    #[diagnostic(help("correct the recipe; `tailor check` reads it whole without training"))]
    Setting(String),
    /// The epoch has no batch.
    #[error("epoch {epoch} has {batches} batches, fewer than optimizer.accumulate = {accumulate}")]
    #[diagnostic(help("use a smaller batch, a smaller optimizer.accumulate, or more data"))]
    NoStep {
        /// The epoch, from 0.
        epoch: u64,
        /// Its batches.
        batches: u64,
        /// Batches per step.
        accumulate: u64,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    #[diagnostic(help(
        "if it ran out of memory, use a smaller batch (and optimizer.accumulate for the rest), or another --device"
    ))]
    Device(String),
    /// A batch could not be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Load(#[from] LoadError<FeedError>),
    /// An epoch could not be planned.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Feed(#[from] FeedError),
    /// A figure could not be recorded.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sink(#[from] SinkError),
    /// The run folder refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Run(#[from] RunError),
    /// Weights that do not fit.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Weights(#[from] WeightsError),
    /// The file system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// Evaluation failed.
    #[error("evaluation failed at step {step}")]
    #[diagnostic(help("the last checkpoint is untouched: mend the cause below and `--resume`"))]
    Evaluation {
        /// The step.
        step: u64,
        /// Why.
        #[source]
        source: Box<crate::Error>,
    },
}
