//! Normalised discounted cumulative gain, for graded relevance.

use super::QueryRanks;

/// nDCG@k (Burges et al., 2005): Σ (2^grade − 1) / log2(place + 1) over the first k places, divided by the same sum for
/// the best order of the query's own items. `usize::MAX` takes the whole ranking.
pub fn at(query: &QueryRanks, k: usize) -> f64 {
    let gain = |grade: f32| f64::from(grade).exp2() - 1.0;
    let discount = |rank: f64| 1.0 / (rank + 2.0).log2();
    let hits = query.hits(k);
    let found: f64 = query.ranks[..hits]
        .iter()
        .zip(&query.grades)
        .map(|(&rank, &grade)| gain(grade) * discount(f64::from(rank)))
        .sum();
    let mut grades = query.grades.clone();
    grades.sort_unstable_by(|a, b| b.total_cmp(a));
    let best: f64 = grades
        .iter()
        .take(k)
        .enumerate()
        .map(|(rank, &grade)| gain(grade) * discount(rank as f64))
        .sum();
    if best > 0.0 { found / best } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_product_card_s_lists() {
        let all = usize::MAX;
        assert!((at(&QueryRanks::from_hits(&[false, true, false, true, true]), all) - 0.679731).abs() < 1e-6);
        assert!(
            (at(&QueryRanks::from_hits(&[true, false, false, false, true]), all) - 0.850345).abs() < 1e-6
        );
    }

    #[test]
    fn grades_weigh_and_k_cuts_both_sums() {
        // Gains 3 and 1; found 1/log2(2) + 3/log2(4), best 3/log2(2) + 1/log2(3).
        let query = QueryRanks::from_grades(&[1.0, 0.0, 2.0]);
        let expected = (1.0 + 3.0 / 2.0) / (3.0 + 1.0 / 3f64.log2());
        assert!((at(&query, 3) - expected).abs() < 1e-15);
        assert!((at(&query, 1) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(at(&QueryRanks::from_grades(&[2.0, 1.0, 0.0]), 10), 1.0);
    }
}
