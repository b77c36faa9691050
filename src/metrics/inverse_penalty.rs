//! Inverse negative penalty.

use super::QueryRanks;

/// mINP's term for one query (Ye et al., "Deep Learning for Person Re-identification", 2021): R / (last rank + 1), how
/// little of the ranking must be looked through to find all R relevant items.
pub fn of(query: &QueryRanks) -> f64 {
    query
        .ranks
        .last()
        .map_or(0.0, |&last| query.ranks.len() as f64 / (f64::from(last) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardest_item_decides() {
        assert_eq!(of(&QueryRanks::from_hits(&[false, true, true, false, true])), 0.6);
        assert_eq!(of(&QueryRanks::from_hits(&[true, true])), 1.0);
    }
}
