//! Reciprocal rank.

use super::QueryRanks;

/// 1 / place of the first relevant item.
pub fn of(query: &QueryRanks) -> f64 {
    query
        .ranks
        .first()
        .map_or(0.0, |&first| 1.0 / (f64::from(first) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_counts() {
        assert_eq!(of(&QueryRanks::from_hits(&[false, true, true])), 0.5);
        assert_eq!(of(&QueryRanks::from_hits(&[true, false, true])), 1.0);
    }
}
