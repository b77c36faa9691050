//! Tiles asked for, checked, and kept within a limit.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Scorer, Scores, SearchError};

/// The tiles of one strip of queries. A tile computed to learn the positives' scores is kept for the counting pass while
/// there is room; otherwise it is computed again, at the same place of the grid and therefore to the same bits.
pub(super) struct Strip<'a> {
    scorer: &'a mut dyn Scorer,
    queries: Range<usize>,
    columns: usize,
    kept: BTreeMap<usize, Scores>,
    room: usize,
}

impl<'a> Strip<'a> {
    /// `room`: how many tiles may be kept.
    pub(super) fn new(scorer: &'a mut dyn Scorer, queries: Range<usize>, room: usize) -> Self {
        let columns = scorer.tile_shape().1.max(1);
        Self {
            scorer,
            queries,
            columns,
            kept: BTreeMap::new(),
            room,
        }
    }

    /// How many tiles the gallery has.
    pub(super) fn tiles(&self) -> usize {
        self.scorer.gallery().div_ceil(self.columns)
    }

    /// The gallery items of a tile.
    pub(super) fn items(&self, tile: usize) -> Range<usize> {
        let start = tile * self.columns;
        start..(start + self.columns).min(self.scorer.gallery())
    }

    /// A tile to look at; kept if there is room.
    pub(super) fn look<T>(
        &mut self,
        tile: usize,
        look: impl FnOnce(&Scores) -> Result<T, SearchError>,
    ) -> Result<T, SearchError> {
        if let Some(scores) = self.kept.get(&tile) {
            return look(scores);
        }
        let scores = self.compute(tile)?;
        let seen = look(&scores)?;
        if self.kept.len() < self.room {
            self.kept.insert(tile, scores);
        }
        Ok(seen)
    }

    /// A tile to use up.
    pub(super) fn take(&mut self, tile: usize) -> Result<Scores, SearchError> {
        match self.kept.remove(&tile) {
            Some(scores) => Ok(scores),
            None => self.compute(tile),
        }
    }

    fn compute(&mut self, tile: usize) -> Result<Scores, SearchError> {
        let gallery = self.items(tile);
        let scores = self.scorer.tile(self.queries.clone(), gallery.clone())?;
        if scores.columns() != gallery.len() || scores.rows() < self.queries.len() {
            return Err(SearchError::Tile {
                found: format!("{} × {} scores", scores.rows(), scores.columns()),
                expected: format!("{} × {}", self.queries.len(), gallery.len()),
                queries: self.queries.clone(),
                gallery,
            });
        }
        Ok(scores)
    }
}

/// Calls `work` on each pair of row and state, the pairs shared out among the machine's cores. The first error in row
/// order is returned, so that what is reported does not depend on the threads.
pub(super) fn on_rows<S: Send>(
    scores: &mut Scores,
    states: &mut [S],
    work: impl Fn(&mut [f32], &mut S) -> Result<(), SearchError> + Sync,
) -> Result<(), SearchError> {
    let columns = scores.columns();
    let mut pairs: Vec<(&mut [f32], &mut S)> = scores.rows_mut().zip(states.iter_mut()).collect();
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    // A thread costs about as much as scanning some ten thousand scores.
    let threads = cores.min(pairs.len() * columns / 65_536 + 1);
    if threads == 1 {
        return pairs.into_iter().try_for_each(|(row, state)| work(row, state));
    }
    let share = pairs.len().div_ceil(threads);
    let work = &work;
    std::thread::scope(|scope| {
        let running: Vec<_> = pairs
            .chunks_mut(share)
            .map(|chunk| scope.spawn(move || chunk.iter_mut().try_for_each(|(row, state)| work(row, state))))
            .collect();
        let mut outcome = Ok(());
        for handle in running {
            let one = handle
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if outcome.is_ok() {
                outcome = one;
            }
        }
        outcome
    })
}
