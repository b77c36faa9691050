//! Exact search: the ranks of the positives.

use tailor::device::Device;
use tailor::search::{Embeddings, LabelRelevance, Options, Side, Similarity, rank};

use crate::values::{Values, normals};

const QUERIES: usize = 20;
const GALLERY: usize = 100;
const WIDTH: usize = 16;

/// Both similarities, over more than one tile in each direction.
pub fn ranks(device: &Device) -> Values {
    let mut values = Values::default();
    let labels = |count: usize| Side::labels((0..count as u32).map(|item| item % 7).collect());
    let relevance = LabelRelevance::new(labels(QUERIES), labels(GALLERY));
    for (name, similarity) in [
        ("cosine", Similarity::Cosine),
        ("euclidean", Similarity::NegativeSquaredEuclidean),
    ] {
        let (queries, gallery) = (
            normals("queries", QUERIES * WIDTH),
            normals("gallery", GALLERY * WIDTH),
        );
        let scorer = Embeddings::new(queries, gallery, WIDTH, similarity, device).unwrap();
        let mut scorer = scorer.with_tile(16, 64);
        let ranks = rank(&mut scorer, &relevance, &Options::default()).unwrap();
        assert_eq!(ranks.skipped, 0);
        let found = ranks.queries.iter().flatten();
        values.put(
            name,
            found
                .flat_map(|query| query.ranks.iter().map(|&rank| rank as f32))
                .collect(),
        );
    }
    values
}
