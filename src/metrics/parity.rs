//! Figures against independent implementations (torchreid, fast-reid, the centroids code, pytorch-metric-learning,
//! scikit-learn), from scores all the way; scripts/reference/metrics.py made the fixture and describes it.

use std::ops::Range;

use serde::Deserialize;

use super::*;
use crate::search::{LabelRelevance, Memory, Options, Scorer, Scores, SearchError, Side, rank};

#[derive(Deserialize)]
struct Fixture {
    rankings: Vec<Case>,
    graded: Vec<Graded>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    distances: Vec<Vec<f32>>,
    q_pids: Vec<u32>,
    g_pids: Vec<u32>,
    q_cams: Vec<i64>,
    g_cams: Vec<i64>,
    exclude: String,
    per_query: Vec<Option<Query>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Query {
    first_hit: f64,
    ap: f64,
    inp: f64,
    ap_at_r: f64,
    r_precision: f64,
    rr: f64,
    precision_at_1: f64,
}

#[derive(Deserialize)]
struct Expected {
    map: f64,
    map_torchreid: f64,
    map_ctl: Option<f64>,
    top_k_ctl: Option<Vec<f64>>,
    minp: f64,
    cmc: Vec<f64>,
    cmc_torchreid: Vec<f64>,
    map_at_r: f64,
    r_precision: f64,
    mrr: f64,
    precision_at_1: f64,
    valid_queries: usize,
}

#[derive(Deserialize)]
struct Graded {
    name: String,
    grades: Vec<Vec<f32>>,
    scores: Vec<Vec<f32>>,
    ndcg: std::collections::BTreeMap<usize, Vec<f64>>,
}

fn fixture() -> Fixture {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/metrics.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

struct Matrix(Vec<Vec<f32>>);

impl Scorer for Matrix {
    fn queries(&self) -> usize {
        self.0.len()
    }
    fn gallery(&self) -> usize {
        self.0[0].len()
    }
    fn tile_shape(&self) -> (usize, usize) {
        (3, 7)
    }
    fn tile(&mut self, queries: Range<usize>, gallery: Range<usize>) -> Result<Scores, SearchError> {
        let values = self.0[queries]
            .iter()
            .flat_map(|row| row[gallery.clone()].to_vec())
            .collect();
        Ok(Scores::dense(values, gallery.len()))
    }
    fn memory(&self) -> Memory {
        Memory::default()
    }
}

#[track_caller]
fn near(what: &str, found: f64, expected: f64) {
    // cmc comes from f32 in the reference implementations.
    assert!(
        (found - expected).abs() < 1e-6,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn rankings_agree_with_the_reference_implementations() {
    let fixture = fixture();
    assert!(fixture.rankings.len() >= 8);
    for case in fixture.rankings {
        let relevance = match case.exclude.as_str() {
            "self" => LabelRelevance::leave_one_out(Side::labels(case.g_pids)),
            "same_pid_and_camera" => LabelRelevance::new(
                Side::with_cameras(case.q_pids.clone(), case.q_cams),
                Side::with_cameras(case.g_pids, case.g_cams),
            ),
            other => panic!("unknown exclusion {other}"),
        };
        let scores = case
            .distances
            .iter()
            .map(|row| row.iter().map(|distance| -distance).collect())
            .collect();
        let ranks = rank(&mut Matrix(scores), &relevance, &Options::default()).unwrap();
        for (at, (found, expected)) in ranks.queries.iter().zip(&case.per_query).enumerate() {
            let name = format!("{}, query {at}", case.name);
            assert_eq!(found.is_some(), expected.is_some(), "{name}");
            if let (Some(found), Some(expected)) = (found, expected) {
                near(&name, position::first(found), expected.first_hit);
                near(&name, average_precision::of(found), expected.ap);
                near(&name, inverse_penalty::of(found), expected.inp);
                near(&name, at_r::of(found), expected.ap_at_r);
                near(&name, precision::at_r(found), expected.r_precision);
                near(&name, reciprocal_rank::of(found), expected.rr);
                near(&name, precision::at(found, 1), expected.precision_at_1);
            }
        }
        let expected = case.expected;
        assert_eq!(ranks.valid().count(), expected.valid_queries);
        assert_eq!(ranks.skipped, case.per_query.len() - expected.valid_queries);
        let mut metrics = retrieval_metrics();
        metrics.push(Metric::PrecisionAtR);
        let figures = figures(
            &ranks,
            &case.q_pids,
            &metrics,
            &Resampling {
                resamples: 10,
                seed: 0,
            },
        )
        .unwrap();
        let check =
            |metric: &str, expected: f64| near(&case.name, figures.get(metric).unwrap().value, expected);
        check("mAP", expected.map);
        check("mAP", expected.map_torchreid);
        check("mINP", expected.minp);
        check("mAP@R", expected.map_at_r);
        check("R-precision", expected.r_precision);
        check("MRR", expected.mrr);
        check("precision@1", expected.precision_at_1);
        if let (Some(map), Some(top)) = (expected.map_ctl, expected.top_k_ctl) {
            check("mAP", map);
            for (k, expected) in [1, 5, 10, 20, 50].into_iter().zip(top) {
                check(&format!("recall@{k}"), expected);
            }
        }
        for reference in [&expected.cmc, &expected.cmc_torchreid] {
            for (found, expected) in cmc::curve(&ranks, reference.len()).into_iter().zip(reference) {
                near(&case.name, found, *expected);
            }
        }
    }
}

#[test]
fn graded_rankings_agree_with_scikit_learn() {
    for case in fixture().graded {
        for (at, (grades, scores)) in case.grades.iter().zip(&case.scores).enumerate() {
            let mut order: Vec<usize> = (0..grades.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            let ranking: Vec<f32> = order.into_iter().map(|item| grades[item]).collect();
            let query = QueryRanks::from_grades(&ranking);
            for (&k, expected) in &case.ndcg {
                near(&case.name, ndcg::at(&query, k, ndcg::Gain::Linear), expected[at]);
            }
        }
    }
}
