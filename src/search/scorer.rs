//! What can score a query against a gallery item.

use std::ops::Range;

use super::SearchError;

/// Scores for pairs of queries and gallery items: higher is better.
///
/// The scorer holds both sides, prepared (embedded, encoded, uploaded) by whoever made it. Equal scores mean a tie, so
/// scores that are compared with one another must be computed alike: one query's scores all come either from
/// [`tile`](Scorer::tile), always asked for in tiles of one shape on one grid, or from [`list`](Scorer::list).
pub trait Scorer {
    /// Number of queries.
    fn queries(&self) -> usize;

    /// Number of gallery items.
    fn gallery(&self) -> usize;

    /// The one tile shape (queries, gallery items), both at least 1: every tile starts at a multiple of it, and only the
    /// last in either direction may be smaller. A scorer on a device computes these at full shape too, padded, so that
    /// one kernel does every tile and the same pair of inputs has the same score, to the bit, wherever it stands.
    fn tile_shape(&self) -> (usize, usize);

    /// Scores of `queries` × `gallery`.
    fn tile(&mut self, queries: Range<usize>, gallery: Range<usize>) -> Result<Scores, SearchError>;

    /// Scores of one query against listed gallery items (a judged list, the candidates of a re-ranker), in the list's
    /// order. Scorers that can score pairs alone should override this: here whole tiles are computed for one row.
    fn list(&mut self, query: usize, items: &[u32]) -> Result<Vec<f32>, SearchError> {
        let (rows, columns) = self.tile_shape();
        let first_row = query / rows * rows;
        let queries = first_row..(first_row + rows).min(self.queries());
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_unstable_by_key(|&at| items[at]);
        let mut scores = vec![0.0; items.len()];
        let mut current: Option<(usize, Scores)> = None;
        for at in order {
            let item = items[at] as usize;
            let first = item / columns * columns;
            if current.as_ref().is_none_or(|(start, _)| *start != first) {
                let gallery = first..(first + columns).min(self.gallery());
                current = Some((first, self.tile(queries.clone(), gallery)?));
            }
            if let Some((start, tile)) = &current {
                scores[at] = tile.row(query - first_row)[item - start];
            }
        }
        Ok(scores)
    }

    /// What the scorer itself holds, tiles that it returns not counted.
    fn memory(&self) -> Memory;
}

/// A tile of scores, row-major with a stride, so that a padded tile need not be copied to be cropped.
#[derive(Clone, Debug)]
pub struct Scores {
    values: Vec<f32>,
    columns: usize,
    stride: usize,
}

impl Scores {
    /// `values[row * stride + column]`, of which the first `columns` of each row are scores.
    ///
    /// # Panics
    /// If a row is wider than its stride.
    pub fn new(values: Vec<f32>, columns: usize, stride: usize) -> Self {
        assert!(
            columns <= stride,
            "rows of {columns} do not fit in a stride of {stride}"
        );
        Self {
            values,
            columns,
            stride,
        }
    }

    /// Rows without padding.
    pub fn dense(values: Vec<f32>, columns: usize) -> Self {
        Self::new(values, columns, columns)
    }

    /// Number of gallery items.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of whole rows that are stored (padding rows included).
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.stride).unwrap_or(0)
    }

    /// One query's scores.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..][..self.columns]
    }

    /// Each row's scores, to be changed.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let columns = self.columns;
        self.values
            .chunks_exact_mut(self.stride.max(1))
            .map(move |row| &mut row[..columns])
    }
}

/// Bytes held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In the computer's memory.
    pub host: u64,
    /// In the device's memory; on the CPU that is the same memory.
    pub device: u64,
}

impl Memory {
    /// Both together.
    pub fn total(self) -> u64 {
        self.host + self.device
    }
}
