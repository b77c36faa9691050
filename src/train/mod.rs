//! How the burn `Learner` runs our steps: phases, clipping, EMA, schedules, checkpoints, sinks.

pub mod run_folder;
pub mod sinks;
