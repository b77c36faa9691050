//! How fast training goes and what it waits for.

use super::sinks::system::{DATA_WAIT, IMAGES_PER_SECOND, Probe};
use std::time::Instant;

/// Measures between log lines.
pub struct Meter {
    since: Instant,
    waited: f64,
    machine: Probe,
}

impl Meter {
    /// Starts the clock.
    pub fn start() -> Self {
        Self {
            since: Instant::now(),
            waited: 0.0,
            machine: Probe::new(),
        }
    }

    /// Figures since the last call: images per second, the share of time spent waiting for data, memory and load.
    /// `waited` is the loader's total in seconds.
    pub fn lap(&mut self, images: u64, waited: f64) -> Vec<(String, f64)> {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        let mut values = vec![
            (IMAGES_PER_SECOND.to_string(), images as f64 / seconds),
            (
                DATA_WAIT.to_string(),
                ((waited - self.waited) / seconds).clamp(0.0, 1.0),
            ),
        ];
        self.since = Instant::now();
        self.waited = waited;
        values.extend(self.machine.sample());
        values
    }
}
