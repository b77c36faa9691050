//! Ranking and search against a naive form that sorts the gallery.

use std::ops::Range;

use proptest::prelude::*;

use super::top::Hit;
use super::*;
use crate::metrics::QueryRanks;

/// A matrix of scores, and how many tiles of it were asked for.
pub(super) struct Matrix {
    pub(super) scores: Vec<Vec<f32>>,
    pub(super) tile: (usize, usize),
    pub(super) asked: usize,
}

impl Matrix {
    fn new(scores: Vec<Vec<f32>>, tile: (usize, usize)) -> Self {
        Self {
            scores,
            tile,
            asked: 0,
        }
    }
}

impl Scorer for Matrix {
    fn queries(&self) -> usize {
        self.scores.len()
    }
    fn gallery(&self) -> usize {
        self.scores.first().map_or(0, Vec::len)
    }
    fn tile_shape(&self) -> (usize, usize) {
        self.tile
    }
    fn tile(&mut self, queries: Range<usize>, gallery: Range<usize>) -> Result<Scores, SearchError> {
        assert!(queries.start.is_multiple_of(self.tile.0) && gallery.start.is_multiple_of(self.tile.1));
        self.asked += 1;
        // Padded to the full shape with scores that would win.
        let mut values = vec![f32::INFINITY; self.tile.0 * self.tile.1];
        for query in queries.clone() {
            let row = &mut values[(query - queries.start) * self.tile.1..][..gallery.len()];
            row.copy_from_slice(&self.scores[query][gallery.clone()]);
        }
        Ok(Scores::new(values, gallery.len(), self.tile.1))
    }
    fn memory(&self) -> Memory {
        Memory {
            host: 1000,
            device: 0,
        }
    }
}

/// The ranking of a query: a sort of the whole gallery.
fn sorted(scores: &[f32], query: usize, relevance: &dyn Relevance, ties: Ties) -> Vec<usize> {
    let mut items: Vec<usize> = (0..scores.len())
        .filter(|&item| !relevance.ignore(query, item))
        .collect();
    items.sort_by(|&a, &b| {
        let by_score = scores[b].partial_cmp(&scores[a]).unwrap();
        let by_grade = relevance
            .grade(query, a)
            .partial_cmp(&relevance.grade(query, b))
            .unwrap();
        match ties {
            Ties::Index => by_score.then(a.cmp(&b)),
            Ties::Pessimistic => by_score.then(by_grade).then(a.cmp(&b)),
        }
    });
    items
}

fn naive(scores: &[f32], query: usize, relevance: &dyn Relevance, ties: Ties) -> Option<QueryRanks> {
    let order = sorted(scores, query, relevance, ties);
    let grades: Vec<f32> = order.iter().map(|&item| relevance.grade(query, item)).collect();
    Some(QueryRanks::from_grades(&grades)).filter(|ranks| !ranks.ranks.is_empty())
}

fn agrees(scores: Vec<Vec<f32>>, relevance: &dyn Relevance, tile: (usize, usize), budget: u64) {
    for ties in [Ties::Index, Ties::Pessimistic] {
        let expected: Vec<_> = scores
            .iter()
            .enumerate()
            .map(|(query, row)| naive(row, query, relevance, ties))
            .collect();
        let options = Options { ties, budget };
        let found = rank(&mut Matrix::new(scores.clone(), tile), relevance, &options).unwrap();
        assert_eq!(
            found.skipped,
            expected.iter().filter(|ranks| ranks.is_none()).count()
        );
        assert_eq!(found.queries, expected);
    }
    let all: Vec<usize> = (0..scores.len()).rev().collect();
    for k in [0, 1, 3, 100] {
        let found = top_k(&mut Matrix::new(scores.clone(), tile), Some(relevance), &all, k).unwrap();
        for (&query, found) in all.iter().zip(found) {
            let order = sorted(&scores[query], query, relevance, Ties::Index);
            let hit = |&item: &usize| Hit {
                item: item as u32,
                score: scores[query][item],
            };
            assert_eq!(found, order.iter().take(k).map(hit).collect::<Vec<_>>());
        }
    }
}

/// Few values, so that ties abound; both infinities and both zeros among them.
fn score() -> impl Strategy<Value = f32> {
    prop::sample::select(vec![
        -1.0,
        -0.0,
        0.0,
        0.25,
        0.5,
        1.0,
        f32::NEG_INFINITY,
        f32::INFINITY,
    ])
}

fn matrix(queries: usize, gallery: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    prop::collection::vec(prop::collection::vec(score(), gallery), queries)
}

fn label() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0u32..3, 1 => Just(DISTRACTOR), 1 => Just(JUNK)]
}

fn side(items: usize) -> impl Strategy<Value = Side> {
    (
        prop::collection::vec(label(), items),
        prop::option::of(prop::collection::vec(0i64..3, items)),
    )
        .prop_map(|(labels, cameras)| Side { labels, cameras })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn labels_and_cameras_agree_with_sorting(
        scores in matrix(7, 40), queries in side(7), gallery in side(40),
        rows in 1usize..9, columns in 1usize..50, budget in 0u64..4000,
    ) {
        agrees(scores, &LabelRelevance::new(queries, gallery), (rows, columns), budget);
    }

    #[test]
    fn leaving_one_out_agrees_with_sorting(scores in matrix(12, 12), items in side(12), columns in 1usize..13) {
        agrees(scores, &LabelRelevance::leave_one_out(items), (5, columns), 1 << 20);
    }

    #[test]
    fn graded_pairs_agree_with_sorting(
        scores in matrix(4, 20), columns in 1usize..21, closed: bool,
        pairs in prop::collection::vec((0usize..4, 0usize..20, 0u8..4), 0..30),
        junk in prop::collection::vec((0usize..4, 0usize..20), 0..8),
    ) {
        let pairs = pairs.into_iter().map(|(query, item, grade)| (query, item, f32::from(grade)));
        let relevance = PairRelevance::new(4, 20, pairs).ignoring(junk);
        agrees(scores, &if closed { relevance.only_judged() } else { relevance }, (3, columns), 500);
    }
}

#[test]
fn many_threads_agree_with_sorting() {
    let mut stream = crate::random::stream(1, "threads test", &[]);
    let scores = (0..64)
        .map(|_| (0..5000).map(|_| stream.below(3000) as f32).collect())
        .collect();
    let labels = |items: usize, stream: &mut crate::random::Stream| {
        (0..items).map(|_| stream.below(200) as u32).collect()
    };
    let queries = Side::labels(labels(64, &mut stream));
    let gallery = Side::labels(labels(5000, &mut stream));
    agrees(
        scores,
        &LabelRelevance::new(queries, gallery),
        (64, 2500),
        1 << 20,
    );
}

#[test]
fn one_score_for_all_is_as_bad_as_can_be_when_pessimistic() {
    let relevance = PairRelevance::new(1, 10, [(0, 0, 1.0), (0, 1, 2.0)]);
    let run = |ties| {
        let options = Options {
            ties,
            ..Options::default()
        };
        rank(
            &mut Matrix::new(vec![vec![0.5; 10]], (1, 4)),
            &relevance,
            &options,
        )
        .unwrap()
        .queries[0]
            .clone()
            .unwrap()
    };
    assert_eq!(
        run(Ties::Index),
        QueryRanks {
            ranks: vec![0, 1],
            grades: vec![1.0, 2.0],
            gallery: 10
        }
    );
    assert_eq!(
        run(Ties::Pessimistic),
        QueryRanks {
            ranks: vec![8, 9],
            grades: vec![1.0, 2.0],
            gallery: 10
        }
    );
}

#[test]
fn tiles_are_computed_once_where_there_is_room() {
    let scores = vec![vec![0.0; 100]; 6];
    // Relevant items in the first and the last tile.
    let relevance = PairRelevance::new(
        6,
        100,
        (0..6).flat_map(|query| [(query, 3, 1.0), (query, 99, 1.0)]),
    );
    let asked = |budget| {
        let mut scorer = Matrix::new(scores.clone(), (6, 10));
        rank(
            &mut scorer,
            &relevance,
            &Options {
                budget,
                ..Options::default()
            },
        )
        .unwrap();
        scorer.asked
    };
    assert_eq!(asked(1 << 20), 10);
    assert_eq!(asked(2 * 240), 11);
    assert_eq!(asked(0), 12);
}

#[test]
fn what_is_not_a_number_names_its_pair() {
    for (query, item) in [(0, 0), (1, 7), (2, 8)] {
        let mut scores = vec![vec![1.0; 9]; 3];
        scores[query][item] = f32::NAN;
        let relevance = PairRelevance::new(3, 9, (0..3).map(|query| (query, 7, 1.0)));
        let error = rank(
            &mut Matrix::new(scores.clone(), (2, 4)),
            &relevance,
            &Options::default(),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the score of query {query} and gallery item {item} is not a number")
        );
        assert!(top_k(&mut Matrix::new(scores, (2, 4)), None, &[query], 2).is_err());
    }
    let mut scores = vec![vec![1.0, f32::NAN]];
    let closed = PairRelevance::new(1, 2, [(0, 0, 1.0), (0, 1, 0.0)]).only_judged();
    assert!(
        rank(
            &mut Matrix::new(scores.clone(), (1, 2)),
            &closed,
            &Options::default()
        )
        .is_err()
    );
    scores[0][1] = 0.0;
    assert!(rank(&mut Matrix::new(scores, (1, 2)), &closed, &Options::default()).is_ok());
}

#[test]
fn sizes_must_agree_and_nothing_may_be_empty_in_silence() {
    let relevance = PairRelevance::new(2, 9, []);
    let error = rank(
        &mut Matrix::new(vec![vec![0.0; 9]; 3], (2, 4)),
        &relevance,
        &Options::default(),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the scores are for 3 queries, the relevance is for 2"
    );
    let ranks = rank(
        &mut Matrix::new(vec![], (2, 4)),
        &PairRelevance::new(0, 0, []),
        &Options::default(),
    )
    .unwrap();
    assert!(ranks.queries.is_empty());
}

#[test]
fn a_plan_says_what_it_needs() {
    struct Large;
    impl Scorer for Large {
        fn queries(&self) -> usize {
            60_000
        }
        fn gallery(&self) -> usize {
            60_000
        }
        fn tile_shape(&self) -> (usize, usize) {
            (512, 4096)
        }
        fn tile(&mut self, _: Range<usize>, _: Range<usize>) -> Result<Scores, SearchError> {
            unreachable!()
        }
        fn memory(&self) -> Memory {
            Memory {
                host: 245_760_000,
                device: 0,
            }
        }
    }
    let plan = Plan::new(&Large, &Options::default());
    assert_eq!(plan.kept, 15);
    assert_eq!(
        plan.to_string(),
        "exact ranking of 60,000 × 60,000 in tiles of 512 × 4,096: 380 MB"
    );
    let least = Plan::new(
        &Large,
        &Options {
            budget: 0,
            ..Options::default()
        },
    );
    assert_eq!((least.kept, least.bytes), (0, 245_760_000 + 8_388_608));
    assert_eq!(
        [0, 7, 999, 1000, 1_234_567].map(super::rank::grouped),
        ["0", "7", "999", "1,000", "1,234,567"]
    );
}
