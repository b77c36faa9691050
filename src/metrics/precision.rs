//! Precision at k.

use super::QueryRanks;

/// The share of relevant items among the first k places. A gallery smaller than k still divides by k.
pub fn at(query: &QueryRanks, k: usize) -> f64 {
    query.hits(k) as f64 / k as f64
}

/// R-precision: the share of relevant items among the first R places, R being the number of relevant items.
pub fn at_r(query: &QueryRanks) -> f64 {
    at(query, query.ranks.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_over_places() {
        let query = QueryRanks::from_hits(&[true, true, false, true]);
        assert_eq!([1, 2, 3, 10].map(|k| at(&query, k)), [1.0, 1.0, 2.0 / 3.0, 0.3]);
        assert_eq!(at_r(&query), 2.0 / 3.0);
    }
}
