//! How the burn `Learner` runs our steps: phases, clipping, EMA, schedules, checkpoints, sinks.

pub mod checkpoint;
pub mod ema;
pub mod engine;
mod error;
pub mod freeze;
pub mod grads;
pub mod grid;
pub mod learner;
pub mod matching;
mod meter;
pub mod optim;
mod record;
pub mod retrieval;
pub mod run_folder;
pub mod schedule;
pub mod settings;
pub mod signals;
pub mod sinks;

pub use error::TrainError;
