//! What cannot be hashed or counted.

use std::path::PathBuf;

/// Why there are no codes, or no sketch.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EmdeError {
    /// A number of partitions or regions that makes no sense.
    #[error("{what} cannot be {found}")]
    #[diagnostic(help("{remedy}"))]
    Setting {
        /// `depth` or `width`.
        what: &'static str,
        /// What was asked for.
        found: usize,
        /// What can be.
        remedy: &'static str,
    },
    /// An array that does not hold whole rows.
    #[error("{values} values are no rows of {dim}")]
    #[diagnostic(help("vectors are row-major, [items, {dim}]"))]
    Rows {
        /// How many values there are.
        values: usize,
        /// Length of a row.
        dim: usize,
    },
    /// Nothing to put hyperplanes through.
    #[error("{0} vectors have no density")]
    #[diagnostic(help("fit on at least two: on all items that are trained with"))]
    Few(usize),
    /// NaN or infinity.
    #[error("the vector of row {row} is not finite")]
    #[diagnostic(help("rows are counted from 0: mend that vector, or leave it out"))]
    NotFinite {
        /// From 0.
        row: usize,
    },
    /// Vectors of another model.
    #[error("vectors of {found} dimensions, and the hyperplanes were fitted on {expected}")]
    #[diagnostic(help("encode vectors of the model that the hyperplanes were fitted on"))]
    Dimensions {
        /// Of the vectors.
        found: usize,
        /// Of the hyperplanes.
        expected: usize,
    },
    /// A file that holds no hyperplanes.
    #[error("{} holds no fitted hyperplanes: {problem}", path.display())]
    #[diagnostic(help("give the file that `tailor codes fit --hash FILE` wrote"))]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Codes that do not belong to these partitions.
    #[error("item {item} has {problem}")]
    #[diagnostic(help("items have one region for each partition, from 0 to width - 1"))]
    Code {
        /// The item, from 0.
        item: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// An item that nobody knows.
    #[error("there is no item {item}: there are {items}, from 0 on")]
    #[diagnostic(help("sketches are of items that have codes"))]
    Item {
        /// What was asked for.
        item: usize,
        /// How many there are.
        items: usize,
    },
    /// A weight that is no count.
    #[error("{what} {found} is not a finite number of at least 0")]
    #[diagnostic(help("weights, amounts and seconds are 0 or more"))]
    Weight {
        /// What it is.
        what: &'static str,
        /// The number.
        found: f32,
    },
    /// Two sketches of other partitions.
    #[error("a sketch of {} × {} cannot be added to one of {} × {}", .from[0], .from[1], .to[0], .to[1])]
    #[diagnostic(help("add sketches of the same codes (partitions × regions)"))]
    Shape {
        /// Depth and width of what is added.
        from: [usize; 2],
        /// Depth and width of what it is added to.
        to: [usize; 2],
    },
}
