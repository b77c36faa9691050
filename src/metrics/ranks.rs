//! The ranks that all retrieval metrics are computed from.

/// Where one query's relevant items stand.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryRanks {
    /// Ranks from 0 among the items that are not ignored, ascending; never empty.
    pub ranks: Vec<u32>,
    /// Grade of the item at each of these ranks; 1 where relevance is plain.
    pub grades: Vec<f32>,
    /// Number of items that were ranked.
    pub gallery: usize,
}

impl QueryRanks {
    /// Plain relevance: every grade is 1.
    pub fn plain(ranks: Vec<u32>, gallery: usize) -> Self {
        Self {
            grades: vec![1.0; ranks.len()],
            ranks,
            gallery,
        }
    }

    /// From a ranking's pattern of hits, best first.
    pub fn from_hits(hits: &[bool]) -> Self {
        let ranks = (0u32..)
            .zip(hits)
            .filter(|(_, hit)| **hit)
            .map(|(rank, _)| rank)
            .collect();
        Self::plain(ranks, hits.len())
    }

    /// From a ranking's grades, best first; 0 is irrelevant.
    pub fn from_grades(ranking: &[f32]) -> Self {
        let (ranks, grades) = (0u32..)
            .zip(ranking.iter().copied())
            .filter(|&(_, grade)| grade > 0.0)
            .unzip();
        Self {
            ranks,
            grades,
            gallery: ranking.len(),
        }
    }

    /// Number of relevant items among the first `k`.
    pub fn hits(&self, k: usize) -> usize {
        self.ranks.partition_point(|&rank| (rank as usize) < k)
    }
}

/// All queries' ranks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranks {
    /// One for each query; none for a query without relevant items, which no metric counts as a miss.
    pub queries: Vec<Option<QueryRanks>>,
    /// How many queries had no relevant items.
    pub skipped: usize,
}

impl Ranks {
    /// The queries that count.
    pub fn valid(&self) -> impl Iterator<Item = &QueryRanks> {
        self.queries.iter().flatten()
    }
}
