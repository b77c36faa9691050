//! `[train]`: how long, how often, what is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[train]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainSection {
    /// Passes over the training data.
    #[schemars(range(min = 1))]
    pub epochs: u64,
    /// The seed of everything: weights, order, augmentation, dropout.
    #[serde(default)]
    pub seed: u64,
    /// Read the losses back and log them every n steps.
    #[serde(default = "ten")]
    #[schemars(range(min = 1))]
    pub log_every: u64,
    /// Save a checkpoint every n steps, besides the one after each evaluation and the last.
    #[serde(default)]
    pub checkpoint_every: Option<u64>,
    /// Keep this many of the newest checkpoints, besides the best.
    #[serde(default = "two")]
    #[schemars(range(min = 1))]
    pub keep: usize,
    /// Evaluate every n epochs; 0 only at the end.
    #[serde(default)]
    pub evaluate_every: u64,
    /// The figure that chooses the best checkpoint, feeds early stopping and the plateau schedule; higher is better.
    #[serde(default = "recall")]
    pub best: String,
    /// Stop after this many evaluations without a better figure.
    #[serde(default)]
    pub early_stopping: Option<u32>,
    /// The weights that are evaluated at the end of training, and by verbs that are not told which.
    #[serde(default)]
    pub finish: Finish,
    /// Keep an exponential moving average of the weights with this decay, and evaluate it beside them.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ema: Option<f64>,
    /// Log histograms of the weights every n epochs; 0 never.
    #[serde(default)]
    pub histograms_every: u64,
    /// Threads that decode and augment; absent, one less than the machine has, at most 8.
    #[serde(default)]
    pub workers: Option<usize>,
    /// Batches that may wait ready.
    #[serde(default = "four")]
    #[schemars(range(min = 1))]
    pub queue: usize,
}

/// Which weights a run ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The last ones; their moving average where one is kept.
    #[default]
    Last,
    /// Those of the best evaluation, by `train.best`.
    Best,
}

fn ten() -> u64 {
    10
}
fn two() -> usize {
    2
}
fn four() -> usize {
    4
}
fn recall() -> String {
    "recall@1".into()
}

impl TrainSection {
    /// Loader threads.
    pub fn workers(&self) -> usize {
        self.workers.unwrap_or_else(|| {
            let all = std::thread::available_parallelism().map_or(1, |n| n.get());
            all.saturating_sub(1).clamp(1, 8)
        })
    }
}
