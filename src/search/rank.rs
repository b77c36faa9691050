//! Exact ranks of the relevant items, without sorting a gallery.
//!
//! For each strip of queries, a first pass learns the scores of the relevant items; a second pass counts, for each of
//! them, the items that stand ahead. The rank of a relevant item is the number of items ahead of it that are not ignored.

use std::fmt;
use std::ops::Range;

use super::count::{Target, count_ahead};
use super::tiles::{Strip, on_rows};
use super::{Field, Relevance, Scorer, SearchError};
use crate::metrics::{QueryRanks, Ranks};

/// How equal scores are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// By gallery index, the lower first: a stable sort by (score, index).
    #[default]
    Index,
    /// The less relevant first, so that a model which gives all pairs one score has the lowest figures, not the highest.
    Pessimistic,
}

/// How to rank.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What happens to equal scores.
    pub ties: Ties,
    /// Bytes that tiles may fill. Less means that tiles are computed twice, never that a result differs; one tile is the
    /// least.
    pub budget: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ties: Ties::Index,
            budget: 512 << 20,
        }
    }
}

/// What a ranking will need, known before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Number of queries.
    pub queries: usize,
    /// Number of gallery items.
    pub gallery: usize,
    /// The scorer's tile, at most as large as the whole.
    pub tile: (usize, usize),
    /// How many tiles may be kept between the two passes.
    pub kept: usize,
    /// The most bytes held at once by the tiles and by the scorer.
    pub bytes: u64,
}

impl Plan {
    /// The plan that [`rank`] follows.
    pub fn new(scorer: &dyn Scorer, options: &Options) -> Self {
        let (rows, columns) = scorer.tile_shape();
        let (queries, gallery) = (scorer.queries(), scorer.gallery());
        let tile = (rows.clamp(1, queries.max(1)), columns.clamp(1, gallery.max(1)));
        // A scorer may return the padding of a smaller tile with it.
        let tile_bytes = 4 * rows.max(1) as u64 * columns.max(1) as u64;
        let tiles = gallery.div_ceil(columns.max(1));
        let kept = usize::try_from((options.budget / tile_bytes).saturating_sub(1))
            .unwrap_or(usize::MAX)
            .min(tiles);
        Self {
            queries,
            gallery,
            tile,
            kept,
            bytes: scorer.memory().total() + tile_bytes * (kept as u64 + 1),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exact ranking of {} × {} in tiles of {} × {}: {}",
            grouped(self.queries),
            grouped(self.gallery),
            grouped(self.tile.0),
            grouped(self.tile.1),
            bytes(self.bytes)
        )
    }
}

/// 60000 → "60,000".
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Decimal units, as disks and file listings have them.
fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} kB", count.div_ceil(1_000)),
        1_000_000..10_000_000_000 => format!("{} MB", count.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

/// The ranks of every query's relevant items.
///
/// # Errors
/// When scorer and relevance differ in size, when a score is NaN (the pair is named), or when the scorer fails.
pub fn rank(
    scorer: &mut dyn Scorer,
    relevance: &dyn Relevance,
    options: &Options,
) -> Result<Ranks, SearchError> {
    check_sizes(scorer, relevance)?;
    let plan = Plan::new(scorer, options);
    let mut queries = Vec::with_capacity(plan.queries);
    let mut start = 0;
    while start < plan.queries {
        let end = (start + plan.tile.0).min(plan.queries);
        queries.extend(rank_strip(
            scorer,
            relevance,
            start..end,
            plan.kept,
            options.ties,
        )?);
        start = end;
    }
    let skipped = queries.iter().filter(|ranks| ranks.is_none()).count();
    Ok(Ranks { queries, skipped })
}

pub(super) fn check_sizes(scorer: &dyn Scorer, relevance: &dyn Relevance) -> Result<(), SearchError> {
    for (side, scored, judged) in [
        ("queries", scorer.queries(), relevance.queries()),
        ("gallery items", scorer.gallery(), relevance.gallery()),
    ] {
        if scored != judged {
            return Err(SearchError::Sizes { side, scored, judged });
        }
    }
    match u32::try_from(scorer.gallery()) {
        Ok(_) => Ok(()),
        Err(_) => Err(SearchError::TooLarge(scorer.gallery())),
    }
}

/// One query on its way through the two passes.
struct Query {
    row: usize,
    targets: Vec<Target>,
    /// Items that take no part in counting: the ignored and the relevant, ascending.
    masked: Vec<u32>,
    /// How many items it is ranked among.
    field: usize,
    ahead: Vec<u32>,
}

fn rank_strip(
    scorer: &mut dyn Scorer,
    relevance: &dyn Relevance,
    rows: Range<usize>,
    room: usize,
    ties: Ties,
) -> Result<Vec<Option<QueryRanks>>, SearchError> {
    let gallery = scorer.gallery();
    let mut found: Vec<Option<QueryRanks>> = vec![None; rows.len()];
    // Rows of a tile that need no counting have no targets.
    let mut strip: Vec<Query> = Vec::with_capacity(rows.len());
    for row in rows.clone() {
        let mut query = Query {
            row,
            targets: Vec::new(),
            masked: Vec::new(),
            field: 0,
            ahead: Vec::new(),
        };
        let positives = relevance.positives(row);
        check_list(
            row,
            "lists relevant items",
            positives.iter().map(|&(item, _)| item),
            gallery,
        )?;
        if !positives.is_empty() {
            match relevance.field(row) {
                Field::Only(items) => {
                    check_list(row, "lists its candidates", items.iter().copied(), gallery)?;
                    let scores = scorer.list(row, &items)?;
                    found[row - rows.start] = rank_list(row, &items, &scores, &positives, ties)?;
                }
                Field::Except(ignored) => {
                    check_list(row, "lists ignored items", ignored.iter().copied(), gallery)?;
                    query.targets = positives
                        .iter()
                        .map(|&(item, grade)| Target {
                            item,
                            grade,
                            score: f32::NAN,
                        })
                        .collect();
                    query.masked = merge(&ignored, &positives).map_err(|item| SearchError::Relevance {
                        query: row,
                        fault: format!("calls item {item} relevant and ignored at once"),
                    })?;
                    query.field = gallery - ignored.len();
                    query.ahead = vec![0; positives.len()];
                }
            }
        }
        strip.push(query);
    }
    if strip.iter().all(|query| query.targets.is_empty()) {
        return Ok(found);
    }

    let mut tiles = Strip::new(scorer, rows.clone(), room);
    for tile in 0..tiles.tiles() {
        let items = tiles.items(tile);
        let wanted = |query: &Query| within(&query.targets, |target| target.item, &items);
        if strip.iter().all(|query| wanted(query).is_empty()) {
            continue;
        }
        tiles.look(tile, |scores| {
            for (row, query) in strip.iter_mut().enumerate() {
                let wanted = wanted(query);
                for target in &mut query.targets[wanted] {
                    target.score = scores.row(row)[target.item as usize - items.start];
                    if target.score.is_nan() {
                        return Err(SearchError::NotANumber {
                            query: query.row,
                            item: target.item as usize,
                        });
                    }
                }
            }
            Ok(())
        })?;
    }
    for query in &mut strip {
        query.targets.sort_unstable_by(|a, b| a.compare(b, ties));
    }
    for tile in 0..tiles.tiles() {
        let items = tiles.items(tile);
        let mut scores = tiles.take(tile)?;
        on_rows(&mut scores, &mut strip, |row, query| {
            if query.targets.is_empty() {
                return Ok(());
            }
            if let Some(column) = first_nan(row) {
                return Err(SearchError::NotANumber {
                    query: query.row,
                    item: items.start + column,
                });
            }
            for &item in &query.masked[within(&query.masked, |&item| item, &items)] {
                row[item as usize - items.start] = f32::NAN;
            }
            count_ahead(row, items.start, &query.targets, ties, &mut query.ahead);
            Ok(())
        })?;
    }
    for (query, found) in strip.iter().zip(&mut found) {
        if !query.targets.is_empty() {
            let best_first = query.targets.iter().zip(&query.ahead).rev().enumerate();
            let (ranks, grades) = best_first
                .map(|(place, (target, &ahead))| (ahead + place as u32, target.grade))
                .unzip();
            *found = Some(QueryRanks {
                ranks,
                grades,
                gallery: query.field,
            });
        }
    }
    Ok(found)
}

/// The part of an ascending list that lies in a range.
pub(super) fn within<T>(list: &[T], item: impl Fn(&T) -> u32, range: &Range<usize>) -> Range<usize> {
    let start = list.partition_point(|entry| (item(entry) as usize) < range.start);
    let end = list.partition_point(|entry| (item(entry) as usize) < range.end);
    start..end
}

pub(super) fn check_list(
    query: usize,
    what: &str,
    items: impl Iterator<Item = u32>,
    gallery: usize,
) -> Result<(), SearchError> {
    let mut last = None;
    for item in items {
        let fault = if item as usize >= gallery {
            format!("{what}: {item} is not in a gallery of {gallery}")
        } else if last.is_some_and(|last| last >= item) {
            format!("{what} out of order: {item}")
        } else {
            last = Some(item);
            continue;
        };
        return Err(SearchError::Relevance { query, fault });
    }
    Ok(())
}

/// Two ascending lists as one; the item which both hold is an error.
fn merge(ignored: &[u32], positives: &[(u32, f32)]) -> Result<Vec<u32>, u32> {
    let mut merged: Vec<u32> = ignored
        .iter()
        .copied()
        .chain(positives.iter().map(|&(item, _)| item))
        .collect();
    merged.sort_unstable();
    match merged.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(pair[0]),
        None => Ok(merged),
    }
}

/// The fold has no early exit, so that it becomes vector code.
pub(super) fn first_nan(row: &[f32]) -> Option<usize> {
    let any = row
        .chunks(1024)
        .any(|block| block.iter().fold(false, |any, score| any | score.is_nan()));
    if any {
        row.iter().position(|score| score.is_nan())
    } else {
        None
    }
}

/// A short list is simply sorted.
fn rank_list(
    query: usize,
    items: &[u32],
    scores: &[f32],
    positives: &[(u32, f32)],
    ties: Ties,
) -> Result<Option<QueryRanks>, SearchError> {
    if scores.len() != items.len() {
        return Err(SearchError::Tile {
            found: format!("{} scores", scores.len()),
            expected: format!("one for each of {} listed items", items.len()),
            queries: query..query + 1,
            gallery: 0..items.len(),
        });
    }
    if let Some(at) = first_nan(scores) {
        return Err(SearchError::NotANumber {
            query,
            item: items[at] as usize,
        });
    }
    let mut list: Vec<Target> = items
        .iter()
        .zip(scores)
        .map(|(&item, &score)| {
            let grade = positives
                .binary_search_by_key(&item, |&(item, _)| item)
                .map_or(0.0, |at| positives[at].1);
            Target { item, grade, score }
        })
        .collect();
    list.sort_unstable_by(|a, b| b.compare(a, ties));
    let (ranks, grades): (Vec<u32>, Vec<f32>) = (0u32..)
        .zip(&list)
        .filter(|(_, target)| target.grade > 0.0)
        .map(|(rank, target)| (rank, target.grade))
        .unzip();
    if ranks.len() != positives.len() {
        return Err(SearchError::Relevance {
            query,
            fault: "lists relevant items that are no candidates".into(),
        });
    }
    Ok(Some(QueryRanks {
        ranks,
        grades,
        gallery: items.len(),
    }))
}
