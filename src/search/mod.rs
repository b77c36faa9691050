//! Exact search: every query against every gallery item, tile by tile, in memory that is known before it starts.
//!
//! A [`Scorer`] gives scores of pairs (from embeddings, a pair network, codes, sketches: this module does not care), a
//! [`Relevance`] says which gallery items a query should find and which are left out of its ranking. [`rank()`] turns the
//! two into the exact ranks of the relevant items, which is all that [`crate::metrics`] needs; [`top`] gives the best
//! items themselves, for a person to look at. [`centroid`] builds a gallery of class means. [`mod@expand`] and [`rerank`](mod@rerank)
//! change what is near what by looking at neighbours.

mod count;
#[cfg(test)]
mod tests;
mod tiles;

pub mod centroid;
pub mod embeddings;
pub mod expand;
pub mod rank;
pub mod relevance;
pub mod rerank;
pub mod scorer;
pub mod top;

pub use centroid::{CentroidGallery, CentroidRule};
pub use embeddings::{Embeddings, Similarity};
pub use expand::{Expansion, expand};
pub use rank::{Options, Plan, Ties, rank};
pub use relevance::{DISTRACTOR, Field, JUNK, LabelRelevance, PairRelevance, Relevance, Side};
pub use rerank::{Rerank, Reranked};
pub use scorer::{Memory, Scorer, Scores};
pub use top::{Hit, top_k};

/// Why a search could not be done.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SearchError {
    /// A flat array does not hold whole rows, or two sides differ in width.
    #[error("{what}: {found} values where {expected} were expected")]
    #[diagnostic(help(
        "embeddings are row-major [items, dimensions]; both sides need the same number of dimensions"
    ))]
    Shape {
        /// Which array.
        what: String,
        /// What its length should have been, in words.
        expected: String,
        /// Its length.
        found: usize,
    },
    /// Scores and relevance speak of different numbers of things.
    #[error("the scores are for {scored} {side}, the relevance is for {judged}")]
    #[diagnostic(help("build both from the same rows of the table, in the same order"))]
    Sizes {
        /// "queries" or "gallery items".
        side: &'static str,
        /// How many the scorer has.
        scored: usize,
        /// How many the relevance has.
        judged: usize,
    },
    /// An embedding is not finite.
    #[error("the embedding of {side} {row} holds {value} at dimension {dimension}")]
    #[diagnostic(help(
        "the model diverged or its input was broken: evaluate an earlier checkpoint, or check that image"
    ))]
    NotFinite {
        /// "query" or "gallery item".
        side: &'static str,
        /// Which one.
        row: usize,
        /// Where in the embedding.
        dimension: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A score is not a number, so that no ranking exists.
    #[error("the score of query {query} and gallery item {item} is not a number")]
    #[diagnostic(help("the scorer gave NaN for this pair: check the weights, and both inputs"))]
    NotANumber {
        /// Row of the query.
        query: usize,
        /// Row of the gallery item.
        item: usize,
    },
    /// A scorer broke its contract.
    #[error("the scorer returned {found} for queries {queries:?} × gallery {gallery:?}, expected {expected}")]
    #[diagnostic(help("this is a fault in the scorer: please report it with the recipe"))]
    Tile {
        /// What came.
        found: String,
        /// What the contract says.
        expected: String,
        /// The queries of the tile.
        queries: std::ops::Range<usize>,
        /// The gallery items of the tile.
        gallery: std::ops::Range<usize>,
    },
    /// A relevance names an item that does not exist, or lists out of order.
    #[error("the relevance of query {query} {fault}")]
    #[diagnostic(help(
        "positives and ignored items are listed once each, in ascending order, below the gallery's size"
    ))]
    Relevance {
        /// Row of the query.
        query: usize,
        /// What is wrong.
        fault: String,
    },
    /// A setting out of its range.
    #[error("`{setting}` {problem}")]
    #[diagnostic(help("{remedy}"))]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// More gallery items than indices.
    #[error("a gallery of {0} items is more than this search can number")]
    #[diagnostic(help("split the gallery; 4,294,967,295 items is the limit"))]
    TooLarge(usize),
    /// The device failed.
    #[error("the device failed while scoring: {0}")]
    #[diagnostic(help("try a smaller tile, or `--device cpu`"))]
    Device(String),
}
