//! Average precision at R.

use super::QueryRanks;

/// MAP@R's term for one query (Musgrave et al., "A Metric Learning Reality Check", 2020): with R relevant items,
/// (1/R) Σ_{i=1…R} P(i)·rel(i), looking at the first R places only.
pub fn of(query: &QueryRanks) -> f64 {
    let r = query.ranks.len();
    let within = &query.ranks[..query.hits(r)];
    let sum: f64 = (1u32..)
        .zip(within)
        .map(|(found, &rank)| f64::from(found) / (f64::from(rank) + 1.0))
        .sum();
    sum / r as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_beyond_r_count_nothing() {
        // R = 3; hits at places 2 and 3 count 1/2 and 2/3, the one at place 5 does not.
        let query = QueryRanks::from_hits(&[false, true, true, false, true]);
        assert!((of(&query) - (0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        assert_eq!(of(&QueryRanks::from_hits(&[true, true, false])), 1.0);
        assert_eq!(of(&QueryRanks::from_hits(&[false, true])), 0.0);
    }
}
