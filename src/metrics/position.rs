//! The place of the first relevant item, counted from 1: its mean and its median over queries.

use super::QueryRanks;

/// Place of the first relevant item.
pub fn first(query: &QueryRanks) -> f64 {
    query
        .ranks
        .first()
        .map_or(f64::INFINITY, |&rank| f64::from(rank) + 1.0)
}

/// The median as image–text retrieval has it: ⌊median of the ranks from 0⌋ + 1. Sorts its input.
pub fn median(places: &mut [f64]) -> f64 {
    places.sort_unstable_by(f64::total_cmp);
    let middle = places.len() / 2;
    match places.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => places[middle],
        _ => ((places[middle - 1] + places[middle]) / 2.0).floor(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one() {
        assert_eq!(first(&QueryRanks::from_hits(&[false, false, true])), 3.0);
        assert_eq!(median(&mut [9.0, 1.0, 2.0]), 2.0);
        // Ranks 1 and 2 have the median 1.5; its floor plus one is 2.
        assert_eq!(median(&mut [3.0, 2.0]), 2.0);
    }
}
