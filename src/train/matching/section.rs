//! `[eval]` of rooms that learn from pairs.

use crate::data::pairs::Part;
use crate::train::retrieval::EvalSplit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[eval]`: what is measured, on what.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PairEvalSection {
    /// The split that figures come from. While training goes on, the valid split is evaluated.
    pub split: EvalSplit,
    /// Also the mean over so many equal parts of the images, each searched among its own captions alone (MSCOCO's 1K protocol); 1 for
    /// none.
    #[schemars(range(min = 1))]
    pub folds: usize,
    /// Images that are encoded and scored at once.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Captions that are encoded and scored at once.
    #[schemars(range(min = 1))]
    pub captions: usize,
    /// Resamples of the 95 % intervals.
    pub resamples: usize,
}

impl Default for PairEvalSection {
    fn default() -> Self {
        Self {
            split: EvalSplit::Test,
            folds: 1,
            batch: 64,
            captions: 64,
            resamples: 1000,
        }
    }
}

impl PairEvalSection {
    /// The split's part in a run.
    pub fn part(&self) -> Part {
        match self.split {
            EvalSplit::Valid => Part::Valid,
            EvalSplit::Test => Part::Test,
        }
    }
}
