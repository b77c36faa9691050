//! `[data]` of rooms that learn from pairs.

use super::{PairError, Precomputed};
use crate::data::DataError;
use crate::data::datasets::expand_path;
use crate::data::text::Vocabulary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[data]`: images as precomputed region features, and their captions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairSection {
    /// The folder of `<split>_ims.npy` and `<split>_caps.txt`.
    pub root: String,
    /// The vocabulary, a JSON file; `tailor data vocabulary` makes one from captions.
    pub vocabulary: String,
    /// Pairs in a batch; the last of an epoch may be smaller.
    #[schemars(range(min = 2))]
    pub batch: usize,
    /// The split that is trained on.
    #[serde(default = "train")]
    pub train: String,
    /// The split that choices come from: it is evaluated while training goes on.
    #[serde(default = "dev")]
    pub valid: String,
    /// The split that figures come from.
    #[serde(default = "test")]
    pub test: String,
    /// Use only the first so many captions of the valid split, and their images.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub valid_captions: Option<usize>,
    /// Cut captions off after so many words.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_words: Option<usize>,
    /// A folder of the pictures that the features are of, to be looked at in reports: named by the lines of `<split>_ids.txt`, as ID.jpg or
    /// ID.png.
    #[serde(default)]
    pub pictures: Option<String>,
}

fn train() -> String {
    "train".into()
}
fn dev() -> String {
    "dev".into()
}
fn test() -> String {
    "test".into()
}

/// A split by its part in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is trained on.
    Train,
    /// What choices come from.
    Valid,
    /// What figures come from.
    Test,
}

impl PairSection {
    /// The folder, with `${NAME}` replaced by environment variables.
    pub fn root(&self) -> Result<PathBuf, DataError> {
        expand_path("root", &self.root)
    }

    /// Reads the vocabulary.
    pub fn vocabulary(&self) -> crate::Result<Vocabulary> {
        let path = expand_path("vocabulary", &self.vocabulary)?;
        Ok(Vocabulary::read(&path).map_err(PairError::from)?)
    }

    /// The name of a split's files.
    pub fn name(&self, part: Part) -> &str {
        match part {
            Part::Train => &self.train,
            Part::Valid => &self.valid,
            Part::Test => &self.test,
        }
    }

    /// Opens a split.
    pub fn open(&self, part: Part, vocabulary: &Vocabulary) -> crate::Result<Precomputed> {
        let mut split = Precomputed::open(&self.root()?, self.name(part), vocabulary)?;
        if let (Part::Valid, Some(captions)) = (part, self.valid_captions) {
            split.keep(captions);
        }
        if let Some(words) = self.max_words {
            split.shorten(words);
        }
        Ok(split)
    }
}
