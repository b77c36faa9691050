//! Normalised discounted cumulative gain, for graded relevance.

use super::QueryRanks;

/// What an item of a grade is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gain {
    /// 2^grade − 1 (Burges et al., 2005): for grades 0, 1, 2, …
    Exponential,
    /// The grade itself (Järvelin and Kekäläinen, 2002): for grades that are gains already.
    Linear,
}

/// nDCG@k: Σ gain / log2(place + 1) over the first k places, divided by the same sum for the best order of the query's
/// own items. `usize::MAX` takes the whole ranking.
pub fn at(query: &QueryRanks, k: usize, gain: Gain) -> f64 {
    let gain = |grade: f32| match gain {
        Gain::Exponential => f64::from(grade).exp2() - 1.0,
        Gain::Linear => f64::from(grade),
    };
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
        assert!(
            (at(
                &QueryRanks::from_hits(&[false, true, false, true, true]),
                all,
                Gain::Exponential
            ) - 0.679731)
                .abs()
                < 1e-6
        );
        assert!(
            (at(
                &QueryRanks::from_hits(&[true, false, false, false, true]),
                all,
                Gain::Exponential
            ) - 0.850345)
                .abs()
                < 1e-6
        );
    }

    #[test]
    fn grades_weigh_and_k_cuts_both_sums() {
        // Gains 3 and 1; found 1/log2(2) + 3/log2(4), best 3/log2(2) + 1/log2(3).
        let query = QueryRanks::from_grades(&[1.0, 0.0, 2.0]);
        let expected = (1.0 + 3.0 / 2.0) / (3.0 + 1.0 / 3f64.log2());
        assert!((at(&query, 3, Gain::Exponential) - expected).abs() < 1e-15);
        assert!((at(&query, 1, Gain::Exponential) - 1.0 / 3.0).abs() < 1e-15);
        assert!((at(&query, 1, Gain::Linear) - 0.5).abs() < 1e-15);
        assert_eq!(
            at(&QueryRanks::from_grades(&[2.0, 1.0, 0.0]), 10, Gain::Exponential),
            1.0
        );
    }
}
