//! Which rows make which batch: pure functions of (seed, epoch, labels).
//!
//! A plan is made whole for an epoch, so mid-epoch resume needs no more than a [`Cursor`], and nothing depends on the number of threads.
//! Every batch of a run has the same number of [`Slot`]s (static shapes); slots without an image are blank (`real == false`).

mod pk;
mod sharded;

use serde::{Deserialize, Serialize};

/// What the recipe says about sampling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SamplerSection {
    /// P identities × K images.
    ///
    /// The centroid triplet loss (arXiv 2104.13643) uses `remainder = "pad"`, `small_classes = "pad"`, `drop_singletons = true`; reid-strong-baseline
    /// uses `remainder = "drop"`, `small_classes = "repeat"`.
    Pk {
        /// P: identities per batch.
        classes: usize,
        /// K: images per identity.
        per_class: usize,
        /// What becomes of an identity with fewer than K images.
        #[serde(default)]
        small_classes: SmallClasses,
        /// What becomes of the images that are left when an identity's images are dealt out by K.
        #[serde(default)]
        remainder: Remainder,
        /// Leave out identities with a single image.
        #[serde(default = "yes")]
        drop_singletons: bool,
    },
    /// All rows shuffled; the last rows that fill no batch are left out of this epoch.
    Random {
        /// Rows per batch.
        batch: usize,
    },
    /// Archive by archive (`dataset = "shards"`) in random order, the rows of several mixed in a buffer: nearly sequential reading, for
    /// disks and mounts on which random access is slow. The last rows that fill no batch are left out of this epoch.
    Sharded {
        /// Rows per batch.
        batch: usize,
        /// Rows that wait to be drawn: the more, the better they are mixed.
        #[serde(default = "buffer")]
        buffer: usize,
    },
    /// All rows in order; the last batch is filled up with blanks.
    Sequential {
        /// Rows per batch.
        batch: usize,
    },
}

fn yes() -> bool {
    true
}

fn buffer() -> usize {
    4096
}

/// An identity with fewer images than a batch takes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmallClasses {
    /// Its images, then blanks.
    #[default]
    Pad,
    /// K draws with replacement from its images.
    Repeat,
}

/// What is left of an identity's n > K images after taking K at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remainder {
    /// One more slot, filled up with blanks; a single image left is left out, since it has no partner.
    #[default]
    Pad,
    /// Left out of this epoch.
    Drop,
}

/// One place in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The row of the table. For a blank: a row of the same class, whose image is not to be read.
    pub row: usize,
    /// False for a blank.
    pub real: bool,
}

/// All batches of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochPlan {
    /// Each of the same length.
    pub batches: Vec<Vec<Slot>>,
}

/// Why no epoch can be planned.
#[derive(Debug, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum SamplerError {
    /// A size of 0.
    #[error("the sampler's `{field}` is 0")]
    #[diagnostic(help("set `{field}` to 1 or more"))]
    Zero {
        /// The recipe's key.
        field: &'static str,
    },
    /// Too few identities.
    #[error(
        "the sampler takes {wanted} classes per batch, but only {usable} of {all} classes can be drawn from{why}"
    )]
    #[diagnostic(help(
        "set data.sampler.classes to {usable} or less, but 2 at least (`--set data.sampler.classes={usable}`), or train on more classes: a \
         folder without splits trains on data.train_fraction of them and tests on the others"
    ))]
    TooFewClasses {
        /// `classes` of the recipe.
        wanted: usize,
        /// Classes that have at least one slot.
        usable: usize,
        /// Classes in the data.
        all: usize,
        /// What happened to the rest.
        why: String,
    },
    /// Too few rows.
    #[error("the sampler takes {batch} rows per batch, but there are only {rows}")]
    #[diagnostic(help("set data.sampler.batch to {rows} or less, or use more data"))]
    TooFewRows {
        /// `batch` of the recipe.
        batch: usize,
        /// Rows in the data.
        rows: usize,
    },
}

fn enough(rows: usize, batch: usize) -> Result<(), SamplerError> {
    match rows < batch {
        true => Err(SamplerError::TooFewRows { batch, rows }),
        false => Ok(()),
    }
}

/// Rows in their order as batches without blanks; what makes no whole batch is left out.
fn whole_batches(rows: &[usize], batch: usize) -> EpochPlan {
    let real = |&row: &usize| Slot { row, real: true };
    let batches = rows.chunks_exact(batch);
    EpochPlan {
        batches: batches.map(|chunk| chunk.iter().map(real).collect()).collect(),
    }
}

impl SamplerSection {
    /// Slots per batch.
    pub fn batch_size(&self) -> usize {
        match *self {
            Self::Pk {
                classes, per_class, ..
            } => classes * per_class,
            Self::Random { batch } | Self::Sequential { batch } | Self::Sharded { batch, .. } => batch,
        }
    }

    /// The batches of `epoch`. `labels` holds the class of each row.
    pub fn plan(&self, seed: u64, epoch: u64, labels: &[i32]) -> Result<EpochPlan, SamplerError> {
        self.plan_of(seed, epoch, labels, &[])
    }

    /// The same, with the archive that each row lies in; without any, all lie in one.
    pub fn plan_of(
        &self,
        seed: u64,
        epoch: u64,
        labels: &[i32],
        archives: &[u32],
    ) -> Result<EpochPlan, SamplerError> {
        let positive = |field, value| {
            if value == 0 {
                Err(SamplerError::Zero { field })
            } else {
                Ok(())
            }
        };
        let mut stream = crate::random::stream(seed, "sampler", &[epoch]);
        match *self {
            Self::Pk {
                classes,
                per_class,
                small_classes,
                remainder,
                drop_singletons,
            } => {
                positive("classes", classes)?;
                positive("per_class", per_class)?;
                let rule = pk::Rule {
                    classes,
                    per_class,
                    small_classes,
                    remainder,
                    drop_singletons,
                };
                pk::plan(&rule, labels, &mut stream)
            }
            Self::Random { batch } => {
                positive("batch", batch)?;
                enough(labels.len(), batch)?;
                let mut rows: Vec<usize> = (0..labels.len()).collect();
                stream.shuffle(&mut rows);
                Ok(whole_batches(&rows, batch))
            }
            Self::Sharded { batch, buffer } => {
                positive("batch", batch)?;
                positive("buffer", buffer)?;
                enough(labels.len(), batch)?;
                let rows = sharded::order(labels.len(), archives, buffer, &mut stream);
                Ok(whole_batches(&rows, batch))
            }
            Self::Sequential { batch } => {
                positive("batch", batch)?;
                let last = labels.len().saturating_sub(1);
                let slot = |row: usize| Slot {
                    row: row.min(last),
                    real: row <= last,
                };
                Ok(EpochPlan {
                    batches: (0..labels.len())
                        .step_by(batch)
                        .map(|start| (start..start + batch).map(slot).collect())
                        .collect(),
                })
            }
        }
    }
}

/// A place in the sequence of all batches of a run: all that a checkpoint has to keep of a sampler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// From 0.
    pub epoch: u64,
    /// The next batch of that epoch, from 0.
    pub batch: usize,
}

impl Cursor {
    /// The place after this one, in an epoch of `batches` batches.
    pub fn next(self, batches: usize) -> Self {
        if self.batch + 1 < batches {
            Self {
                epoch: self.epoch,
                batch: self.batch + 1,
            }
        } else {
            Self {
                epoch: self.epoch + 1,
                batch: 0,
            }
        }
    }
}

/// One batch to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchJob {
    /// Where in the run it stands.
    pub cursor: Cursor,
    /// Batches in its epoch.
    pub batches: usize,
    /// Its rows.
    pub slots: Vec<Slot>,
}

impl std::fmt::Display for BatchJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Evaluation has no epochs.
        write!(f, "batch {} of {}", self.cursor.batch + 1, self.batches)
    }
}

/// The batches of epoch after epoch from a cursor on, without end. Each epoch is planned when it is reached.
///
/// Make it with [`SamplerSection::walk`], which plans the first epoch and so finds the errors: whether a plan can be made depends on the
/// labels alone, not on the epoch.
#[derive(Debug)]
pub struct Walk {
    section: SamplerSection,
    seed: u64,
    labels: Vec<i32>,
    cursor: Cursor,
    plan: EpochPlan,
}

impl SamplerSection {
    /// All batches from `cursor` on.
    pub fn walk(&self, seed: u64, labels: Vec<i32>, cursor: Cursor) -> Result<Walk, SamplerError> {
        let plan = self.plan(seed, cursor.epoch, &labels)?;
        Ok(Walk {
            section: self.clone(),
            seed,
            labels,
            cursor,
            plan,
        })
    }
}

impl Iterator for Walk {
    type Item = BatchJob;

    fn next(&mut self) -> Option<BatchJob> {
        if self.cursor.batch >= self.plan.batches.len() {
            // Also where a cursor stands at the end of its epoch, or past it.
            self.cursor = Cursor {
                epoch: self.cursor.epoch + 1,
                batch: 0,
            };
            self.plan = self
                .section
                .plan(self.seed, self.cursor.epoch, &self.labels)
                .ok()?;
        }
        let batches = self.plan.batches.len();
        // Each batch is handed out once; an epoch without any ends the walk.
        let slots = std::mem::take(self.plan.batches.get_mut(self.cursor.batch)?);
        let job = BatchJob {
            cursor: self.cursor,
            batches,
            slots,
        };
        self.cursor.batch += 1;
        Some(job)
    }
}

#[cfg(test)]
mod tests;
