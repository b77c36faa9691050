//! What the training loop asks of data: how many batches an epoch has, and the n-th of them.

use super::error::DataError;
use super::sampler::SamplerError;
use super::source::SourceError;
use crate::files::FileError;
use std::fmt;

/// Why a batch could not be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum FeedError {
    /// The epoch cannot be planned.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sampler(#[from] SamplerError),
    /// A picture cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Source(#[from] SourceError<FileError>),
    /// Features or captions cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pairs(#[from] super::pairs::PairError),
    /// There are no rows to make it of.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Data(#[from] DataError),
}

/// One batch to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Its batch, from 0.
    pub batch: u64,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {} of epoch {} (from 0)", self.batch, self.epoch)
    }
}

/// A picture to look at: row by row, `[height, width, 3]`.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Red, green, blue.
    pub rgb: Vec<u8>,
}

/// Batches as a pure function of (epoch, batch): the order never depends on threads, and any position can be gone on from.
pub trait Feed: Send + Sync + 'static {
    /// A batch in host memory.
    type Host: Send + 'static;
    /// What a worker thread keeps from batch to batch.
    type Scratch: Send + Default + 'static;

    /// The number of batches of an epoch.
    fn batches(&self, epoch: u64) -> Result<u64, FeedError>;

    /// Makes one batch. Runs on the loader's threads.
    fn load(&self, job: Job, scratch: &mut Self::Scratch) -> Result<Self::Host, FeedError>;

    /// Items in a batch, for images per second.
    fn items(&self) -> u64;

    /// A batch as a picture, for TensorBoard.
    fn preview(&self, _host: &Self::Host) -> Option<Preview> {
        None
    }
}
