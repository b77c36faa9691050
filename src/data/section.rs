//! `[data]`: which data, how pictures are prepared, how batches are drawn.

use super::DatasetSection;
use super::image::DecodeOptions;
use super::sampler::SamplerSection;
use super::transform::Op;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataSection {
    /// The data set's own keys.
    #[serde(flatten)]
    pub dataset: DatasetSection,
    /// How batches are drawn from the training split.
    pub sampler: SamplerSection,
    /// What is done to a picture in training, in this order.
    pub train_transform: Vec<Op>,
    /// What is done to a picture in evaluation and serving; nothing random.
    pub eval_transform: Vec<Op>,
    /// How files are decoded.
    #[serde(default)]
    pub decode: DecodeOptions,
}
