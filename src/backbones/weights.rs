//! Weights in torch's layout and under torch's names: read from files, put into modules, taken out of them.
//!
//! A module's path is its key, but for two things that are translated here: burn's `Linear` holds its weight as `[in, out]`
//! (torch: `[out, in]`), and burn's own norms call weight and bias `gamma` and `beta`.

mod collect;
mod error;
mod import;
pub mod published;
mod read;
mod report;
mod write;

pub use collect::{collect, collect_ordered, for_torch, parameter_count};
pub use error::WeightsError;
pub use import::{Import, apply};
pub use read::read;
pub use report::{LoadReport, ShapeMismatch};
pub use write::write;

use burn::tensor::TensorData;
use std::collections::BTreeMap;

/// Tensors by torch's name, in torch's layout.
pub type Tensors = BTreeMap<String, TensorData>;
