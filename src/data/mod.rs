//! From published layouts and native tables to batches in host memory.
//!
//! A reader in [`datasets`] (one per published layout) or in [`native`] (CSV, JSONL, Parquet) makes a [`Table`];

pub mod datasets;
pub mod error;
pub mod native;
pub mod table;

pub use datasets::{DatasetSection, Layout, open};
pub use error::{DataError, Problem, Problems};
pub use table::{Classes, ImageRef, Item, Split, Summary, Table};
