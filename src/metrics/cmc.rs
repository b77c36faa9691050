//! The cumulative matching characteristic.

use super::Ranks;

/// The CMC curve: at position k−1, the share of queries with a relevant item among the first k, for k = 1 … `up_to`.
/// (With several images of an identity in the gallery, all of them take part, as in Market-1501's protocol.)
pub fn curve(ranks: &Ranks, up_to: usize) -> Vec<f64> {
    let mut firsts = vec![0usize; up_to];
    let mut queries = 0usize;
    for query in ranks.valid() {
        queries += 1;
        if let Some(count) = firsts.get_mut(query.ranks[0] as usize) {
            *count += 1;
        }
    }
    let mut found = 0;
    firsts
        .into_iter()
        .map(|count| {
            found += count;
            found as f64 / queries.max(1) as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{QueryRanks, recall};

    #[test]
    fn the_curve_is_recall_at_every_k() {
        let queries = [vec![0, 3], vec![2], vec![9]].map(|ranks| Some(QueryRanks::plain(ranks, 10)));
        let ranks = Ranks {
            queries: queries.into_iter().chain([None]).collect(),
            skipped: 1,
        };
        let third = 1.0 / 3.0;
        assert_eq!(curve(&ranks, 4), [third, third, 2.0 * third, 2.0 * third]);
        let last = ranks.valid().map(|query| recall::at(query, 10)).sum::<f64>() / 3.0;
        assert_eq!(curve(&ranks, 10)[9], last);
    }
}
