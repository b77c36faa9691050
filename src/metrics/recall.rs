//! Recall at k.

use super::QueryRanks;

/// Recall@k as retrieval papers have it (also Acc@k, Top-k, hit rate): 1 if any relevant item stands among the first k.
pub fn at(query: &QueryRanks, k: usize) -> f64 {
    if query.hits(k) > 0 { 1.0 } else { 0.0 }
}

/// Recall@k as search engines have it: the share of the relevant items that stands among the first k. Called coverage
/// here, so that the two are never confused.
pub fn coverage_at(query: &QueryRanks, k: usize) -> f64 {
    query.hits(k) as f64 / query.ranks.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_counts_from_its_rank_on() {
        let query = QueryRanks::from_hits(&[false, true, true, false, true]);
        assert_eq!([1, 2, 5, 9].map(|k| at(&query, k)), [0.0, 1.0, 1.0, 1.0]);
        assert_eq!(
            [1, 2, 3, 5].map(|k| coverage_at(&query, k)),
            [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]
        );
    }
}
