//! Neighbourhoods and the weights that come of them.

use crate::search::tiles::{Strip, on_rows};
use crate::search::top::Best;
use crate::search::{Embeddings, Scorer, SearchError};

/// A sparse vector: places and values, ascending by place.
pub(super) type Sparse = Vec<(u32, f32)>;

/// The squared Euclidean distance of two unit vectors of this cosine.
pub(super) fn distance(cosine: f32) -> f32 {
    (2.0 - 2.0 * cosine).max(0.0)
}

/// An item's nearest, itself among them, and how far the furthest is.
pub(super) struct Near {
    /// Nearest first.
    pub items: Vec<u32>,
    /// Their distances as shares of the greatest.
    pub distances: Vec<f32>,
    pub furthest: f32,
}

pub(super) fn neighbourhoods(scorer: &mut Embeddings, count: usize) -> Result<Vec<Near>, SearchError> {
    let total = scorer.queries();
    let rows = scorer.tile_shape().0.max(1);
    let mut near = Vec::with_capacity(total);
    for start in (0..total).step_by(rows) {
        let end = (start + rows).min(total);
        let mut states: Vec<(Best, f32)> = (start..end)
            .map(|row| (Best::new(row, count), f32::INFINITY))
            .collect();
        let mut strip = Strip::new(scorer, start..end, 0);
        for tile in 0..strip.tiles() {
            let first = strip.items(tile).start;
            let mut scores = strip.take(tile)?;
            on_rows(&mut scores, &mut states, |row, (best, lowest)| {
                best.scan(row, first)?;
                *lowest = row.iter().fold(*lowest, |low, score| low.min(*score));
                Ok(())
            })?;
        }
        for (best, lowest) in states {
            let furthest = distance(lowest).max(f32::MIN_POSITIVE);
            let hits = best.into_sorted();
            near.push(Near {
                items: hits.iter().map(|hit| hit.item).collect(),
                distances: hits.iter().map(|hit| distance(hit.score) / furthest).collect(),
                furthest,
            });
        }
    }
    Ok(near)
}

/// The weights of each item: V before it is averaged, ascending by item.
pub(super) fn encode(near: &[Near], k1: usize, scorer: &mut Embeddings) -> Result<Vec<Sparse>, SearchError> {
    let first = |item: u32, count: usize| {
        let items = &near[item as usize].items;
        &items[..count.min(items.len())]
    };
    let reciprocal = |item: u32, count: usize| {
        first(item, count)
            .iter()
            .copied()
            .filter(|&other| first(other, count).contains(&item))
            .collect::<Vec<u32>>()
    };
    // NumPy's rounding: halves go to even numbers.
    let half = (k1 as f64 / 2.0).round_ties_even() as usize + 1;
    let mut rows = Vec::with_capacity(near.len());
    for item in 0..near.len() as u32 {
        let own = reciprocal(item, k1 + 1);
        let mut all = own.clone();
        for &candidate in &own {
            let theirs = reciprocal(candidate, half);
            let shared = theirs.iter().filter(|other| own.contains(other)).count();
            if 3 * shared > 2 * theirs.len() {
                all.extend(theirs);
            }
        }
        // With more twins than neighbours an item may not be among its own: it is then like nothing else.
        if all.is_empty() {
            rows.push(vec![(item, 1.0)]);
            continue;
        }
        all.sort_unstable();
        all.dedup();
        let Near {
            items,
            distances,
            furthest,
        } = &near[item as usize];
        let known = |other: &u32| items.iter().position(|known| known == other);
        // Neighbours of neighbours need not be among the item's own.
        let others: Vec<u32> = all
            .iter()
            .copied()
            .filter(|other| known(other).is_none())
            .collect();
        let mut further = scorer.list(item as usize, &others)?.into_iter();
        let weights: Vec<f32> = all
            .iter()
            .map(|other| {
                let distance = match known(other) {
                    Some(at) => distances[at],
                    None => further.next().map_or(0.0, |cosine| distance(cosine) / furthest),
                };
                (-distance).exp()
            })
            .collect();
        let sum: f32 = weights.iter().sum();
        let shares = weights.into_iter().map(|weight| weight / sum);
        rows.push(all.into_iter().zip(shares).collect());
    }
    Ok(rows)
}

/// The mean of the weights of each item's nearest, itself the first of them.
pub(super) fn average(near: &[Near], plain: Vec<Sparse>, k2: usize) -> Vec<Sparse> {
    if k2 == 1 {
        return plain;
    }
    let mut sums = vec![0.0f32; near.len()];
    let mean = |near: &Near| {
        let of = &near.items[..k2.min(near.items.len())];
        let mut touched: Vec<u32> = Vec::new();
        for &other in of {
            for &(item, weight) in &plain[other as usize] {
                let sum = &mut sums[item as usize];
                if *sum == 0.0 {
                    touched.push(item);
                }
                *sum += weight;
            }
        }
        touched.sort_unstable();
        let share = |item: u32| (item, std::mem::take(&mut sums[item as usize]) / of.len() as f32);
        touched.into_iter().map(share).collect()
    };
    near.iter().map(mean).collect()
}
