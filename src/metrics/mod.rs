//! Figures from rankings: pure functions of the ranks of the relevant items, with confidence intervals.
//!
//! One file for each metric, a function of one query's [`QueryRanks`]; the figure of a run is the mean over the queries
//! that have something to find (for [`position::median`], the median). [`Metric`] names them, [`figures`] computes them
//! with intervals from [`bootstrap`].

pub mod at_r;
pub mod average_precision;
pub mod bootstrap;
pub mod cmc;
pub mod inverse_penalty;
pub mod ndcg;
pub mod position;
pub mod precision;
pub mod ranks;
pub mod recall;
pub mod reciprocal_rank;

mod figure;
mod metric;
#[cfg(test)]
mod parity;

pub use bootstrap::{Comparison, Resampling, compare, figures};
pub use figure::{Figure, Figures};
pub use metric::{Metric, retrieval_metrics};
pub use ranks::{QueryRanks, Ranks};

/// Why figures could not be computed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MetricsError {
    /// A metric that does not exist.
    #[error("`{0}` is no metric")]
    #[diagnostic(help(
        "metrics are recall@k, coverage@k, precision@k, R-precision, mAP, mAP@R, mINP, MRR, nDCG, nDCG@k, nDCG_linear@k, mean_rank and median_rank, where k is 1 or more"
    ))]
    Unknown(String),
    /// Not one identity for each query.
    #[error("{queries} queries but {identities} identities to resample by")]
    #[diagnostic(help("give the label of each query, in the order of the queries"))]
    Identities {
        /// Number of queries.
        queries: usize,
        /// Number of identities given.
        identities: usize,
    },
    /// Nothing to compute a figure from.
    #[error("none of the {0} queries has a relevant item in the gallery")]
    #[diagnostic(help(
        "check the split: do query and gallery share labels, and does the camera rule leave any?"
    ))]
    NothingToFind(usize),
    /// Two runs that do not answer the same queries.
    #[error("the runs cannot be compared: {0}")]
    #[diagnostic(help("a paired comparison needs the same queries and gallery, in the same order"))]
    Unpaired(String),
}
