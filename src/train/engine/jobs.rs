//! The order in which batches are made.

use crate::data::feed::{Feed, FeedError, Job};
use std::sync::Arc;

/// The batches of an epoch that make whole steps: a step never averages over two epochs, so what is left over is dropped.
pub(super) fn usable(
    feed: &impl Feed,
    epoch: u64,
    overfit: Option<u64>,
    accumulate: u64,
) -> Result<u64, FeedError> {
    let batches = match overfit {
        Some(few) => feed.batches(0)?.min(few.max(1)),
        None => feed.batches(epoch)?,
    };
    Ok(batches / accumulate * accumulate)
}

/// All batches from a place on. Epochs are planned when they are reached.
pub(super) struct Jobs<F> {
    pub feed: Arc<F>,
    pub next: Job,
    pub epochs: u64,
    pub accumulate: u64,
    pub overfit: Option<u64>,
    pub left: Option<u64>,
}

impl<F: Feed> Iterator for Jobs<F> {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        if self.left == Some(0) {
            return None;
        }
        loop {
            if self.next.epoch >= self.epochs {
                return None;
            }
            // The engine meets the same error when it gets there.
            let batches = usable(&*self.feed, self.next.epoch, self.overfit, self.accumulate).ok()?;
            if self.next.batch < batches {
                break;
            }
            self.next = Job {
                epoch: self.next.epoch + 1,
                batch: 0,
            };
        }
        let job = Job {
            epoch: if self.overfit.is_some() {
                0
            } else {
                self.next.epoch
            },
            ..self.next
        };
        self.next.batch += 1;
        self.left = self.left.map(|left| left - 1);
        Some(job)
    }
}
