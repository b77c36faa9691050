//! Archives in random order, and their rows through a shuffling buffer: what a reader of streams does, as a plan.

use crate::random::Stream;

/// Every row once. Archives are shuffled; of a buffer that their rows fill in order, a random one is taken each time.
pub(super) fn order(rows: usize, archives: &[u32], buffer: usize, stream: &mut Stream) -> Vec<usize> {
    let mut members: Vec<Vec<usize>> = Vec::new();
    for row in 0..rows {
        let archive = archives.get(row).copied().unwrap_or(0) as usize;
        if members.len() <= archive {
            members.resize_with(archive + 1, Vec::new);
        }
        members[archive].push(row);
    }
    stream.shuffle(&mut members);
    let mut coming = members.into_iter().flatten();
    let mut waiting: Vec<usize> = coming.by_ref().take(buffer).collect();
    let mut order = Vec::with_capacity(rows);
    while !waiting.is_empty() {
        let place = stream.below(waiting.len());
        order.push(match coming.next() {
            Some(next) => std::mem::replace(&mut waiting[place], next),
            None => waiting.swap_remove(place),
        });
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    #[test]
    fn every_row_comes_once_and_archives_stay_together() {
        let archives: Vec<u32> = (0..60).map(|row| row / 10).collect();
        let mut draws = stream(1, "test", &[]);
        let one = order(60, &archives, 1, &mut draws);
        let mut sorted = one.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..60).collect::<Vec<_>>());
        // A buffer of one row does not mix: each archive in order, the archives in random order.
        for block in one.chunks(10) {
            assert!(block.windows(2).all(|pair| pair[1] == pair[0] + 1), "{one:?}");
        }
        assert_ne!(one, sorted);
        let mixed = order(60, &archives, 20, &mut stream(1, "test", &[]));
        let far = mixed
            .chunks(10)
            .filter(|block| block.iter().any(|row| archives[*row] != archives[block[0]]))
            .count();
        assert!(far > 0, "a buffer mixes archives: {mixed:?}");
        // The first row out was among the first that went in.
        let first: Vec<u32> = one.chunks(10).take(2).map(|block| archives[block[0]]).collect();
        assert!(first.contains(&archives[mixed[0]]));
        assert_eq!(mixed, order(60, &archives, 20, &mut stream(1, "test", &[])));
        assert_ne!(mixed, order(60, &archives, 20, &mut stream(2, "test", &[])));
    }

    #[test]
    fn without_archives_it_is_a_shuffle() {
        let mut rows = order(7, &[], 100, &mut stream(3, "test", &[]));
        assert_eq!(rows.len(), 7);
        rows.sort_unstable();
        assert_eq!(rows, (0..7).collect::<Vec<_>>());
        assert!(order(0, &[], 5, &mut stream(3, "test", &[])).is_empty());
    }
}
