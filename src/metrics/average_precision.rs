//! Average precision.

use super::QueryRanks;

/// AP = (1/R) Σ_j j / (rank_j + 1) over the R relevant items, j = 1 … R by rank: the mean of the precisions where they
/// stand. Neither interpolated nor truncated. With one relevant item it is the reciprocal rank.
pub fn of(query: &QueryRanks) -> f64 {
    let sum: f64 = (1u32..)
        .zip(&query.ranks)
        .map(|(found, &rank)| f64::from(found) / (f64::from(rank) + 1.0))
        .sum();
    sum / query.ranks.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::reciprocal_rank;

    #[test]
    fn the_card_s_pattern() {
        let query = QueryRanks::from_hits(&[false, true, true, false, true]);
        assert!((of(&query) - (0.5 + 2.0 / 3.0 + 0.6) / 3.0).abs() < 1e-15);
        assert!((of(&query) - 0.58889).abs() < 1e-5);
        // The query–product card's lists.
        assert!((of(&QueryRanks::from_hits(&[false, true, false, true, true])) - 0.533333).abs() < 1e-6);
        assert!((of(&QueryRanks::from_hits(&[true, false, false, false, true])) - 0.7).abs() < 1e-12);
    }

    #[test]
    fn one_relevant_item_makes_it_the_reciprocal_rank_bit_for_bit() {
        for rank in 0..1000 {
            let query = QueryRanks::plain(vec![rank], 1000);
            assert_eq!(of(&query).to_bits(), reciprocal_rank::of(&query).to_bits());
        }
    }
}
