//! From published layouts and native tables to batches in host memory.
//!
//! A reader in [`datasets`] (one per published layout) or in [`native`] (CSV, JSONL, Parquet) makes a [`Table`];
//! [`check`] says what is wrong with its images and its splits before a run depends on them.

pub mod check;
pub mod datasets;
pub mod error;
pub mod native;
pub mod table;

pub use datasets::{DatasetSection, Layout, open};
pub use error::{DataError, Problem, Problems};
pub use table::{Classes, ImageRef, Item, Split, Summary, Table};
pub mod image;
pub mod loader;
pub mod sampler;
pub mod source;
pub mod transform;
