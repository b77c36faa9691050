//! P identities × K images: the sampler of the ReID baselines and of the centroid triplet loss.
//!
//! Each identity's images are shuffled and dealt out by K, without repeats; an identity has as many slots as that gives.
//! Batches draw P distinct identities, without replacement, from those that still have slots, until fewer than P remain.

use std::collections::BTreeMap;

use super::{EpochPlan, Remainder, SamplerError, Slot, SmallClasses};
use crate::random::Stream;

pub(super) struct Rule {
    pub classes: usize,
    pub per_class: usize,
    pub small_classes: SmallClasses,
    pub remainder: Remainder,
    pub drop_singletons: bool,
}

impl Rule {
    /// How often an identity with `images` images is drawn in an epoch.
    pub fn slots(&self, images: usize) -> usize {
        let k = self.per_class;
        match images {
            0 => 0,
            1 if self.drop_singletons && k > 1 => 0,
            n if n <= k => 1,
            n => match self.remainder {
                Remainder::Drop => n / k,
                // ceil(n' / K), n' = n − 1 where one image would be left alone.
                Remainder::Pad => (if n % k == 1 { n - 1 } else { n }).div_ceil(k),
            },
        }
    }
}

pub(super) fn plan(rule: &Rule, labels: &[i32], stream: &mut Stream) -> Result<EpochPlan, SamplerError> {
    let mut rows_of: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (row, &label) in labels.iter().enumerate() {
        rows_of.entry(label).or_default().push(row);
    }
    let all = rows_of.len();
    // The slots of each identity, the next one last.
    let mut dealt: Vec<Vec<Vec<Slot>>> = rows_of
        .into_values()
        .filter(|rows| rule.slots(rows.len()) > 0)
        .map(|rows| deal(rule, rows, stream))
        .collect();
    if dealt.len() < rule.classes {
        let why = if dealt.len() < all {
            " (classes with a single image are left out: `drop_singletons`)"
        } else {
            ""
        };
        return Err(SamplerError::TooFewClasses {
            wanted: rule.classes,
            usable: dealt.len(),
            all,
            why: why.to_owned(),
        });
    }

    let mut available: Vec<usize> = (0..dealt.len()).collect();
    let mut batches = Vec::new();
    while available.len() >= rule.classes {
        // The first P of a Fisher–Yates shuffle.
        for i in 0..rule.classes {
            let other = i + stream.below(available.len() - i);
            available.swap(i, other);
        }
        let mut batch = Vec::with_capacity(rule.classes * rule.per_class);
        for &identity in &available[..rule.classes] {
            batch.extend(dealt[identity].pop().into_iter().flatten());
        }
        batches.push(batch);
        for i in (0..rule.classes).rev() {
            if dealt[available[i]].is_empty() {
                available.swap_remove(i);
            }
        }
    }
    Ok(EpochPlan { batches })
}

fn deal(rule: &Rule, mut rows: Vec<usize>, stream: &mut Stream) -> Vec<Vec<Slot>> {
    let k = rule.per_class;
    if rows.len() < k && rule.small_classes == SmallClasses::Repeat {
        let draw = |_| Slot {
            row: rows[stream.below(rows.len())],
            real: true,
        };
        return vec![(0..k).map(draw).collect()];
    }
    stream.shuffle(&mut rows);
    let first = rows[0];
    rows.chunks(k)
        .take(rule.slots(rows.len()))
        .map(|chunk| {
            let blank = Slot {
                row: first,
                real: false,
            };
            let real = chunk.iter().map(|&row| Slot { row, real: true });
            real.chain(std::iter::repeat(blank)).take(k).collect()
        })
        .collect()
}
