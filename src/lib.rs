//! tailor trains the models behind visual product search: one published paper, one folder in [`papers`], one recipe file.
//!
//! Data flows one way: [`recipe`] → [`data`] → [`papers`] (with [`backbones`], [`nn`], [`losses`]) → [`train`] →
//! [`metrics`] and [`search`] → [`export`] and [`report`]. Nothing upstream imports what lies downstream of it;
//! [`device`] is the only module that names a backend, and [`random`] is the only source of chance.
#![warn(missing_docs)]

pub mod backbones;
pub mod cli;
pub mod data;
pub mod device;
pub mod error;
pub mod export;
pub mod files;
pub mod losses;
pub mod metrics;
pub mod nn;
pub mod papers;
pub mod random;
pub mod recipe;
pub mod report;
pub mod search;
pub mod train;

pub use error::{Error, Result};
