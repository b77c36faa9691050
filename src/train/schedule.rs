//! Learning rates as a pure function of where training stands; only the plateau rule has a memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[schedule]`: what the learning rate is multiplied by.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// The shape after the warm-up.
    pub kind: Shape,
    /// Epochs (from 0) from which the rate is multiplied by `gamma` once more (step).
    #[serde(default)]
    pub milestones: Vec<f64>,
    /// The factor at a milestone (step) or at a plateau.
    #[serde(default = "default_gamma")]
    pub gamma: f64,
    /// The factor at the last epoch's end (cosine, linear).
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub end: f64,
    /// Epochs of linear warm-up.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub warmup_epochs: f64,
    /// The factor that the warm-up starts from: `start·(1 − a) + a`, a the share of the warm-up that is done.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup_start: f64,
    /// Whether the factor changes once an epoch or at every step. By epoch, a = (epoch + 1) / warmup_epochs.
    #[serde(default)]
    pub by: By,
    /// Evaluations without a better figure before the rate falls (plateau).
    #[serde(default = "default_patience")]
    pub patience: u32,
    /// The factor never falls below this (plateau).
    #[serde(default)]
    pub floor: f64,
}

fn default_gamma() -> f64 {
    0.1
}
fn default_patience() -> u32 {
    10
}

/// The shape of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// The base rate.
    Constant,
    /// Times gamma at each milestone.
    Step,
    /// Half a cosine from 1 to `end` over all epochs after the warm-up.
    Cosine,
    /// A line from 1 to `end` over all epochs after the warm-up.
    Linear,
    /// Times gamma when the evaluated figure stops rising.
    Plateau,
}

/// When the factor changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Once an epoch.
    #[default]
    Epoch,
    /// At every step.
    Step,
}

/// What the plateau rule remembers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Plateau {
    factor: f64,
    best: Option<f64>,
    stale: u32,
}

impl Default for Plateau {
    fn default() -> Self {
        Self {
            factor: 1.0,
            best: None,
            stale: 0,
        }
    }
}

impl Plateau {
    /// Takes an evaluated figure (higher is better).
    pub fn observe(&mut self, section: &ScheduleSection, value: f64) {
        if self.best.is_none_or(|best| value > best) {
            self.best = Some(value);
            self.stale = 0;
            return;
        }
        self.stale += 1;
        if self.stale > section.patience {
            self.factor = (self.factor * section.gamma).max(section.floor);
            self.stale = 0;
        }
    }
}

impl ScheduleSection {
    /// No schedule.
    pub fn constant() -> Self {
        Self {
            kind: Shape::Constant,
            milestones: Vec::new(),
            gamma: default_gamma(),
            end: 0.0,
            warmup_epochs: 0.0,
            warmup_start: 0.0,
            by: By::Epoch,
            patience: default_patience(),
            floor: 0.0,
        }
    }

    /// The factor at step `batch` of `batches` in `epoch` (all from 0) of `epochs`.
    pub fn factor(&self, epoch: u64, batch: u64, batches: u64, epochs: u64, plateau: &Plateau) -> f64 {
        let (now, warmed) = match self.by {
            By::Epoch => (epoch as f64, epoch as f64 + 1.0),
            By::Step => {
                let batches = batches.max(1) as f64;
                let done = epoch as f64 + batch as f64 / batches;
                (done, done + 1.0 / batches)
            }
        };
        if now < self.warmup_epochs {
            let a = (warmed / self.warmup_epochs).min(1.0);
            return self.warmup_start * (1.0 - a) + a;
        }
        let span = (epochs as f64 - self.warmup_epochs).max(f64::MIN_POSITIVE);
        let done = ((now - self.warmup_epochs) / span).clamp(0.0, 1.0);
        match self.kind {
            Shape::Constant => 1.0,
            Shape::Step => {
                let passed = self.milestones.iter().filter(|&&m| now >= m).count();
                self.gamma.powi(passed as i32)
            }
            Shape::Cosine => self.end + (1.0 - self.end) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Shape::Linear => 1.0 + (self.end - 1.0) * done,
            Shape::Plateau => plateau.factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(section: &ScheduleSection, epoch: u64) -> f64 {
        3.5e-4 * section.factor(epoch, 0, 100, 120, &Plateau::default())
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn the_centroid_triplet_paper_s_rates() {
        let section: ScheduleSection =
            toml::from_str("kind = 'step'\nmilestones = [40, 70]\nwarmup_epochs = 10").unwrap();
        for (epoch, rate) in [
            (0, 3.5e-5),
            (9, 3.5e-4),
            (10, 3.5e-4),
            (39, 3.5e-4),
            (40, 3.5e-5),
            (70, 3.5e-6),
        ] {
            assert!(close(at(&section, epoch), rate), "epoch {epoch}");
        }
    }

    #[test]
    fn the_fashion_baseline_s_rates_count_epochs_from_one() {
        let section: ScheduleSection =
            toml::from_str("kind = 'step'\nmilestones = [39, 69]\nwarmup_epochs = 10\nwarmup_start = 0.01")
                .unwrap();
        for (epoch, rate) in [
            (1, 3.815e-5),
            (5, 1.7675e-4),
            (10, 3.5e-4),
            (40, 3.5e-5),
            (70, 3.5e-6),
        ] {
            assert!(close(at(&section, epoch - 1), rate), "epoch {epoch}");
        }
    }

    #[test]
    fn cosine_and_linear_end_where_they_should() {
        let mut section = ScheduleSection::constant();
        section.kind = Shape::Cosine;
        section.by = By::Step;
        section.end = 0.1;
        let factor = |s: &ScheduleSection, epoch, batch| s.factor(epoch, batch, 10, 4, &Plateau::default());
        assert!(close(factor(&section, 0, 0), 1.0));
        assert!(close(factor(&section, 2, 0), 0.55));
        assert!(close(factor(&section, 4, 0), 0.1));
        section.kind = Shape::Linear;
        assert!(close(factor(&section, 1, 5), 1.0 - 0.9 * 1.5 / 4.0));
    }

    #[test]
    fn a_plateau_lowers_the_rate_once_patience_is_gone() {
        let section: ScheduleSection = toml::from_str("kind = 'plateau'\ngamma = 0.5\npatience = 1").unwrap();
        let mut plateau = Plateau::default();
        let mut factors = Vec::new();
        for value in [0.1, 0.2, 0.2, 0.1, 0.3, 0.3, 0.3] {
            plateau.observe(&section, value);
            factors.push(section.factor(0, 0, 1, 9, &plateau));
        }
        assert_eq!(factors, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]);
    }
}
