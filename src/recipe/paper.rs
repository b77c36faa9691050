//! `[paper]`: what a recipe reproduces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The section `[paper]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaperSection {
    /// The paper's title.
    #[schemars(length(min = 1))]
    pub title: String,
    /// Its authors, as the paper orders them.
    #[serde(default)]
    pub authors: Vec<String>,
    /// The year of publication.
    #[schemars(range(min = 1900, max = 2200))]
    pub year: u32,
    /// Where it is read: an arXiv id (`arXiv:2104.13643`) or a URL.
    #[schemars(length(min = 1))]
    pub source: String,
    /// The paper room that trains it.
    #[schemars(length(min = 1))]
    pub room: String,
    /// What it is for: `image retrieval`, `outfit compatibility`.
    pub task: String,
    /// The data set that this recipe trains on.
    pub dataset: String,
    /// The published figure to compare with, in one line.
    #[serde(default)]
    pub headline: String,
    /// The published figures.
    #[serde(default)]
    pub published: Vec<Published>,
}

/// One figure that the paper states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// The data set it was measured on.
    pub dataset: String,
    /// How it was measured; figures of different protocols are not compared.
    pub protocol: String,
    /// What was measured: `mAP`, `recall@1`.
    pub metric: String,
    /// The figure, in the unit that our own is printed in.
    pub value: f64,
    /// The table it stands in, and whatever a reader should know.
    #[serde(default)]
    pub note: String,
    /// Nobody has held it against the paper yet.
    #[serde(default)]
    pub unconfirmed: bool,
}
