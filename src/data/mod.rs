//! From published layouts and native tables to batches in host memory.
//!
//! A reader in [`datasets`] (one per published layout) or in [`native`] (CSV, JSONL, Parquet) makes a [`Table`]; [`check`] says what is
//! wrong with its images and its splits before a run depends on them. A [`sampler`] plans the batches of an epoch, a [`source`] makes
//! them through a pipeline of [`transform`]s, and a [`loader`] makes them ahead of need on threads of its own.

pub mod check;
pub mod convert;
pub mod datasets;
pub mod drawn;
pub mod error;
pub mod feed;
pub mod image;
pub mod image_feed;
pub mod loader;
pub mod native;
pub mod pairs;
pub mod sampler;
pub mod section;
pub mod shards;
pub mod source;
pub mod table;
pub mod text;
pub mod transform;
pub mod wardrobe;

pub use datasets::{DatasetSection, Layout, open};
pub use error::{DataError, Problem, Problems};
pub use source::ImageBatch;
pub use table::{Classes, ImageRef, Item, Split, Summary, Table};
