//! `[eval]`: what is measured, on what, by which rules.

use crate::data::Split;
use crate::search::{Expansion, Rerank};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[eval]`: what is measured, on what, by which rules.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvalSection {
    /// The split that is evaluated.
    pub split: EvalSplit,
    /// Search this many images of the training split, drawn once for all runs, instead of the split's own gallery: category
    /// retrieval, where a new picture is to find known ones of its class (`data.closed_set`).
    #[schemars(range(min = 1))]
    pub train_gallery: Option<usize>,
    /// Single gallery images, class means, or both.
    pub modes: Vec<Mode>,
    /// Leave the query's own camera out of its identity's images, where the data has cameras.
    pub same_camera_rule: bool,
    /// In centroid mode with cameras, also give centroids to identities without queries and keep distractors as single images.
    pub unqueried_centroids: bool,
    /// The label of gallery images that show no identity (Market-1501's `0000`).
    pub distractor: Option<String>,
    /// Pictures per forward pass.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Resamples of the 95 % intervals.
    pub resamples: usize,
    /// Also re-rank single pictures by k-reciprocal neighbours: `{ k1 = 20, k2 = 6, lambda = 0.3 }`. A protocol of its own.
    pub rerank: Option<Rerank>,
    /// Also search with expanded queries: `{ neighbours = 5, alpha = 3.0, database = 0 }`. A protocol of its own.
    pub query_expansion: Option<Expansion>,
    /// Show so many evaluated pictures in TensorBoard's projector; 0 none.
    #[schemars(range(max = 10_000))]
    pub projector: usize,
    /// Also rank each query among the gallery of its own category alone, where the data has categories: the mean over queries, and the
    /// mean over categories.
    pub per_category: bool,
    /// Also rank by 16 × 16 pixels, to say what the model adds to no model.
    pub pixel_baseline: bool,
}

impl Default for EvalSection {
    fn default() -> Self {
        Self {
            split: EvalSplit::Test,
            train_gallery: None,
            modes: vec![Mode::Instance],
            same_camera_rule: true,
            unqueried_centroids: true,
            distractor: None,
            batch: 64,
            resamples: 1000,
            rerank: None,
            query_expansion: None,
            projector: 0,
            per_category: false,
            pixel_baseline: false,
        }
    }
}

/// A split that can be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EvalSplit {
    /// What choices come from.
    Valid,
    /// What figures come from.
    Test,
}

impl From<EvalSplit> for Split {
    fn from(split: EvalSplit) -> Self {
        match split {
            EvalSplit::Valid => Split::Valid,
            EvalSplit::Test => Split::Test,
        }
    }
}

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Single gallery images.
    Instance,
    /// Means of gallery images of one identity.
    Centroid,
}

impl Mode {
    /// `instance` or `centroid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Centroid => "centroid",
        }
    }
}
