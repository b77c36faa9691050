//! `[data]` of rooms that learn from pairs, where features are computed here.

use crate::backbones::TrunkConfig;
use crate::backbones::weights::published;
use crate::data::datasets::expand_path;
use crate::data::image::DecodeOptions;
use crate::data::transform::Op;
use crate::data::{DataError, DatasetSection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[data]`: pictures of a table, their captions from its columns, their features from one of our trunks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GridSection {
    /// The data set's own keys.
    #[serde(flatten)]
    pub dataset: DatasetSection,
    /// What is computed of a picture, and where it is kept.
    pub features: FeatureSection,
    /// Captions of a picture, with columns in braces: `["{text}", "{name}, in the {category}"]`. `text`, `category`, `label`, `domain`, `id`
    /// and any other column of the table; where one is empty the caption is left out. All pictures of a product (of one label) share
    /// their captions, and rows of one picture with different texts (in several languages) all count.
    #[serde(default = "text")]
    pub captions: Vec<String>,
    /// Words that the training captions have less often are read as unknown.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub least: usize,
    /// The share of the training products that choices come from, where the data has no valid rows of its own: they are held out and
    /// evaluated while training goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 0.9))]
    pub valid_fraction: Option<f64>,
    /// Pairs in a batch; the last of an epoch may be smaller.
    #[schemars(range(min = 2))]
    pub batch: usize,
    /// Cut captions off after so many words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_words: Option<usize>,
    /// How files are decoded.
    #[serde(default)]
    pub decode: DecodeOptions,
}

fn text() -> Vec<String> {
    vec!["{text}".into()]
}
fn one() -> usize {
    1
}
fn n32() -> usize {
    32
}

/// `[data.features]`: the cells of a picture's grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureSection {
    /// What a cell's features are.
    #[serde(default)]
    pub kind: Kind,
    /// Of `kind = "trunk"`: the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkConfig>,
    /// Of `kind = "trunk"`: a published name, a file or a run's folder, as in `model.weights`. Absent, the weights are drawn from `seed`
    /// and stay random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Draws the weights of a trunk that has none.
    #[serde(default)]
    pub seed: u64,
    /// Cells in a row and in a column: g · g regions a picture.
    #[schemars(range(min = 1, max = 64))]
    pub grid: usize,
    /// What is done to a picture before; nothing random. A run's trunk wants what its recipe has as `eval_transform`.
    pub transform: Vec<Op>,
    /// Shift and scale each number of a cell to mean 0 and deviation 1 over the training pictures.
    #[serde(default)]
    pub standardize: bool,
    /// Pictures that go through the trunk at once.
    #[serde(default = "n32")]
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// The folder that features are kept in: `features` in `$TAILOR_CACHE`, else `tailor/features` in the user's cache folder.
    /// `${NAME}` is an environment variable. What is in it may be deleted at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
}

/// What a cell's features are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The mean of its part of a trunk's last map.
    #[default]
    Trunk,
    /// Its pixels.
    Patches,
}

impl FeatureSection {
    /// Whether both make the same features of a picture, wherever they are kept.
    pub fn makes_as(&self, other: &Self) -> bool {
        let bare = |section: &Self| Self {
            batch: 0,
            cache: None,
            ..section.clone()
        };
        bare(self) == bare(other)
    }

    /// The folder of all cached features.
    pub fn folder(&self) -> Result<PathBuf, DataError> {
        match &self.cache {
            Some(folder) => expand_path("features.cache", folder),
            None => Ok(published::features_folder()),
        }
    }
}
