//! The best gallery items of each query, exactly.

use std::cmp::Ordering;

use super::rank::{check_list, check_sizes, first_nan, within};
use super::tiles::{Strip, on_rows};
use super::{Field, Relevance, Scorer, SearchError};

/// A found item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Row of the gallery item.
    pub item: u32,
    /// Its score.
    pub score: f32,
}

/// The `k` best items of each of `queries` (rows, in any order), best first, equal scores by gallery index. With a
/// relevance, what it ignores is left out.
///
/// # Errors
/// As [`rank`](super::rank()).
pub fn top_k(
    scorer: &mut dyn Scorer,
    relevance: Option<&dyn Relevance>,
    queries: &[usize],
    k: usize,
) -> Result<Vec<Vec<Hit>>, SearchError> {
    if let Some(relevance) = relevance {
        check_sizes(scorer, relevance)?;
    }
    let gallery = scorer.gallery();
    let total = scorer.queries();
    if let Some(&query) = queries.iter().find(|&&query| query >= total) {
        return Err(SearchError::Relevance {
            query,
            fault: format!("is not one of {total} queries"),
        });
    }
    let rows = scorer.tile_shape().0.max(1);
    let mut results = vec![Vec::new(); queries.len()];
    let mut order: Vec<usize> = (0..queries.len()).collect();
    order.sort_by_key(|&at| queries[at]);
    // Queries of one strip share its tiles.
    for group in order.chunk_by(|&a, &b| queries[a] / rows == queries[b] / rows) {
        let start = queries[group[0]] / rows * rows;
        let end = (start + rows).min(total);
        let mut bests: Vec<Option<Best>> = (start..end).map(|_| None).collect();
        for &at in group {
            let query = queries[at];
            if bests[query - start].is_some() {
                continue;
            }
            let mut best = Best::new(query, k);
            match relevance.map(|relevance| relevance.field(query)) {
                None => {}
                Some(Field::Except(ignored)) => {
                    check_list(query, "lists ignored items", ignored.iter().copied(), gallery)?;
                    best.ignored = ignored;
                }
                Some(Field::Only(items)) => {
                    check_list(query, "lists its candidates", items.iter().copied(), gallery)?;
                    for (item, score) in items.iter().zip(scorer.list(query, &items)?) {
                        if score.is_nan() {
                            return Err(SearchError::NotANumber {
                                query,
                                item: *item as usize,
                            });
                        }
                        best.offer(Hit { item: *item, score });
                    }
                    best.done = true;
                }
            }
            bests[query - start] = Some(best);
        }
        if bests.iter().flatten().any(|best| !best.done) {
            let mut strip = Strip::new(scorer, start..end, 0);
            for tile in 0..strip.tiles() {
                let items = strip.items(tile);
                let mut scores = strip.take(tile)?;
                on_rows(&mut scores, &mut bests, |row, best| match best {
                    Some(best) if !best.done => best.scan(row, items.start),
                    _ => Ok(()),
                })?;
            }
        }
        let sorted: Vec<Option<Vec<Hit>>> = bests
            .into_iter()
            .map(|best| best.map(Best::into_sorted))
            .collect();
        for &at in group {
            results[at] = sorted[queries[at] - start].clone().unwrap_or_default();
        }
    }
    Ok(results)
}

/// The best so far: a list of twice the size, cut in half by selection when it is full. Items come in ascending order,
/// so an item that equals the worst kept one never displaces it.
pub(super) struct Best {
    query: usize,
    k: usize,
    ignored: Vec<u32>,
    hits: Vec<Hit>,
    done: bool,
}

fn better_first(a: &Hit, b: &Hit) -> Ordering {
    b.score
        .partial_cmp(&a.score)
        .unwrap_or(Ordering::Equal)
        .then(a.item.cmp(&b.item))
}

impl Best {
    /// The `k` best items of a query, which is named in errors.
    pub(super) fn new(query: usize, k: usize) -> Self {
        Self {
            query,
            k,
            ignored: Vec::new(),
            hits: Vec::new(),
            done: false,
        }
    }

    fn offer(&mut self, hit: Hit) {
        if self.k == 0 {
            return;
        }
        self.hits.push(hit);
        if self.hits.len() >= 2 * self.k {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.hits.len() > self.k {
            self.hits.select_nth_unstable_by(self.k - 1, better_first);
            self.hits.truncate(self.k);
        }
    }

    /// Takes the scores of the items from `first` on; those that are ignored become NaN.
    pub(super) fn scan(&mut self, row: &mut [f32], first: usize) -> Result<(), SearchError> {
        if let Some(column) = first_nan(row) {
            return Err(SearchError::NotANumber {
                query: self.query,
                item: first + column,
            });
        }
        for &item in &self.ignored[within(&self.ignored, |&item| item, &(first..first + row.len()))] {
            row[item as usize - first] = f32::NAN;
        }
        // NaN compares false with any bar; while there is none, ignored items must be told apart.
        let mut bar: Option<f32> = self.bar();
        for (column, &score) in row.iter().enumerate() {
            let enters = match bar {
                Some(bar) => score > bar,
                None => !score.is_nan(),
            };
            if enters {
                self.offer(Hit {
                    item: (first + column) as u32,
                    score,
                });
                if self.hits.len() == self.k {
                    bar = self.bar();
                }
            }
        }
        Ok(())
    }

    /// The lowest score among the kept, once there are `k`. It may lag behind while the list fills again: a lower bar
    /// lets more in, never less.
    fn bar(&self) -> Option<f32> {
        if self.k == 0 {
            return Some(f32::INFINITY);
        }
        (self.hits.len() >= self.k).then(|| {
            self.hits[..self.k]
                .iter()
                .fold(f32::INFINITY, |low, hit| low.min(hit.score))
        })
    }

    /// Best first, equal scores by item.
    pub(super) fn into_sorted(mut self) -> Vec<Hit> {
        self.cut();
        self.hits.sort_unstable_by(better_first);
        self.hits
    }
}
